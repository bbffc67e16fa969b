//! A bucket with or without a second tier, for who need not know which.

use std::sync::Arc;

use skep_cache::{Bucket, Entry, Error, FetchOptions, Fetched, Lease, PutOptions, Ttl, Value};

use crate::tiered::{MANY, Tiered};

/// A bucket. Without a second tier no operation but `fetch` ever waits; and what an operation with one has to remember while
/// it waits is boxed, so that it costs no room in the futures of the others.
#[derive(Clone, Debug)]
pub enum AnyBucket {
    /// In memory alone.
    Plain(Arc<Bucket>),
    /// With a second tier.
    Tiered(Arc<Tiered>),
}

impl AnyBucket {
    /// Keys for one [`get_many`](Self::get_many): more are better asked for in several, so that their values are not in
    /// memory all at once.
    pub const MANY: usize = MANY;

    /// The bucket in memory, for what is this host's alone: keys, locks, statistics. What is in it is to be read and changed
    /// through the other methods.
    #[must_use]
    pub fn memory(&self) -> &Arc<Bucket> {
        match self {
            Self::Plain(bucket) => bucket,
            Self::Tiered(tiered) => tiered.bucket(),
        }
    }

    /// The second tier, if there is one.
    #[must_use]
    pub fn tiered(&self) -> Option<&Arc<Tiered>> {
        match self {
            Self::Plain(_) => None,
            Self::Tiered(tiered) => Some(tiered),
        }
    }

    /// An entry as this host's memory has it, for operators.
    #[must_use]
    pub fn peek(&self, key: &str) -> Option<Entry> {
        match self {
            Self::Plain(bucket) => bucket.get_entry(key),
            Self::Tiered(tiered) => tiered.peek(key),
        }
    }

    /// As [`Bucket::get`].
    pub async fn get(&self, key: &str) -> Option<Value> {
        match self {
            Self::Plain(bucket) => bucket.get(key),
            Self::Tiered(tiered) => Box::pin(tiered.get(key)).await,
        }
    }

    /// As [`Bucket::get_entry`].
    pub async fn get_entry(&self, key: &str) -> Option<Entry> {
        match self {
            Self::Plain(bucket) => bucket.get_entry(key),
            Self::Tiered(tiered) => Box::pin(tiered.get_entry(key)).await,
        }
    }

    /// As [`Bucket::get_many`].
    pub async fn get_many(&self, keys: &[String]) -> Vec<Option<Value>> {
        match self {
            Self::Plain(bucket) => bucket.get_many(keys),
            Self::Tiered(tiered) => Box::pin(tiered.get_many(keys)).await,
        }
    }

    /// As [`Bucket::exists`].
    pub async fn exists(&self, key: &str) -> bool {
        match self {
            Self::Plain(bucket) => bucket.exists(key),
            Self::Tiered(tiered) => Box::pin(tiered.get(key)).await.is_some(),
        }
    }

    /// As [`Bucket::put`].
    ///
    /// # Errors
    /// As there.
    pub async fn put(&self, key: &str, value: &[u8], options: PutOptions) -> Result<u64, Error> {
        match self {
            Self::Plain(bucket) => bucket.put(key, value, options),
            Self::Tiered(tiered) => Box::pin(tiered.put(key, value, options)).await,
        }
    }

    /// As [`Bucket::put_many`].
    ///
    /// # Errors
    /// As there.
    pub async fn put_many(&self, pairs: &[(String, Vec<u8>)], ttl: Ttl) -> Result<(), Error> {
        match self {
            Self::Plain(bucket) => bucket.put_many(pairs, ttl),
            Self::Tiered(tiered) => Box::pin(tiered.put_many(pairs, ttl)).await,
        }
    }

    /// As [`Bucket::delete`].
    pub async fn delete(&self, key: &str) -> bool {
        match self {
            Self::Plain(bucket) => bucket.delete(key),
            Self::Tiered(tiered) => Box::pin(tiered.delete(key)).await,
        }
    }

    /// As [`Bucket::take`].
    pub async fn take(&self, key: &str) -> Option<Value> {
        match self {
            Self::Plain(bucket) => bucket.take(key),
            Self::Tiered(tiered) => Box::pin(tiered.take(key)).await,
        }
    }

    /// As [`Bucket::touch`].
    pub async fn touch(&self, key: &str, ttl: Ttl) -> bool {
        match self {
            Self::Plain(bucket) => bucket.touch(key, ttl),
            Self::Tiered(tiered) => Box::pin(tiered.touch(key, ttl)).await,
        }
    }

    /// As [`Bucket::increment`].
    ///
    /// # Errors
    /// As there.
    pub async fn increment(&self, key: &str, by: i64, ttl_on_create: Ttl) -> Result<i64, Error> {
        match self {
            Self::Plain(bucket) => bucket.increment(key, by, ttl_on_create),
            Self::Tiered(tiered) => Box::pin(tiered.increment(key, by, ttl_on_create)).await,
        }
    }

    /// As [`Bucket::clear`].
    pub async fn clear(&self) -> u64 {
        match self {
            Self::Plain(bucket) => bucket.clear(),
            Self::Tiered(tiered) => Box::pin(tiered.clear()).await,
        }
    }

    /// As [`Bucket::fetch`].
    ///
    /// # Errors
    /// As there.
    pub async fn fetch(&self, key: &str, options: FetchOptions) -> Result<Fetched, Error> {
        match self {
            Self::Plain(bucket) => bucket.fetch(key, options).await,
            Self::Tiered(tiered) => Box::pin(tiered.fetch(key, options)).await,
        }
    }

    /// As [`Lease::fill`], of a lease of this bucket.
    ///
    /// # Errors
    /// As there.
    pub async fn fill(&self, lease: Lease, value: &[u8], ttl: Ttl) -> Result<u64, Error> {
        match self {
            Self::Plain(_) => lease.fill(value, ttl),
            Self::Tiered(tiered) => Box::pin(tiered.fill(lease, value, ttl)).await,
        }
    }
}
