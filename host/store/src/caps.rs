//! How many jobs of a queue may be at work at once, and how often they may begin, over all hosts of a store.

use std::num::NonZeroU32;

use crate::Timestamp;
use crate::job::Job;
use crate::window::Window;

/// What a lease keeps to, counted over all hosts of the store that keep to it too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Caps {
    /// At most so many jobs of the queue are on lease at once. A lease that ran out counts until its job is
    /// [reclaimed](crate::Store::reclaim).
    pub running_max: Option<NonZeroU32>,
    /// How often jobs of the queue are given on lease.
    pub rate: Option<RateCap>,
}

impl Caps {
    /// Whether there is nothing to keep to.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.running_max.is_none() && self.rate.is_none()
    }
}

/// At most so many in any stretch of time of this length, also over restarts.
///
/// What begins is kept in a hundred steps of that length, and at least a millisecond each: it counts from the end of its step,
/// so that the cap is never passed, and a stretch that is always full loses at most a hundredth. Time is what callers say: as
/// far as their clocks differ, a stretch may be that much shorter, and what a clock that was ahead has left counts for a minute
/// and two such stretches at most. A job that is [given back](crate::Settled::Returned) has begun all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateCap {
    /// How many.
    pub count: NonZeroU32,
    /// In how many milliseconds; 0 counts as 1.
    pub period_ms: u64,
}

/// What a lease gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leased {
    /// The jobs.
    pub jobs: Vec<Job>,
    /// Why there are no more, though there may be available ones.
    pub held_back: Option<HeldBack>,
}

/// Why a lease gave fewer jobs than were asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeldBack {
    /// As many as may be are at work. Where another host that keeps to the cap ends one, the [`Observer`](crate::Observer) hears of
    /// the queue.
    Running,
    /// As many as may have begun.
    Rate {
        /// When another one may.
        again: Timestamp,
    },
    /// Another host takes jobs of the queue at this moment: nobody waits for it, and whoever asks again in a few
    /// milliseconds gets an answer.
    Elsewhere,
}

/// How many jobs a lease may give.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    limit: usize,
    running: usize,
    rate: usize,
}

impl Room {
    /// In a queue of which so many are at work.
    pub(crate) fn new(caps: &Caps, limit: usize, executing: i64, window: &mut Window, now: Timestamp) -> Self {
        let executing = usize::try_from(executing).unwrap_or(0);
        let running = |max: NonZeroU32| (max.get() as usize).saturating_sub(executing);
        let rate = caps.rate.map(|rate| window.available(rate, now) as usize);
        Self { limit, running: caps.running_max.map_or(usize::MAX, running), rate: rate.unwrap_or(usize::MAX) }
    }

    /// How many at most.
    pub(crate) fn jobs(&self) -> usize {
        self.limit.min(self.running).min(self.rate)
    }

    /// These were given, which is written down.
    pub(crate) fn give(&self, jobs: Vec<Job>, caps: &Caps, window: &mut Window, now: Timestamp) -> Leased {
        if let Some(rate) = caps.rate {
            window.take(rate, u32::try_from(jobs.len()).unwrap_or(u32::MAX), now);
        }
        let all = jobs.len() < self.jobs() || self.jobs() >= self.limit;
        let held_back = match caps.rate {
            _ if all => None,
            Some(rate) if self.rate <= self.running => Some(HeldBack::Rate { again: window.again(rate, now) }),
            _ => Some(HeldBack::Running),
        };
        Leased { jobs, held_back }
    }
}
