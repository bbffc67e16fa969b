//! Topics: list, who is there, publish, follow. Names of topics stand percent-encoded in the path.

use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use bytes::Bytes;
use serde::Deserialize;

use super::{Admin, lines};
use crate::control::ControlError;

/// Topics or members on a page, if nothing else is asked for.
const PAGE_DEFAULT: usize = 100;

pub(super) fn router() -> Router<Admin> {
    Router::new()
        .route("/api/topics", get(list))
        .route("/api/topics/{plugin}/{topic}/members", get(members))
        .route("/api/topics/{plugin}/{topic}/count", get(count))
        .route("/api/topics/{plugin}/{topic}/messages", get(tail).post(publish))
}

/// A topic as a path names it; for those who follow, a pattern.
type Topic = Path<(String, String)>;

fn id((plugin, topic): &(String, String)) -> String {
    format!("{plugin}/{topic}")
}

#[derive(Deserialize)]
struct PageQuery {
    #[serde(default)]
    prefix: String,
    cursor: Option<String>,
    limit: Option<usize>,
}

async fn list(State(admin): State<Admin>, Query(query): Query<PageQuery>) -> Result<Response, ControlError> {
    let limit = query.limit.unwrap_or(PAGE_DEFAULT);
    Ok(Json(admin.control.topics(&query.prefix, query.cursor.as_deref(), limit)?).into_response())
}

async fn members(
    State(admin): State<Admin>,
    Path(topic): Topic,
    Query(query): Query<PageQuery>,
) -> Result<Response, ControlError> {
    let limit = query.limit.unwrap_or(PAGE_DEFAULT);
    Ok(Json(admin.control.members(&id(&topic), query.cursor.as_deref(), limit)?).into_response())
}

async fn count(State(admin): State<Admin>, Path(topic): Topic) -> Result<Response, ControlError> {
    Ok(Json(admin.control.member_count(&id(&topic))?).into_response())
}

#[derive(Deserialize)]
struct PublishQuery {
    event: Option<String>,
}

async fn publish(
    State(admin): State<Admin>,
    Path(topic): Topic,
    Query(query): Query<PublishQuery>,
    data: Bytes,
) -> Result<Response, ControlError> {
    Ok(Json(admin.control.publish(&id(&topic), query.event.as_deref(), data)?).into_response())
}

#[derive(Deserialize)]
struct TailQuery {
    after: Option<u64>,
}

async fn tail(
    State(admin): State<Admin>,
    Path(topics): Topic,
    Query(query): Query<TailQuery>,
) -> Result<Response, ControlError> {
    Ok(lines::answer(admin.control.tail(&id(&topics), query.after)?))
}
