//! The one way to write: decide, make room, store and tell who waits, under one lock.

use std::borrow::Cow;

use super::Bucket;
use super::flight::Handed;
use super::room::Need;
use crate::error::Error;
use crate::life::State;
use crate::line::Line;
use crate::options::{Kind, Ttl};
use crate::queues::cost;
use crate::shard::Written;
use crate::slab::Occupied;
use crate::value::Value;

/// Attempts to find room that other writers took meanwhile. A cache that loses all of them says full.
const ATTEMPTS: u32 = 16;

/// What a write does to the entry it was shown.
pub(super) enum Change<'a> {
    Put(Cow<'a, [u8]>, Ttl),
    /// Only its end: the value and the version stay.
    Touch(Ttl),
    Delete,
    Nothing,
}

/// A write by the holder of a lease takes place only while the lease holds; a restored entry keeps its own numbers.
#[derive(Clone, Copy, Default)]
pub(super) struct Terms {
    pub(super) lease: Option<u64>,
    pub(super) restored: Option<Carried>,
}

/// What a file or the store says of an entry, in the bucket's count of time.
#[derive(Clone, Copy)]
pub(crate) struct Carried {
    pub(crate) version: u64,
    pub(crate) expires: u64,
    pub(crate) touched: u64,
    /// It comes from the store that changes are written to: it is none.
    pub(crate) stored: bool,
}

impl Bucket {
    /// Shows the live entry of a key to `decide` and does what it says. Returns its answer, and the version after a put.
    ///
    /// `decide` runs again if room had to be made elsewhere, because the entry may have changed meanwhile.
    pub(super) fn edit<'a, R>(
        &self,
        key: &str,
        terms: Terms,
        mut decide: impl FnMut(Option<Occupied<'_>>) -> Result<(Change<'a>, R), Error>,
    ) -> Result<(R, u64), Error> {
        Self::check_key(key)?;
        let hash = self.hash(key);
        let life = self.life();
        for _ in 0..ATTEMPTS {
            let mut shard = self.lock_of(hash);
            if terms.lease.is_some_and(|holder| shard.flights.get(key).is_none_or(|line| line.holder != holder)) {
                return Err(Error::Conflict);
            }
            let (found, freed) = shard.find_undead(hash, key, &life);
            if freed > 0 {
                self.usage.release(1, freed);
            }
            let live = found.filter(|(_, state)| *state == State::Live).map(|(id, _)| id);
            let found = found.map(|(id, _)| id);
            let (change, answer) = decide(live.map(|id| shard.slab.entry(id)))?;
            let (value, ttl) = match change {
                Change::Put(value, ttl) => (value, ttl),
                Change::Touch(ttl) => {
                    if let Some(id) = live {
                        let expires = self.settings.deadline(ttl, life.now, Some(shard.slab.entry(id).expires));
                        shard.touch(id, expires, &life);
                    }
                    return Ok((answer, 0));
                }
                Change::Delete => {
                    if let Some(id) = found {
                        if live.is_some() {
                            shard.counts.removed += 1;
                        } else {
                            shard.counts.expired += 1;
                        }
                        let freed = shard.remove(id);
                        self.usage.release(1, freed);
                    }
                    // Whoever loads this key has read what was true before: that must not be stored any more.
                    let holder = shard.flights.get(key).map(|line| line.holder);
                    drop(shard);
                    if let Some(holder) = holder {
                        self.pass_on(hash, key, holder, false);
                    }
                    return Ok((answer, 0));
                }
                Change::Nothing => return Ok((answer, 0)),
            };
            let after = key.len() + value.len();
            self.check_size(value.len(), after)?;
            let before = found.map(|id| shard.slab.entry(id).bytes());
            let need = match before {
                Some(before) => Need { entries: 0, bytes: after.saturating_sub(before) as u64 },
                None => Need { entries: 1, bytes: cost(after) },
            };
            if let Err(short) = self.reserve_here(&mut shard, need, found, &life) {
                drop(shard);
                if self.free_elsewhere(self.shard_of(hash), need, short, &life) {
                    continue;
                }
                break;
            }
            let kept = live.map(|id| shard.slab.entry(id).expires);
            let (version, expires, touched) = match terms.restored {
                Some(restored) => (restored.version, restored.expires, restored.touched),
                None => (self.next_version(), self.settings.deadline(ttl, life.now, kept), life.now),
            };
            let stored = terms.restored.is_some_and(|restored| restored.stored);
            let written = Written { value: &value, version, expires, touched, stored };
            let id = match found {
                Some(id) => {
                    shard.replace(id, written, &life);
                    self.usage.release(0, before.unwrap_or(after).saturating_sub(after) as u64);
                    id
                }
                None => shard.insert(hash, key, written, &life),
            };
            if !shard.flights.is_empty()
                && let Some(line) = shard.flights.remove(key)
            {
                let value = shard.slab.entry(id).shared();
                drop(shard);
                self.tell(line, &value);
            }
            return Ok((answer, version));
        }
        self.rejected.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Err(Error::Full(match self.kind {
            Kind::Cache => "other writers took the room as fast as it was made",
            Kind::Table => "the table is at its limit and evicts nothing",
        }))
    }

    /// Gives everybody in a line the value that was written; the holder's own fill is a conflict from here on.
    pub(super) fn tell(&self, line: Line<Handed>, value: &Value) {
        self.leases.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
        for waiter in line.everybody() {
            // A waiter that has gone needs no value.
            let _ = waiter.send(Handed::Value(value.clone()));
        }
    }

    /// Whether an entry can fit at all.
    pub(super) fn check_size(&self, value_bytes: usize, data_bytes: usize) -> Result<(), Error> {
        let value_max = self.settings.value_bytes();
        if value_bytes as u64 > value_max {
            return Err(Error::TooLarge(value_max));
        }
        let bytes_max = self.usage.bytes_max();
        if cost(data_bytes) > bytes_max { Err(Error::TooLarge(bytes_max)) } else { Ok(()) }
    }
}
