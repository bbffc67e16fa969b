//! Routes: which requests go to a plugin.

use std::fmt;
use std::str::FromStr;

use toml::Value;

use crate::channels::transport::{self, WebSocketConfig};
use crate::pattern::HostPattern;
use crate::rate_limit::RateLimit;
use crate::read::{Item, Read, Section, closest, join};
pub use path::InvalidPath;
pub use sse::{SseConfig, SseOpen, StreamOverflow};
pub use template::{InvalidTemplate, TopicTemplate};

mod path;
mod sse;
mod template;

/// Which requests go to a plugin: `"GET api.example.org/users/{id}"`, where method and host may be left away.
///
/// Of several routes that fit a request, the most exact one gets it: first by host (an exact one, then the longest
/// `*.` suffix, then any), then by path (literal text before a capture, a capture before a wildcard), then by method (a
/// route that names the method before one for any). So `GET /a` of one plugin and `/a` of another live side by side,
/// and the second gets all but GET.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Route {
    /// The host; `None` is any.
    pub host: Option<HostPattern>,
    /// The methods in upper case, each once, never empty; `None` is any.
    pub methods: Option<Vec<String>>,
    /// The path in matchit's syntax: `/users/{id}`, `/files/{*rest}`. A wildcard takes at least one character, so
    /// `/{*rest}` is not `/`.
    pub path: String,
    /// How often each client may use it, in place of the plugin's limit. Default: as the plugin says.
    pub rate_limit: Option<RateLimit>,
    /// The topic whose messages the host writes to the clients, in place of a call of the component. The route's only
    /// method is GET then. Default: none.
    pub sse: Option<SseConfig>,
    /// The raw WebSocket that the component speaks over, in place of answering. The route's only method is GET then. Default: none.
    pub websocket: Option<WebSocketConfig>,
}

/// A route that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRoute {
    /// More than a method and a path.
    #[error("`{0}` is not a route: write \"METHOD HOST/PATH\", where method and host may be left away")]
    Words(String),
    /// A URL.
    #[error("leave the scheme of `{0}` away: a route is a host and a path")]
    Scheme(String),
    /// A bad method.
    #[error("`{0}` is not a method: methods are upper-case letters, such as `GET`")]
    Method(String),
    /// A bad host.
    #[error(transparent)]
    Host(#[from] crate::pattern::InvalidHost),
    /// A bad path.
    #[error(transparent)]
    Path(#[from] InvalidPath),
}

impl Route {
    /// A route for any host and method.
    ///
    /// # Errors
    /// When the path breaks the rules.
    pub fn any(path: &str) -> Result<Self, InvalidPath> {
        path::normalise(path)?;
        Ok(Self { host: None, methods: None, path: path.to_owned(), rate_limit: None, sse: None, websocket: None })
    }

    /// The names of the path's captures, in its order.
    pub fn captures(&self) -> impl Iterator<Item = &str> {
        path::captures(&self.path)
    }

    /// The path without the names of its captures: two paths that match the same requests have the same one.
    pub(crate) fn normalised(&self) -> String {
        path::normalise(&self.path).unwrap_or_else(|_| self.path.clone())
    }

    /// Whether both routes would get the same request on the same host and path, and neither is the more exact one.
    pub(crate) fn shares_method(&self, other: &Self) -> bool {
        match (&self.methods, &other.methods) {
            (None, None) => true,
            (Some(own), Some(others)) => own.iter().any(|method| others.contains(method)),
            _ => false,
        }
    }
}

impl FromStr for Route {
    type Err = InvalidRoute;

    fn from_str(text: &str) -> Result<Self, InvalidRoute> {
        let mut words = text.split_whitespace();
        let (method, target) = match (words.next(), words.next(), words.next()) {
            (Some(target), None, None) => (None, target),
            (Some(method), Some(target), None) => (Some(method), target),
            _ => return Err(InvalidRoute::Words(text.to_owned())),
        };
        if target.contains("://") {
            return Err(InvalidRoute::Scheme(target.to_owned()));
        }
        let slash = target.find('/').ok_or_else(|| InvalidPath::Slash(target.to_owned()))?;
        let (host, path) = target.split_at(slash);
        let host = if host.is_empty() { None } else { Some(host.parse()?) };
        let methods = method.map(|method| parse_method(method).map(|method| vec![method])).transpose()?;
        Ok(Self { host, methods, ..Self::any(path)? })
    }
}

/// Whether this is a method. Unknown ones are fine, lower case is not: methods are case-sensitive, and `get` is never sent.
pub(crate) fn is_method(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_uppercase() || b == b'-')
}

fn parse_method(text: &str) -> Result<String, InvalidRoute> {
    if is_method(text) { Ok(text.to_owned()) } else { Err(InvalidRoute::Method(text.to_owned())) }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(methods) = &self.methods {
            write!(f, "{} ", methods.join(","))?;
        }
        if let Some(host) = &self.host {
            host.fmt(f)?;
        }
        f.write_str(&self.path)
    }
}

/// A method, as a table names it.
struct Method(String);

impl Read for Method {
    fn read(item: &Item<'_>) -> Option<Self> {
        let text = String::read(item)?;
        parse_method(&text).map_or_else(|error| item.fail(error.to_string()), |method| Some(Self(method)))
    }
}

impl Read for Route {
    fn read(item: &Item<'_>) -> Option<Self> {
        if let Value::String(_) = item.value {
            return item.parse("a route");
        }
        if !item.value.is_table() {
            return item.expected("a route such as \"GET /users/{id}\", or a table with `path`");
        }
        let mut table = item.section()?;
        let rate_limit = table.get("rate_limit");
        let sse_item = table.item("sse");
        let sse = sse_item.as_ref().and_then(SseConfig::read);
        let websocket_item = table.item("websocket");
        let websocket = websocket_item.as_ref().and_then(transport::read_route).flatten();
        let route = match table.item("route") {
            Some(text) => {
                let route = text.parse("a route such as \"GET /users/{id}\"");
                table.finish_with(&[]);
                route
            }
            None => read_parts(item, table),
        };
        let route = Self { rate_limit, ..route? };
        match (sse_item, sse, websocket_item, websocket) {
            (Some(_), Some(_), Some(_), Some(_)) => {
                item.fail("has both `sse` and `websocket`; a client asks for one of them: write two routes")
            }
            (Some(item), Some(sse), ..) => route.with_sse(&item, sse),
            (.., Some(item), Some(websocket)) => route.with_websocket(&item, websocket),
            _ => Some(route),
        }
    }
}

impl Route {
    /// Makes it a route of WebSockets, if it can be one.
    fn with_websocket(self, item: &Item<'_>, websocket: WebSocketConfig) -> Option<Self> {
        self.only_get(item, "a WebSocket")?;
        Some(Self { methods: Some(vec!["GET".to_owned()]), websocket: Some(websocket), ..self })
    }

    fn only_get(&self, item: &Item<'_>, what: &str) -> Option<()> {
        match self.methods.iter().flatten().find(|method| *method != "GET") {
            Some(other) => item.fail(format!("{what} is asked for by GET, not by {other}; leave the method away")),
            None => Some(()),
        }
    }

    /// Makes it a route of event streams, if it can be one.
    fn with_sse(self, item: &Item<'_>, sse: SseConfig) -> Option<Self> {
        self.only_get(item, "an event stream")?;
        if let Some(unknown) = sse.topic.captures().find(|name| !self.captures().any(|capture| capture == *name)) {
            let hint = closest(unknown, self.captures());
            let hint = hint.map_or_else(String::new, |near| format!(", did you mean `{{{near}}}`?"));
            // In the long form the problem is one level lower.
            let path = if item.value.is_table() { join(&item.path, "topic") } else { item.path.clone() };
            item.reading.report(&path, format!("the path `{}` has no capture `{{{unknown}}}`{hint}", self.path));
            return None;
        }
        Some(Self { methods: Some(vec!["GET".to_owned()]), sse: Some(sse), ..self })
    }
}

/// A route whose parts have keys of their own.
fn read_parts(item: &Item<'_>, mut table: Section<'_>) -> Option<Route> {
    let host = table.item("host");
    let host = host.map(|item| item.parse::<HostPattern>("a host such as \"api.example.org\""));
    let method = table.get::<Method>("method");
    let methods = table.get::<Vec<Method>>("methods");
    let path_item = table.item("path");
    table.finish();
    if method.is_some() && methods.is_some() {
        return item.fail("has both `method` and `methods`; write one of them");
    }
    if methods.as_ref().is_some_and(Vec::is_empty) {
        return item.fail("`methods` is empty; leave it away for any method");
    }
    let mut named: Vec<String> = Vec::new();
    for Method(method) in method.into_iter().chain(methods.into_iter().flatten()) {
        if !named.contains(&method) {
            named.push(method);
        }
    }
    let Some(path_item) = path_item else { return item.fail("has no `path`") };
    let path = String::read(&path_item)?;
    let route = Route::any(&path).map_or_else(|error| path_item.fail(error.to_string()), Some)?;
    // A host that was given and could not be read is reported already.
    let host = host.map_or(Some(None), |host| host.map(Some))?;
    Some(Route { host, methods: (!named.is_empty()).then_some(named), ..route })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_read_and_print() {
        for text in ["/", "GET /", "/x/{id}", "POST api.example.org/v1/{*rest}", "*.example.org/", "/a-{id}/{{x}}"] {
            assert_eq!(text.parse::<Route>().unwrap().to_string(), text);
        }
        let route: Route = "  DELETE   [::1]/x ".parse().unwrap();
        assert_eq!(route.methods, Some(vec!["DELETE".to_owned()]));
        assert_eq!(route.host, Some(HostPattern::Exact("[::1]".into())));
    }

    #[test]
    fn bad_routes_say_why() {
        for (text, why) in [
            ("", "is not a route"),
            ("GET / x", "is not a route"),
            ("GET", "must start with `/`"),
            ("about", "write `/about`"),
            ("https://a.org/x", "leave the scheme"),
            ("get /", "methods are upper-case"),
            ("GET,POST /", "methods are upper-case"),
            ("a.org:80/", "has a port"),
            ("*/x", "can only stand in front"),
            ("/users/:id", "write `{id}` for `:id`"),
            ("/files/*", "write `{*rest}` for `*`"),
            ("/files/*name", "write `{*name}` for `*name`"),
            ("/{a}/{a}", "two captures called `a`"),
            ("/{a}/{*a}", "two captures called `a`"),
            ("/{*rest}/x", "must be the last"),
            ("/{}", "not a capture's name"),
            ("/{*}", "not a capture's name"),
            ("/{a.b}", "not a capture's name"),
            ("/{a}.json", "must end its segment"),
            ("/{a}{b}", "must end its segment"),
            ("/{a", "unbalanced"),
            ("/a}", "unbalanced"),
            ("/a?b=c", "cannot have `?`"),
            ("/ä", "percent-encoded"),
        ] {
            let error = text.parse::<Route>().unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
