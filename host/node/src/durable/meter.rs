//! Metrics of jobs and of the store.

use std::collections::HashMap;
use std::sync::Arc;

use metrics::{Counter, Histogram};
use parking_lot::{Mutex, RwLock};
use skep_jobs::{AttemptEnded, JobObserver, OutcomeKind};
use skep_store::{JobState, QueueRef, Store};
use skep_types::HandlerName;

/// The counter of attempts that ended, by plugin, queue, job and outcome.
const ATTEMPTS: &str = "skep_job_attempts_total";
/// How long attempts took, in seconds, by plugin and queue.
const SECONDS: &str = "skep_job_seconds";
/// How long jobs waited from when they could have begun, in seconds, by plugin and queue.
const WAITED: &str = "skep_job_waited_seconds";
/// Jobs by plugin, queue and state.
const JOBS: &str = "skep_jobs";
/// Items and bytes of the store, by plugin.
const ITEMS: &str = "skep_store_items";
const BYTES: &str = "skep_store_bytes";

/// Says what the metrics mean; told to the recorder once.
pub(crate) fn describe() {
    metrics::describe_counter!(ATTEMPTS, "Attempts at jobs that ended, by what became of them");
    metrics::describe_histogram!(SECONDS, metrics::Unit::Seconds, "Time of an attempt at a job");
    metrics::describe_histogram!(WAITED, metrics::Unit::Seconds, "Time from when a job could begin until it began");
    metrics::describe_gauge!(JOBS, "Jobs by queue and state");
    metrics::describe_gauge!(ITEMS, "Items in the store, by plugin");
    metrics::describe_gauge!(BYTES, metrics::Unit::Bytes, "Bytes of items, jobs and messages in the store, by plugin");
}

/// Counts attempts. Its handles are looked up once for each queue and job. Names of jobs that no component defines end as
/// unknown and are counted under one name, so that the guests' words do not become labels.
#[derive(Default)]
pub(super) struct Counted {
    queues: RwLock<HashMap<QueueRef, Arc<Handles>>>,
}

struct Handles {
    seconds: Histogram,
    waited: Histogram,
    attempts: Mutex<HashMap<(HandlerName, OutcomeKind), Counter>>,
}

impl Counted {
    fn handles(&self, queue: &QueueRef) -> Arc<Handles> {
        if let Some(known) = self.queues.read().get(queue) {
            return Arc::clone(known);
        }
        let labels = [("plugin", queue.plugin.to_string()), ("queue", queue.queue.to_string())];
        let handles = Handles {
            seconds: metrics::histogram!(SECONDS, &labels),
            waited: metrics::histogram!(WAITED, &labels),
            attempts: Mutex::default(),
        };
        Arc::clone(self.queues.write().entry(queue.clone()).or_insert_with(|| Arc::new(handles)))
    }
}

impl JobObserver for Counted {
    fn ended(&self, attempt: &AttemptEnded<'_>) {
        let handles = self.handles(attempt.queue);
        let counter = |job: String| {
            metrics::counter!(
                ATTEMPTS,
                "plugin" => attempt.queue.plugin.to_string(),
                "queue" => attempt.queue.queue.to_string(),
                "job" => job,
                "outcome" => attempt.outcome.as_str(),
            )
        };
        if attempt.outcome == OutcomeKind::Unknown {
            counter("unknown".to_owned()).increment(1);
            return;
        }
        handles.seconds.record(attempt.ran);
        handles.waited.record(attempt.waited);
        let mut attempts = handles.attempts.lock();
        let key = (attempt.name.clone(), attempt.outcome);
        attempts.entry(key).or_insert_with(|| counter(attempt.name.to_string())).increment(1);
    }
}

/// Brings the gauges up to date, from what the store counts.
#[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
pub(super) async fn measure(store: &dyn Store) {
    for queue in store.queue_counts().await.unwrap_or_default() {
        for (state, count) in JobState::ALL.iter().zip(queue.counts) {
            let labels = [
                ("plugin", queue.queue.plugin.to_string()),
                ("queue", queue.queue.queue.to_string()),
                ("state", state.as_str().to_owned()),
            ];
            metrics::gauge!(JOBS, &labels).set(count as f64);
        }
    }
    for usage in store.usage().await.unwrap_or_default() {
        let labels = [("plugin", usage.plugin.to_string())];
        metrics::gauge!(ITEMS, &labels).set(usage.items as f64);
        metrics::gauge!(BYTES, &labels).set(usage.bytes as f64);
    }
}
