//! What is counted of a second tier.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counts of one bucket's second tier since it began. They only grow, except `up`, `tells`, `why` and `owed`, which say what
/// is so now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Whether it answers; else the breaker is open and nothing is asked.
    pub up: bool,
    /// Whether it tells what other hosts change.
    pub tells: bool,
    /// Why it is not up.
    pub why: Option<Arc<str>>,
    /// Lookups that found a live entry.
    pub hits: u64,
    /// Lookups that found none.
    pub misses: u64,
    /// Of the misses, those that found something else under the key: it is not of this form, or too long.
    pub foreign: u64,
    /// Changes that it took.
    pub writes: u64,
    /// Questions that it refused, or did not answer in time.
    pub errors: u64,
    /// Operations that were done in memory alone without asking: it was down, or busy, or the key was owed.
    pub skipped: u64,
    /// Changes of other hosts that it told.
    pub told: u64,
    /// Keys whose last change may not have reached it.
    pub owed: u64,
}

#[derive(Default)]
pub(super) struct Counts {
    pub(super) hits: AtomicU64,
    pub(super) misses: AtomicU64,
    pub(super) foreign: AtomicU64,
    pub(super) writes: AtomicU64,
    pub(super) errors: AtomicU64,
    pub(super) skipped: AtomicU64,
    pub(super) told: AtomicU64,
}

pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

impl Counts {
    pub(super) fn read(&self) -> Stats {
        let read = |counter: &AtomicU64| counter.load(Relaxed);
        Stats {
            hits: read(&self.hits),
            misses: read(&self.misses),
            foreign: read(&self.foreign),
            writes: read(&self.writes),
            errors: read(&self.errors),
            skipped: read(&self.skipped),
            told: read(&self.told),
            ..Stats::default()
        }
    }
}
