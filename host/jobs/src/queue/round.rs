//! One round with the store: what ended is settled, and new jobs are leased, in one write.

use std::pin::Pin;
use std::sync::Arc;

use skep_store::{Caps, Error, JobFilter, JobState, LeaseRequest, QueueRef, Settle, Settled, Timestamp};

use super::hand::Ending;
use crate::core::Core;

/// The most ends that one round settles.
const SETTLE_MAX: usize = 1024;
/// The most jobs that one round leases, so that a queue with much to do does not keep others from the store.
pub(super) const LEASE_MAX: usize = 512;
/// How many jobs are looked at in one step for leases that nobody knows of.
const RECOVER_STEP: usize = 500;

type Answering<T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send>>;

/// A round under way.
pub(super) enum Round {
    /// The usual one.
    Work(Work, Answering<skep_store::Round>),
    /// Leases that nobody knows of are given back.
    Recover(Answering<()>),
}

/// What a round was begun with.
pub(super) struct Work {
    pub(super) endings: Vec<Ending>,
    /// How many jobs were asked for.
    pub(super) wanted: usize,
    pub(super) until: Timestamp,
    /// What the lease kept to.
    pub(super) caps: Caps,
}

/// What came of a round.
pub(super) enum Answer {
    Work(Work, Result<skep_store::Round, Error>),
    Recover(Result<(), Error>),
}

impl Round {
    pub(super) fn work(core: &Core, queue: &QueueRef, endings: Vec<Ending>, wanted: usize, caps: Caps) -> Self {
        let now = core.time.wall();
        let until = now.saturating_add(core.lease_ms());
        let settle: Vec<Settle> = endings.iter().map(|ending| ending.settle.clone()).collect();
        let lease = (wanted > 0).then(|| LeaseRequest {
            queue: queue.clone(),
            limit: wanted,
            worker: core.worker.clone(),
            now,
            until,
            caps,
        });
        Self::Work(Work { endings, wanted, until, caps }, core.store.settle_and_lease(settle, lease))
    }

    /// After a lease of which it is not known whether it was given: jobs that are on lease to this host, and of which it
    /// does not know, are given back, so that the attempt does not count.
    pub(super) fn recover(core: &Arc<Core>, queue: &QueueRef) -> Self {
        let (core, queue) = (Arc::clone(core), queue.clone());
        Self::Recover(Box::pin(async move {
            let filter = JobFilter {
                plugin: Some(queue.plugin),
                queue: Some(queue.queue),
                state: Some(JobState::Executing),
                ..JobFilter::default()
            };
            let mut before = None;
            loop {
                let page = core.store.jobs(filter.clone(), before, RECOVER_STEP).await?;
                let now = core.time.wall();
                let unknown = page.jobs.into_iter().filter_map(|job| {
                    let lease = job.lease.filter(|lease| lease.worker == core.worker && !core.held.has(lease.fence))?;
                    Some(Settle { id: job.id, fence: lease.fence, now, as_: Settled::Returned })
                });
                let unknown: Vec<_> = unknown.collect();
                if !unknown.is_empty() {
                    core.store.settle(unknown).await?;
                }
                before = page.next;
                if before.is_none() {
                    return Ok(());
                }
            }
        }))
    }

    /// Takes at most as many ends as fit in a round.
    pub(super) fn portion(endings: &mut Vec<Ending>, singly: bool) -> Vec<Ending> {
        let most = if singly { 1 } else { SETTLE_MAX };
        if endings.len() <= most {
            return std::mem::take(endings);
        }
        let rest = endings.split_off(most);
        std::mem::replace(endings, rest)
    }

    /// Waits for what comes of the round under way, and takes it out; forever if there is none. Cancelling the wait loses
    /// nothing.
    pub(super) async fn answer(round: &mut Option<Self>) -> Answer {
        match round {
            None => std::future::pending().await,
            Some(Self::Work(_, answering)) => {
                let answer = answering.await;
                let Some(Self::Work(work, _)) = round.take() else { std::future::pending().await };
                Answer::Work(work, answer)
            }
            Some(Self::Recover(answering)) => {
                let answer = answering.await;
                *round = None;
                Answer::Recover(answer)
            }
        }
    }
}
