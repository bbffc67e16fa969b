//! Where a server is, and as whom it is used.

use std::net::IpAddr;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;

use crate::error::Error;

/// What a URL says. It has no `Debug`: it has a password.
pub(super) struct Address {
    pub(super) host: Host,
    pub(super) port: u16,
    pub(super) user: String,
    pub(super) password: Option<String>,
    pub(super) database: String,
    pub(super) application: String,
    pub(super) tls: Tls,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Host {
    Name(String),
    /// The folder of a socket.
    Folder(PathBuf),
}

/// Whether the connection is encrypted. If it is, the server's certificate is checked: nothing in between is any use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Tls {
    Off,
    /// By the authorities that browsers trust, or by those of this file.
    On(Option<PathBuf>),
}

impl Address {
    /// Reads `postgres://user:password@host:port/database?sslmode=require`. No error repeats what it was given.
    pub(super) fn parse(url: &str) -> Result<Self, Error> {
        let invalid = |why: &str| Error::Invalid(format!("the URL of the PostgreSQL {why}"));
        let rest = url
            .strip_prefix("postgres://")
            .or_else(|| url.strip_prefix("postgresql://"))
            .ok_or_else(|| invalid("begins with `postgres://`"))?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        let (who, place) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, password) = match who.split_once(':') {
            Some((user, password)) => (user, Some(decode(password)?)),
            None => (who, None),
        };
        let user = decode(user)?;
        if user.is_empty() {
            return Err(invalid("names no user: `postgres://user:password@host/database`"));
        }
        if place.contains(',') {
            return Err(invalid("names several hosts: name one"));
        }
        let (name, port) = split_port(place).ok_or_else(|| invalid("has a port that is none"))?;
        let (mut host, mut port) = (decode(name)?, port.unwrap_or(5432));
        let (mut mode, mut root, mut application) = (None, None, "skep".to_owned());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').ok_or_else(|| invalid("has a setting without `=`"))?;
            let value = decode(value)?;
            match name {
                "host" => host = value,
                "port" => port = value.parse().map_err(|_| invalid("has a port that is none"))?,
                "sslmode" => mode = Some(value),
                "sslrootcert" => root = Some(PathBuf::from(value)),
                "application_name" => application = value,
                _ => {
                    return Err(invalid(
                        "knows the settings `sslmode`, `sslrootcert`, `application_name`, `host` and `port`, and no others",
                    ));
                }
            }
        }
        if host.is_empty() {
            return Err(invalid("names no host"));
        }
        let host = if host.starts_with('/') { Host::Folder(host.into()) } else { Host::Name(host) };
        let tls = match mode.as_deref() {
            Some("disable") => Tls::Off,
            Some("require" | "verify-ca" | "verify-full") => Tls::On(root),
            None if host.is_near() => Tls::Off,
            None => Tls::On(root),
            Some(_) => return Err(invalid("has an `sslmode` that is neither `disable` nor `require`")),
        };
        let database = decode(database)?;
        let database = if database.is_empty() { user.clone() } else { database };
        let texts = [&user, &database, &application];
        if texts.iter().any(|text| text.contains('\0')) || password.as_ref().is_some_and(|text| text.contains('\0')) {
            return Err(invalid("has a NUL character"));
        }
        Ok(Self { host, port, user, password, database, application, tls })
    }
}

impl Host {
    /// Whether nothing of what is said to it leaves this machine.
    pub(super) fn is_near(&self) -> bool {
        match self {
            Self::Folder(_) => true,
            Self::Name(name) => name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback()),
        }
    }
}

/// A host, without the brackets of an IPv6 address, and its port.
fn split_port(place: &str) -> Option<(&str, Option<u16>)> {
    let (name, port) = match place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((name, "")) => return Some((name, None)),
        Some((name, port)) => (name, port.strip_prefix(':')?),
        None => match place.split_once(':') {
            Some(parts) => parts,
            None => return Some((place, None)),
        },
    };
    port.parse().ok().map(|port| (name, Some(port)))
}

fn decode(text: &str) -> Result<String, Error> {
    let decoded = percent_decode_str(text).decode_utf8();
    let decoded = decoded.map_err(|_| Error::Invalid("the URL of the PostgreSQL is no UTF-8".to_owned()))?;
    Ok(decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_everything() {
        let url = "postgresql://us%40er:p%2Fw:x@db.example:6543/shop?sslmode=require&application_name=my%20app";
        let address = Address::parse(url).ok().unwrap();
        assert_eq!((address.user.as_str(), address.password.as_deref()), ("us@er", Some("p/w:x")));
        assert_eq!((address.host, address.port), (Host::Name("db.example".to_owned()), 6543));
        assert_eq!((address.database.as_str(), address.application.as_str()), ("shop", "my app"));
        assert_eq!(address.tls, Tls::On(None));
    }

    #[test]
    fn what_leaves_the_machine_is_encrypted_unless_said_otherwise() {
        for (url, tls) in [
            ("postgres://u@localhost", Tls::Off),
            ("postgres://u@127.0.0.1:1/d", Tls::Off),
            ("postgres://u@[::1]:1/d", Tls::Off),
            ("postgres://u@%2Frun%2Fpg/d", Tls::Off),
            ("postgres://u@/d?host=/run/pg", Tls::Off),
            ("postgres://u@[2001:db8::1]/d", Tls::On(None)),
            ("postgres://u@db/d", Tls::On(None)),
            ("postgres://u@db/d?sslmode=disable", Tls::Off),
            ("postgres://u@localhost/d?sslmode=verify-full&sslrootcert=/ca.pem", Tls::On(Some("/ca.pem".into()))),
        ] {
            assert_eq!(Address::parse(url).ok().unwrap().tls, tls, "{url}");
        }
    }

    #[test]
    fn a_url_that_is_none_is_refused_without_repeating_it() {
        for url in [
            "mysql://u:secret@h/d",
            "postgres://:secret@h/d",
            "postgres://secret",
            "postgres://u:secret@/d",
            "postgres://u:secret@a,b/d",
            "postgres://u:secret@a:port/d",
            "postgres://u:secret@a/d?sslmode=prefer",
            "postgres://u:secret@a/d?options=secret",
            "postgres://u:secret%00@a/d",
        ] {
            let Err(Error::Invalid(why)) = Address::parse(url) else { panic!("{url}") };
            assert!(!why.contains("secret"), "{why}");
        }
    }
}
