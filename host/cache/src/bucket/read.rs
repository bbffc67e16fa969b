//! Reading. Only these, fetches and counters count as reads: they raise an entry's worth and its time to idle.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use parking_lot::MutexGuard;

use super::{Bucket, Entry};
use crate::life::{Life, State};
use crate::shard::Shard;
use crate::slab::Occupied;
use crate::time::NEVER;
use crate::value::Value;

/// Values of up to so many bytes are copied while the shard is locked, which spares counting a reader up and down. Longer
/// ones would hold others up.
const COPIED_UNDER_LOCK: usize = 1 << 10;

impl Bucket {
    /// The value of a key. No copy is made.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Value> {
        self.read(key, |entry, _| entry.shared())
    }

    /// A copy of a key's value, which is cheaper than [`get`](Self::get) for who needs one anyway.
    #[must_use]
    pub fn copy(&self, key: &str) -> Option<Vec<u8>> {
        let read = self.read(key, |entry, _| match entry.value() {
            short if short.len() <= COPIED_UNDER_LOCK => Read::Copied(short.to_vec()),
            _ => Read::Shared(entry.shared()),
        });
        read.map(|read| match read {
            Read::Copied(bytes) => bytes,
            Read::Shared(value) => value.to_vec(),
        })
    }

    /// The value of a key with its version and the time it has left.
    #[must_use]
    pub fn get_entry(&self, key: &str) -> Option<Entry> {
        self.read(key, |entry, now| Entry {
            value: entry.shared(),
            version: entry.version,
            ttl_left: left(entry, now()),
        })
    }

    /// The values of several keys, in their order. Each is read for itself: a write may fall between two of them.
    #[must_use]
    pub fn get_many<K: AsRef<str>>(&self, keys: &[K]) -> Vec<Option<Value>> {
        keys.iter().map(|key| self.get(key.as_ref())).collect()
    }

    /// Whether there is an entry.
    #[must_use]
    pub fn exists(&self, key: &str) -> bool {
        self.peek(key, |_, _| ()).is_some()
    }

    /// How long an entry has left by its TTL: `None` if there is no entry, `Some(None)` if it has no TTL.
    #[must_use]
    pub fn ttl(&self, key: &str) -> Option<Option<Duration>> {
        self.peek(key, left)
    }

    /// The number of entries. It looks at every slot of a shard in which an entry may have ended since it was swept.
    #[must_use]
    pub fn len(&self) -> u64 {
        let life = self.life();
        let shards = (0..self.shards()).filter_map(|number| self.lock_shard(number));
        shards.map(|shard| live_in(&shard, &life)).sum()
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes held, counted as the limit is: entries that ended and were not swept yet still hold theirs.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.usage.bytes()
    }

    pub(crate) fn life(&self) -> Life {
        self.settings.life(self.timeline.now())
    }

    fn read<R>(&self, key: &str, view: impl FnOnce(Occupied<'_>, &dyn Fn() -> u64) -> R) -> Option<R> {
        let hash = self.hash(key);
        let mut shard = self.lock_of(hash);
        let Some(id) = self.find_live(&mut shard, hash, key) else {
            shard.counts.misses += 1;
            return None;
        };
        let entry = self.hit(&mut shard, id);
        Some(view(entry, &|| self.timeline.now()))
    }

    /// A read of a live entry.
    #[inline]
    pub(super) fn hit<'a>(&self, shard: &'a mut Shard, id: u32) -> Occupied<'a> {
        let idle = self.settings.idle() != NEVER;
        shard.read(id, idle.then(|| self.timeline.now()))
    }

    fn peek<R>(&self, key: &str, view: impl FnOnce(Occupied<'_>, u64) -> R) -> Option<R> {
        let hash = self.hash(key);
        let shard = self.lock_of(hash);
        let entry = shard.slab.entry(shard.find(hash, key)?);
        let life = self.life();
        (life.state(&entry) == State::Live).then(|| view(entry, life.now))
    }

    /// Finds a live entry. The clock is read only for an entry that can end: reading it costs as much as the rest.
    #[inline]
    pub(super) fn find_live(&self, shard: &mut MutexGuard<'_, Shard>, hash: u64, key: &str) -> Option<u32> {
        let id = shard.find(hash, key)?;
        if shard.slab.entry(id).expires == NEVER && self.settings.idle() == NEVER {
            return Some(id);
        }
        match self.life().state(&shard.slab.entry(id)) {
            State::Live => Some(id),
            State::Stale => None,
            State::Dead => {
                shard.counts.expired += 1;
                let freed = shard.remove(id);
                self.usage.release(1, freed);
                None
            }
        }
    }

    /// Numbers for entries that are written.
    pub(super) fn next_version(&self) -> u64 {
        self.versions.0.fetch_add(1, Relaxed)
    }
}

/// What [`Bucket::copy`] has in hand when it lets go of the lock.
enum Read {
    Copied(Vec<u8>),
    Shared(Value),
}

/// What a TTL leaves; `None` for none.
pub(super) fn left(entry: Occupied<'_>, now: u64) -> Option<Duration> {
    (entry.expires != NEVER).then(|| Duration::from_nanos(entry.expires.saturating_sub(now)))
}

fn live_in(shard: &Shard, life: &Life) -> u64 {
    if life.now < shard.soonest {
        return u64::from(shard.slab.len());
    }
    shard.slab.iter().filter(|entry| life.state(entry) == State::Live).count() as u64
}
