//! What a worker has in hand: leases that wait, and ends that are to be settled.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use skep_store::{Fence, Job, Settle, Settled};
use skep_types::HandlerName;

use crate::attempt::Stop;

/// A job on lease that has not begun.
pub(super) struct Leased {
    pub(super) job: Job,
    pub(super) fence: Fence,
    pub(super) stop: Stop,
}

/// An attempt that ended.
pub(super) struct Ending {
    pub(super) settle: Settle,
    pub(super) name: HandlerName,
    pub(super) attempt: u16,
    pub(super) waited: Duration,
    pub(super) ran: Duration,
    /// The store could not tell whether it was written once: if it is lost now, it was.
    pub(super) unsure: bool,
    /// The store refused it for what it says, and was told something shorter.
    pub(super) shortened: bool,
}

impl Ending {
    /// Of a job that never began.
    pub(super) fn unbegun(leased: Leased, as_: Settled, now: skep_store::Timestamp) -> Self {
        let Leased { job, fence, .. } = leased;
        Self {
            settle: Settle { id: job.id, fence, now, as_ },
            name: job.name,
            attempt: job.attempt,
            waited: Duration::ZERO,
            ran: Duration::ZERO,
            unsure: false,
            shortened: false,
        }
    }
}

/// Jobs on lease that wait for room, and since when.
#[derive(Default)]
pub(super) struct Prefetched {
    jobs: VecDeque<(Leased, Instant)>,
}

impl Prefetched {
    /// For so long a job may wait for room before it is given back, for others to take.
    pub(super) const STALE: Duration = Duration::from_millis(250);

    pub(super) fn push(&mut self, leased: Leased, now: Instant) {
        self.jobs.push_back((leased, now));
    }

    pub(super) fn pop(&mut self) -> Option<Leased> {
        self.jobs.pop_front().map(|(leased, _)| leased)
    }

    pub(super) fn len(&self) -> usize {
        self.jobs.len()
    }

    /// When the oldest has waited for too long.
    pub(super) fn stale_at(&self) -> Option<Instant> {
        self.jobs.front().and_then(|(_, since)| since.checked_add(Self::STALE))
    }
}

/// How long attempts take, so that no more is prefetched than begins soon.
pub(super) struct Pace(Duration);

impl Pace {
    /// What is prefetched is expected to begin within this.
    const AHEAD: Duration = Duration::from_millis(10);

    /// Nothing is known yet: nothing is prefetched.
    pub(super) const fn unknown() -> Self {
        Self(Duration::from_secs(1))
    }

    /// The mean goes an eighth of the way.
    pub(super) fn ran(&mut self, time: Duration) {
        self.0 = self.0 - self.0 / 8 + time.min(Duration::from_secs(3600)) / 8;
    }

    /// What was prefetched waited for too long.
    pub(super) fn stalled(&mut self) {
        self.0 = self.0.max(Prefetched::STALE);
    }

    /// How many to prefetch beside so many that run at once.
    pub(super) fn prefetch(&self, concurrency: usize, most: usize) -> usize {
        let ahead = Self::AHEAD.as_nanos().saturating_mul(concurrency as u128) / self.0.as_nanos().max(1);
        usize::try_from(ahead).unwrap_or(most).min(most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_jobs_are_prefetched_and_long_ones_are_not() {
        let after = |each: Duration| {
            let mut pace = Pace::unknown();
            (0..200).for_each(|_| pace.ran(each));
            pace.prefetch(10, 1024)
        };
        assert_eq!(Pace::unknown().prefetch(10, 1024), 0);
        assert_eq!([0, 100, 1000, 11_000].map(|us| after(Duration::from_micros(us))), [1024, 999, 99, 9]);
        assert_eq!(after(Duration::from_secs(3)), 0);
        let mut pace = Pace(Duration::ZERO);
        pace.stalled();
        assert_eq!(pace.prefetch(10, 1024), 0);
    }
}
