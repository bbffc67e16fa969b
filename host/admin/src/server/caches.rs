//! Buckets: list, look, delete, clear. Keys stand percent-encoded in the path.

use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;

use super::Admin;
use crate::control::ControlError;

/// Keys on a page, if nothing else is asked for.
const KEYS_DEFAULT: usize = 100;

pub(super) fn router() -> Router<Admin> {
    Router::new()
        .route("/api/caches", get(list))
        .route("/api/caches/{plugin}/{bucket}", get(stats).delete(clear))
        .route("/api/caches/{plugin}/{bucket}/keys", get(keys))
        .route("/api/caches/{plugin}/{bucket}/entries/{key}", get(entry).delete(delete))
}

/// A bucket as a path names it.
type Bucket = Path<(String, String)>;

fn id((plugin, bucket): &(String, String)) -> String {
    format!("{plugin}/{bucket}")
}

async fn list(State(admin): State<Admin>) -> Response {
    Json(admin.control.caches()).into_response()
}

async fn stats(State(admin): State<Admin>, Path(bucket): Bucket) -> Result<Response, ControlError> {
    Ok(Json(admin.control.cache(&id(&bucket))?).into_response())
}

async fn clear(State(admin): State<Admin>, Path(bucket): Bucket) -> Result<Response, ControlError> {
    Ok(Json(admin.control.cache_clear(id(&bucket)).await?).into_response())
}

#[derive(Deserialize)]
struct KeysQuery {
    #[serde(default)]
    prefix: String,
    cursor: Option<String>,
    limit: Option<usize>,
}

async fn keys(
    State(admin): State<Admin>,
    Path(bucket): Bucket,
    Query(query): Query<KeysQuery>,
) -> Result<Response, ControlError> {
    let limit = query.limit.unwrap_or(KEYS_DEFAULT);
    Ok(Json(admin.control.cache_keys(&id(&bucket), &query.prefix, query.cursor.as_deref(), limit)?).into_response())
}

type Entry = Path<(String, String, String)>;

async fn entry(State(admin): State<Admin>, Path((plugin, bucket, key)): Entry) -> Result<Response, ControlError> {
    Ok(Json(admin.control.cache_entry(&id(&(plugin, bucket)), &key)?).into_response())
}

async fn delete(State(admin): State<Admin>, Path((plugin, bucket, key)): Entry) -> Result<Response, ControlError> {
    Ok(Json(admin.control.cache_delete(id(&(plugin, bucket)), key).await?).into_response())
}
