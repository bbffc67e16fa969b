//! All buckets of a host, under one memory budget.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use skep_types::{BucketId, ByteSize, Clock};

use crate::bucket::{Bucket, Swept};
use crate::error::Error;
use crate::options::BucketOptions;

/// What the registry is told.
#[derive(Clone)]
pub struct CachesOptions {
    /// What the byte limits of all buckets may come to.
    pub memory: ByteSize,
    /// The time that all buckets go by.
    pub clock: Arc<dyn Clock>,
}

/// A bucket that was configured.
#[derive(Clone, Debug)]
pub struct Configured {
    /// The bucket.
    pub bucket: Arc<Bucket>,
    /// What became of it, for the log.
    pub change: Change,
}

/// What configuring did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// There was none of that name.
    Created,
    /// It was there, with its entries, and has the new options.
    Kept,
    /// There was one of another kind or tag: it was replaced by an empty one. Who still holds the old one may use it on.
    Replaced,
}

/// The registry of buckets.
pub struct Caches {
    pub(crate) options: CachesOptions,
    pub(crate) state: Mutex<State>,
}

#[derive(Default)]
pub(crate) struct State {
    // Ordered, so that lists and sweeps go by name.
    pub(crate) buckets: BTreeMap<BucketId, Held>,
    /// Where the next sweep starts: after this one.
    swept: Option<BucketId>,
}

pub(crate) struct Held {
    pub(crate) bucket: Arc<Bucket>,
    /// What it was configured with, to go back to.
    pub(crate) options: BucketOptions,
}

impl Caches {
    /// A registry without buckets.
    #[must_use]
    pub fn new(options: CachesOptions) -> Self {
        Self { options, state: Mutex::default() }
    }

    /// Creates a bucket, or gives new options to the one that is there, which keeps its entries: this is what a reload
    /// of a plugin does.
    ///
    /// # Errors
    /// [`Error::Budget`] if the byte limits of all buckets would pass the budget; [`Error::Shrink`] if a table holds
    /// more than its new limits. Everything is as it was then.
    pub fn configure(&self, id: BucketId, options: &BucketOptions) -> Result<Configured, Error> {
        let mut state = self.state.lock();
        let others = state.buckets.iter().filter(|(other, _)| **other != id);
        let taken = others.fold(0_u64, |sum, (_, held)| sum.saturating_add(held.options.bytes.0));
        let left = self.options.memory.0.saturating_sub(taken);
        if options.bytes.0 > left {
            let (budget, wanted) = (self.options.memory, options.bytes);
            return Err(Error::Budget { budget, bucket: id.to_string(), wanted, left: ByteSize(left) });
        }
        let before = state.buckets.get(&id);
        let (bucket, change) = match before {
            Some(held) if held.bucket.fits(options) => {
                held.bucket.configure(options)?;
                (Arc::clone(&held.bucket), Change::Kept)
            }
            _ => {
                let change = if before.is_some() { Change::Replaced } else { Change::Created };
                (Bucket::new(options, Arc::clone(&self.options.clock)), change)
            }
        };
        state.buckets.insert(id, Held { bucket: Arc::clone(&bucket), options: options.clone() });
        Ok(Configured { bucket, change })
    }

    /// A bucket by name.
    #[must_use]
    pub fn get(&self, id: &BucketId) -> Option<Arc<Bucket>> {
        self.state.lock().buckets.get(id).map(|held| Arc::clone(&held.bucket))
    }

    /// All buckets, by name.
    #[must_use]
    pub fn list(&self) -> Vec<(BucketId, Arc<Bucket>)> {
        let state = self.state.lock();
        state.buckets.iter().map(|(id, held)| (id.clone(), Arc::clone(&held.bucket))).collect()
    }

    /// Forgets a bucket and frees its budget. Its memory is free when the last who holds it lets go.
    pub fn remove(&self, id: &BucketId) -> Option<Arc<Bucket>> {
        self.state.lock().buckets.remove(id).map(|held| held.bucket)
    }

    /// Sweeps bucket after bucket, looking at no more than `max_slots` slots in all; the next sweep goes on where this
    /// one stopped. To be called every few seconds, so that memory of what ended comes back.
    pub fn sweep(&self, max_slots: u64) -> Swept {
        let mut all = self.list();
        let last = self.state.lock().swept.take();
        if let Some(last) = last {
            // The bucket that used the budget up comes last now, so that it cannot starve the others.
            let start = all.partition_point(|(id, _)| *id <= last);
            all.rotate_left(start);
        }
        let mut total = Swept::default();
        for (id, bucket) in all {
            let swept = bucket.sweep(max_slots - total.slots);
            total.slots += swept.slots;
            total.freed += swept.freed;
            if total.slots == max_slots {
                self.state.lock().swept = Some(id);
                break;
            }
        }
        total
    }
}

impl fmt::Debug for Caches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.lock();
        f.debug_map().entries(state.buckets.iter().map(|(id, held)| (id, &held.bucket))).finish()
    }
}
