//! Host names in routes and grants: one host, or all below a domain.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Which hosts are meant.
///
/// Patterns are kept in lower case; a host matches in any case and with or without the trailing dot of an absolute name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HostPattern {
    /// Exactly this host: a DNS name, an IPv4 address, or an IPv6 address in brackets.
    Exact(String),
    /// `*.SUFFIX`: every name below the domain, at any depth, but not the domain itself. The text is without `*.`.
    Suffix(String),
}

/// A host pattern that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHost {
    /// A `*` that is not in front.
    #[error("in `{0}`, `*` can only stand in front, as in `*.example.org`")]
    Star(String),
    /// An IPv6 address without brackets.
    #[error("write the IPv6 address in brackets: `[{0}]`")]
    Brackets(Ipv6Addr),
    /// A host with a port.
    #[error("`{0}` has a port; only the host is meant here")]
    Port(String),
    /// A name outside of ASCII.
    #[error("write `{0}` in its ASCII form, which starts with `xn--`")]
    Unicode(String),
    /// Anything else.
    #[error("`{0}` is not a host name or an IP address")]
    Malformed(String),
}

impl HostPattern {
    /// Whether the host, as a URL or a `Host` header without its port has it, is meant. Anything that is not a well-formed
    /// host matches nothing.
    #[must_use]
    pub fn matches(&self, host: &str) -> bool {
        let Some(host) = canonical(host) else { return false };
        match self {
            Self::Exact(name) => *name == host,
            Self::Suffix(suffix) => host.strip_suffix(suffix.as_str()).is_some_and(|rest| rest.ends_with('.')),
        }
    }
}

impl FromStr for HostPattern {
    type Err = InvalidHost;

    fn from_str(text: &str) -> Result<Self, InvalidHost> {
        if let Ok(address) = text.parse::<Ipv6Addr>() {
            return Err(InvalidHost::Brackets(address));
        }
        if !text.is_ascii() {
            return Err(InvalidHost::Unicode(text.to_owned()));
        }
        let suffix = text.strip_prefix("*.");
        let name = suffix.unwrap_or(text);
        if name.contains('*') {
            return Err(InvalidHost::Star(text.to_owned()));
        }
        let malformed = || InvalidHost::Malformed(text.to_owned());
        if !name.starts_with('[') && name.contains(':') {
            return Err(InvalidHost::Port(text.to_owned()));
        }
        let name = canonical(name).ok_or_else(malformed)?;
        match suffix {
            None => Ok(Self::Exact(name)),
            // Nothing is below an address.
            Some(_) if name.starts_with('[') || name.parse::<Ipv4Addr>().is_ok() => Err(malformed()),
            Some(_) => Ok(Self::Suffix(name)),
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Suffix(suffix) => write!(f, "*.{suffix}"),
        }
    }
}

/// The one way to write a host, or `None` for what is not a host. An IPv6 address may come without its brackets.
pub(crate) fn canonical(host: &str) -> Option<String> {
    let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    if let Some(address) = inner {
        return address.parse::<Ipv6Addr>().ok().map(|address| format!("[{address}]"));
    }
    if let Ok(address) = host.parse::<Ipv6Addr>() {
        return Some(format!("[{address}]"));
    }
    let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    let labels_fit = name.split('.').all(|label| {
        let letters = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        (1..=63).contains(&label.len()) && letters
    });
    if name.len() > 253 || !labels_fit {
        return None;
    }
    // "127.1", "0x7f000001" and "2130706433" are addresses to some resolvers and names to others: only the plain
    // spelling counts.
    let looks_like_address = name.rsplit('.').next().is_some_and(|last| {
        let hex = last.strip_prefix("0x").is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
        hex || last.bytes().all(|b| b.is_ascii_digit())
    });
    (!looks_like_address || name.parse::<Ipv4Addr>().is_ok()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suffix_is_whole_labels() {
        let pattern: HostPattern = "*.Example.org".parse().unwrap();
        for host in ["a.example.org", "A.EXAMPLE.ORG", "a.b.example.org", "a.example.org."] {
            assert!(pattern.matches(host), "{host}");
        }
        for host in [
            "example.org",
            "evilexample.org",
            ".example.org",
            "a..example.org",
            "a.example.org..",
            "a.example.org.evil.net",
            "evil.net#.example.org",
            "evil.net/.example.org",
            "user@a.example.org",
            "a.example.org:80",
            "a.example.org\0",
            "",
        ] {
            assert!(!pattern.matches(host), "{host}");
        }
    }

    #[test]
    fn addresses_have_one_spelling() {
        let v6: HostPattern = "[0:0:0:0:0:0:0:1]".parse().unwrap();
        assert_eq!(v6.to_string(), "[::1]");
        assert!(v6.matches("[::1]") && v6.matches("::1") && v6.matches("[0::1]"));
        for host in ["[::1", "::1]", "[::1%25lo]", "[::ffff:0.0.0.1]", "[[::1]]", "localhost"] {
            assert!(!v6.matches(host), "{host}");
        }
        let v4: HostPattern = "127.0.0.1".parse().unwrap();
        assert!(v4.matches("127.0.0.1"));
        for host in ["127.1", "0x7f.0.0.1", "2130706433", "127.0.0.01", "0x7f000001", "[::ffff:127.0.0.1]"] {
            assert!(!v4.matches(host), "{host}");
        }
    }

    #[test]
    fn bad_patterns_say_why() {
        for (text, error) in [
            ("*", InvalidHost::Star("*".into())),
            ("a.*.org", InvalidHost::Star("a.*.org".into())),
            ("*a.org", InvalidHost::Star("*a.org".into())),
            ("::1", InvalidHost::Brackets(Ipv6Addr::LOCALHOST)),
            ("a.org:80", InvalidHost::Port("a.org:80".into())),
            ("bücher.de", InvalidHost::Unicode("bücher.de".into())),
            ("", InvalidHost::Malformed(String::new())),
            ("*.", InvalidHost::Malformed("*.".into())),
            ("*.0.0.1", InvalidHost::Malformed("*.0.0.1".into())),
            ("*.10.0.0.1", InvalidHost::Malformed("*.10.0.0.1".into())),
            ("*.[::1]", InvalidHost::Malformed("*.[::1]".into())),
            ("[::1]:80", InvalidHost::Malformed("[::1]:80".into())),
            ("user@a.org", InvalidHost::Malformed("user@a.org".into())),
        ] {
            assert_eq!(text.parse::<HostPattern>(), Err(error), "{text}");
        }
    }
}
