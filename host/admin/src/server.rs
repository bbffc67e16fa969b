//! The admin listener.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::http::StatusCode;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use futures_util::stream;
use serde::Deserialize;
use subtle::ConstantTimeEq as _;
use tokio::net::TcpListener;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use crate::api::ErrorBody;
use crate::control::{Control, ControlError};

mod caches;
mod durable;
mod jobs;
mod lines;
mod processes;
mod queues;
mod sockets;
mod sql;
mod store;
mod supervision;
mod topics;

/// The largest component that can be deployed: JavaScript and Python engines are some ten megabytes.
const COMPONENT_BYTES_MAX: usize = 256 << 20;

/// A running admin listener.
pub struct AdminServer {
    address: SocketAddr,
    stop: CancellationToken,
}

#[derive(Clone)]
struct Admin {
    control: Arc<dyn Control>,
    token: Arc<str>,
}

fn cannot_listen(address: SocketAddr) -> String {
    format!("cannot listen for admin requests on {address}: is another node running? (`host.admin` in skep.toml)")
}

impl AdminServer {
    /// Whether this address can be listened on, for whoever has much to do before.
    ///
    /// # Errors
    /// When it cannot be bound.
    pub fn try_address(address: SocketAddr) -> anyhow::Result<()> {
        std::net::TcpListener::bind(address).map(drop).with_context(|| cannot_listen(address))
    }

    /// Binds the address and serves in the background. Everything but health and readiness asks for the token.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn start(control: Arc<dyn Control>, address: SocketAddr, token: &str) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(address).await.with_context(|| cannot_listen(address))?;
        let server = Self { address: listener.local_addr()?, stop: CancellationToken::new() };
        let stop = server.stop.clone();
        let app = router(Admin { control, token: token.into() });
        tokio::spawn(async move {
            let served = axum::serve(listener, app).with_graceful_shutdown(stop.cancelled_owned()).await;
            if let Err(error) = served {
                tracing::error!(%error, "the admin listener ended");
            }
        });
        Ok(server)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for AdminServer {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn router(admin: Admin) -> Router {
    let guarded = Router::new()
        .route("/api/status", get(status))
        .route("/api/figures", get(figures))
        .route("/api/plugins/{plugin}/revisions", get(revisions))
        .route("/api/plugins/{plugin}/deploy", post(deploy))
        .route("/api/plugins/{plugin}/rollback", post(rollback))
        .route("/api/reload", post(reload))
        .route("/api/logs", get(logs))
        .route("/metrics", get(metrics))
        .merge(caches::router())
        .merge(topics::router())
        .merge(supervision::router())
        .merge(jobs::router())
        .merge(queues::router())
        .merge(store::router())
        .merge(processes::router())
        .merge(sockets::router())
        .merge(sql::router())
        .layer(DefaultBodyLimit::max(COMPONENT_BYTES_MAX))
        .route_layer(middleware::from_fn_with_state(admin.clone(), guard));
    Router::new()
        .route("/health", get(|| async { "ok\n" }))
        .route("/ready", get(ready))
        .merge(guarded)
        .with_state(admin)
}

/// Lets in who knows the token. The comparison takes as long for a near miss as for a wild guess.
async fn guard(State(admin): State<Admin>, request: Request, next: Next) -> Response {
    let given = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    if bool::from(given.as_bytes().ct_eq(admin.token.as_bytes())) {
        return next.run(request).await;
    }
    let message = "the admin token is missing or wrong: send `Authorization: Bearer TOKEN`";
    error(StatusCode::UNAUTHORIZED, message)
}

fn error(status: StatusCode, message: impl Into<String>) -> Response {
    (status, Json(ErrorBody { error: message.into() })).into_response()
}

impl IntoResponse for ControlError {
    fn into_response(self) -> Response {
        match self {
            Self::NotFound(what) => error(StatusCode::NOT_FOUND, what),
            Self::Refused(why) => error(StatusCode::UNPROCESSABLE_ENTITY, why),
            Self::Unavailable(why) => error(StatusCode::SERVICE_UNAVAILABLE, why),
        }
    }
}

async fn ready(State(admin): State<Admin>) -> Response {
    match admin.control.ready() {
        Ok(()) => "ready\n".into_response(),
        Err(why) => error(StatusCode::SERVICE_UNAVAILABLE, why),
    }
}

async fn status(State(admin): State<Admin>) -> Response {
    Json(admin.control.status()).into_response()
}

async fn figures(State(admin): State<Admin>) -> Result<Response, ControlError> {
    let figures = admin.control.figures();
    let figures = figures.ok_or_else(|| ControlError::NotFound("this node counts nothing".to_owned()))?;
    Ok(Json(figures).into_response())
}

async fn revisions(State(admin): State<Admin>, Path(plugin): Path<String>) -> Result<Response, ControlError> {
    Ok(Json(admin.control.revisions(&plugin)?).into_response())
}

async fn deploy(State(admin): State<Admin>, Path(plugin): Path<String>, wasm: Bytes) -> Result<Response, ControlError> {
    Ok(Json(admin.control.deploy(plugin, wasm).await?).into_response())
}

#[derive(Deserialize)]
struct RollbackQuery {
    revision: Option<String>,
}

async fn rollback(
    State(admin): State<Admin>,
    Path(plugin): Path<String>,
    Query(query): Query<RollbackQuery>,
) -> Result<Response, ControlError> {
    Ok(Json(admin.control.rollback(plugin, query.revision).await?).into_response())
}

async fn reload(State(admin): State<Admin>) -> Result<Response, ControlError> {
    Ok(Json(admin.control.reload().await?).into_response())
}

async fn metrics(State(admin): State<Admin>) -> Response {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], admin.control.metrics()).into_response()
}

#[derive(Deserialize)]
struct LogsQuery {
    plugin: Option<String>,
}

/// Log lines as they come, one JSON object a line, until the client leaves. A plugin that is not there would never say anything.
async fn logs(State(admin): State<Admin>, Query(query): Query<LogsQuery>) -> Result<Response, ControlError> {
    if let Some(plugin) = &query.plugin {
        admin.control.revisions(plugin)?;
    }
    let lines = stream::unfold((admin.control.logs().follow(), query.plugin), |(mut lines, plugin)| async move {
        loop {
            let line = match lines.recv().await {
                Ok(line) if plugin.as_ref().is_some_and(|plugin| *plugin != line.plugin) => continue,
                Ok(line) => serde_json::to_string(&line).unwrap_or_default(),
                Err(RecvError::Lagged(missed)) => serde_json::json!({ "missed": missed }).to_string(),
                Err(RecvError::Closed) => return None,
            };
            return Some((Ok::<_, std::convert::Infallible>(format!("{line}\n")), (lines, plugin)));
        }
    });
    Ok(([(CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)] // A failed step is a panic.
mod tests;
