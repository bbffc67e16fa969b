//! What operators see.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use skep_store::{QueueCounts, QueueRef, Timestamp};
use skep_types::{HandlerName, PluginName};

use crate::definition::{RateLimit, Schedule, When};
use crate::error::Error;
use crate::service::Jobs;

/// A queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueView {
    /// Which one.
    pub queue: QueueRef,
    /// Its jobs, in the order of [`JobState::ALL`](skep_store::JobState::ALL).
    pub counts: [u64; 8],
    /// Whether its plugin is here. Otherwise its jobs wait.
    pub served: bool,
    /// Whether an operator, or its plugin, paused it.
    pub paused: bool,
    /// Attempts at once on this host.
    pub concurrency: usize,
    /// Whether an operator set that.
    pub scaled: bool,
    /// Attempts at once on all hosts, if that is capped.
    pub global_concurrency: Option<u32>,
    /// How often they begin, on all hosts.
    pub rate: Option<RateLimit>,
    /// Attempts that run on this host.
    pub running: usize,
    /// Jobs on lease to this host that have not begun.
    pub prefetched: usize,
    /// Attempts of this host that ended, and whose ends are not durable yet.
    pub settling: usize,
}

/// A schedule.
#[derive(Clone, Debug, PartialEq)]
pub struct ScheduleView {
    /// Whose.
    pub plugin: PluginName,
    /// Its name there.
    pub name: HandlerName,
    /// What it is.
    pub schedule: Schedule,
    /// The last tick that was acted on, or when it began.
    pub last: Option<Timestamp>,
    /// The next one.
    pub next: Option<Timestamp>,
}

impl ScheduleView {
    /// When it ticks, as it is written.
    #[must_use]
    pub fn expression(&self) -> String {
        match &self.schedule.when {
            When::Cron(cron) => cron.to_string(),
            When::Reboot => "@reboot".to_owned(),
        }
    }
}

impl Jobs {
    /// All queues: those that are served, and those in which the store has jobs, in the order of their names.
    ///
    /// # Errors
    /// What the store says.
    pub async fn queues(&self) -> Result<Vec<QueueView>, Error> {
        let core = self.core();
        let counts = core.store.queue_counts().await?;
        let mut all: BTreeMap<QueueRef, [u64; 8]> =
            counts.into_iter().map(|QueueCounts { queue, counts }| (queue, counts)).collect();
        let registry = core.registry.lock();
        for queue in registry.queues.keys() {
            all.entry(queue.clone()).or_default();
        }
        let view = |(queue, counts): (QueueRef, [u64; 8])| {
            let served = registry.queues.get(&queue);
            let terms = served.map(|queue| queue.terms());
            let at_work = served.map(|queue| queue.at_work()).unwrap_or_default();
            let operator = registry.operator(&queue);
            let options = terms.as_ref().and_then(|terms| Some(terms.setup.as_ref()?.options));
            QueueView {
                counts,
                served: terms.as_ref().is_some_and(|terms| terms.setup.is_some()),
                paused: terms.as_ref().map_or(operator.paused, |terms| terms.paused),
                concurrency: terms.as_ref().map_or(0, |terms| terms.concurrency),
                scaled: operator.concurrency.is_some(),
                global_concurrency: options.and_then(|options| options.global_concurrency).map(NonZeroU32::get),
                rate: options.and_then(|options| options.rate),
                running: at_work.running,
                prefetched: at_work.prefetched,
                settling: at_work.settling,
                queue,
            }
        };
        Ok(all.into_iter().map(view).collect())
    }

    /// All schedules, in the order of their names.
    #[must_use]
    pub fn schedules(&self) -> Vec<ScheduleView> {
        let registry = self.core().registry.lock();
        let of = registry.plugins.iter().flat_map(|(plugin, entry)| {
            entry.schedules.iter().map(move |(name, scheduled)| ScheduleView {
                plugin: plugin.clone(),
                name: name.clone(),
                schedule: scheduled.schedule.clone(),
                last: scheduled.last(),
                next: scheduled.next(),
            })
        });
        of.collect()
    }

    /// Those who wait for the end of a job.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.core().waiters.len()
    }
}
