//! All logs of the host, under one budget.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use parking_lot::Mutex;
use skep_types::Clock;

use crate::topic::Topic;

/// So many logs are looked at to find a large one, which bounds the cost of a publish that passes the budget.
const SAMPLE: usize = 16;

/// So often, should those looked at be empty. The next publish goes on.
const SAMPLES: usize = 64;

/// Ids leave room for so many messages a millisecond, on average over a log's life, before they could meet those of a
/// later life. Until the year 2248 they stay below 2^53, as far as JavaScript counts.
const IDS_PER_MILLISECOND: u64 = 1024;

pub(crate) struct Logs {
    /// What they hold together.
    pub(crate) bytes: AtomicU64,
    budget: u64,
    list: Mutex<List>,
    /// Above every id that was given by a log that is gone, should two begin in one millisecond or the clock go back.
    floor: AtomicU64,
}

#[derive(Default)]
struct List {
    all: Vec<Arc<Topic>>,
    sampled: usize,
    swept: usize,
}

impl Logs {
    pub(crate) fn new(budget: u64) -> Self {
        Self { bytes: AtomicU64::new(0), budget, list: Mutex::default(), floor: AtomicU64::new(0) }
    }

    /// The first id of a new log.
    pub(crate) fn base(&self, clock: &dyn Clock) -> u64 {
        (wall_ms(clock).saturating_mul(IDS_PER_MILLISECOND)).max(self.floor.load(Relaxed))
    }

    pub(crate) fn enter(&self, topic: &Arc<Topic>) {
        let mut list = self.list.lock();
        topic.listed.store(list.all.len(), Relaxed);
        list.all.push(Arc::clone(topic));
    }

    /// Forgets a log that ends with the id before `next`.
    pub(crate) fn leave(&self, topic: &Topic, next: u64) {
        // One is left out, so that the id before a log's first one is nobody's.
        self.floor.fetch_max(next + 1, Relaxed);
        let mut list = self.list.lock();
        let at = topic.listed.load(Relaxed);
        if list.all.get(at).is_some_and(|found| std::ptr::eq(&**found, topic)) {
            list.all.swap_remove(at);
            if let Some(moved) = list.all.get(at) {
                moved.listed.store(at, Relaxed);
            }
            if list.all.len() < list.all.capacity() / 4 {
                let room = list.all.len() * 2;
                list.all.shrink_to(room);
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.list.lock().all.len()
    }

    /// The next logs in turn, for a sweep.
    pub(crate) fn turn(&self, count: usize) -> Vec<Arc<Topic>> {
        let mut list = self.list.lock();
        let start = list.swept;
        let found = next(&list.all, start, count);
        list.swept = start.wrapping_add(found.len()).checked_rem(list.all.len()).unwrap_or(0);
        found
    }

    /// Takes from the largest logs what passes the budget. No topic may be locked.
    pub(crate) fn fit(&self) {
        for _ in 0..SAMPLES {
            if self.bytes.load(Relaxed) <= self.budget {
                return;
            }
            let sample = {
                let mut list = self.list.lock();
                let start = list.sampled;
                list.sampled = start.wrapping_add(SAMPLE).checked_rem(list.all.len()).unwrap_or(0);
                next(&list.all, start, SAMPLE)
            };
            let Some(largest) = sample.iter().max_by_key(|topic| topic.retained.load(Relaxed)) else { return };
            largest.shed(self);
        }
    }

    /// How much is to go.
    pub(crate) fn excess(&self) -> u64 {
        self.bytes.load(Relaxed).saturating_sub(self.budget)
    }
}

/// So many of the list from `start` on, round and round but none twice.
fn next(all: &[Arc<Topic>], start: usize, count: usize) -> Vec<Arc<Topic>> {
    let start = start.min(all.len());
    let (before, behind) = all.split_at(start);
    behind.iter().chain(before).take(count).map(Arc::clone).collect()
}

pub(crate) fn wall_ms(clock: &dyn Clock) -> u64 {
    let since = clock.wall().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
