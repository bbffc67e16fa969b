//! A bucket, and its operations on one key.

use std::{fmt, sync::Arc};

use serde::{Serialize, de::DeserializeOwned};

use super::{
    Ttl,
    host::{self, Condition},
};
use crate::{
    __private::bindings::imports::skep::plugin::types as wit,
    Error, Result,
    capability::{refused, shown},
    codec,
};

/// A bucket of the host. A clone is the same bucket, and costs nothing.
#[derive(Clone)]
pub struct Bucket(Arc<Open>);

struct Open {
    name: Box<str>,
    handle: host::Bucket,
}

/// Opens a bucket of this plugin by its name, or one that another plugin shares, as `"owner/name"`.
///
/// # Errors
/// [`Denied`](crate::CapabilityError::Denied) if the manifest neither declares nor grants it; the log says what to write there.
pub fn bucket(name: &str) -> Result<Bucket> {
    match host::open(name) {
        Ok(handle) => Ok(Bucket(Arc::new(Open { name: name.into(), handle }))),
        Err(error) => Err(refused(error, format!("opening the cache `{name}`"))),
    }
}

/// What a bucket counted since it was created, and what it holds now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Entries held now; some of them may have ended and not been swept yet.
    pub entries: u64,
    /// Bytes held now: keys, values, and on the host an overhead for each entry.
    pub bytes: u64,
    /// Reads that found an entry.
    pub hits: u64,
    /// Reads that found none.
    pub misses: u64,
    /// Leases given by [`Bucket::fetch`].
    pub loads: u64,
    /// Entries that had to go because the bucket was full.
    pub evictions: u64,
    /// Entries that ended by their time.
    pub expirations: u64,
}

impl Bucket {
    /// The value of a key, if there is one.
    ///
    /// ```
    /// # use skep_sdk::{cache, prelude::*};
    /// let prices = cache::bucket("prices")?;
    /// prices.put("honey", &7_u32)?;
    /// assert_eq!(prices.get::<u32>("honey")?, Some(7));
    /// # Ok::<_, Error>(())
    /// ```
    ///
    /// # Errors
    /// When the value is no `T`.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        let bytes = self.get_bytes(key)?;
        bytes.map(|bytes| self.decode(key, &bytes)).transpose()
    }

    /// The bytes of a key as they are.
    ///
    /// # Errors
    /// When the host refuses, as [`get`](Self::get) too.
    pub fn get_bytes(&self, key: &str) -> Result<Option<Vec<u8>>> {
        self.handle().get(key).map_err(|error| self.refused("reading", key, error))
    }

    /// Stores a value for as long as the manifest says. An entry of that key is overwritten.
    ///
    /// # Errors
    /// [`TooLarge`](crate::CapabilityError::TooLarge), and [`Full`](crate::CapabilityError::Full) from a table at its
    /// limit; also when the value does not encode. The same holds for every function that writes a value.
    pub fn put<T: Serialize + ?Sized>(&self, key: &str, value: &T) -> Result<()> {
        self.put_for(key, value, Ttl::Standard)
    }

    /// Stores a value for so long: a [`Duration`](std::time::Duration), or another [`Ttl`].
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub fn put_for<T: Serialize + ?Sized>(&self, key: &str, value: &T, ttl: impl Into<Ttl>) -> Result<()> {
        self.put_bytes(key, &self.encode(key, value)?, ttl)
    }

    /// Stores bytes as they are.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub fn put_bytes(&self, key: &str, value: &[u8], ttl: impl Into<Ttl>) -> Result<()> {
        let put = self.handle().put(key, value, ttl.into().lifetime(), Condition::Always);
        put.map(|_| ()).map_err(|error| self.refused("writing", key, error))
    }

    /// Removes an entry. Returns whether there was one.
    ///
    /// # Errors
    /// When the host refuses.
    pub fn delete(&self, key: &str) -> Result<bool> {
        self.handle().delete(key).map_err(|error| self.refused("deleting", key, error))
    }

    /// Removes an entry and returns its value: of several callers exactly one gets it.
    ///
    /// # Errors
    /// When the value is no `T`; it is removed all the same.
    pub fn take<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        let bytes = self.handle().take(key).map_err(|error| self.refused("taking", key, error))?;
        bytes.map(|bytes| self.decode(key, &bytes)).transpose()
    }

    /// Gives an entry a new lifetime from now on, and a new time to idle; its value and version stay. Returns whether
    /// there is one.
    ///
    /// # Errors
    /// When the host refuses.
    pub fn touch(&self, key: &str, ttl: impl Into<Ttl>) -> Result<bool> {
        let touched = self.handle().touch(key, ttl.into().lifetime());
        touched.map_err(|error| self.refused("touching", key, error))
    }

    /// Adds to a counter and returns the sum. A counter that does not exist starts at zero and lives as long as the
    /// manifest says.
    ///
    /// A counter is decimal text and no typed value: read it with [`counter`](Self::counter).
    ///
    /// # Errors
    /// [`Invalid`](crate::CapabilityError::Invalid) if the entry is no counter, or the sum passes 64 bits; otherwise as
    /// [`put`](Self::put).
    pub fn increment(&self, key: &str, by: i64) -> Result<i64> {
        self.increment_for(key, by, Ttl::Standard)
    }

    /// As [`increment`](Self::increment); the lifetime counts only if this creates the counter. So "three tries in ten
    /// minutes" is one line:
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use skep_sdk::{cache, prelude::*};
    /// # let tries = cache::bucket("tries")?;
    /// if tries.increment_for("maja", 1, Duration::from_secs(600))? > 3 {
    ///     return Err(Error::new(StatusCode::TOO_MANY_REQUESTS, "try again later"));
    /// }
    /// # Ok::<_, Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`increment`](Self::increment).
    pub fn increment_for(&self, key: &str, by: i64, ttl: impl Into<Ttl>) -> Result<i64> {
        let sum = self.handle().increment(key, by, ttl.into().lifetime());
        sum.map_err(|error| self.refused("incrementing", key, error))
    }

    /// What a counter is now; zero if it does not exist.
    ///
    /// # Errors
    /// [`Invalid`](crate::CapabilityError::Invalid) if the entry is no counter.
    pub fn counter(&self, key: &str) -> Result<i64> {
        let Some(text) = self.get_bytes(key)? else { return Ok(0) };
        let number = std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok());
        number.ok_or_else(|| {
            self.refused("reading the counter", key, wit::Error::Invalid("the value is no whole number".into()))
        })
    }

    /// What the bucket counted, of all plugins that use it.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let host::Stats { entries, bytes, hits, misses, loads, evictions, expirations } = self.handle().stats();
        Stats { entries, bytes, hits, misses, loads, evictions, expirations }
    }

    pub(super) fn handle(&self) -> &host::Bucket {
        &self.0.handle
    }

    pub(super) fn encode<T: Serialize + ?Sized>(&self, key: &str, value: &T) -> Result<Vec<u8>> {
        codec::encode(value).map_err(|error| self.unfit("writing", key, error))
    }

    pub(super) fn decode<T: DeserializeOwned>(&self, key: &str, bytes: &[u8]) -> Result<T> {
        codec::decode(bytes).map_err(|error| self.unfit("reading", key, error))
    }

    pub(super) fn refused(&self, verb: &str, key: &str, error: wit::Error) -> Error {
        refused(error, self.doing(verb, key))
    }

    pub(super) fn unfit(&self, verb: &str, key: &str, error: codec::CodecError) -> Error {
        Error::from(error).context(self.doing(verb, key))
    }

    /// For the log.
    fn doing(&self, verb: &str, key: &str) -> String {
        format!("{verb} `{}` in the cache `{}`", shown(key), self.0.name)
    }
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Bucket").field(&self.0.name).finish()
    }
}
