//! Jobs: list, show, retry, cancel, delete. Many at once are changed in bounded steps: `next` of an answer is the `before` of
//! the next request.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;

use super::Admin;
use super::durable::{Asked, PAGE_DEFAULT, asked, durable};
use crate::api::{JobFilter, JobOp, JobState, UnknownState};
use crate::control::ControlError;

pub(super) fn router() -> Router<Admin> {
    Router::new()
        .route("/api/jobs", get(list))
        .route("/api/jobs/retry", post(async |admin, query| many(admin, query, JobOp::Retry).await))
        .route("/api/jobs/cancel", post(async |admin, query| many(admin, query, JobOp::Cancel).await))
        .route("/api/jobs/delete", post(async |admin, query| many(admin, query, JobOp::Delete).await))
        .route("/api/jobs/{id}", get(show).delete(async |admin, id| one(admin, id, JobOp::Delete).await))
        .route("/api/jobs/{id}/retry", post(async |admin, id| one(admin, id, JobOp::Retry).await))
        .route("/api/jobs/{id}/cancel", post(async |admin, id| one(admin, id, JobOp::Cancel).await))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    plugin: Option<String>,
    queue: Option<String>,
    name: Option<String>,
    state: Option<String>,
    before: Option<u64>,
    limit: Option<usize>,
}

async fn list(State(admin): State<Admin>, query: Asked<ListQuery>) -> Result<Response, ControlError> {
    let ListQuery { plugin, queue, name, state, before, limit } = asked(query)?;
    let filter = JobFilter { plugin, queue, name, state: read_state(state)?, id: None };
    let page = durable(&admin)?.jobs(filter, before, limit.unwrap_or(PAGE_DEFAULT));
    Ok(Json(page.await?).into_response())
}

fn read_state(word: Option<String>) -> Result<Option<JobState>, ControlError> {
    let state = word.map(|word| word.parse()).transpose();
    state.map_err(|error: UnknownState| ControlError::Refused(error.to_string()))
}

/// A part of a filter that is not known is refused: a misspelt one must not make it wider.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ManyQuery {
    plugin: Option<String>,
    queue: Option<String>,
    name: Option<String>,
    state: Option<String>,
    #[serde(default)]
    all: bool,
    before: Option<u64>,
}

async fn many(State(admin): State<Admin>, query: Asked<ManyQuery>, op: JobOp) -> Result<Response, ControlError> {
    let ManyQuery { plugin, queue, name, state, all, before } = asked(query)?;
    let filter = JobFilter { plugin, queue, name, state: read_state(state)?, id: None };
    if filter.is_empty() != all {
        let which = "say which jobs: by `plugin`, `queue`, `name` and `state`, or else with `all=true`";
        return Err(ControlError::Refused(which.to_owned()));
    }
    Ok(Json(durable(&admin)?.operate(filter, op, before).await?).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ShowQuery {
    #[serde(default)]
    full: bool,
}

async fn show(
    State(admin): State<Admin>,
    Path(id): Path<String>,
    query: Asked<ShowQuery>,
) -> Result<Response, ControlError> {
    let found = durable(&admin)?.job(number(&id)?, asked(query)?.full);
    Ok(Json(found.await?).into_response())
}

async fn one(State(admin): State<Admin>, Path(id): Path<String>, op: JobOp) -> Result<Response, ControlError> {
    let (durable, id) = (durable(&admin)?, number(&id)?);
    let done = durable.operate(JobFilter { id: Some(id), ..JobFilter::default() }, op, None).await?;
    if done.changed == 0 {
        // It is not there, or it is in a state that this is not for.
        let state = durable.job(id, false).await?.job.state;
        return Err(ControlError::Refused(format!("job {id} is {state}: {}", takes(op))));
    }
    Ok(Json(done).into_response())
}

fn number(id: &str) -> Result<u64, ControlError> {
    id.parse().map_err(|_| ControlError::NotFound(format!("there is no job `{id}`: jobs have numbers")))
}

const fn takes(op: JobOp) -> &'static str {
    match op {
        JobOp::Retry => "what can be retried has ended, or is scheduled or retryable",
        JobOp::Cancel => "what has ended cannot be cancelled",
        JobOp::Delete => "what can be deleted has ended; cancel it first",
    }
}
