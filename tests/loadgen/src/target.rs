//! Where the load goes: a loopback address and nothing else.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

/// A plain-HTTP URL on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Where to connect.
    pub address: SocketAddr,
    /// What stands in the `Host` header unless it is overridden.
    pub authority: String,
    /// Path and query.
    pub path: String,
}

/// Why a URL is no target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// It is not `http://`.
    #[error("only http:// URLs are supported")]
    Scheme,
    /// The host is a name other than `localhost`, or no address. Names are never resolved: a resolver could lead away.
    #[error("the host has to be localhost or a literal loopback address such as 127.0.0.1 or [::1]")]
    Host,
    /// The address is another machine's.
    #[error("{0} is not a loopback address: load goes to this machine only")]
    NotLoopback(IpAddr),
    /// The port is not a number between 1 and 65535.
    #[error("the port is not a number between 1 and 65535")]
    Port,
    /// The path has characters that would break the request line.
    #[error("the path may only have visible ASCII characters: percent-encode the others")]
    Path,
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(url: &str) -> Result<Self, TargetError> {
        let rest = url.strip_prefix("http://").ok_or(TargetError::Scheme)?;
        let (authority, path) = rest.find(['/', '?']).map_or((rest, ""), |at| rest.split_at(at));
        let (host, port) = split_port(authority)?;
        let ip = match host {
            "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
            _ => match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
                Some(v6) => IpAddr::V6(v6.parse().map_err(|_| TargetError::Host)?),
                None => IpAddr::V4(host.parse().map_err(|_| TargetError::Host)?),
            },
        };
        if !ip.is_loopback() {
            return Err(TargetError::NotLoopback(ip));
        }
        // A fragment stays with the client.
        let path = path.split_once('#').map_or(path, |(path, _)| path);
        if !path.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(TargetError::Path);
        }
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Self { address: SocketAddr::new(ip, port), authority: authority.to_owned(), path })
    }
}

fn split_port(authority: &str) -> Result<(&str, u16), TargetError> {
    // The last colon of an IPv6 literal stands inside its brackets.
    let colon = authority.rfind(':').filter(|at| authority.rfind(']').is_none_or(|bracket| bracket < *at));
    let Some(colon) = colon else { return Ok((authority, 80)) };
    let (host, port) = authority.split_at(colon);
    let port = port.trim_start_matches(':').parse().ok().filter(|port| *port != 0);
    Ok((host, port.ok_or(TargetError::Port)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_urls_are_taken_apart() {
        for (url, address, authority, path) in [
            ("http://127.0.0.1:8080/a?b=c", "127.0.0.1:8080", "127.0.0.1:8080", "/a?b=c"),
            ("http://localhost/", "127.0.0.1:80", "localhost", "/"),
            ("http://localhost:81", "127.0.0.1:81", "localhost:81", "/"),
            ("http://127.9.9.9:1?x#frag", "127.9.9.9:1", "127.9.9.9:1", "/?x"),
            ("http://[::1]:9/p", "[::1]:9", "[::1]:9", "/p"),
            ("http://[::1]", "[::1]:80", "[::1]", "/"),
        ] {
            let target: Target = url.parse().unwrap();
            assert_eq!(target.address, address.parse().unwrap(), "{url}");
            assert_eq!((target.authority.as_str(), target.path.as_str()), (authority, path), "{url}");
        }
    }

    #[test]
    fn other_machines_are_refused() {
        for url in [
            "http://10.0.0.1/",
            "http://192.168.1.1:80/",
            "http://0.0.0.0:80/",
            "http://8.8.8.8/",
            "http://[::]/",
            "http://[fe80::1]/",
            "http://[::ffff:8.8.8.8]/",
        ] {
            assert!(matches!(url.parse::<Target>(), Err(TargetError::NotLoopback(_))), "{url}");
        }
        for url in [
            "http://example.com/",
            "http://localhost.example.com/",
            "http://127.0.0.1.example.com/",
            "http://127.0.0.1@example.com/",
            "http://127.1/",
            "http:///path",
        ] {
            assert_eq!(url.parse::<Target>(), Err(TargetError::Host), "{url}");
        }
    }

    #[test]
    fn what_is_no_url_is_said_to_be_none() {
        assert_eq!("https://127.0.0.1/".parse::<Target>(), Err(TargetError::Scheme));
        assert_eq!("127.0.0.1:80".parse::<Target>(), Err(TargetError::Scheme));
        assert_eq!("http://127.0.0.1:0/".parse::<Target>(), Err(TargetError::Port));
        assert_eq!("http://127.0.0.1:x/".parse::<Target>(), Err(TargetError::Port));
        assert_eq!("http://127.0.0.1:1/a b".parse::<Target>(), Err(TargetError::Path));
        assert_eq!("http://127.0.0.1:1/a\r\nx: y".parse::<Target>(), Err(TargetError::Path));
    }
}
