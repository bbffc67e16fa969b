//! From the path of a request to the parts of a safe one.
//!
//! Whatever could name something outside of the folder, or mean one thing here and another in the file system, is refused
//! rather than cleaned up: browsers never send it.

/// Where names with a dot in front are public by convention (RFC 8615): `security.txt`, certificates' challenges.
const WELL_KNOWN: &str = ".well-known";

/// A path without `.`, `..`, empty parts, separators inside parts, and control characters.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SafePath {
    parts: Vec<String>,
    /// Whether it ends with a slash.
    pub(crate) folder: bool,
}

/// Why a path is refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// No client that means well sends this.
    Malformed,
    /// A name with a dot in front: as if it did not exist.
    Hidden,
}

impl SafePath {
    /// Decodes the path of a request, which starts with a slash and has no query.
    pub(crate) fn parse(raw: &str, hidden: bool) -> Result<Self, Refusal> {
        let below = raw.strip_prefix('/').ok_or(Refusal::Malformed)?;
        let mut parts = below.split('/').map(decode).collect::<Option<Vec<_>>>().ok_or(Refusal::Malformed)?;
        // The text behind the last slash; nothing there makes it the path of a folder.
        let folder = parts.pop_if(|last| last.is_empty()).is_some();
        if !parts.iter().all(|part| is_plain(part)) {
            return Err(Refusal::Malformed);
        }
        let well_known = usize::from(parts.first().is_some_and(|first| first == WELL_KNOWN));
        if !hidden && parts.iter().skip(well_known).any(|part| part.starts_with('.')) {
            return Err(Refusal::Hidden);
        }
        Ok(Self { parts, folder })
    }

    /// Takes these parts off the front.
    pub(crate) fn strip_prefix(mut self, prefix: &[String]) -> Option<Self> {
        let rest = self.parts.strip_prefix(prefix)?.to_vec();
        self.parts = rest;
        Some(self)
    }

    /// The name from the root, with this file in it if it is a folder's.
    pub(crate) fn name(&self, file: Option<&str>) -> String {
        self.parts.iter().map(String::as_str).chain(file).collect::<Vec<_>>().join("/")
    }

    /// Whether the text behind its last slash has a dot in it, as files have and the routes of an app do not.
    pub(crate) fn has_extension(&self) -> bool {
        !self.folder && self.parts.last().is_some_and(|last| last.contains('.'))
    }

    /// The path with a slash at its end, as a URL below this prefix.
    ///
    /// It has no empty parts, so it never starts with the two slashes that would name another host.
    pub(crate) fn folder_url(&self, prefix: &[String]) -> String {
        let mut url = "/".to_owned();
        for part in prefix.iter().chain(&self.parts) {
            encode(part, |byte| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte), &mut url);
            url.push('/');
        }
        url
    }
}

/// Whether it names one thing in one folder.
pub(crate) fn is_plain(part: &str) -> bool {
    !["", ".", ".."].contains(&part) && !part.chars().any(|char| char == '/' || char == '\\' || char.is_control())
}

/// Decodes `%41`; nothing if that is not hexadecimal, or what comes out is not UTF-8.
fn decode(part: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(part.len());
    let mut bytes = part.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => digit(bytes.next()?)? << 4 | digit(bytes.next()?)?,
            byte => byte,
        });
    }
    String::from_utf8(decoded).ok()
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// Appends the text, with each byte that is not plain as `%41`.
pub(crate) fn encode(text: &str, plain: impl Fn(u8) -> bool, url: &mut String) {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    for byte in text.bytes() {
        if plain(byte) {
            url.push(char::from(byte));
        } else {
            url.push('%');
            url.extend([byte >> 4, byte & 15].iter().filter_map(|digit| DIGITS.get(usize::from(*digit))));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(raw: &str, expected: Result<(&str, bool), Refusal>) {
        let found = SafePath::parse(raw, false).map(|path| (path.name(None), path.folder));
        assert_eq!(found, expected.map(|(name, folder)| (name.to_owned(), folder)), "{raw:?}");
    }

    #[test]
    fn names_are_decoded() {
        check("/", Ok(("", true)));
        check("/a/b.txt", Ok(("a/b.txt", false)));
        check("/a/", Ok(("a", true)));
        check("/a%20b%c3%a4+", Ok(("a bä+", false)));
        check("/..a/b..", Err(Refusal::Hidden));
        check("/a..b/...", Err(Refusal::Hidden));
        check("/.well-known/security.txt", Ok((".well-known/security.txt", false)));
    }

    #[test]
    fn what_could_leave_the_folder_is_refused() {
        for raw in [
            "/..",
            "/../etc/passwd",
            "/a/../b",
            "/./a",
            "/%2e%2e/a",
            "/a/%2E%2e/%2e",
            "/..%2fetc",
            "/a%2fb",
            "/a%2Fb",
            "/..%5c",
            "/a\\b",
            "/a%5Cb",
            "/%00",
            "/a%00.txt",
            "/a%0ab",
            "/%7f",
            "//etc/passwd",
            "/a//b",
            "/a//",
            "",
            "*",
            "etc/passwd",
            "/%",
            "/%4",
            "/%4g",
            "/%+1",
            "/%ff",
            "/%c0%ae%c0%ae/",
        ] {
            check(raw, Err(Refusal::Malformed));
            assert_eq!(SafePath::parse(raw, true), Err(Refusal::Malformed), "{raw:?} with hidden files");
        }
        // Decoded once, never twice.
        check("/%252e%252e/a", Ok(("%2e%2e/a", false)));
    }

    #[test]
    fn hidden_names_do_not_exist_unless_allowed() {
        for raw in ["/.env", "/.git/config", "/a/.b/c", "/%2eenv", "/a/.well-known/b", "/.well-known/.secret"] {
            check(raw, Err(Refusal::Hidden));
            assert!(SafePath::parse(raw, true).is_ok(), "{raw}");
        }
    }

    #[test]
    fn a_prefix_is_whole_parts() {
        let prefix = ["docs".to_owned()];
        let strip = |raw| SafePath::parse(raw, false).unwrap().strip_prefix(&prefix).map(|path| path.name(None));
        assert_eq!(strip("/docs"), Some(String::new()));
        assert_eq!(strip("/docs/a"), Some("a".to_owned()));
        assert_eq!(strip("/docsa"), None);
        assert_eq!(strip("/"), None);
    }

    #[test]
    fn only_a_dot_in_the_last_part_is_an_extension() {
        let extension = |raw| SafePath::parse(raw, false).unwrap().has_extension();
        assert!(extension("/a.js") && extension("/users/ada.lovelace"));
        assert!(!extension("/") && !extension("/users") && !extension("/v1.2/users") && !extension("/v1.2/"));
    }

    #[test]
    fn a_folders_url_is_encoded_again() {
        let path = SafePath::parse("/a%20b/%c3%a4?", false).unwrap();
        assert_eq!(path.folder_url(&["docs".to_owned()]), "/docs/a%20b/%C3%A4%3F/");
    }
}
