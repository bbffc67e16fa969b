//! The supervision tree: look at it, follow what happens, resume; dead letters: list, retry, clear.

use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;

use super::{Admin, lines};
use crate::control::{ControlError, SupervisionControl};

pub(super) fn router() -> Router<Admin> {
    Router::new()
        .route("/api/tree", get(tree))
        .route("/api/tree/resume", post(resume))
        .route("/api/events", get(events))
        .route("/api/dead", get(dead))
        .route("/api/dead/{plugin}/{subscription}", axum::routing::delete(clear))
        .route("/api/dead/{plugin}/{subscription}/retry", post(retry))
}

fn supervision(admin: &Admin) -> Result<&dyn SupervisionControl, ControlError> {
    let supervision = admin.control.supervision();
    supervision.ok_or_else(|| ControlError::NotFound("this node supervises nothing".to_owned()))
}

async fn tree(State(admin): State<Admin>) -> Result<Response, ControlError> {
    Ok(Json(supervision(&admin)?.tree()).into_response())
}

#[derive(Deserialize)]
struct ResumeQuery {
    path: String,
}

async fn resume(State(admin): State<Admin>, Query(query): Query<ResumeQuery>) -> Result<Response, ControlError> {
    Ok(Json(supervision(&admin)?.resume(&query.path)?).into_response())
}

#[derive(Deserialize)]
struct EventsQuery {
    after: Option<u64>,
    #[serde(default)]
    follow: bool,
}

async fn events(State(admin): State<Admin>, Query(query): Query<EventsQuery>) -> Result<Response, ControlError> {
    Ok(lines::answer(supervision(&admin)?.events(query.after, query.follow)))
}

#[derive(Deserialize)]
struct DeadQuery {
    plugin: Option<String>,
    subscription: Option<String>,
}

async fn dead(State(admin): State<Admin>, Query(query): Query<DeadQuery>) -> Result<Response, ControlError> {
    let (plugin, subscription) = (query.plugin.as_deref(), query.subscription.as_deref());
    Ok(Json(supervision(&admin)?.dead_letters(plugin, subscription)?).into_response())
}

/// A subscription as a path names it.
type Subscription = Path<(String, String)>;

async fn clear(
    State(admin): State<Admin>,
    Path((plugin, subscription)): Subscription,
) -> Result<Response, ControlError> {
    let cleared = supervision(&admin)?.clear_dead(plugin, subscription);
    Ok(Json(cleared.await?).into_response())
}

async fn retry(
    State(admin): State<Admin>,
    Path((plugin, subscription)): Subscription,
) -> Result<Response, ControlError> {
    let retried = supervision(&admin)?.retry_dead(plugin, subscription);
    Ok(Json(retried.await?).into_response())
}
