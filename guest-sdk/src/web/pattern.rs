//! Route patterns: `/hives/{hive}`, `/files/{*path}`.
//!
//! A router lives for one request, so building a tree (as `matchit` does) would cost more than the one look-up that it
//! speeds up; a pattern is matched as the text that it is.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// Why a path that has the pattern's shape cannot be taken: a capture is not UTF-8 once decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotUtf8;

/// What a segment of a pattern asks for. The order is the precedence: the more definite pattern wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Segment<'p> {
    Text(&'p str),
    One(&'p str),
    Rest(&'p str),
}

pub(crate) fn segments(pattern: &str) -> impl Iterator<Item = Segment<'_>> {
    let segments = pattern.strip_prefix('/').unwrap_or(pattern).split('/');
    segments.map(|segment| match segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        None => Segment::Text(segment),
        Some(name) => name.strip_prefix('*').map_or(Segment::One(name), Segment::Rest),
    })
}

impl Segment<'_> {
    /// How definite it is, whatever it says.
    pub(crate) fn rank(self) -> u8 {
        match self {
            Self::Text(_) => 0,
            Self::One(_) => 1,
            Self::Rest(_) => 2,
        }
    }
}

/// Says what is wrong with a pattern, if anything is.
pub(crate) fn check(pattern: &str) -> Result<(), &'static str> {
    if !pattern.starts_with('/') {
        return Err("it must start with `/`");
    }
    let mut ended = false;
    for segment in segments(pattern) {
        if ended {
            return Err("`{*name}` must be its last segment");
        }
        match segment {
            Segment::Text(text) if text.contains(['{', '}']) => return Err("`{name}` must be a whole segment"),
            Segment::One("") | Segment::Rest("") => return Err("`{}` needs a name"),
            Segment::Text(_) | Segment::One(_) => {}
            Segment::Rest(_) => ended = true,
        }
    }
    Ok(())
}

/// The captures of a percent-encoded path if the pattern matches it. A capture is never empty.
pub(crate) fn match_path(pattern: &str, path: &str) -> Option<Result<Vec<(String, String)>, NotUtf8>> {
    if !matches(pattern, path) {
        return None;
    }
    let mut rest = path.strip_prefix('/').unwrap_or(path);
    let mut captures = Vec::new();
    for segment in segments(pattern) {
        let (name, value) = match segment {
            Segment::Text(_) => {
                rest = split(rest).1;
                continue;
            }
            Segment::One(name) => {
                let (value, after) = split(rest);
                rest = after;
                (name, value)
            }
            Segment::Rest(name) => (name, rest),
        };
        match percent_decode_str(value).decode_utf8() {
            Ok(value) => captures.push((name.to_owned(), value.into_owned())),
            Err(_) => return Some(Err(NotUtf8)),
        }
    }
    Some(Ok(captures))
}

/// Whether a path has the pattern's shape.
pub(crate) fn matches(pattern: &str, path: &str) -> bool {
    let mut rest = path.strip_prefix('/');
    for segment in segments(pattern) {
        let Some(path) = rest else { return false };
        let fits = match segment {
            Segment::Text(text) => text == decode(split(path).0),
            Segment::One(_) => !split(path).0.is_empty(),
            Segment::Rest(_) => return !path.is_empty(),
        };
        if !fits {
            return false;
        }
        rest = path.split_once('/').map(|(_, rest)| rest);
    }
    rest.is_none()
}

fn decode(segment: &str) -> Cow<'_, str> {
    percent_decode_str(segment).decode_utf8_lossy()
}

fn split(path: &str) -> (&str, &str) {
    path.split_once('/').unwrap_or((path, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captures(pattern: &str, path: &str) -> Option<String> {
        let captures = match_path(pattern, path)?.expect("UTF-8");
        Some(captures.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn patterns_match_whole_paths() {
        for (pattern, path, expected) in [
            ("/", "/", Some("")),
            ("/", "/a", None),
            ("/a", "/a", Some("")),
            ("/a", "/a/", None),
            ("/a/", "/a/", Some("")),
            ("/a", "/", None),
            ("/a/b", "/a", None),
            ("/{x}", "/", None),
            ("/{x}", "/a%20b", Some("x=a b")),
            ("/{x}", "/a%2Fb", Some("x=a/b")),
            ("/{x}/b/{y}", "/1/b/2", Some("x=1 y=2")),
            ("/{x}/b", "/1/c", None),
            ("/grün", "/gr%C3%BCn", Some("")),
            ("/f/{*rest}", "/f/a/b%20c/", Some("rest=a/b c/")),
            ("/f/{*rest}", "/f/", None),
            ("/f/{*rest}", "/f", None),
            ("/{*rest}", "/a", Some("rest=a")),
            ("/{*rest}", "*", None),
        ] {
            assert_eq!(captures(pattern, path).as_deref(), expected, "{pattern} on {path}");
        }
        assert_eq!(match_path("/{x}", "/%FF"), Some(Err(NotUtf8)));
    }

    #[test]
    fn broken_patterns_are_told() {
        for good in ["/", "/a/{b}/{*c}", "/a/"] {
            assert_eq!(check(good), Ok(()));
        }
        for bad in ["", "a", "/a{b}", "/{b", "/{}", "/{*}", "/{*a}/b"] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
