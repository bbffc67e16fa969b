//! Single flight: of all that miss a key, one loads it and the others wait.
//!
//! There is no closure: the caller that is to load gets a [`Lease`] and fills it. A lease that is dropped unfilled, for
//! whatever reason, goes to the next who waits, in the order they came. What is sent to a waiter is the lease itself,
//! so one that is never received is dropped with the channel and goes on by the same rule: no lease is lost.

use std::collections::hash_map::Entry as MapEntry;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::sync::oneshot;

use super::Bucket;
use super::edit::Terms;
use crate::error::Error;
use crate::life::State;
use crate::line::Line;
use crate::options::{PutOptions, Ttl};
use crate::slab::Occupied;
use crate::value::Value;

/// How to fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchOptions {
    /// How long to wait for whoever loads. Zero asks without waiting. Default: 5 s.
    pub wait: Duration,
    /// Whether a value past its end will do while somebody loads a new one. Default: no.
    pub stale: bool,
}

impl Default for FetchOptions {
    fn default() -> Self {
        Self { wait: Duration::from_secs(5), stale: false }
    }
}

/// What a fetch gives.
#[derive(Debug)]
pub enum Fetched {
    /// The value: it was there, or somebody loaded it meanwhile.
    Hit(Value),
    /// A value past its end.
    Stale {
        /// The value.
        value: Value,
        /// For exactly one caller: the right to load a new one.
        lease: Option<Lease>,
    },
    /// There is none: this caller is to load it.
    Miss(Lease),
}

/// The right to load one key, held by one caller at a time.
///
/// Dropping it unfilled hands it to the next who waits.
#[must_use = "a lease that is dropped goes to the next waiter"]
pub struct Lease {
    bucket: Arc<Bucket>,
    hash: u64,
    key: Box<str>,
    holder: u64,
    done: bool,
}

/// What a waiter receives.
pub(crate) enum Handed {
    Value(Value),
    Lease(Lease),
}

enum Looked {
    At(Fetched),
    Wait(Place, oneshot::Receiver<Handed>),
}

/// A place in a line, given up when dropped.
struct Place {
    bucket: Arc<Bucket>,
    hash: u64,
    key: Box<str>,
    number: u64,
}

impl Bucket {
    /// The value of a key, or the right to load it.
    ///
    /// A hit allocates nothing and waits for nobody. The wait is measured by tokio's timer, not by the bucket's clock,
    /// and needs its runtime. Dropping the future gives up the place in the line.
    ///
    /// # Errors
    /// [`Error::Timeout`] after `wait`; [`Error::Full`] if too many wait or load; [`Error::Invalid`] if the key is too
    /// long.
    pub async fn fetch(&self, key: &str, options: FetchOptions) -> Result<Fetched, Error> {
        let (place, handed) = match self.look(key, options)? {
            Looked::At(fetched) => return Ok(fetched),
            Looked::Wait(place, handed) => (place, handed),
        };
        let handed = tokio::time::timeout(options.wait, handed).await;
        drop(place);
        match handed {
            Ok(Ok(Handed::Value(value))) => Ok(Fetched::Hit(value)),
            Ok(Ok(Handed::Lease(lease))) => Ok(Fetched::Miss(lease)),
            // The line is never dropped with somebody in it; if it were, this caller has waited in vain.
            Ok(Err(_)) | Err(_) => Err(Error::Timeout),
        }
    }

    fn look(&self, key: &str, options: FetchOptions) -> Result<Looked, Error> {
        Self::check_key(key)?;
        let hash = self.hash(key);
        let mut shard = self.lock_of(hash);
        if let Some(id) = self.find_live(&mut shard, hash, key) {
            return Ok(Looked::At(Fetched::Hit(self.hit(&mut shard, id).shared())));
        }
        let stale = if options.stale { shard.find(hash, key) } else { None };
        let life = self.life();
        let stale = stale.map(|id| shard.slab.entry(id)).filter(|entry| life.state(entry) == State::Stale);
        let stale = stale.map(Occupied::shared);
        shard.counts.misses += 1;
        match shard.flights.entry(key.into()) {
            MapEntry::Vacant(vacant) => {
                let fetched = match (self.begin(hash, key), stale) {
                    (Ok(lease), None) => Fetched::Miss(lease),
                    (lease, Some(value)) => Fetched::Stale { value, lease: lease.ok() },
                    (Err(error), None) => return Err(error),
                };
                if let Fetched::Miss(lease) | Fetched::Stale { lease: Some(lease), .. } = &fetched {
                    vacant.insert(Line::new(lease.holder));
                    shard.counts.loads += 1;
                }
                Ok(Looked::At(fetched))
            }
            MapEntry::Occupied(mut line) => {
                if let Some(value) = stale {
                    return Ok(Looked::At(Fetched::Stale { value, lease: None }));
                }
                self.may_wait(line.get().len(), options.wait)?;
                let number = self.ticket();
                let handed = line.get_mut().join(number);
                Ok(Looked::Wait(Place { bucket: self.owned(), hash, key: key.into(), number }, handed))
            }
        }
    }

    fn begin(&self, hash: u64, key: &str) -> Result<Lease, Error> {
        let max = self.settings.holders();
        if self.leases.fetch_update(Relaxed, Relaxed, |held| (held < max).then_some(held + 1)).is_err() {
            self.rejected.fetch_add(1, Relaxed);
            return Err(Error::Full("too many leases are held in this bucket"));
        }
        Ok(self.lease(hash, key, self.ticket()))
    }

    fn lease(&self, hash: u64, key: &str, holder: u64) -> Lease {
        Lease { bucket: self.owned(), hash, key: key.into(), holder, done: false }
    }

    /// Counts one more waiter, unless there are too many of them. Overload policy: the newcomer is refused.
    pub(super) fn may_wait(&self, in_line: usize, wait: Duration) -> Result<(), Error> {
        if wait.is_zero() {
            return Err(Error::Timeout);
        }
        let max = self.settings.waiters();
        let full = in_line >= self.settings.waiters_per_key()
            || self.waiting.fetch_update(Relaxed, Relaxed, |count| (count < max).then_some(count + 1)).is_err();
        if full {
            self.rejected.fetch_add(1, Relaxed);
            return Err(Error::Full("too many callers wait for it"));
        }
        Ok(())
    }

    /// Takes the lease from `holder` and gives it to the next in line; without one the flight is over. A no-op if
    /// somebody else holds it by now.
    pub(super) fn pass_on(&self, hash: u64, key: &str, mut holder: u64, mut failed: bool) {
        loop {
            let mut shard = self.lock_of(hash);
            let Some(line) = shard.flights.get_mut(key).filter(|line| line.holder == holder) else { return };
            let next = line.next();
            if next.is_some() {
                holder = self.ticket();
                line.holder = holder;
                shard.counts.loads += 1;
            } else {
                shard.flights.remove(key);
                self.leases.fetch_sub(1, Relaxed);
            }
            shard.counts.load_failures += u64::from(std::mem::take(&mut failed));
            drop(shard);
            let Some(next) = next else { return };
            match next.send(Handed::Lease(self.lease(hash, key, holder))) {
                Err(Handed::Lease(mut unwanted)) => unwanted.done = true,
                _ => return,
            }
        }
    }
}

impl Lease {
    /// The key to load.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Whether it still counts: a write or a delete of the key ends it, and its fill is a conflict then.
    #[must_use]
    pub fn holds(&self) -> bool {
        let shard = self.bucket.lock_of(self.hash);
        shard.flights.get(&self.key).is_some_and(|line| line.holder == self.holder)
    }

    /// Stores what was loaded, gives it to all who wait, and returns its version.
    ///
    /// # Errors
    /// [`Error::Conflict`] if the key was written or deleted meanwhile: the value may be out of date, and is neither
    /// stored nor given to anybody. As [`Bucket::put`] if the bucket refuses it; those who wait get the value then too.
    pub fn fill(mut self, value: &[u8], ttl: Ttl) -> Result<u64, Error> {
        self.done = true;
        let options = PutOptions { ttl, ..PutOptions::default() };
        let terms = Terms { lease: Some(self.holder), restored: None };
        let filled = self.bucket.put_on(&self.key, value, options, terms);
        if matches!(filled, Err(ref error) if *error != Error::Conflict) {
            let mut shard = self.bucket.lock_of(self.hash);
            let mine = shard.flights.get(&self.key).is_some_and(|line| line.holder == self.holder);
            let line = if mine { shard.flights.remove(&self.key) } else { None };
            drop(shard);
            if let Some(line) = line {
                self.bucket.tell(line, &Value::alone(value));
            }
        }
        filled
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !self.done {
            self.bucket.pass_on(self.hash, &self.key, self.holder, true);
        }
    }
}

impl std::fmt::Debug for Lease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lease").field("key", &self.key).finish_non_exhaustive()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(line) = self.bucket.lock_of(self.hash).flights.get_mut(&self.key) {
            line.leave(self.number);
        }
        self.bucket.waiting.fetch_sub(1, Relaxed);
    }
}
