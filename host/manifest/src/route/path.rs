//! The paths of routes: matchit's syntax, with errors that know the syntax of other routers.

/// A path that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPath {
    /// No leading slash.
    #[error("a path must start with `/`: write `/{0}`")]
    Slash(String),
    /// The syntax of other routers.
    #[error("write `{new}` for `{old}`")]
    Foreign {
        /// What was written.
        old: String,
        /// The same in this syntax.
        new: String,
    },
    /// Two captures with one name.
    #[error("`{path}` has two captures called `{name}`")]
    Duplicate {
        /// The path.
        path: String,
        /// The name.
        name: String,
    },
    /// A wildcard in the middle.
    #[error("`{0}` must be the last segment, because it takes the rest of the path")]
    WildcardNotLast(String),
    /// A bad name.
    #[error("`{0}` is not a capture's name: use letters, digits, `_` and `-`")]
    Name(String),
    /// Text behind a capture.
    #[error("in `{0}`, the capture must end its segment")]
    Suffix(String),
    /// Braces that do not match.
    #[error("`{0}` has unbalanced braces; write `{{{{` and `}}}}` for literal ones")]
    Braces(String),
    /// A character that no path of a request has.
    #[error("a path cannot have `{0}`: queries and fragments are not routed, and other characters are percent-encoded")]
    Character(char),
}

/// Checks a path, and gives it without the names of its captures.
pub(super) fn normalise(path: &str) -> Result<String, InvalidPath> {
    let Some(below) = path.strip_prefix('/') else { return Err(InvalidPath::Slash(path.to_owned())) };
    if let Some(bad) = path.chars().find(|c| !c.is_ascii_graphic() || ['?', '#'].contains(c)) {
        return Err(InvalidPath::Character(bad));
    }
    let mut names: Vec<&str> = Vec::new();
    let mut normalised = String::new();
    let mut segments = below.split('/').peekable();
    while let Some(segment) = segments.next() {
        normalised.push('/');
        let Some((literal, capture)) = split_capture(segment)? else {
            normalised.push_str(segment);
            continue;
        };
        let wildcard = capture.strip_prefix('*');
        let name = wildcard.unwrap_or(capture);
        if !is_name(name) {
            return Err(InvalidPath::Name(name.to_owned()));
        }
        if names.contains(&name) {
            return Err(InvalidPath::Duplicate { path: path.to_owned(), name: name.to_owned() });
        }
        if wildcard.is_some() && segments.peek().is_some() {
            return Err(InvalidPath::WildcardNotLast(segment.to_owned()));
        }
        names.push(name);
        normalised.push_str(literal);
        normalised.push_str(if wildcard.is_some() { "{*_}" } else { "{_}" });
    }
    Ok(normalised)
}

/// Whether a capture can be called so.
pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

/// The names of the captures of a path that has passed [`normalise`].
pub(super) fn captures(path: &str) -> impl Iterator<Item = &str> {
    let captures = path.split('/').filter_map(|segment| split_capture(segment).ok().flatten());
    captures.map(|(_, capture)| capture.strip_prefix('*').unwrap_or(capture))
}

/// Splits a segment into the text before its capture and the inside of the capture; `None` where it has none.
fn split_capture(segment: &str) -> Result<Option<(&str, &str)>, InvalidPath> {
    check_foreign(segment)?;
    let unbalanced = || InvalidPath::Braces(segment.to_owned());
    let mut from = 0;
    while let Some(found) = segment.get(from..).and_then(|rest| rest.find(['{', '}'])) {
        let at = from + found;
        let (literal, rest) = segment.split_at(at);
        if rest.starts_with("{{") || rest.starts_with("}}") {
            from = at + 2;
            continue;
        }
        let inside = rest.strip_prefix('{').ok_or_else(unbalanced)?;
        let (capture, behind) = inside.split_once('}').ok_or_else(unbalanced)?;
        if !behind.is_empty() {
            return Err(InvalidPath::Suffix(segment.to_owned()));
        }
        return Ok(Some((literal, capture)));
    }
    Ok(None)
}

/// Refuses `:name` and `*name`, which are captures in other routers and would be literal text here.
fn check_foreign(segment: &str) -> Result<(), InvalidPath> {
    let new = if let Some(name) = segment.strip_prefix(':') {
        format!("{{{name}}}")
    } else if let Some(name) = segment.strip_prefix('*') {
        format!("{{*{}}}", if name.is_empty() { "rest" } else { name })
    } else {
        return Ok(());
    };
    Err(InvalidPath::Foreign { old: segment.to_owned(), new })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_captures_do_not_matter() {
        for (path, normalised) in [
            ("/", "/"),
            ("/a/", "/a/"),
            ("/a/{x}/b", "/a/{_}/b"),
            ("/a-{x}/{*rest}", "/a-{_}/{*_}"),
            ("/{{x}}/{y}", "/{{x}}/{_}"),
        ] {
            assert_eq!(normalise(path).as_deref(), Ok(normalised));
            // What passes here must pass in the router.
            assert_eq!(matchit::Router::new().insert(path, ()), Ok(()), "{path}");
        }
    }

    #[test]
    fn captures_have_names() {
        assert_eq!(captures("/a-{x}/b/{{y}}/{*rest}").collect::<Vec<_>>(), ["x", "rest"]);
        assert_eq!(captures("/").count(), 0);
    }
}
