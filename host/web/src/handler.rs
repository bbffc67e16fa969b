//! What a route leads to, and the layers that a manifest can put around it.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use skep_types::{Call, Failure, PluginName};
use tower::util::BoxCloneSyncService;
use tower::{Layer as _, ServiceExt as _};
use tower_http::compression::CompressionLayer;
use tower_http::cors::{AllowHeaders, AllowMethods, AllowOrigin, CorsLayer};

use crate::errors::ErrorStyle;

/// A request's body.
pub type RequestBody = UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

/// An answer that is on its way. Dropping it cancels the call.
pub type HandlerFuture = Pin<Box<dyn Future<Output = Result<Response<Body>, Failure>> + Send>>;

/// Answers requests.
pub trait Handler: Send + Sync + 'static {
    /// Who it is, for logs.
    fn plugin(&self) -> &PluginName;

    /// Answers one request. This and the future run on the thread that looks after the client's connection, and other connections:
    /// what may be long is to go elsewhere.
    fn call(&self, call: Call, request: Request<RequestBody>) -> HandlerFuture;
}

/// What stands between a route and its handler. The default is nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layers {
    /// Compresses answers (br, zstd, gzip by the client's wish), except what is compressed or streamed as events.
    pub compression: bool,
    /// Cross-origin rules.
    pub cors: Option<Cors>,
}

/// Cross-origin rules of a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cors {
    /// Allowed origins; `*` alone means any.
    pub origins: Vec<HeaderValue>,
    /// Allowed methods; `None` means any.
    pub methods: Option<Vec<Method>>,
    /// Allowed request headers; `None` means any.
    pub headers: Option<Vec<HeaderName>>,
    /// Whether cookies and authorization may be sent. Not together with any origin.
    pub credentials: bool,
    /// How long a client may remember the answer to a preflight.
    pub max_age: Option<Duration>,
}

/// A handler inside its layers.
pub(crate) type Layered = BoxCloneSyncService<Request<RequestBody>, Response<Body>, Infallible>;

/// Puts the layers around a handler; `None` where there are none, so that the plain way stays short.
pub(crate) fn layered(handler: &Arc<dyn Handler>, layers: &Layers, style: ErrorStyle) -> Option<Layered> {
    if *layers == Layers::default() {
        return None;
    }
    let handler = Arc::clone(handler);
    let innermost = tower::service_fn(move |mut request: Request<RequestBody>| {
        let handler = Arc::clone(&handler);
        async move {
            let Some(call) = request.extensions_mut().remove::<Call>() else {
                return Ok(Response::new(Body::empty()));
            };
            let context = style.of(&call, request.headers());
            let answer = handler.call(call, request).await;
            Ok::<_, Infallible>(answer.unwrap_or_else(|failure| context.failure(&failure)))
        }
    });
    let mut service = BoxCloneSyncService::new(innermost);
    if layers.compression {
        let compressed = CompressionLayer::new().layer(service);
        service = BoxCloneSyncService::new(compressed.map_response(|response: Response<_>| response.map(Body::new)));
    }
    // Outermost, so that preflights are answered here and error answers carry the headers too.
    if let Some(cors) = &layers.cors {
        service = BoxCloneSyncService::new(cors_layer(cors).layer(service));
    }
    Some(service)
}

fn cors_layer(cors: &Cors) -> CorsLayer {
    let any = cors.origins.iter().any(|origin| origin == "*");
    let origins = if any { AllowOrigin::any() } else { AllowOrigin::list(cors.origins.iter().cloned()) };
    // Browsers take a `*` literally where credentials are sent, so "any" mirrors what was asked for.
    let methods = cors.methods.clone().map_or_else(AllowMethods::mirror_request, AllowMethods::list);
    let headers = cors.headers.clone().map_or_else(AllowHeaders::mirror_request, AllowHeaders::list);
    let layer = CorsLayer::new()
        .allow_origin(origins)
        .allow_methods(methods)
        .allow_headers(headers)
        .allow_credentials(cors.credentials && !any);
    match cors.max_age {
        Some(age) => layer.max_age(age),
        None => layer,
    }
}
