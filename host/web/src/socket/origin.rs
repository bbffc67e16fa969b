//! Which pages may connect: browsers say where a page is from, and let every page connect to every server.

use std::str::FromStr;

use http::HeaderMap;
use http::header::{HOST, ORIGIN};

/// Which pages may connect. A client that is no browser names no origin, and may.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origins {
    /// Those of the host that is connected to, whatever the port.
    #[default]
    SameHost,
    /// Those that one of these matches.
    List(Vec<OriginPattern>),
    /// All.
    Any,
}

/// An origin as Phoenix's `check_origin` has it: `https://example.com`, `//example.com:8080`, `//*.example.com`. What is not
/// named may be anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginPattern {
    scheme: Option<String>,
    /// With a leading dot it is the end of a name.
    host: String,
    port: Option<u16>,
}

/// A text that is no origin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an origin: write it as \"https://example.com\", \"//example.com\" or \"//*.example.com\"")]
pub struct InvalidOrigin(String);

impl FromStr for OriginPattern {
    type Err = InvalidOrigin;

    fn from_str(text: &str) -> Result<Self, InvalidOrigin> {
        let invalid = || InvalidOrigin(text.to_owned());
        let (scheme, rest) = text.split_once("//").ok_or_else(invalid)?;
        let scheme = match scheme {
            "" => None,
            scheme => Some(scheme.strip_suffix(':').filter(|name| !name.is_empty()).ok_or_else(invalid)?),
        };
        let (host, port) = split_port(rest).ok_or_else(invalid)?;
        let host = host.strip_prefix('*').unwrap_or(host);
        if host.is_empty() || host.contains(['*', '/', ' ']) || (rest.starts_with('*') && !host.starts_with('.')) {
            return Err(invalid());
        }
        Ok(Self { scheme: scheme.map(str::to_ascii_lowercase), host: host.to_ascii_lowercase(), port })
    }
}

impl OriginPattern {
    fn matches(&self, origin: &Origin) -> bool {
        let host = match self.host.strip_prefix('.') {
            Some(_) => origin.host.ends_with(&self.host),
            None => origin.host == self.host,
        };
        host && self.scheme.as_ref().is_none_or(|scheme| *scheme == origin.scheme)
            && self.port.is_none_or(|port| origin.port() == Some(port))
    }
}

impl Origins {
    /// Whether a request may connect.
    #[must_use]
    pub fn allow(&self, headers: &HeaderMap) -> bool {
        let Some(origin) = headers.get(ORIGIN) else { return true };
        if *self == Self::Any {
            return true;
        }
        let Some(origin) = origin.to_str().ok().and_then(Origin::read) else { return false };
        match self {
            Self::Any => true,
            Self::List(patterns) => patterns.iter().any(|pattern| pattern.matches(&origin)),
            Self::SameHost => {
                let host = headers.get(HOST).and_then(|host| host.to_str().ok()).and_then(split_port);
                host.is_some_and(|(host, _)| host.eq_ignore_ascii_case(&origin.host))
            }
        }
    }
}

struct Origin {
    scheme: String,
    host: String,
    port: Option<u16>,
}

impl Origin {
    fn read(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let (host, port) = split_port(rest)?;
        let whole = !host.is_empty() && !host.contains('/');
        whole.then(|| Self { scheme: scheme.to_ascii_lowercase(), host: host.to_ascii_lowercase(), port })
    }

    fn port(&self) -> Option<u16> {
        self.port.or(match self.scheme.as_str() {
            "http" => Some(80),
            "https" => Some(443),
            _ => None,
        })
    }
}

/// Host and port, of which the host may be an address of IPv6 in brackets.
fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let end = authority.rfind(']').map_or(0, |at| at + 1);
    match authority.get(end..)?.split_once(':') {
        Some((name, port)) => Some((authority.get(..end + name.len())?, Some(port.parse().ok()?))),
        None => Some((authority, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(origins: &Origins, origin: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, "Shop.example:4000".parse().unwrap());
        headers.insert(ORIGIN, origin.parse().unwrap());
        origins.allow(&headers)
    }

    #[test]
    fn pages_of_the_same_host_may_connect() {
        let same = Origins::SameHost;
        assert!(allowed(&same, "https://shop.example") && allowed(&same, "http://SHOP.example:81"));
        for other in [
            "https://example",
            "https://evil.shop.example",
            "null",
            "shop.example",
            "file://",
            "https://shop.example/x",
        ] {
            assert!(!allowed(&same, other), "{other}");
        }
        assert!(same.allow(&HeaderMap::new()) && allowed(&Origins::Any, "null"));
    }

    #[test]
    fn patterns_are_those_of_phoenix() {
        let list = |texts: &[&str]| Origins::List(texts.iter().map(|text| text.parse().unwrap()).collect());
        assert!(allowed(&list(&["https://a.example"]), "https://a.example:8443"));
        assert!(!allowed(&list(&["https://a.example"]), "http://a.example"));
        assert!(allowed(&list(&["//x", "//a.example:443"]), "https://a.example"));
        assert!(!allowed(&list(&["//a.example:443"]), "https://a.example:444"));
        assert!(
            allowed(&list(&["//*.example"]), "https://a.b.example")
                && !allowed(&list(&["//*.example"]), "https://example")
        );
        assert!(allowed(&list(&["//[::1]:8080"]), "http://[::1]:8080"));
        assert!(!allowed(&list(&["//a.example"]), "null"));
        for bad in ["a.example", "", "//", "//*", "//*a.example", "://a", "//a/b", "//a:x"] {
            assert!(bad.parse::<OriginPattern>().is_err(), "{bad}");
        }
    }
}
