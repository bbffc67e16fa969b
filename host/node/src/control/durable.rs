//! The admin listener's view of what is kept: jobs, queues, schedules and the store.

use std::path::PathBuf;
use std::sync::Arc;

use skep_admin::api::{
    AttemptStatus, DataStatus, Enqueued, JobCounts, JobDetail, JobFilter, JobOp, JobPage, JobState, JobStatus,
    LeaseStatus, Operated, QueueStatus, RateStatus, ScheduleStatus, StoreUsage, StoredItem, StoredKey, StoredKeyPage,
    ValueText, WaitingFor,
};
use skep_admin::{ControlError, ControlFuture, DurableControl};
use skep_jobs::{CONCURRENCY_MAX, QueueView};
use skep_store::{Area, Item, Job, JobId, ListRequest, Op, QueueRef, Waiting};
use skep_types::{HandlerName, PluginName};

use super::{NodeControl, detached};
use crate::durable::Durable;

/// Jobs and keys of a page.
const PAGE_MAX: usize = 1_000;
/// Bytes of the keys of a page.
const PAGE_BYTES_MAX: usize = 1 << 20;

impl NodeControl {
    fn kept(&self) -> Arc<Durable> {
        Arc::clone(&self.0.services.durable)
    }
}

fn state(state: skep_store::JobState) -> JobState {
    use skep_store::JobState as Kept;
    match state {
        Kept::Suspended => JobState::Suspended,
        Kept::Scheduled => JobState::Scheduled,
        Kept::Available => JobState::Available,
        Kept::Executing => JobState::Executing,
        Kept::Retryable => JobState::Retryable,
        Kept::Completed => JobState::Completed,
        Kept::Cancelled => JobState::Cancelled,
        Kept::Discarded => JobState::Discarded,
    }
}

fn kept_state(shown: JobState) -> Option<skep_store::JobState> {
    skep_store::JobState::ALL.into_iter().find(|kept| state(*kept) == shown)
}

fn filter(asked: &JobFilter) -> Result<skep_store::JobFilter, ControlError> {
    Ok(skep_store::JobFilter {
        plugin: asked.plugin.as_deref().map(plugin_name).transpose()?,
        queue: asked.queue.as_deref().map(handler_name).transpose()?,
        name: asked.name.as_deref().map(handler_name).transpose()?,
        state: asked.state.and_then(kept_state),
        ids: asked.id.map(JobId).into_iter().collect(),
    })
}

fn plugin_name(text: &str) -> Result<PluginName, ControlError> {
    PluginName::new(text).map_err(|error| ControlError::Refused(error.to_string()))
}

fn handler_name(text: &str) -> Result<HandlerName, ControlError> {
    HandlerName::new(text).map_err(|error| ControlError::Refused(error.to_string()))
}

fn status(job: Job) -> JobStatus {
    JobStatus {
        id: job.id.0,
        plugin: job.queue.plugin.to_string(),
        queue: job.queue.queue.to_string(),
        name: job.name.to_string(),
        state: state(job.state),
        waiting: job.waiting.map(|waiting| match waiting {
            Waiting::Jobs(count) => WaitingFor::Jobs { count },
            Waiting::Revision => WaitingFor::Revision,
        }),
        priority: job.priority,
        attempt: job.attempt,
        max_attempts: job.max_attempts,
        inserted_at_ms: job.inserted,
        run_at_ms: job.run_at,
        attempted_at_ms: job.attempted,
        ended_at_ms: job.ended,
        lease: job.lease.map(|lease| LeaseStatus { fence: lease.fence.0, worker: lease.worker, until_ms: lease.until }),
        meta: job.meta,
    }
}

fn queue_status(view: &QueueView) -> QueueStatus {
    QueueStatus {
        plugin: view.queue.plugin.to_string(),
        queue: view.queue.queue.to_string(),
        counts: JobCounts::of(view.counts),
        served: view.served,
        paused: view.paused,
        concurrency: view.concurrency as u64,
        scaled: view.scaled,
        global_concurrency: view.global_concurrency.map(u64::from),
        rate: view.rate.map(|rate| RateStatus {
            jobs: rate.count.get(),
            per_ms: u64::try_from(rate.period.as_millis()).unwrap_or(u64::MAX),
        }),
        running: view.running as u64,
        prefetched: view.prefetched as u64,
        settling: view.settling as u64,
    }
}

fn of_store(error: skep_store::Error) -> ControlError {
    use skep_store::Error as Kept;
    match error {
        Kept::NotFound => ControlError::NotFound("there is no such job, key or plugin".to_owned()),
        Kept::Busy | Kept::Unavailable(_) | Kept::OutcomeUnknown => ControlError::Unavailable(error.to_string()),
        other => ControlError::Refused(other.to_string()),
    }
}

fn of_jobs(error: skep_jobs::Error) -> ControlError {
    match error {
        skep_jobs::Error::NotFound => ControlError::NotFound("there is no such job".to_owned()),
        skep_jobs::Error::Commit(skep_store::CommitError::Store(error)) => of_store(error),
        skep_jobs::Error::Stopping => ControlError::Unavailable(error.to_string()),
        other => ControlError::Refused(other.to_string()),
    }
}

/// The queue of these names, which has to be there.
async fn queue(kept: &Durable, plugin: &str, queue: &str) -> Result<QueueRef, ControlError> {
    let all = kept.jobs.queues().await.map_err(of_jobs)?;
    let found = all.iter().find(|view| view.queue.plugin.as_str() == plugin && view.queue.queue.as_str() == queue);
    found.map(|view| view.queue.clone()).ok_or_else(|| {
        let known = all.iter().map(|view| format!("{}/{}", view.queue.plugin, view.queue.queue));
        not_there("queue", &format!("{plugin}/{queue}"), known)
    })
}

fn not_there(what: &str, name: &str, known: impl Iterator<Item = String>) -> ControlError {
    let known = known.collect::<Vec<_>>().join(", ");
    let known = if known.is_empty() { "none".to_owned() } else { known };
    ControlError::NotFound(format!("there is no {what} `{name}`; there are: {known}"))
}

fn stored_key(item: &Item) -> StoredKey {
    StoredKey { key: item.key.clone(), version: item.version, expires_at_ms: item.expires }
}

impl DurableControl for NodeControl {
    fn jobs(&self, asked: JobFilter, before: Option<u64>, limit: usize) -> ControlFuture<JobPage> {
        let kept = self.kept();
        detached(async move {
            let page = kept.store.jobs(filter(&asked)?, before.map(JobId), limit.min(PAGE_MAX)).await;
            let page = page.map_err(of_store)?;
            Ok(JobPage { jobs: page.jobs.into_iter().map(status).collect(), next: page.next.map(|id| id.0) })
        })
    }

    fn job(&self, id: u64, full: bool) -> ControlFuture<JobDetail> {
        let kept = self.kept();
        detached(async move {
            let found = kept.store.job(JobId(id)).await;
            let (job, attempts) = found.map_err(|error| match error {
                skep_store::Error::NotFound => {
                    ControlError::NotFound(format!("there is no job {id}: it was pruned, deleted, or never was"))
                }
                other => of_store(other),
            })?;
            let attempts = attempts.into_iter().map(|failed| AttemptStatus {
                attempt: failed.attempt,
                at_ms: failed.at,
                error: failed.error,
            });
            Ok(JobDetail {
                args: DataStatus::of(&job.args, full),
                output: job.output.as_ref().map(|output| DataStatus::of(output, full)),
                attempts: attempts.collect(),
                job: status(job),
            })
        })
    }

    fn operate(&self, asked: JobFilter, op: JobOp, before: Option<u64>) -> ControlFuture<Operated> {
        let kept = self.kept();
        let op = match op {
            JobOp::Retry => Op::Retry,
            JobOp::Cancel => Op::Cancel,
            JobOp::Delete => Op::Delete,
        };
        detached(async move {
            let report = kept.jobs.operate(filter(&asked)?, op, before.map(JobId)).await.map_err(of_jobs)?;
            Ok(Operated { changed: report.changed, next: report.next.map(|id| id.0) })
        })
    }

    fn queues(&self) -> ControlFuture<Vec<QueueStatus>> {
        let kept = self.kept();
        detached(async move {
            let all = kept.jobs.queues().await.map_err(of_jobs)?;
            Ok(all.iter().map(queue_status).collect())
        })
    }

    fn pause_queue(&self, plugin: String, name: String, paused: bool) -> ControlFuture<()> {
        let (kept, plugins) = (self.kept(), self.0.plugins());
        detached(async move {
            let queue = queue(&kept, &plugin, &name).await?;
            let settings = plugins.get(&queue.plugin).map(|plugin| plugin.settings());
            let is_paused_by_manifest = settings.is_some_and(|settings| settings.config.queue(&queue.queue).paused);
            if is_paused_by_manifest && !paused {
                let key = format!("plugins.{plugin}.queues.{name}.paused");
                let why =
                    format!("its manifest pauses the queue: write `{key} = false`, or leave the key out, and reload");
                return Err(ControlError::Refused(why));
            }
            kept.jobs.pause(&queue, paused).await.map_err(of_jobs)
        })
    }

    fn scale_queue(&self, plugin: String, name: String, concurrency: Option<u32>) -> ControlFuture<()> {
        let kept = self.kept();
        detached(async move {
            if concurrency.is_some_and(|wanted| wanted > CONCURRENCY_MAX) {
                let why = format!("a queue may have {CONCURRENCY_MAX} jobs at work at once");
                return Err(ControlError::Refused(why));
            }
            let queue = queue(&kept, &plugin, &name).await?;
            kept.jobs.scale(&queue, concurrency).await.map_err(of_jobs)
        })
    }

    fn schedules(&self) -> ControlFuture<Vec<ScheduleStatus>> {
        let (kept, plugins) = (self.kept(), self.0.plugins());
        detached(async move {
            let shown = kept.jobs.schedules().into_iter().map(|view| {
                let settings = plugins.get(&view.plugin).map(|plugin| plugin.settings());
                let cron = settings.as_ref().and_then(|settings| settings.config.cron.get(&view.name));
                ScheduleStatus {
                    schedule: view.expression(),
                    plugin: view.plugin.to_string(),
                    name: view.name.to_string(),
                    time_zone: cron.map_or_else(|| "UTC".to_owned(), |cron| cron.time_zone.clone()),
                    job: view.schedule.job.to_string(),
                    queue: view.schedule.queue.as_ref().map(ToString::to_string),
                    last_tick_ms: view.last,
                    next_tick_ms: view.next,
                }
            });
            Ok(shown.collect())
        })
    }

    fn run_schedule(&self, plugin: String, name: String) -> ControlFuture<Enqueued> {
        let kept = self.kept();
        detached(async move {
            let ran = match (PluginName::new(&plugin), HandlerName::new(&name)) {
                (Ok(plugin), Ok(name)) => kept.jobs.run_now(&plugin, &name).await,
                _ => Err(skep_jobs::Error::NotFound),
            };
            let inserted = ran.map_err(|error| match error {
                skep_jobs::Error::NotFound => {
                    let known = kept.jobs.schedules().into_iter().map(|view| format!("{}/{}", view.plugin, view.name));
                    not_there("schedule", &format!("{plugin}/{name}"), known)
                }
                other => of_jobs(other),
            })?;
            Ok(Enqueued { id: inserted.id.0, was_there: inserted.was_there, state: state(inserted.state) })
        })
    }

    fn store_usage(&self) -> ControlFuture<Vec<StoreUsage>> {
        let kept = self.kept();
        detached(async move {
            let all = kept.store.usage().await.map_err(of_store)?;
            let shown = all.into_iter().map(|usage| StoreUsage {
                plugin: usage.plugin.to_string(),
                items: usage.items,
                jobs: usage.jobs,
                bytes: usage.bytes,
                quota: usage.quota,
            });
            Ok(shown.collect())
        })
    }

    fn store_keys(
        &self,
        plugin: String,
        prefix: String,
        cursor: Option<String>,
        limit: usize,
    ) -> ControlFuture<StoredKeyPage> {
        let (kept, is_here) = (self.kept(), self.0.plugin(&plugin).is_some());
        detached(async move {
            let request = ListRequest {
                space: plugin_name(&plugin)?,
                area: Area::Plugin,
                prefix,
                after: cursor,
                limit: limit.min(PAGE_MAX),
                bytes_max: PAGE_BYTES_MAX,
                keys_only: true,
                now: kept.now(),
            };
            let page = kept.store.list(request).await.map_err(of_store)?;
            if page.items.is_empty() && !is_here {
                let known = kept.store.usage().await.map_err(of_store)?;
                return Err(not_there("plugin", &plugin, known.into_iter().map(|usage| usage.plugin.to_string())));
            }
            let cursor = page.items.last().filter(|_| page.more).map(|item| item.key.clone());
            Ok(StoredKeyPage { keys: page.items.iter().map(stored_key).collect(), cursor })
        })
    }

    fn store_item(&self, plugin: String, key: String) -> ControlFuture<StoredItem> {
        let kept = self.kept();
        detached(async move {
            let found = kept.store.get(plugin_name(&plugin)?, vec![key.clone()], kept.now()).await;
            let item = found.map_err(of_store)?.pop().flatten();
            let item = item
                .ok_or_else(|| ControlError::NotFound(format!("plugin `{plugin}` has nothing at the key `{key}`")))?;
            Ok(StoredItem {
                version: item.version,
                expires_at_ms: item.expires,
                bytes: item.value.len() as u64,
                value: ValueText::of(&item.value),
                key: item.key,
            })
        })
    }

    fn backup(&self, to: PathBuf) -> ControlFuture<u64> {
        let kept = self.kept();
        detached(async move { kept.store.backup(to).await.map_err(of_store) })
    }
}
