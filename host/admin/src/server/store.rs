//! The store: who uses how much, keys and values, a copy. Keys stand percent-encoded in the path.

use std::path::PathBuf;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;

use super::Admin;
use super::durable::{Asked, PAGE_DEFAULT, asked, durable};
use crate::api::BackedUp;
use crate::control::ControlError;

pub(super) fn router() -> Router<Admin> {
    Router::new()
        .route("/api/store", get(usage))
        .route("/api/store/backup", post(backup))
        .route("/api/store/{plugin}/keys", get(keys))
        .route("/api/store/{plugin}/items/{key}", get(item))
}

async fn usage(State(admin): State<Admin>) -> Result<Response, ControlError> {
    let usage = durable(&admin)?.store_usage();
    Ok(Json(usage.await?).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeysQuery {
    #[serde(default)]
    prefix: String,
    cursor: Option<String>,
    limit: Option<usize>,
}

async fn keys(
    State(admin): State<Admin>,
    Path(plugin): Path<String>,
    query: Asked<KeysQuery>,
) -> Result<Response, ControlError> {
    let KeysQuery { prefix, cursor, limit } = asked(query)?;
    let page = durable(&admin)?.store_keys(plugin, prefix, cursor, limit.unwrap_or(PAGE_DEFAULT));
    Ok(Json(page.await?).into_response())
}

async fn item(
    State(admin): State<Admin>,
    Path((plugin, key)): Path<(String, String)>,
) -> Result<Response, ControlError> {
    let item = durable(&admin)?.store_item(plugin, key);
    Ok(Json(item.await?).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BackupQuery {
    to: String,
}

async fn backup(State(admin): State<Admin>, query: Asked<BackupQuery>) -> Result<Response, ControlError> {
    let path = asked(query)?.to;
    let to = PathBuf::from(&path);
    if !to.is_absolute() {
        // The node's working directory is nobody's idea of where it would be.
        return Err(ControlError::Refused(format!("`{path}` is no absolute path on the node's host")));
    }
    let bytes = durable(&admin)?.backup(to).await?;
    Ok(Json(BackedUp { path, bytes }).into_response())
}
