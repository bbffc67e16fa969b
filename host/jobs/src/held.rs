//! The leases that this host holds.

use std::collections::HashMap;

use parking_lot::Mutex;
use skep_store::{Fence, Job, JobId, Lost, Timestamp};

use crate::attempt::{Stop, StopReason};

/// Leases by their fences, which are never used again. A job that was taken away and came back has two for a while.
///
/// Bounded by the queues' concurrency and prefetch. The lock is held for a moment, over no await.
#[derive(Default)]
pub(crate) struct Held(Mutex<HashMap<u64, Lease>>);

struct Lease {
    id: JobId,
    until: Timestamp,
    stop: Stop,
}

impl Held {
    /// Notes new leases, and makes a [`Stop`] for each.
    pub(crate) fn take(&self, jobs: Vec<Job>, until: Timestamp) -> Vec<(Job, Fence, Stop)> {
        let mut held = self.0.lock();
        let taken = jobs.into_iter().filter_map(|job| {
            // The store gives none without a lease.
            let fence = job.lease.as_ref()?.fence;
            let stop = Stop::default();
            held.insert(fence.0, Lease { id: job.id, until, stop: stop.clone() });
            Some((job, fence, stop))
        });
        taken.collect()
    }

    pub(crate) fn let_go(&self, fences: impl Iterator<Item = Fence>) {
        let mut held = self.0.lock();
        for fence in fences {
            held.remove(&fence.0);
        }
    }

    pub(crate) fn has(&self, fence: Fence) -> bool {
        self.0.lock().contains_key(&fence.0)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().len()
    }

    /// Those that run out before this time.
    pub(crate) fn ending(&self, before: Timestamp) -> Vec<(JobId, Fence)> {
        let held = self.0.lock();
        held.iter().filter(|(_, lease)| lease.until < before).map(|(fence, lease)| (lease.id, Fence(*fence))).collect()
    }

    /// What a heartbeat answered: those that are not lost are extended.
    pub(crate) fn extended(&self, leases: &[(JobId, Fence)], lost: &[Lost], until: Timestamp) {
        let mut held = self.0.lock();
        for (id, fence) in leases {
            let Some(lease) = held.get_mut(&fence.0) else { continue };
            if lost.contains(&Lost(*id)) {
                lease.stop.raise(StopReason::LeaseLost);
            } else {
                lease.until = until;
            }
        }
    }

    /// Stops the attempts whose leases have run out by now.
    pub(crate) fn stop_expired(&self, now: Timestamp) {
        for lease in self.0.lock().values().filter(|lease| lease.until <= now) {
            lease.stop.raise(StopReason::LeaseLost);
        }
    }

    pub(crate) fn stop(&self, fence: Fence, reason: StopReason) {
        if let Some(lease) = self.0.lock().get(&fence.0) {
            lease.stop.raise(reason);
        }
    }

    pub(crate) fn stop_all(&self, reason: StopReason) {
        for lease in self.0.lock().values() {
            lease.stop.raise(reason);
        }
    }
}
