//! The route table: host, then path, then method. It is built as a whole, checked as a whole and swapped as a whole.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use http::Method;
use matchit::{InsertError, Router};
use percent_encoding::percent_decode_str;
use skep_types::PluginName;

use crate::errors::ErrorStyle;
use crate::handler::{Handler, Layered, Layers, layered};

/// What a route matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// An exact host, or `*.suffix`; `None` matches every host that has no route of its own for the path.
    pub host: Option<String>,
    /// The methods; empty means any. `GET` answers `HEAD` too, unless `HEAD` has a route of its own.
    pub methods: Vec<Method>,
    /// The path, with `{name}` for a segment and `{*rest}` for all that follows.
    pub path: String,
}

/// As a manifest has it.
impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for method in &self.methods {
            write!(f, "{method} ")?;
        }
        write!(f, "{}{}", self.host.as_deref().unwrap_or_default(), self.path)
    }
}

/// Where a route leads.
pub struct Target {
    pub(crate) handler: Arc<dyn Handler>,
    pub(crate) layered: Option<Layered>,
    pub(crate) has_cors: bool,
}

impl Target {
    /// A handler behind the layers of its plugin. All routes of a plugin share one target.
    #[must_use]
    pub fn new(handler: Arc<dyn Handler>, layers: &Layers, style: ErrorStyle) -> Arc<Self> {
        let layered = layered(&handler, layers, style);
        Arc::new(Self { handler, layered, has_cors: layers.cors.is_some() })
    }
}

/// Why a table cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum RouteError {
    /// Two routes match the same requests.
    #[error("plugins `{first}` and `{second}` both answer `{route}`: change or remove one of the two routes")]
    Taken {
        /// Who has it.
        first: String,
        /// Who wants it too.
        second: String,
        /// The route.
        route: String,
    },
    /// A path that the router does not understand.
    #[error("the route `{path}` of plugin `{plugin}` is malformed: {why}")]
    Malformed {
        /// Whose route.
        plugin: String,
        /// The path.
        path: String,
        /// What is wrong.
        why: String,
    },
}

/// All routes of a host.
#[derive(Default)]
pub struct RouteTable {
    exact: HashMap<String, Paths>,
    // Longest suffix first.
    suffixes: Vec<(String, Paths)>,
    anywhere: Paths,
    // As they were given, with whose they are: for the author who asks for a path that nobody has.
    listed: Vec<(Pattern, PluginName)>,
}

/// The outcome of a look-up.
pub(crate) enum Found<'a> {
    /// The target, and what its captures matched.
    Target(&'a Arc<Target>, Vec<(String, String)>),
    /// The path is there, the method is not; these are allowed.
    WrongMethod(String),
    /// Nothing is there.
    Nothing,
    /// A capture is not valid UTF-8 once decoded.
    BadCapture,
}

#[derive(Default)]
struct Paths {
    router: Router<usize>,
    methods: Vec<Methods>,
    // Look-ups by normalised path, so that `/a/{x}` and `/a/{y}` are the same place.
    places: HashMap<String, usize>,
}

#[derive(Default)]
struct Methods {
    path: String,
    some: Vec<(Method, Arc<Target>)>,
    any: Option<Arc<Target>>,
}

impl RouteTable {
    /// Builds a table.
    ///
    /// # Errors
    /// When two routes match the same requests, or a path is malformed.
    pub fn build(routes: impl IntoIterator<Item = (Pattern, Arc<Target>)>) -> Result<Self, RouteError> {
        let mut table = Self::default();
        for (pattern, target) in routes {
            table.paths_of(pattern.host.as_deref()).insert(&pattern, &target)?;
            table.listed.push((pattern, target.handler.plugin().clone()));
        }
        table.suffixes.sort_by_key(|(suffix, _)| std::cmp::Reverse(suffix.len()));
        Ok(table)
    }

    /// All routes, in the order of the plugins, and whose they are.
    pub(crate) fn listed(&self) -> &[(Pattern, PluginName)] {
        &self.listed
    }

    fn paths_of(&mut self, host: Option<&str>) -> &mut Paths {
        match host {
            None => &mut self.anywhere,
            Some(host) => match host.strip_prefix('*') {
                None => self.exact.entry(host.to_ascii_lowercase()).or_default(),
                Some(suffix) => {
                    let suffix = suffix.to_ascii_lowercase();
                    let at = self.suffixes.iter().position(|(known, _)| *known == suffix);
                    let at = at.unwrap_or_else(|| {
                        self.suffixes.push((suffix, Paths::default()));
                        self.suffixes.len() - 1
                    });
                    #[allow(clippy::indexing_slicing)] // `at` was found or pushed in the line above.
                    &mut self.suffixes[at].1
                }
            },
        }
    }

    /// Finds who answers: the most specific host that has the path wins, then the exact method before any.
    pub(crate) fn find(&self, host: &str, method: &Method, path: &str) -> Found<'_> {
        let mut wrong_method = None;
        if !self.exact.is_empty() || !self.suffixes.is_empty() {
            let host = lower_case(host);
            let host = host.trim_end_matches('.');
            let exact = self.exact.get(host);
            let suffixes = self.suffixes.iter().filter(|(suffix, _)| host.ends_with(suffix.as_str()));
            for paths in exact.into_iter().chain(suffixes.map(|(_, paths)| paths)) {
                match paths.find(method, path) {
                    Found::Nothing => {}
                    Found::WrongMethod(allowed) => wrong_method = wrong_method.or(Some(allowed)),
                    found => return found,
                }
            }
        }
        match (self.anywhere.find(method, path), wrong_method) {
            (Found::Nothing, Some(allowed)) => Found::WrongMethod(allowed),
            (found, _) => found,
        }
    }
}

/// Nearly all clients send it so.
fn lower_case(host: &str) -> Cow<'_, str> {
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) { host.to_ascii_lowercase().into() } else { host.into() }
}

impl Paths {
    fn insert(&mut self, pattern: &Pattern, target: &Arc<Target>) -> Result<(), RouteError> {
        let normal = normalise(&pattern.path);
        let at = match self.places.get(&normal) {
            Some(&at) => at,
            None => {
                let at = self.methods.len();
                let taken = self.router.insert(pattern.path.clone(), at);
                taken.map_err(|error| self.refused(&error, pattern, target))?;
                self.places.insert(normal, at);
                self.methods.push(Methods { path: pattern.path.clone(), ..Methods::default() });
                at
            }
        };
        let Some(methods) = self.methods.get_mut(at) else { return Ok(()) };
        methods.insert(pattern, target)
    }

    fn refused(&self, error: &InsertError, pattern: &Pattern, target: &Target) -> RouteError {
        if let InsertError::Conflict { with } = error
            && let Some(other) = self.methods.iter().find(|methods| methods.path == *with)
        {
            return RouteError::Taken {
                first: other.first_plugin(),
                second: target.handler.plugin().to_string(),
                route: format!("{} (which overlaps `{with}`)", pattern.path),
            };
        }
        RouteError::Malformed {
            plugin: target.handler.plugin().to_string(),
            path: pattern.path.clone(),
            why: error.to_string(),
        }
    }

    fn find(&self, method: &Method, path: &str) -> Found<'_> {
        let Ok(matched) = self.router.at(path) else { return Found::Nothing };
        let Some(methods) = self.methods.get(*matched.value) else { return Found::Nothing };
        let Some(target) = methods.find(method) else { return Found::WrongMethod(methods.allowed()) };
        let mut captures = Vec::with_capacity(matched.params.len());
        for (name, value) in matched.params.iter() {
            let Ok(value) = percent_decode_str(value).decode_utf8() else { return Found::BadCapture };
            captures.push((name.to_owned(), value.into_owned()));
        }
        Found::Target(target, captures)
    }
}

impl Methods {
    fn insert(&mut self, pattern: &Pattern, target: &Arc<Target>) -> Result<(), RouteError> {
        let taken = |other: &Target, method: &str| RouteError::Taken {
            first: other.handler.plugin().to_string(),
            second: target.handler.plugin().to_string(),
            route: format!("{method}{}{}", pattern.host.as_deref().unwrap_or_default(), pattern.path),
        };
        if pattern.methods.is_empty() {
            return match &self.any {
                Some(other) => Err(taken(other, "")),
                None => {
                    self.any = Some(Arc::clone(target));
                    Ok(())
                }
            };
        }
        for method in &pattern.methods {
            if let Some((_, other)) = self.some.iter().find(|(known, _)| known == method) {
                return Err(taken(other, &format!("{method} ")));
            }
            self.some.push((method.clone(), Arc::clone(target)));
        }
        Ok(())
    }

    fn find(&self, method: &Method) -> Option<&Arc<Target>> {
        let exactly = |wanted: &Method| self.some.iter().find(|(known, _)| known == wanted).map(|(_, target)| target);
        exactly(method)
            .or_else(|| if *method == Method::HEAD { exactly(&Method::GET) } else { None })
            .or(self.any.as_ref())
    }

    fn allowed(&self) -> String {
        let mut names: BTreeSet<&str> = self.some.iter().map(|(method, _)| method.as_str()).collect();
        if names.contains("GET") {
            names.insert("HEAD");
        }
        names.into_iter().collect::<Vec<_>>().join(", ")
    }

    fn first_plugin(&self) -> String {
        let target = self.some.first().map(|(_, target)| target).or(self.any.as_ref());
        target.map(|target| target.handler.plugin().to_string()).unwrap_or_default()
    }
}

/// A path with its captures' names taken out.
fn normalise(path: &str) -> String {
    let mut normal = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('{') {
        normal.push_str(before);
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        normal.push_str(if name.starts_with('*') { "{*}" } else { "{}" });
        rest = after;
    }
    normal.push_str(rest);
    normal
}

#[cfg(test)]
mod tests {
    use http::Request;
    use skep_types::{Call, PluginName};

    use super::*;
    use crate::handler::{HandlerFuture, RequestBody};

    struct Named(PluginName);

    impl Handler for Named {
        fn plugin(&self) -> &PluginName {
            &self.0
        }

        fn call(&self, _: Call, _: Request<RequestBody>) -> HandlerFuture {
            Box::pin(std::future::ready(Ok(http::Response::default())))
        }
    }

    /// `"plugin METHOD[,METHOD] host /path"`, with `-` for any.
    fn table(routes: &[&str]) -> Result<RouteTable, RouteError> {
        RouteTable::build(routes.iter().map(|route| {
            let mut words = route.split(' ');
            let mut word = || words.next().unwrap();
            let plugin = Arc::new(Named(PluginName::new(word()).unwrap()));
            let methods = word().split(',').filter(|name| *name != "-").map(|name| name.parse().unwrap()).collect();
            let host = Some(word()).filter(|host| *host != "-").map(str::to_owned);
            let pattern = Pattern { host, methods, path: word().to_owned() };
            (pattern, Target::new(plugin, &Layers::default(), ErrorStyle::Production))
        }))
    }

    fn find(table: &RouteTable, host: &str, method: &str, path: &str) -> String {
        match table.find(host, &method.parse().unwrap(), path) {
            Found::Target(target, captures) => {
                let captures: Vec<_> = captures.iter().map(|(name, value)| format!("{name}={value}")).collect();
                format!("{} {}", target.handler.plugin(), captures.join(" ")).trim().to_owned()
            }
            Found::WrongMethod(allowed) => format!("405 {allowed}"),
            Found::Nothing => "404".to_owned(),
            Found::BadCapture => "400".to_owned(),
        }
    }

    #[test]
    fn host_path_and_method_decide() {
        let table = table(&[
            "home GET - /",
            "api - - /api/{id}",
            "admin POST - /api/{key}",
            "files GET - /files/{*path}",
            "shop - shop.example /",
            "tenants - *.example /",
            "deep - *.eu.example /",
        ])
        .unwrap();
        for (host, method, path, expected) in [
            ("x", "GET", "/", "home"),
            ("x", "HEAD", "/", "home"),
            ("x", "POST", "/", "405 GET, HEAD"),
            ("x", "GET", "/api/7", "api id=7"),
            ("x", "POST", "/api/7", "admin id=7"),
            ("x", "GET", "/api/a%2Fb%20c", "api id=a/b c"),
            ("x", "GET", "/api/%ff", "400"),
            ("x", "GET", "/files/a/b.css", "files path=a/b.css"),
            ("x", "GET", "/nowhere", "404"),
            ("shop.example", "GET", "/", "shop"),
            ("SHOP.example.", "GET", "/", "shop"),
            ("a.example", "GET", "/", "tenants"),
            ("a.eu.example", "GET", "/", "deep"),
            ("example", "GET", "/", "home"),
            ("a.example", "GET", "/api/1", "api id=1"),
        ] {
            assert_eq!(find(&table, host, method, path), expected, "{method} {host}{path}");
        }
    }

    #[test]
    fn two_plugins_on_one_route_are_refused() {
        for routes in [
            ["a GET - /x", "b GET - /x"],
            ["a - - /x", "b - - /x"],
            ["a GET - /x/{id}", "b GET - /x/{name}"],
            ["a GET,POST - /x", "b POST - /x"],
            ["a GET h /x", "b GET h /x"],
        ] {
            let error = table(&routes).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains("`a` and `b`"), "{routes:?}: {error}");
        }
        for routes in [["a GET - /x", "b POST - /x"], ["a GET - /x", "b - - /x"], ["a GET - /x", "b GET h /x"]] {
            assert!(table(&routes).is_ok(), "{routes:?}");
        }
    }
}
