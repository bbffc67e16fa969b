//! Origins that a plugin may send requests to: a scheme, hosts and a port.

use std::fmt;
use std::str::FromStr;

use crate::pattern::{HostPattern, InvalidHost, canonical};
use crate::read::{Item, Read};

/// How a request is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// In the clear; port 80 unless said otherwise.
    Http,
    /// Over TLS; port 443 unless said otherwise.
    Https,
}

impl Scheme {
    /// The scheme in lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port where none is written.
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// `SCHEME://HOST[:PORT]`, where the host is a name, an address, `*.SUFFIX` or `*`, and the port a number or `*`.
///
/// Which addresses a name may resolve to is not its business: see `Grants::http_private`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The scheme.
    pub scheme: Scheme,
    /// The hosts; `None` is `*`, any.
    pub host: Option<HostPattern>,
    /// The port; `None` is `*`, any.
    pub port: Option<u16>,
}

/// An origin that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOrigin {
    /// No scheme, or one that is not http or https.
    #[error("`{0}` must start with `http://` or `https://`")]
    Scheme(String),
    /// A user or a password.
    #[error("an origin has no user or password; write only scheme, host and port")]
    UserInfo,
    /// A path, query or fragment.
    #[error("`{0}` has a path; an origin is only scheme, host and port")]
    Path(String),
    /// A port that is not 1 to 65535 or `*`.
    #[error("`{0}` is not a port; write 1 to 65535, or `*` for any")]
    Port(String),
    /// A bad host.
    #[error(transparent)]
    Host(#[from] InvalidHost),
}

impl Origin {
    /// Whether a request to this scheme, host and port is meant. The host is as a URL has it: in any case, with brackets
    /// around an IPv6 address, and without user or port; anything else matches nothing.
    #[must_use]
    pub fn matches(&self, scheme: &str, host: &str, port: u16) -> bool {
        self.scheme.as_str().eq_ignore_ascii_case(scheme)
            && self.port.is_none_or(|own| own == port)
            && self.host.as_ref().map_or_else(|| canonical(host).is_some(), |pattern| pattern.matches(host))
    }
}

impl FromStr for Origin {
    type Err = InvalidOrigin;

    fn from_str(text: &str) -> Result<Self, InvalidOrigin> {
        let no_scheme = || InvalidOrigin::Scheme(text.to_owned());
        let (scheme, rest) = text.split_once("://").ok_or_else(no_scheme)?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return Err(no_scheme()),
        };
        if rest.contains('@') {
            return Err(InvalidOrigin::UserInfo);
        }
        if rest.contains(['/', '?', '#', '\\']) {
            return Err(InvalidOrigin::Path(text.to_owned()));
        }
        let (host, port) = split_port(rest);
        let port = match port {
            None => Some(scheme.default_port()),
            Some("*") => None,
            Some(port) => Some(parse_port(port).ok_or_else(|| InvalidOrigin::Port(port.to_owned()))?),
        };
        let host = if host == "*" { None } else { Some(host.parse()?) };
        Ok(Self { scheme, host, port })
    }
}

/// Splits `host:port`, where the colons of a bracketed IPv6 address, or of one that lacks its brackets, are not it.
fn split_port(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') && (host.ends_with(']') || !host.contains(':')) => (host, Some(port)),
        _ => (text, None),
    }
}

fn parse_port(text: &str) -> Option<u16> {
    // `parse` alone would take "+80".
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port != 0)
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.scheme.as_str())?;
        match &self.host {
            None => f.write_str("*")?,
            Some(host) => host.fmt(f)?,
        }
        match self.port {
            None => f.write_str(":*"),
            Some(port) if port == self.scheme.default_port() => Ok(()),
            Some(port) => write!(f, ":{port}"),
        }
    }
}

impl Read for Origin {
    fn read(item: &Item<'_>) -> Option<Self> {
        item.parse("an origin such as \"https://api.example.org\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTS: [&str; 9] = [
        "example.org",
        "a.example.org",
        "a.b.example.org",
        "evilexample.org",
        "example.org.evil.net",
        "10.0.0.1",
        "[::1]",
        "user@example.org",
        "example.org:80",
    ];

    /// Checks which of all schemes, hosts and a few ports match: exactly these.
    #[track_caller]
    fn check(origin: &str, expected: &[&str]) {
        let origin: Origin = origin.parse().unwrap();
        let mut matched = Vec::new();
        for scheme in ["http", "https", "ftp", ""] {
            for host in HOSTS {
                for port in [80, 443, 8080] {
                    if origin.matches(scheme, host, port) {
                        matched.push(format!("{scheme}://{host}:{port}"));
                    }
                    // Neither case nor the dot of an absolute name may change the answer.
                    let shouted = origin.matches(&scheme.to_uppercase(), &host.to_uppercase(), port);
                    assert_eq!(origin.matches(scheme, host, port), shouted, "{scheme} {host} {port}");
                    let dotted = origin.matches(scheme, &format!("{host}."), port);
                    assert!(host.starts_with('[') || dotted == shouted, "{scheme} {host} {port}");
                }
            }
        }
        assert_eq!(matched, expected, "{origin}");
        assert_eq!(origin.to_string().parse::<Origin>(), Ok(origin));
    }

    #[test]
    fn an_origin_matches_only_what_it_names() {
        check("https://example.org", &["https://example.org:443"]);
        check("HTTPS://Example.ORG.:443", &["https://example.org:443"]);
        check("http://example.org:8080", &["http://example.org:8080"]);
        check("https://*.example.org", &["https://a.example.org:443", "https://a.b.example.org:443"]);
        check("http://[0::1]", &["http://[::1]:80"]);
        check("http://[::1]:8080", &["http://[::1]:8080"]);
        check("http://10.0.0.1:*", &["http://10.0.0.1:80", "http://10.0.0.1:443", "http://10.0.0.1:8080"]);
        let any = HOSTS.iter().take(7).map(|host| format!("https://{host}:443")).collect::<Vec<_>>();
        check("https://*:443", &any.iter().map(String::as_str).collect::<Vec<_>>());
    }

    #[test]
    fn bad_origins_say_why() {
        for (text, why) in [
            ("example.org", "must start with `http://`"),
            ("ftp://example.org", "must start with `http://`"),
            ("https:/example.org", "must start with `http://`"),
            ("https://user:pw@example.org", "no user or password"),
            ("https://a.org@evil.net", "no user or password"),
            ("https://example.org/", "has a path"),
            ("https://example.org?x", "has a path"),
            ("https://example.org\\x", "has a path"),
            ("https://example.org:0", "not a port"),
            ("https://example.org:+80", "not a port"),
            ("https://example.org:65536", "not a port"),
            ("https://example.org:", "not a port"),
            ("https://::1", "in brackets: `[::1]`"),
            ("https://a.*.org", "can only stand in front"),
            ("https://", "not a host name"),
            ("https:// example.org", "not a host name"),
            ("https://[::1", "not a host name"),
        ] {
            let error = text.parse::<Origin>().unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
            assert!(!error.contains("pw"), "a password is never echoed");
        }
    }
}
