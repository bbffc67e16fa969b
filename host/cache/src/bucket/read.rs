//! Reading. Only these, fetches and counters count as reads: they raise an entry's worth and its time to idle.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use parking_lot::MutexGuard;

use super::{Bucket, Entry};
use crate::life::{Life, State};
use crate::shard::Shard;
use crate::slab::Slot;
use crate::time::NEVER;
use crate::value::Value;

/// Values of up to so many bytes are copied while the shard is locked, which spares counting a reader up and down. Longer
/// ones would hold others up.
const COPIED_UNDER_LOCK: usize = 1 << 10;

impl Bucket {
    /// The value of a key. No copy is made.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Value> {
        self.read(key, |slot, _| value(slot))
    }

    /// A copy of a key's value, which is cheaper than [`get`](Self::get) for who needs one anyway.
    #[must_use]
    pub fn copy(&self, key: &str) -> Option<Vec<u8>> {
        let read = self.read(key, |slot, _| match bytes(slot) {
            short if short.len() <= COPIED_UNDER_LOCK => Read::Copied(short.to_vec()),
            _ => Read::Shared(value(slot)),
        });
        read.map(|read| match read {
            Read::Copied(bytes) => bytes,
            Read::Shared(value) => value.to_vec(),
        })
    }

    /// The value of a key with its version and the time it has left.
    #[must_use]
    pub fn get_entry(&self, key: &str) -> Option<Entry> {
        self.read(key, |slot, now| Entry { value: value(slot), version: slot.version, ttl_left: left(slot, now()) })
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

    fn read<R>(&self, key: &str, view: impl FnOnce(&Slot, &dyn Fn() -> u64) -> R) -> Option<R> {
        let hash = self.hash(key);
        let mut shard = self.lock_of(hash);
        let Some(id) = self.find_live(&mut shard, hash, key) else {
            shard.counts.misses += 1;
            return None;
        };
        let idle = self.settings.idle() != NEVER;
        let slot = shard.read(id);
        if idle {
            slot.touched = self.timeline.now();
        }
        Some(view(slot, &|| self.timeline.now()))
    }

    fn peek<R>(&self, key: &str, view: impl FnOnce(&Slot, u64) -> R) -> Option<R> {
        let hash = self.hash(key);
        let shard = self.lock_of(hash);
        let slot = shard.slab.slot(shard.find(hash, key)?);
        let life = self.life();
        (life.state(slot) == State::Live).then(|| view(slot, life.now))
    }

    /// Finds a live entry. The clock is read only for an entry that can end: reading it costs as much as the rest.
    #[inline]
    pub(super) fn find_live(&self, shard: &mut MutexGuard<'_, Shard>, hash: u64, key: &str) -> Option<u32> {
        let id = shard.find(hash, key)?;
        if shard.slab.slot(id).expires == NEVER && self.settings.idle() == NEVER {
            return Some(id);
        }
        match self.life().state(shard.slab.slot(id)) {
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

fn bytes(slot: &Slot) -> &[u8] {
    slot.data.as_ref().and_then(|data| data.get(usize::from(slot.key_bytes)..)).unwrap_or_default()
}

pub(super) fn value(slot: &Slot) -> Value {
    slot.data.as_ref().map_or_else(|| Value::alone(&[]), |data| Value::of_entry(data, usize::from(slot.key_bytes)))
}

/// What a TTL leaves; `None` for none.
pub(super) fn left(slot: &Slot, now: u64) -> Option<Duration> {
    (slot.expires != NEVER).then(|| Duration::from_nanos(slot.expires.saturating_sub(now)))
}

fn live_in(shard: &Shard, life: &Life) -> u64 {
    if life.now < shard.soonest {
        return u64::from(shard.slab.len());
    }
    let slots = (0..shard.slab.end()).filter_map(|id| shard.slab.get(id));
    slots.filter(|slot| slot.data.is_some() && life.state(slot) == State::Live).count() as u64
}
