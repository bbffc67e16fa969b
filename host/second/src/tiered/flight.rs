//! Single flight above both tiers: one caller of this host asks the second tier, and loads if that has nothing.

use std::time::Duration;

use skep_cache::{Error, FetchOptions, Fetched, Lease, Ttl, Value};

use super::read::Looked;
use super::stats::count;
use super::write::Outcome;
use super::{Core, Tiered, alone, new_version, ttl, without_note};
use crate::form::{Note, value_of};
use crate::port::{Edit, Edited};
use skep_cache::Condition;

/// Copies that turn out to be gone before a caller takes what memory has. Each time another one was put there meanwhile.
const ROUNDS: u32 = 4;

impl Tiered {
    /// The value of a key, or the right to load it: as [`Bucket::fetch`](skep_cache::Bucket::fetch), and whoever gets the
    /// lease has asked the second tier already.
    ///
    /// # Errors
    /// As [`Bucket::fetch`](skep_cache::Bucket::fetch).
    pub async fn fetch(&self, key: &str, options: FetchOptions) -> Result<Fetched, Error> {
        let core = &self.core;
        for round in 1.. {
            let (lease, stale) = match core.bucket.fetch(key, options).await? {
                Fetched::Hit(stored) => {
                    let fresh = Note::of(&stored).is_some_and(|note| core.is_fresh(note) && !core.owed.has(key));
                    if fresh || round >= ROUNDS {
                        return Ok(Fetched::Hit(value_of(stored)));
                    }
                    if !core.asks(key) {
                        count(&core.counts.skipped);
                        return Ok(Fetched::Hit(value_of(stored)));
                    }
                    match core.look_up(&[key]).await.remove(key) {
                        Some(Looked::Entry(entry)) => return Ok(Fetched::Hit(entry.value)),
                        Some(Looked::Absent) => continue,
                        Some(Looked::Failed) | None => return Ok(Fetched::Hit(value_of(stored))),
                    }
                }
                Fetched::Stale { value, lease: None } => {
                    return Ok(Fetched::Stale { value: value_of(value), lease: None });
                }
                Fetched::Stale { value, lease: Some(lease) } => (lease, Some(value_of(value))),
                Fetched::Miss(lease) => (lease, None),
            };
            return Ok(core.load(lease, stale, options.stale).await);
        }
        // Unreachable: the last round returns.
        Err(Error::Timeout)
    }

    /// Stores what the holder of a lease has loaded, and gives it to all who wait for it on this host.
    ///
    /// # Errors
    /// [`Error::Conflict`] if the key was written or deleted meanwhile on this host, or written on another one; otherwise as
    /// [`Lease::fill`].
    pub async fn fill(&self, lease: Lease, value: &[u8], wanted: Ttl) -> Result<u64, Error> {
        let core = &*self.core;
        let version = new_version();
        if let Err(error) = core.check(lease.key(), value.len()) {
            // Those who wait get the value all the same. The bucket refuses it too, unless its limit was lowered just now.
            drop(lease.fill(&core.unconfirmed(version).in_front_of(value), Ttl::After(Duration::ZERO)));
            return Err(error);
        }
        let key = lease.key().to_owned();
        let edit = Edit::Put { value, version, life: core.life(wanted), condition: Condition::IfAbsent };
        let asked = core.ask(&key, edit, Some(&lease)).await;
        match &asked.outcome {
            Outcome::Edited(Edited::Stored(left, _)) => asked.settle(|undisturbed| {
                // Told of a change since: the next in line asks again.
                if undisturbed {
                    // What memory has no room for is in the second tier, and those who wait have it.
                    drop(lease.fill(&Note { version, ..asked.note }.in_front_of(value), ttl(*left)));
                }
                Ok(version)
            }),
            Outcome::Edited(_) => {
                asked.settle(|_| core.forget(&key));
                Err(Error::Conflict)
            }
            Outcome::Overtaken => Err(Error::Conflict),
            Outcome::Alone(_) => core.alone(&asked, || {
                let filled = lease.fill(&core.unconfirmed(version).in_front_of(value), wanted);
                let changed = filled.is_ok();
                (filled.map(|_| version).map_err(without_note), changed)
            }),
        }
    }
}

impl Core {
    /// Asks the second tier before the holder of a lease has to load.
    async fn load(&self, lease: Lease, stale: Option<Value>, takes_stale: bool) -> Fetched {
        let key = lease.key().to_owned();
        let given = |lease, stale| match stale {
            Some(value) => Fetched::Stale { value, lease: Some(lease) },
            None => Fetched::Miss(lease),
        };
        if !self.asks(&key) {
            count(&self.counts.skipped);
            return given(lease, stale);
        }
        let visit = self.traffic.enter(&key);
        let (mark, note) = (visit.mark(), self.note(0));
        match self.read_one(&key).await {
            Ok(Some(found)) => match found.left {
                Some(left) => visit.settle_read(mark, |undisturbed| {
                    // If it is out of date, the lease is dropped, and the next in line asks again.
                    if undisturbed {
                        let stored = Note { version: found.version, ..note }.in_front_of(&found.value);
                        drop(lease.fill(&stored, ttl(left)));
                    }
                    Fetched::Hit(alone(&found.value))
                }),
                None if takes_stale => given(lease, Some(alone(&found.value))),
                None => given(lease, stale),
            },
            Ok(None) => given(lease, stale),
            Err(fault) => {
                self.count_fault(Some(&fault));
                given(lease, stale)
            }
        }
    }
}
