//! Processes: list, count, look at one; kill, restart, stop. The process stands percent-encoded in the path, as one part of it; it
//! has a slash, so it is never mistaken for `kinds`.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;

use super::Admin;
use super::durable::{Asked, PAGE_DEFAULT, asked};
use crate::api::{ProcessFilter, ProcessOp, UnknownWord};
use crate::control::{ControlError, ProcessControl};

/// Processes on a page at most, whatever is asked for.
const PAGE_MAX: usize = 1000;

pub(super) fn router() -> Router<Admin> {
    Router::new()
        .route("/api/processes", get(list))
        .route("/api/processes/kinds", get(kinds))
        .route("/api/processes/{process}", get(show))
        .route("/api/processes/{process}/kill", post(async |admin, id| operate(admin, id, ProcessOp::Kill).await))
        .route("/api/processes/{process}/restart", post(async |admin, id| operate(admin, id, ProcessOp::Restart).await))
        .route("/api/processes/{process}/stop", post(async |admin, id| operate(admin, id, ProcessOp::Stop).await))
}

fn processes(admin: &Admin) -> Result<&dyn ProcessControl, ControlError> {
    let processes = admin.control.processes();
    processes.ok_or_else(|| ControlError::NotFound("this node has no processes".to_owned()))
}

/// A part of a filter that is not known is refused: a misspelt one must not make it wider.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    plugin: Option<String>,
    kind: Option<String>,
    prefix: Option<String>,
    state: Option<String>,
    sort: Option<String>,
    cursor: Option<String>,
    limit: Option<usize>,
}

async fn list(State(admin): State<Admin>, query: Asked<ListQuery>) -> Result<Response, ControlError> {
    let ListQuery { plugin, kind, prefix, state, sort, cursor, limit } = asked(query)?;
    let filter = ProcessFilter { plugin, kind, prefix, state: word(state)? };
    let limit = limit.unwrap_or(PAGE_DEFAULT).clamp(1, PAGE_MAX);
    let page = processes(&admin)?.processes(filter, word(sort)?.unwrap_or_default(), cursor, limit);
    Ok(Json(page.await?).into_response())
}

fn word<T: std::str::FromStr<Err = UnknownWord>>(word: Option<String>) -> Result<Option<T>, ControlError> {
    let known = word.map(|word| word.parse()).transpose();
    known.map_err(|error: UnknownWord| ControlError::Refused(error.to_string()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KindsQuery {
    plugin: Option<String>,
}

async fn kinds(State(admin): State<Admin>, query: Asked<KindsQuery>) -> Result<Response, ControlError> {
    let KindsQuery { plugin } = asked(query)?;
    let mut kinds = processes(&admin)?.process_kinds().await?;
    kinds.retain(|kind| plugin.as_ref().is_none_or(|plugin| *plugin == kind.plugin));
    Ok(Json(kinds).into_response())
}

async fn show(State(admin): State<Admin>, Path(process): Path<String>) -> Result<Response, ControlError> {
    let detail = processes(&admin)?.process(process);
    Ok(Json(detail.await?).into_response())
}

async fn operate(
    State(admin): State<Admin>,
    Path(process): Path<String>,
    op: ProcessOp,
) -> Result<Response, ControlError> {
    let done = processes(&admin)?.operate_process(process, op);
    Ok(Json(done.await?).into_response())
}
