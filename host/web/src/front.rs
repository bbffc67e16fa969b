//! One request: who asks, which route, who answers, and what the access log says.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use axum::body::Body;
use futures_util::FutureExt as _;
use http::header::{ACCESS_CONTROL_REQUEST_METHOD, ALLOW, HOST, ORIGIN};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body::Body as _;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use skep_types::{Call, Clock, RequestId};
use tower::ServiceExt as _;

use crate::errors::{ErrorContext, ErrorStyle};
use crate::forwarded::TrustedProxies;
use crate::handler::{HandlerFuture, Layered, RequestBody};
use crate::routes::{Found, RouteTable};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// How the front behaves.
#[derive(Clone)]
pub struct FrontOptions {
    /// Whose `X-Forwarded-*` headers count.
    pub proxies: TrustedProxies,
    /// How much error answers tell.
    pub errors: ErrorStyle,
    /// Whether each request is a line in the log.
    pub access_log: bool,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
}

/// The front: a route table that can be swapped while requests run.
pub struct Front {
    routes: ArcSwap<RouteTable>,
    options: FrontOptions,
}

impl Front {
    /// A front without routes.
    #[must_use]
    pub fn new(options: FrontOptions) -> Arc<Self> {
        Arc::new(Self { routes: ArcSwap::default(), options })
    }

    /// Replaces all routes at once. Requests that were routed already are not touched.
    pub fn swap(&self, routes: RouteTable) {
        self.routes.store(Arc::new(routes));
    }

    /// How much error answers tell.
    #[must_use]
    pub fn errors(&self) -> ErrorStyle {
        self.options.errors
    }

    /// Answers a request that came in on a connection.
    pub(crate) async fn answer(&self, peer: IpAddr, tls: bool, mut request: Request<Incoming>) -> Response<Body> {
        let started = self.options.access_log.then(|| self.options.clock.now());
        let origin = self.options.proxies.origin(peer, tls, request.headers_mut());
        let id = origin.request_id.unwrap_or_else(|| RequestId::from_bits(fastrand::u64(..)));
        let line = started.map(|started| Line {
            started,
            client: origin.client,
            method: request.method().clone(),
            uri: request.uri().clone(),
        });
        let call = Call { id: id.clone(), client: origin.client, secure: origin.secure, captures: Vec::new(), hops: 0 };
        let context = self.options.errors.of(&call, request.headers());
        let (answering, plugin) = self.begin(call, request, &context);
        let mut response = match answering {
            Answering::Refused(refusal) => refusal,
            Answering::Plain(handling) => handling.await.unwrap_or_else(|failure| context.failure(&failure)),
            Answering::Layered(answer) => answer.await,
        };
        if let Ok(value) = HeaderValue::from_str(id.as_str()) {
            response.headers_mut().insert(REQUEST_ID, value);
        }
        if let Some(line) = line {
            line.write(&id, response.status(), plugin.as_deref(), self.options.clock.now());
        }
        response
    }

    /// Finds out who answers, and hands the request over: a request is large, so it goes through few hands. Nothing of the table
    /// is held while the handler runs, so that an old table goes when it is swapped.
    fn begin(&self, mut call: Call, request: Request<Incoming>, context: &ErrorContext) -> (Answering, Option<String>) {
        let routes = self.routes.load();
        let host = host_of(&request);
        let method = preflight_method(&request);
        let wanted = method.as_ref().unwrap_or(request.method());
        let target = match routes.find(host, wanted, request.uri().path()) {
            Found::Target(target, captures) if method.is_none() || target.has_cors => {
                call.captures = captures;
                target
            }
            // A preflight for a plugin without cross-origin rules is an OPTIONS request like any other.
            Found::Target(..) => match routes.find(host, request.method(), request.uri().path()) {
                Found::Target(target, captures) => {
                    call.captures = captures;
                    target
                }
                other => return (Answering::Refused(refuse(context, &routes, &other)), None),
            },
            other => return (Answering::Refused(refuse(context, &routes, &other)), None),
        };
        let plugin = self.options.access_log.then(|| target.handler.plugin().to_string());
        let mut request = request.map(boxed);
        let answering = match &target.layered {
            Some(layered) => {
                request.extensions_mut().insert(call);
                Answering::Layered(through_layers(layered.clone(), request))
            }
            None => Answering::Plain(target.handler.call(call, request)),
        };
        (answering, plugin)
    }
}

/// A request on its way to its answer.
enum Answering {
    Refused(Response<Body>),
    Plain(HandlerFuture),
    Layered(Pin<Box<dyn Future<Output = Response<Body>> + Send>>),
}

/// Most requests have no body: the box around nothing is no allocation.
fn boxed(body: Incoming) -> RequestBody {
    if body.is_end_stream() {
        return Empty::new().map_err(|never| match never {}).boxed_unsync();
    }
    body.map_err(Into::into).boxed_unsync()
}

// A named type instead of an `async fn`: the compiler cannot yet see that the layers' future is `Send` from inside one.
fn through_layers(
    layered: Layered,
    request: Request<RequestBody>,
) -> Pin<Box<dyn Future<Output = Response<Body>> + Send>> {
    let answer = layered.oneshot(request);
    Box::pin(answer.map(|answer| answer.unwrap_or_else(|never| match never {})))
}

fn refuse(context: &ErrorContext, routes: &RouteTable, found: &Found<'_>) -> Response<Body> {
    match found {
        Found::WrongMethod(allowed) => {
            let message = "the route does not take this method";
            let mut response = context.refusal(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", message);
            if let Ok(allowed) = HeaderValue::from_str(allowed) {
                response.headers_mut().insert(ALLOW, allowed);
            }
            response
        }
        Found::BadCapture => context.refusal(StatusCode::BAD_REQUEST, "bad-path", "the path is not valid UTF-8"),
        Found::Nothing | Found::Target(..) => context.no_route(routes.listed()),
    }
}

/// The host that the client asked for, without a port.
fn host_of<B>(request: &Request<B>) -> &str {
    let authority = request.uri().authority().map(http::uri::Authority::as_str);
    let header = || request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let authority = authority.or_else(header).unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    if host.starts_with('[') {
        return host.split_inclusive(']').next().unwrap_or(host);
    }
    host.split(':').next().unwrap_or(host)
}

/// The method that a cross-origin preflight asks about.
fn preflight_method<B>(request: &Request<B>) -> Option<Method> {
    if *request.method() != Method::OPTIONS || !request.headers().contains_key(ORIGIN) {
        return None;
    }
    request.headers().get(ACCESS_CONTROL_REQUEST_METHOD)?.as_bytes().try_into().ok()
}

/// A line of the access log.
struct Line {
    started: Instant,
    client: IpAddr,
    method: Method,
    uri: Uri,
}

impl Line {
    fn write(self, id: &RequestId, status: StatusCode, plugin: Option<&str>, now: Instant) {
        let micros = u64::try_from(now.saturating_duration_since(self.started).as_micros()).unwrap_or(u64::MAX);
        // The query stays out: it is where clients put tokens.
        tracing::info!(
            target: "access",
            client = %self.client,
            method = %self.method,
            path = self.uri.path(),
            status = status.as_u16(),
            plugin,
            request_id = %id,
            micros,
            "request"
        );
    }
}
