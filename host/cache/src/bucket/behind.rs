//! Write-behind: what of a table was changed, taken in batches by whoever writes it to a store.
//!
//! A batch has the newest state of each of its keys, as of the moment it was taken. Until it is settled no other one is
//! given out, so that an old state never comes after a new one; a key that changes meanwhile is in a later batch again.

use std::sync::Arc;
use std::sync::atomic::Ordering::{AcqRel, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};

use super::Bucket;
use super::edit::Carried;
use crate::changes::{Changes, key};
use crate::error::Error;
use crate::life::{Life, State};
use crate::options::Kind;
use crate::shard::Shard;
use crate::slab::Occupied;
use crate::time::{NEVER, WallReading};
use crate::value::Value;

const MILLISECOND: u64 = 1_000_000;

/// What a bucket knows of its changes beside the shards.
#[derive(Default)]
pub(super) struct Behind {
    tracked: AtomicBool,
    /// A batch is out.
    taken: AtomicBool,
    /// Keys in it that are not settled.
    in_flight: AtomicU64,
    /// The shard that the next batch begins with.
    next: AtomicUsize,
    pub(super) flushed: AtomicU64,
    pub(super) failures: AtomicU64,
}

/// Changed keys on their way to a store. What of it is dropped unsettled goes back, as if its end were not known.
#[must_use = "a batch that is dropped goes back"]
pub struct Batch {
    bucket: Arc<Bucket>,
    changed: Vec<Changed>,
}

/// A key, and what it is now.
#[derive(Debug)]
pub struct Changed {
    /// The key.
    pub key: Box<str>,
    /// Its entry; `None`: it is to be deleted.
    pub entry: Option<Current>,
    was_stored: bool,
}

/// An entry as a store keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Current {
    /// Its value; nothing is copied.
    pub value: Value,
    /// Its version.
    pub version: u64,
    /// When it ends, in milliseconds since 1970, rounded down; `None`: never.
    pub ends_unix_ms: Option<u64>,
}

/// What became of keys of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// They are in the store.
    Written,
    /// They are not, for certain.
    NotWritten,
    /// They may be.
    Unknown,
}

/// A batch that is being filled.
struct Taking {
    changed: Vec<Changed>,
    keys: usize,
    bytes: usize,
    life: Life,
    wall: WallReading,
}

impl Bucket {
    /// Begins to note what changes; what is there counts as changed. Returns whether it began: a bucket that is tracked
    /// already is left as it is, and so is a cache, which is not tracked, because what it evicts would be gone from the store.
    pub fn track(&self) -> bool {
        if self.kind != Kind::Table || self.behind.tracked.swap(true, AcqRel) {
            return false;
        }
        for mut shard in self.all_shards() {
            let Shard { slab, queues, changes, .. } = &mut *shard;
            let mut all = Box::<Changes>::default();
            for id in 0..slab.end() {
                if slab.get(id).is_some() {
                    slab.slot_mut(id).stored = false;
                    all.changed(queues, slab, id);
                }
            }
            *changes = Some(all);
        }
        true
    }

    /// Ends that. What was not taken is forgotten; entries stay.
    pub fn untrack(&self) {
        for mut shard in self.all_shards() {
            let Shard { slab, queues, changes, .. } = &mut *shard;
            if let Some(mut changes) = changes.take() {
                while changes.take_first(queues, slab).is_some() {}
            }
        }
        self.behind.tracked.store(false, Release);
    }

    /// How many keys were changed and are not in the store yet, those on their way included.
    #[must_use]
    pub fn dirty(&self) -> u64 {
        if !self.behind.tracked.load(Relaxed) {
            return 0;
        }
        // Both before and after: what goes back meanwhile is counted twice rather than not at all.
        let before = self.behind.in_flight.load(Relaxed);
        let waiting = self.all_shards().filter_map(|shard| shard.changes.as_ref().map(|changes| changes.len()));
        waiting.sum::<u64>() + before.max(self.behind.in_flight.load(Relaxed))
    }

    /// Takes changed keys, those that are gone first, so that there is room in the store for what came; then those that
    /// changed first. At most so many keys, and no more once their keys and values have so many bytes. `None` if nothing
    /// was changed, or the batch before is not settled.
    pub fn take_changes(&self, keys_max: usize, bytes_max: usize) -> Option<Batch> {
        if !self.behind.tracked.load(Relaxed) || self.behind.taken.swap(true, AcqRel) {
            return None;
        }
        // From here on a drop gives the turn back.
        let mut batch = Batch { bucket: self.owned(), changed: Vec::new() };
        let (life, wall) = (self.life(), self.timeline.wall());
        let mut taking = Taking { changed: Vec::new(), keys: keys_max, bytes: bytes_max, life, wall };
        let first = self.behind.next.fetch_add(1, Relaxed);
        for step in [Taking::take_gone, Taking::take_changed] {
            for number in 0..self.shards() {
                if let Some(mut shard) = self.lock_shard((first + number) % self.shards()) {
                    step(&mut taking, &mut shard);
                    // Under the lock, so that no key is ever missing from `dirty`.
                    self.behind.in_flight.store(taking.changed.len() as u64, Relaxed);
                }
            }
        }
        batch.changed = taking.changed;
        (!batch.changed.is_empty()).then_some(batch)
    }

    /// Stores an entry as the store has it: it is no change. Returns whether its time is not over. Its version stays, its
    /// time to idle begins anew.
    ///
    /// # Errors
    /// [`Error::Conflict`] if there is an entry of that key already; otherwise as [`put`](Self::put). Nothing is evicted.
    pub fn put_stored(&self, key: &str, value: &[u8], version: u64, ends_unix_ms: Option<u64>) -> Result<bool, Error> {
        let (wall, life) = (self.timeline.wall(), self.life());
        let expires = ends_unix_ms.map_or(NEVER, |at| wall.at_unix(at.saturating_mul(MILLISECOND)));
        // Before it comes in, so that no write is given its version again.
        self.versions().fetch_max(version.saturating_add(1), Relaxed);
        if life.state_at(expires, life.now) != State::Live {
            return Ok(false);
        }
        if !self.has_room(key.len() + value.len()) {
            return Err(Error::Full("it does not fit the bucket's limits"));
        }
        self.put_restored(key, value, Carried { version, expires, touched: life.now, stored: true }).map(|_| true)
    }

    /// The store has this key: one that is not here is to be deleted there.
    pub fn note_stored(&self, key: &str) {
        let hash = self.hash(key);
        let mut shard = self.lock_of(hash);
        let found = shard.find(hash, key);
        let Shard { slab, changes: Some(changes), .. } = &mut *shard else { return };
        match found {
            Some(id) => slab.slot_mut(id).stored = true,
            None => changes.insert_gone(key),
        }
    }

    /// Counts an attempt to write changes that failed.
    pub fn flush_failed(&self) {
        self.behind.failures.fetch_add(1, Relaxed);
    }

    fn put_back(&self, changed: &Changed, outcome: Outcome) {
        let hash = self.hash(&changed.key);
        let mut shard = self.lock_of(hash);
        let found = shard.find(hash, &changed.key);
        let Shard { slab, queues, changes: Some(changes), .. } = &mut *shard else { return };
        // What was to be deleted is still there, or may be.
        let stored = changed.entry.is_none() || changed.was_stored || outcome == Outcome::Unknown;
        match found {
            Some(id) => {
                slab.slot_mut(id).stored = stored;
                changes.changed(queues, slab, id);
            }
            None if stored => changes.insert_gone(&changed.key),
            None => changes.remove_gone(&changed.key),
        }
    }
}

impl Taking {
    fn take_gone(&mut self, shard: &mut Shard) {
        let Some(changes) = shard.changes.as_mut().filter(|_| self.has_room()) else { return };
        for key in changes.take_gone(self.keys) {
            self.push(Changed { key, entry: None, was_stored: true });
        }
    }

    fn take_changed(&mut self, shard: &mut Shard) {
        let Shard { slab, queues, changes: Some(changes), .. } = shard else { return };
        while self.has_room()
            && let Some(id) = changes.take_first(queues, slab)
        {
            let slot = slab.slot_mut(id);
            let is_live = self.life.state(slot) == State::Live;
            // The store has it as soon as it is written, and nobody tells us when that is.
            let was_stored = std::mem::replace(&mut slot.stored, is_live);
            if is_live || was_stored {
                let entry = is_live.then(|| self.current(slab.entry(id)));
                self.push(Changed { key: key(slab.entry(id)).into(), entry, was_stored });
            }
        }
    }

    fn current(&self, entry: Occupied<'_>) -> Current {
        let ends = (entry.expires != NEVER).then(|| self.wall.to_unix(entry.expires) / MILLISECOND);
        Current { value: entry.shared(), version: entry.version, ends_unix_ms: ends }
    }

    fn has_room(&self) -> bool {
        self.keys > 0 && self.bytes > 0
    }

    fn push(&mut self, changed: Changed) {
        self.keys = self.keys.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(changed.bytes());
        self.changed.push(changed);
    }
}

impl Changed {
    /// Bytes of its key and value.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.key.len() + self.entry.as_ref().map_or(0, |entry| entry.value.len())
    }
}

impl Batch {
    /// What is not settled, in the order in which it is.
    #[must_use]
    pub fn changed(&self) -> &[Changed] {
        &self.changed
    }

    /// Says what became of the first so many. What is not in the store is put back, unless the key has changed since: then
    /// it waits already.
    pub fn settle(&mut self, count: usize, outcome: Outcome) {
        let count = count.min(self.changed.len());
        for changed in self.changed.drain(..count) {
            if outcome != Outcome::Written {
                self.bucket.put_back(&changed, outcome);
            }
        }
        let behind = &self.bucket.behind;
        if outcome == Outcome::Written {
            behind.flushed.fetch_add(count as u64, Relaxed);
        }
        behind.in_flight.store(self.changed.len() as u64, Relaxed);
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        self.settle(self.changed.len(), Outcome::Unknown);
        self.bucket.behind.taken.store(false, Release);
    }
}

impl std::fmt::Debug for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batch").field("keys", &self.changed.len()).finish_non_exhaustive()
    }
}
