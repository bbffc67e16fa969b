//! Queues and schedules: list, pause, resume, scale, run now.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;

use super::Admin;
use super::durable::{Asked, asked, durable};
use crate::control::{ControlError, DurableControl};

pub(super) fn router() -> Router<Admin> {
    Router::new()
        .route("/api/queues", get(list))
        .route("/api/queues/{plugin}/{queue}/pause", post(async |admin, queue| pause(admin, queue, true).await))
        .route("/api/queues/{plugin}/{queue}/resume", post(async |admin, queue| pause(admin, queue, false).await))
        .route("/api/queues/{plugin}/{queue}/scale", post(scale))
        .route("/api/cron", get(schedules))
        .route("/api/cron/{plugin}/{name}/run", post(run))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfPlugin {
    plugin: Option<String>,
}

impl OfPlugin {
    fn is(&self, plugin: &str) -> bool {
        self.plugin.as_ref().is_none_or(|of| of == plugin)
    }
}

async fn list(State(admin): State<Admin>, query: Asked<OfPlugin>) -> Result<Response, ControlError> {
    let of = asked(query)?;
    let mut queues = durable(&admin)?.queues().await?;
    queues.retain(|queue| of.is(&queue.plugin));
    Ok(Json(queues).into_response())
}

/// A queue or a schedule as a path names it.
type Named = Path<(String, String)>;

async fn pause(
    State(admin): State<Admin>,
    Path((plugin, queue)): Named,
    paused: bool,
) -> Result<Response, ControlError> {
    let durable = durable(&admin)?;
    durable.pause_queue(plugin.clone(), queue.clone(), paused).await?;
    now(durable, &plugin, &queue).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScaleQuery {
    /// None: what the manifest says.
    to: Option<u32>,
}

async fn scale(
    State(admin): State<Admin>,
    Path((plugin, queue)): Named,
    query: Asked<ScaleQuery>,
) -> Result<Response, ControlError> {
    let (durable, concurrency) = (durable(&admin)?, asked(query)?.to);
    durable.scale_queue(plugin.clone(), queue.clone(), concurrency).await?;
    now(durable, &plugin, &queue).await
}

/// The queue as it is now.
async fn now(durable: &dyn DurableControl, plugin: &str, queue: &str) -> Result<Response, ControlError> {
    let queues = durable.queues().await?;
    let found = queues.into_iter().find(|status| status.plugin == plugin && status.queue == queue);
    let found = found.ok_or_else(|| ControlError::NotFound(format!("the queue `{plugin}/{queue}` is gone")))?;
    Ok(Json(found).into_response())
}

async fn schedules(State(admin): State<Admin>, query: Asked<OfPlugin>) -> Result<Response, ControlError> {
    let of = asked(query)?;
    let mut schedules = durable(&admin)?.schedules().await?;
    schedules.retain(|schedule| of.is(&schedule.plugin));
    Ok(Json(schedules).into_response())
}

async fn run(State(admin): State<Admin>, Path((plugin, name)): Named) -> Result<Response, ControlError> {
    let enqueued = durable(&admin)?.run_schedule(plugin, name);
    Ok(Json(enqueued.await?).into_response())
}
