//! What is done to a bucket as a whole: sweeping, clearing, new settings, statistics.

use std::sync::atomic::Ordering::Relaxed;

use super::Bucket;
use crate::error::Error;
use crate::life::State;
use crate::options::{BucketOptions, Kind};
use crate::stats::Stats;

/// Slots looked at under one lock, so that a sweep delays nobody for more than some microseconds.
const SWEEP_SLOTS: u32 = 1024;

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Slots it looked at.
    pub slots: u64,
    /// Entries it freed, whose time was over.
    pub freed: u64,
}

impl Bucket {
    /// Frees entries whose time is over, looking at no more than `max_slots` slots; the next sweep goes on where this
    /// one stopped. Shards in which nothing can have ended are passed over.
    pub fn sweep(&self, max_slots: u64) -> Swept {
        let life = self.life();
        let mut swept = Swept::default();
        for _ in 0..self.shards() {
            let number = self.sweeping.load(Relaxed) % self.shards();
            loop {
                let Some(mut shard) = self.lock_shard(number) else { break };
                if life.now < shard.soonest {
                    break;
                }
                let left = max_slots - swept.slots;
                if left == 0 {
                    return swept;
                }
                let step = SWEEP_SLOTS.min(u32::try_from(left).unwrap_or(u32::MAX));
                let (slots, freed) = shard.purge_from(&life, step, |_, state| state == State::Dead);
                self.usage.release(freed.0, freed.1);
                swept.slots += u64::from(slots);
                swept.freed += freed.0;
                if shard.sweep_at == 0 {
                    break;
                }
            }
            // Two sweeps at once may skip a shard; the next one meets it.
            self.sweeping.store(number + 1, Relaxed);
        }
        swept
    }

    /// Removes all entries, shard by shard, and returns how many were there. Fills that are under way are refused.
    /// Locks are no entries and stay.
    pub fn clear(&self) -> u64 {
        let life = self.life();
        let mut removed = 0;
        for number in 0..self.shards() {
            let Some(mut shard) = self.lock_shard(number) else { continue };
            let old = shard.empty();
            let (mut live, mut held, mut bytes) = (0, 0, 0);
            for entry in old.slab.iter() {
                held += 1;
                bytes += crate::queues::cost(entry.bytes());
                live += u64::from(life.state(&entry) == State::Live);
            }
            self.usage.release(held, bytes);
            shard.counts.removed += live;
            shard.counts.expired += held - live;
            removed += live;
            let flights: Vec<_> = shard.flights.iter().map(|(key, line)| (key.clone(), line.holder)).collect();
            drop(shard);
            for (key, holder) in flights {
                self.pass_on(self.hash(&key), &key, holder, false);
            }
        }
        removed
    }

    /// Applies new options to the entries that are there. Entries keep the end they were written with; limits, the idle
    /// time and the stale time hold at once, and a cache evicts what is too much. `kind` and `tag` are not looked at.
    ///
    /// # Errors
    /// [`Error::Shrink`] if a table holds more than the new limits; nothing is changed then.
    pub fn configure(&self, options: &BucketOptions) -> Result<(), Error> {
        let before = (self.usage.entries_max(), self.usage.bytes_max());
        self.usage.set_max(options.entries, options.bytes.0);
        let life = self.life();
        if self.kind == Kind::Table && self.usage.over().is_some() {
            for number in 0..self.shards() {
                if let Some(mut shard) = self.lock_shard(number) {
                    let freed = shard.purge(&life, |_, state| state != State::Live);
                    self.usage.release(freed.0, freed.1);
                }
            }
            if self.usage.over().is_some() {
                let (entries, bytes) = (self.usage.entries(), self.usage.bytes());
                self.usage.set_max(before.0, before.1);
                return Err(Error::Shrink { entries, bytes });
            }
        }
        self.settings.set(options, life.now);
        self.shrink();
        for number in 0..self.shards() {
            if let Some(mut shard) = self.lock_shard(number) {
                // Another idle time may end an entry sooner than was noted.
                shard.note_end(0);
            }
        }
        Ok(())
    }

    /// Evicts from each shard in turn until the limits hold.
    fn shrink(&self) {
        let mut barren = 0;
        let mut number = 0;
        while let Some(short) = self.usage.over() {
            let Some(mut shard) = self.lock_shard(number % self.shards()) else { return };
            // A few at a time, so that the shards shrink alike and nobody waits long.
            for _ in 0..16 {
                let (entries, bytes) = self.free(&mut shard, short, None, &self.life());
                self.usage.release(entries, bytes);
                barren = if entries == 0 { barren + 1 } else { 0 };
                if entries == 0 || self.usage.over().is_none() {
                    break;
                }
            }
            if barren > self.shards() {
                return;
            }
            number += 1;
        }
    }

    /// What the bucket counted. It takes each shard's lock once, for some nanoseconds.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let mut stats = Stats {
            entries: self.usage.entries(),
            bytes: self.usage.bytes(),
            rejected: self.rejected.load(Relaxed),
            waiting: self.waiting.load(Relaxed) as u64,
            leases: self.leases.load(Relaxed) as u64,
            locks: self.locks.lock().held() as u64,
            dirty: self.dirty(),
            flushed: self.behind.flushed.load(Relaxed),
            flush_failures: self.behind.failures.load(Relaxed),
            ..Stats::default()
        };
        for number in 0..self.shards() {
            if let Some(shard) = self.lock_shard(number) {
                stats.add(&shard.counts);
            }
        }
        stats
    }
}
