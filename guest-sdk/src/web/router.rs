//! Several handlers in one plugin.

use std::fmt;

use super::pattern::{self, NotUtf8, match_path, segments};
use crate::{
    Handler, HeaderValue, IntoResponse, Method, Rejection, Request, Response, StatusCode, header, web::Route as Info,
};

type Call = Box<dyn Fn(Request) -> Response + Send + Sync>;

/// Several handlers in one plugin, by method and path.
///
/// ```
/// use skep_sdk::prelude::*;
///
/// #[skep::http]
/// fn app() -> Router {
///     Router::new()
///         .get("/hives", || "all of them")
///         .get("/hives/{id}", |Path(id): Path<u32>| format!("hive {id}"))
///         .post("/hives", add)
/// }
///
/// fn add(name: String) -> impl IntoResponse { (StatusCode::CREATED, name) }
/// ```
///
/// `{name}` is one segment, `{*name}` is the rest of the path, and the handlers' [`Path`](crate::Path) is theirs (not
/// the manifest's route, which must let these requests through: `"/{*path}"`). The most definite pattern whose method
/// fits wins, whatever the order: `/hives/new` before `/hives/{id}` before `/{*path}`. A HEAD goes to the GET handler.
/// A path of no route is a 404, one of other methods only a 405 that lists them.
#[derive(Default)]
pub struct Router {
    routes: Vec<Route>,
    fallback: Option<Call>,
}

struct Route {
    /// Any, if none.
    method: Option<Method>,
    pattern: &'static str,
    call: Call,
}

impl Router {
    /// No routes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Requests of one method, the less common ones included.
    ///
    /// # Panics
    /// If the pattern is malformed, here as in the shortcuts for the common methods. Any test of the router shows it.
    #[must_use]
    #[track_caller]
    pub fn on<M>(
        self,
        method: Method,
        pattern: &'static str,
        handler: impl Handler<M> + Send + Sync + 'static,
    ) -> Self {
        self.route(Some(method), pattern, boxed(handler))
    }

    /// Requests of any method that has no route of its own.
    #[must_use]
    #[track_caller]
    pub fn any<M>(self, pattern: &'static str, handler: impl Handler<M> + Send + Sync + 'static) -> Self {
        self.route(None, pattern, boxed(handler))
    }

    /// GET requests, and HEAD requests unless they have a route of their own.
    #[must_use]
    #[track_caller]
    pub fn get<M>(self, pattern: &'static str, handler: impl Handler<M> + Send + Sync + 'static) -> Self {
        self.on(Method::GET, pattern, handler)
    }

    /// POST requests.
    #[must_use]
    #[track_caller]
    pub fn post<M>(self, pattern: &'static str, handler: impl Handler<M> + Send + Sync + 'static) -> Self {
        self.on(Method::POST, pattern, handler)
    }

    /// PUT requests.
    #[must_use]
    #[track_caller]
    pub fn put<M>(self, pattern: &'static str, handler: impl Handler<M> + Send + Sync + 'static) -> Self {
        self.on(Method::PUT, pattern, handler)
    }

    /// PATCH requests.
    #[must_use]
    #[track_caller]
    pub fn patch<M>(self, pattern: &'static str, handler: impl Handler<M> + Send + Sync + 'static) -> Self {
        self.on(Method::PATCH, pattern, handler)
    }

    /// DELETE requests.
    #[must_use]
    #[track_caller]
    pub fn delete<M>(self, pattern: &'static str, handler: impl Handler<M> + Send + Sync + 'static) -> Self {
        self.on(Method::DELETE, pattern, handler)
    }

    /// Requests whose path is of no route, in place of the 404.
    #[must_use]
    pub fn fallback<M>(mut self, handler: impl Handler<M> + Send + Sync + 'static) -> Self {
        self.fallback = Some(boxed(handler));
        self
    }

    #[track_caller]
    fn route(mut self, method: Option<Method>, pattern: &'static str, call: Call) -> Self {
        let problem = pattern::check(pattern).err().unwrap_or_default();
        assert!(problem.is_empty(), "the route `{pattern}` is malformed: {problem}");
        self.routes.push(Route { method, pattern, call });
        self
    }

    /// Answers a request by the route that fits it best.
    #[must_use]
    pub fn handle(&self, mut request: Request) -> Response {
        let path = request.uri().path();
        let fitting = || self.routes.iter().filter(|route| pattern::matches(route.pattern, path));
        let best = fitting().filter_map(|route| Some((route, route.method_rank(request.method())?)));
        let best = best.min_by(|(a, a_method), (b, b_method)| {
            let ranks = |route: &Route| segments(route.pattern).map(pattern::Segment::rank);
            ranks(a).cmp(ranks(b)).then(a_method.cmp(b_method))
        });
        if let Some((route, _)) = best {
            match match_path(route.pattern, path).unwrap_or(Err(NotUtf8)) {
                Ok(captures) => {
                    request.extensions_mut().insert(Info::from(captures));
                    return (route.call)(request);
                }
                Err(NotUtf8) => {
                    return Rejection::new(StatusCode::BAD_REQUEST, "invalid-path", "the path is not UTF-8")
                        .into_response();
                }
            }
        }
        let allowed: Vec<_> = fitting().filter_map(|route| route.method.as_ref()).collect();
        match &self.fallback {
            _ if !allowed.is_empty() => method_not_allowed(&allowed),
            Some(fallback) => fallback(request),
            None => Rejection::new(StatusCode::NOT_FOUND, "not-found", "there is nothing here").into_response(),
        }
    }
}

impl Route {
    /// How well the route's method fits, least first.
    fn method_rank(&self, method: &Method) -> Option<u8> {
        match &self.method {
            Some(own) if own == method => Some(0),
            Some(own) if own == Method::GET && method == Method::HEAD => Some(1),
            Some(_) => None,
            None => Some(2),
        }
    }
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let routes = self.routes.iter().map(|route| (route.method.as_ref(), route.pattern));
        f.debug_list().entries(routes).finish()
    }
}

/// Handlers of different shapes side by side. A plain function has no size, so its box costs no allocation.
fn boxed<M>(handler: impl Handler<M> + Send + Sync + 'static) -> Call {
    Box::new(move |request| handler.call(request))
}

fn method_not_allowed(allowed: &[&Method]) -> Response {
    let mut names: Vec<&str> = allowed.iter().map(|method| method.as_str()).collect();
    if names.contains(&"GET") {
        names.push("HEAD");
    }
    names.sort_unstable();
    names.dedup();
    let names = names.join(", ");
    let message = format!("this path answers to {names}");
    let rejection = Rejection::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", message);
    let mut response = rejection.into_response();
    if let Ok(names) = HeaderValue::try_from(names) {
        response.headers_mut().insert(header::ALLOW, names);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Path, test};

    fn app() -> Router {
        Router::new()
            .any("/{*rest}", |Path(rest): Path<String>| format!("rest {rest}"))
            .get("/hives/{id}", |Path(id): Path<u32>| format!("hive {id}"))
            .get("/hives/new", || "new")
            .post("/hives/{id}", |Path(id): Path<u32>, body: String| format!("post {id} {body}"))
            .on(Method::from_bytes(b"PURGE").unwrap(), "/", || "purged")
            .delete("/", || StatusCode::NO_CONTENT)
            .get("/", || "index")
    }

    #[test]
    fn the_most_definite_route_wins() {
        for (request, expected) in [
            (test::get("/"), "index"),
            (test::request("HEAD", "/"), "index"),
            (test::request("PURGE", "/"), "purged"),
            (test::get("/hives/7?x=y"), "hive 7"),
            (test::get("/hives/new"), "new"),
            (test::post("/hives/7").body("x"), "post 7 x"),
            (test::put("/hives/7"), "rest hives/7"),
            (test::get("/other/a%20b"), "rest other/a b"),
            (test::get("/hives/7").capture("of", "the manifest"), "hive 7"),
        ] {
            assert_eq!(request.send(app).text(), expected);
        }
    }

    #[test]
    fn the_wrong_method_is_a_405_that_lists_the_right_ones() {
        let answer = test::put("/").send(app);
        assert_eq!((answer.status().as_u16(), answer.header("allow")), (405, Some("DELETE, GET, HEAD, PURGE")));
    }

    #[test]
    fn no_route_is_a_404_or_the_fallback() {
        let router = || Router::new().get("/a", || "a");
        assert_eq!(test::get("/b").send(router).error_code(), "not-found");
        assert_eq!(test::get("/b").send(router().fallback(|| "else")).text(), "else");
        assert_eq!(test::post("/a").send(router().fallback(|| "else")).status(), 405);
    }

    #[test]
    fn a_capture_that_is_no_text_is_a_400() {
        assert_eq!(test::get("/hives/%FF").send(app).error_code(), "invalid-path");
    }

    #[test]
    #[should_panic(expected = "the route `/{a}b` is malformed: `{name}` must be a whole segment")]
    fn a_malformed_route_panics() {
        let _ = Router::new().get("/{a}b", || "a");
    }
}
