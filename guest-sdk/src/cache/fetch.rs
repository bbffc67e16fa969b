//! Single flight: of all that miss a key, one loads it, and the others wait for what it loads.

use std::time::Duration;

use serde::{Serialize, de::DeserializeOwned};

use super::{Bucket, Ttl, host};
use crate::{__private::bindings::imports::skep::plugin::types as wit, Error, Result, clock::millis, codec};

/// How long a caller waits for another one's load, unless it says otherwise. Far below the deadline of a call, so that
/// there is time left to answer.
const WAIT: Duration = Duration::from_secs(5);

/// A fetch in the making, from [`Bucket::fetch`]; it does nothing until it is told how to end.
#[derive(Debug)]
#[must_use = "end it with `or_fill` or `value_or_lease`"]
pub struct Fetch<'a> {
    bucket: &'a Bucket,
    key: &'a str,
    wait: Duration,
    stale: bool,
}

/// What a fetch gives.
#[derive(Debug)]
pub enum Fetched<T> {
    /// The value: it was there, or somebody loaded it meanwhile.
    Hit(T),
    /// A value past its end. The lease is for one caller only, who is to load a new one.
    Stale(T, Option<Lease>),
    /// There is none, and it is this caller's to load.
    Miss(Lease),
}

/// The right to load one key, which one caller has at a time.
///
/// Dropped unfilled, or left behind by a call that ended in whatever way, it goes to the next in line at once.
#[derive(Debug)]
#[must_use = "a lease that is dropped goes to the next in line"]
pub struct Lease {
    bucket: Bucket,
    key: Box<str>,
    lease: host::Lease,
}

impl Bucket {
    /// The value of a key; if there is none, what `load` returns, which is stored for `ttl` and given to all who wait
    /// for it. A thousand requests that miss at once load once.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use skep_sdk::{cache, prelude::*};
    /// fn ranking() -> Result<Vec<String>> {
    ///     // something slow
    ///     # Ok(vec!["maja".into()])
    /// }
    ///
    /// let board = cache::bucket("board")?.get_or_fill("ranking", Duration::from_secs(60), ranking)?;
    /// assert_eq!(board, ["maja"]);
    /// # Ok::<_, Error>(())
    /// ```
    ///
    /// `load` runs in one caller only. If it fails, that caller gets the error and the next in line loads, at once. If
    /// the key is written or deleted while it runs, its value is returned and not stored; likewise if the bucket has no
    /// room for it, which the log says. A stored value that is no `T`, because a revision before this one wrote it, is
    /// logged and loaded anew.
    ///
    /// # Errors
    /// That of `load`. [`Timeout`](crate::CapabilityError::Timeout) if somebody else loads for longer than 5 s;
    /// [`fetch`](Self::fetch) can choose another wait. [`Full`](crate::CapabilityError::Full) if too many wait.
    pub fn get_or_fill<T, E>(
        &self,
        key: &str,
        ttl: impl Into<Ttl>,
        load: impl FnOnce() -> std::result::Result<T, E>,
    ) -> Result<T>
    where
        T: Serialize + DeserializeOwned,
        E: Into<Error>,
    {
        self.fetch(key).or_fill(ttl, load)
    }

    /// [`get_or_fill`](Self::get_or_fill) with more to say:
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use skep_sdk::{cache, prelude::*};
    /// # fn ranking() -> Result<Vec<String>> { Ok(vec![]) }
    /// let board = cache::bucket("board")?;
    /// let minute = Duration::from_secs(60);
    /// let ranking = board.fetch("ranking").wait(Duration::from_secs(1)).allow_stale().or_fill(minute, ranking)?;
    /// # Ok::<_, Error>(())
    /// ```
    pub fn fetch<'a>(&'a self, key: &'a str) -> Fetch<'a> {
        Fetch { bucket: self, key, wait: WAIT, stale: false }
    }
}

impl Fetch<'_> {
    /// Waits for somebody else's load for so long at most; zero does not wait. By default 5 s.
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// Takes a value past its end while somebody loads a new one, if the manifest lets the bucket keep such for a while
    /// (`stale`). The one who loads takes it too if its load fails; that error goes to the log.
    pub fn allow_stale(mut self) -> Self {
        self.stale = true;
        self
    }

    /// The value, or what `load` returns; see [`Bucket::get_or_fill`].
    ///
    /// # Errors
    /// As [`Bucket::get_or_fill`].
    pub fn or_fill<T, E>(self, ttl: impl Into<Ttl>, load: impl FnOnce() -> std::result::Result<T, E>) -> Result<T>
    where
        T: Serialize + DeserializeOwned,
        E: Into<Error>,
    {
        let fetched = match self.fetched(self.ask()?) {
            Err(error) if !error.is_hopeless() => {
                eprintln!("warning: {}; loading it anew", self.named(error));
                self.bucket.delete(self.key)?;
                self.fetched(self.ask()?)
            }
            fetched => fetched,
        };
        match fetched.map_err(|error| self.named(error))? {
            Fetched::Hit(value) | Fetched::Stale(value, None) => Ok(value),
            Fetched::Miss(lease) => lease.load(ttl, load),
            Fetched::Stale(value, Some(lease)) => lease.load(ttl, load).or_else(|error| {
                eprintln!("error: {error}");
                Ok(value)
            }),
        }
    }

    /// The value, or the right to load it.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use skep_sdk::{cache::{self, Fetched}, prelude::*};
    /// # let prices = cache::bucket("prices")?;
    /// let price = match prices.fetch("honey").value_or_lease::<u32>()? {
    ///     Fetched::Hit(price) | Fetched::Stale(price, _) => price,
    ///     Fetched::Miss(lease) => {
    ///         lease.fill(&7, Duration::from_secs(60))?;
    ///         7
    ///     }
    /// };
    /// # assert_eq!(price, 7);
    /// # Ok::<_, Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Bucket::get_or_fill`]; also when the value is no `T`.
    pub fn value_or_lease<T: DeserializeOwned>(self) -> Result<Fetched<T>> {
        self.fetched(self.ask()?).map_err(|error| self.named(error))
    }

    fn ask(&self) -> Result<host::Fetched> {
        let fetched = self.bucket.handle().fetch(self.key, millis(self.wait), self.stale);
        fetched.map_err(|error| self.bucket.refused("fetching", self.key, error))
    }

    fn fetched<T: DeserializeOwned>(&self, fetched: host::Fetched) -> Result<Fetched<T>, codec::CodecError> {
        let lease = |lease| Lease { bucket: self.bucket.clone(), key: self.key.into(), lease };
        Ok(match fetched {
            host::Fetched::Hit(bytes) => Fetched::Hit(codec::decode(&bytes)?),
            host::Fetched::Stale((bytes, held)) => Fetched::Stale(codec::decode(&bytes)?, held.map(lease)),
            host::Fetched::Miss(held) => Fetched::Miss(lease(held)),
        })
    }

    fn named(&self, error: codec::CodecError) -> Error {
        self.bucket.unfit("fetching", self.key, error)
    }
}

impl Lease {
    /// The key to load.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Stores what was loaded and gives it to all who wait. Returns whether it did: `false` if the key was written or
    /// deleted meanwhile, so that this value may be out of date.
    ///
    /// # Errors
    /// As [`Bucket::put`]; those who wait get a value that there is no room for all the same.
    /// [`NotFound`](crate::CapabilityError::NotFound) from a call after the one that was given the lease.
    pub fn fill<T: Serialize + ?Sized>(self, value: &T, ttl: impl Into<Ttl>) -> Result<bool> {
        let bytes = self.bucket.encode(&self.key, value)?;
        match self.lease.fill(&bytes, ttl.into().lifetime()) {
            Ok(_) => Ok(true),
            Err(wit::Error::Conflict) => Ok(false),
            Err(error) => Err(self.bucket.refused("filling", &self.key, error)),
        }
    }

    fn load<T, E>(self, ttl: impl Into<Ttl>, load: impl FnOnce() -> std::result::Result<T, E>) -> Result<T>
    where
        T: Serialize,
        E: Into<Error>,
    {
        // An error drops the lease, and the next in line loads.
        let value = load().map_err(Into::into)?;
        match self.fill(&value, ttl) {
            Ok(_) => Ok(value),
            // The value is at hand: that it could not be kept is no reason to withhold it.
            Err(error) if error.capability().is_some() => {
                eprintln!("warning: {error}");
                Ok(value)
            }
            Err(error) => Err(error),
        }
    }
}
