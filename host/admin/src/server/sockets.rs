//! Sockets: list, look at one, disconnect one or all of a name. An id has 16 digits, so it is never mistaken for `disconnect`.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;

use super::Admin;
use super::durable::{Asked, PAGE_DEFAULT, asked};
use crate::api::SocketFilter;
use crate::control::{ControlError, SocketControl};

/// Sockets on a page at most, whatever is asked for.
const PAGE_MAX: usize = 1000;

pub(super) fn router() -> Router<Admin> {
    Router::new()
        .route("/api/sockets", get(list))
        .route("/api/sockets/disconnect", post(disconnect_named))
        .route("/api/sockets/{id}", get(show).delete(disconnect))
}

fn sockets(admin: &Admin) -> Result<&dyn SocketControl, ControlError> {
    let sockets = admin.control.sockets();
    sockets.ok_or_else(|| ControlError::NotFound("this node has no sockets".to_owned()))
}

/// A part of a filter that is not known is refused: a misspelt one must not make it wider.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    plugin: Option<String>,
    mount: Option<String>,
    name: Option<String>,
    cursor: Option<String>,
    limit: Option<usize>,
}

async fn list(State(admin): State<Admin>, query: Asked<ListQuery>) -> Result<Response, ControlError> {
    let ListQuery { plugin, mount, name, cursor, limit } = asked(query)?;
    let limit = limit.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX);
    let page = sockets(&admin)?.sockets(SocketFilter { plugin, mount, name }, cursor, limit);
    Ok(Json(page.await?).into_response())
}

async fn show(State(admin): State<Admin>, Path(id): Path<String>) -> Result<Response, ControlError> {
    Ok(Json(sockets(&admin)?.socket(&id)?).into_response())
}

async fn disconnect(State(admin): State<Admin>, Path(id): Path<String>) -> Result<Response, ControlError> {
    Ok(Json(sockets(&admin)?.disconnect(&id)?).into_response())
}

/// There is no way to say "all": a name that is forgotten is refused.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NameQuery {
    name: String,
}

async fn disconnect_named(State(admin): State<Admin>, query: Asked<NameQuery>) -> Result<Response, ControlError> {
    let NameQuery { name } = asked(query)?;
    let disconnected = sockets(&admin)?.disconnect_named(name);
    Ok(Json(disconnected.await?).into_response())
}
