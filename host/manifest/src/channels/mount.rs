//! Where clients open sockets.

use std::fmt;
use std::str::FromStr;

use skep_types::PluginName;

use crate::pattern::{HostPattern, InvalidHost};
use crate::read::{Item, Read};
use crate::route::{InvalidPath, Route};

/// Where clients open sockets: `/socket`, or `api.example.org/socket`. Phoenix clients are told this, and add `/websocket` or
/// `/longpoll` themselves.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mount {
    host: Option<HostPattern>,
    path: String,
}

/// A text that is no mount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMount {
    /// No path.
    #[error("`{0}` is not a mount: write a path, such as \"/socket\", with a host in front or without")]
    Path(String),
    /// The root, or a slash too many.
    #[error("`{0}` ends in a slash: a mount has a name, such as \"/socket\"")]
    Slash(String),
    /// A capture.
    #[error("`{0}` has a capture: a mount is one path, and clients say more in their parameters")]
    Capture(String),
    /// What clients add.
    #[error("clients add `/{1}` themselves: write \"{0}\"")]
    Transport(String, &'static str),
    /// A bad host.
    #[error(transparent)]
    Host(#[from] InvalidHost),
    /// A bad path.
    #[error(transparent)]
    Invalid(#[from] InvalidPath),
}

/// The words behind a mount, which are the client's.
const TRANSPORTS: [&str; 2] = ["websocket", "longpoll"];

impl Mount {
    /// The host; `None` is any.
    #[must_use]
    pub fn host(&self) -> Option<&HostPattern> {
        self.host.as_ref()
    }

    /// The path, without what clients add.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The route of WebSockets: GET of the path and `/websocket`.
    #[must_use]
    pub fn websocket(&self) -> Route {
        self.route("websocket", &["GET"])
    }

    /// The route of longpoll: GET and POST of the path and `/longpoll`, and OPTIONS for pages of other origins.
    #[must_use]
    pub fn longpoll(&self) -> Route {
        self.route("longpoll", &["GET", "POST", "OPTIONS"])
    }

    fn route(&self, transport: &str, methods: &[&str]) -> Route {
        Route {
            host: self.host.clone(),
            methods: Some(methods.iter().map(|method| (*method).to_owned()).collect()),
            path: format!("{}/{transport}", self.path),
            rate_limit: None,
            sse: None,
            websocket: None,
        }
    }
}

impl FromStr for Mount {
    type Err = InvalidMount;

    fn from_str(text: &str) -> Result<Self, InvalidMount> {
        let slash = text.find('/').ok_or_else(|| InvalidMount::Path(text.to_owned()))?;
        let (host, path) = text.split_at(slash);
        if host.contains(char::is_whitespace) {
            return Err(InvalidMount::Path(text.to_owned()));
        }
        let host = if host.is_empty() { None } else { Some(host.parse()?) };
        if path.ends_with('/') {
            return Err(InvalidMount::Slash(text.to_owned()));
        }
        if let Some((stem, word)) = TRANSPORTS.iter().find_map(|word| Some((text.strip_suffix(word)?, *word)))
            && let Some(mount) = stem.strip_suffix('/').filter(|mount| mount.contains('/'))
        {
            return Err(InvalidMount::Transport(mount.to_owned(), word));
        }
        let route = Route::any(path)?;
        if route.captures().next().is_some() {
            return Err(InvalidMount::Capture(text.to_owned()));
        }
        Ok(Self { host, path: route.path })
    }
}

impl fmt::Display for Mount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(host) = &self.host {
            host.fmt(f)?;
        }
        f.write_str(&self.path)
    }
}

/// A mount, of the plugin itself as `/socket`, or of another one as `shop/socket`. One with a host is written `chat@host/socket`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MountSelector {
    /// The plugin whose mount it is; none for the plugin itself.
    pub owner: Option<PluginName>,
    /// Which.
    pub mount: Mount,
}

impl FromStr for MountSelector {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let plugin = |name: &str| {
            PluginName::new(name).map_err(|error| {
                format!("a socket is written as \"/socket\", one of another plugin as \"plugin/socket\"; {error}")
            })
        };
        let (owner, mount) = match (text.split_once('@'), text.find('/')) {
            (Some(("", mount)), _) => (None, mount),
            (Some((owner, mount)), _) => (Some(plugin(owner)?), mount),
            (None, Some(0) | None) => (None, text),
            (None, Some(slash)) => {
                let (owner, mount) = text.split_at(slash);
                (Some(plugin(owner)?), mount)
            }
        };
        let mount = mount.parse().map_err(|error: InvalidMount| error.to_string())?;
        Ok(Self { owner, mount })
    }
}

impl fmt::Display for MountSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = if self.mount.host.is_some() { "@" } else { "" };
        let owner = self.owner.as_ref().map_or("", PluginName::as_str);
        write!(f, "{owner}{at}{}", self.mount)
    }
}

impl Read for MountSelector {
    fn read(item: &Item<'_>) -> Option<Self> {
        item.parse("a socket such as \"/socket\", or \"plugin/socket\" of another plugin")
    }
}

/// A mount of another plugin, which is always named.
pub(crate) struct Granted(pub(crate) MountSelector);

impl Read for Granted {
    fn read(item: &Item<'_>) -> Option<Self> {
        let selector = MountSelector::read(item)?;
        if selector.owner.is_none() {
            return item.fail(format!("names no plugin: write \"plugin{selector}\"; a plugin's own are open to it"));
        }
        Some(Self(selector))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_read_and_print() {
        for text in ["/socket", "/a/b-c", "api.example.org/socket", "*.example.org/live"] {
            assert_eq!(text.parse::<Mount>().unwrap().to_string(), text);
        }
        for text in ["/socket", "chat/socket", "chat/a/b", "chat@api.example.org/socket", "@api.example.org/socket"] {
            assert_eq!(text.parse::<MountSelector>().unwrap().to_string(), text);
        }
        let mount: Mount = "example.org/socket".parse().unwrap();
        assert_eq!(mount.websocket().to_string(), "GET example.org/socket/websocket");
        assert_eq!(mount.longpoll().to_string(), "GET,POST,OPTIONS example.org/socket/longpoll");
    }

    #[test]
    fn bad_mounts_say_why() {
        for (text, why) in [
            ("socket", "write a path"),
            ("", "write a path"),
            ("GET /socket", "write a path"),
            ("/", "ends in a slash"),
            ("/socket/", "ends in a slash"),
            ("/socket/{id}", "has a capture"),
            ("/socket/{*rest}", "has a capture"),
            ("/socket/websocket", "write \"/socket\""),
            ("a.org/socket/longpoll", "write \"a.org/socket\""),
            ("a.org:80/socket", "has a port"),
            ("/a?b", "cannot have `?`"),
        ] {
            let error = text.parse::<Mount>().unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
        assert!("/websocket".parse::<Mount>().is_ok());
        assert!("Chat/socket".parse::<MountSelector>().unwrap_err().contains("plugin/socket"));
    }
}
