//! `skep:plugin/cache`: the guest's side of the buckets in `skep-cache`, and of what is behind them in `skep-second`.

pub(crate) mod at_once;

use std::time::Duration;

use skep_bindings::cache::{self, Condition, Entry, Fetched, Lifetime, Page, Stats};
use skep_bindings::types::Error;
use skep_cache::{FetchOptions, PutOptions, Ttl};
use skep_second::AnyBucket;
use wasmtime::component::Resource;

use super::held::HeldLease;
use super::take;
use crate::state::CallState;

/// What looking at an entry costs in a search for keys, in fuel: as long as so many instructions take.
const SLOT_FUEL: usize = 8;

/// What a plugin may do with a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Look, and nothing else.
    Read,
    /// Everything.
    ReadWrite,
}

/// A bucket that the manifest gives to a plugin.
#[derive(Clone, Debug)]
pub struct GrantedBucket {
    /// The name that the guest opens: "sessions" for its own, "shop/sessions" for another plugin's.
    pub name: Box<str>,
    /// The bucket.
    pub bucket: AnyBucket,
    /// What may be done with it.
    pub access: Access,
}

impl CallState {
    /// The bucket behind a handle. A handle is an index into the revision's grants, so it outlives the call.
    fn bucket(&self, handle: u32) -> Result<&GrantedBucket, Error> {
        self.env.buckets.get(handle as usize).ok_or(Error::NotFound)
    }

    pub(super) fn readable(&self, handle: u32) -> Result<&AnyBucket, Error> {
        Ok(&self.bucket(handle)?.bucket)
    }

    pub(super) fn writable(&self, handle: u32) -> Result<&AnyBucket, Error> {
        let granted = self.bucket(handle)?;
        match granted.access {
            Access::ReadWrite => Ok(&granted.bucket),
            Access::Read => Err(Error::Denied(format!(
                "`{}` is granted for reading; write `caches = {{ \"{0}\" = \"read-write\" }}` in the plugin's grants",
                granted.name
            ))),
        }
    }

    /// The values of many keys, copied a few at a time: an answer that is too large is refused before it is all in memory.
    pub(super) async fn read_many(&mut self, handle: u32, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, Error> {
        let (mut values, mut bytes) = (Vec::new(), 0_usize);
        for some in keys.chunks(AnyBucket::MANY) {
            let found = self.readable(handle)?.get_many(some).await;
            for (key, value) in some.iter().zip(found) {
                bytes += key.len() + value.as_ref().map_or(0, |value| value.len());
                if bytes > self.env.answer_bytes_max {
                    return Err(Error::TooLarge(self.env.answer_bytes_max as u64));
                }
                values.push(value.map(|value| value.to_vec()));
            }
        }
        self.stats.owe(bytes);
        Ok(values)
    }

    /// The handle of a bucket.
    pub(super) fn open_bucket(&self, name: &str) -> Result<u32, Error> {
        self.stats.owe(name.len());
        let at = self.env.buckets.iter().position(|granted| *granted.name == *name);
        match at.and_then(|at| u32::try_from(at).ok()) {
            Some(at) => Ok(at),
            None if name.contains('/') => Err(Error::Denied(format!(
                "the bucket `{name}` is not granted; write `caches = {{ \"{name}\" = \"read\" }}` in the plugin's grants"
            ))),
            None => Err(Error::Denied(format!(
                "there is no bucket `{name}`; declare it with `[plugins.{}.caches.{name}]`",
                self.env.plugin
            ))),
        }
    }

    fn hold_lease(&mut self, bucket: &AnyBucket, lease: skep_cache::Lease) -> Result<Resource<cache::Lease>, Error> {
        let number = self.held.number(self.env.handles_max)?;
        self.held.leases.push((number, HeldLease { bucket: bucket.clone(), lease }));
        Ok(Resource::new_own(number))
    }
}

impl cache::Host for CallState {
    fn open(&mut self, name: String) -> Result<Resource<cache::Bucket>, Error> {
        self.open_bucket(&name).map(Resource::new_own)
    }
}

impl cache::HostBucket for CallState {
    async fn get(&mut self, this: Resource<cache::Bucket>, key: String) -> Result<Option<Vec<u8>>, Error> {
        let value = self.readable(this.rep())?.get(&key).await.map(|value| value.to_vec());
        self.stats.owe(key.len() + value.as_ref().map_or(0, Vec::len));
        Ok(value)
    }

    async fn get_entry(&mut self, this: Resource<cache::Bucket>, key: String) -> Result<Option<Entry>, Error> {
        let entry = self.readable(this.rep())?.get_entry(&key).await;
        self.stats.owe(key.len() + entry.as_ref().map_or(0, |entry| entry.value.len()));
        Ok(entry.map(|entry| Entry {
            value: entry.value.to_vec(),
            version: entry.version,
            time_left: entry.ttl_left.map(millis),
        }))
    }

    async fn get_many(
        &mut self,
        this: Resource<cache::Bucket>,
        keys: Vec<String>,
    ) -> Result<Vec<Option<Vec<u8>>>, Error> {
        self.read_many(this.rep(), &keys).await
    }

    async fn put(
        &mut self,
        this: Resource<cache::Bucket>,
        key: String,
        value: Vec<u8>,
        lifetime: Lifetime,
        condition: Condition,
    ) -> Result<u64, Error> {
        self.stats.owe(key.len() + value.len());
        let options = PutOptions { ttl: ttl(lifetime), condition: if_so(condition) };
        self.writable(this.rep())?.put(&key, &value, options).await.map_err(refused)
    }

    async fn put_many(
        &mut self,
        this: Resource<cache::Bucket>,
        entries: Vec<(String, Vec<u8>)>,
        lifetime: Lifetime,
    ) -> Result<(), Error> {
        self.stats.owe(entries.iter().map(|(key, value)| key.len() + value.len()).sum());
        self.writable(this.rep())?.put_many(&entries, ttl(lifetime)).await.map_err(refused)
    }

    async fn delete(&mut self, this: Resource<cache::Bucket>, key: String) -> Result<bool, Error> {
        self.stats.owe(key.len());
        Ok(self.writable(this.rep())?.delete(&key).await)
    }

    async fn take(&mut self, this: Resource<cache::Bucket>, key: String) -> Result<Option<Vec<u8>>, Error> {
        let value = self.writable(this.rep())?.take(&key).await.map(|value| value.to_vec());
        self.stats.owe(key.len() + value.as_ref().map_or(0, Vec::len));
        Ok(value)
    }

    async fn touch(&mut self, this: Resource<cache::Bucket>, key: String, lifetime: Lifetime) -> Result<bool, Error> {
        self.stats.owe(key.len());
        Ok(self.writable(this.rep())?.touch(&key, ttl(lifetime)).await)
    }

    async fn increment(
        &mut self,
        this: Resource<cache::Bucket>,
        key: String,
        by: i64,
        lifetime: Lifetime,
    ) -> Result<i64, Error> {
        self.stats.owe(key.len());
        self.writable(this.rep())?.increment(&key, by, ttl(lifetime)).await.map_err(refused)
    }

    fn keys(
        &mut self,
        this: Resource<cache::Bucket>,
        prefix: String,
        cursor: Option<String>,
        limit: u32,
    ) -> Result<Page, Error> {
        let memory = self.readable(this.rep())?.memory();
        let page = memory.keys(&prefix, cursor.as_deref(), limit as usize).map_err(refused)?;
        self.stats.owe(page.keys.iter().map(String::len).sum::<usize>() + prefix.len() + page.looked_at * SLOT_FUEL);
        Ok(Page { keys: page.keys, cursor: page.cursor })
    }

    async fn clear(&mut self, this: Resource<cache::Bucket>) -> Result<u64, Error> {
        Ok(self.writable(this.rep())?.clear().await)
    }

    fn stats(&mut self, this: Resource<cache::Bucket>) -> Stats {
        let stats = self.readable(this.rep()).map(|bucket| bucket.memory().stats()).unwrap_or_default();
        Stats {
            entries: stats.entries,
            bytes: stats.bytes,
            hits: stats.hits,
            misses: stats.misses,
            loads: stats.loads,
            evictions: stats.evicted_entries + stats.evicted_bytes,
            expirations: stats.expired,
        }
    }

    async fn fetch(
        &mut self,
        this: Resource<cache::Bucket>,
        key: String,
        wait: u64,
        stale: bool,
    ) -> Result<Fetched, Error> {
        self.stats.owe(key.len());
        let options = FetchOptions { wait: Duration::from_millis(wait), stale };
        let bucket = self.writable(this.rep())?.clone();
        let fetched = bucket.fetch(&key, options).await.map_err(refused)?;
        Ok(match fetched {
            skep_cache::Fetched::Hit(value) => {
                self.stats.owe(value.len());
                Fetched::Hit(value.to_vec())
            }
            skep_cache::Fetched::Stale { value, lease } => {
                self.stats.owe(value.len());
                let lease = lease.map(|lease| self.hold_lease(&bucket, lease)).transpose()?;
                Fetched::Stale((value.to_vec(), lease))
            }
            skep_cache::Fetched::Miss(lease) => Fetched::Miss(self.hold_lease(&bucket, lease)?),
        })
    }

    async fn lock(
        &mut self,
        this: Resource<cache::Bucket>,
        name: String,
        wait: u64,
    ) -> Result<Resource<cache::Lock>, Error> {
        self.stats.owe(name.len());
        let bucket = self.writable(this.rep())?.memory();
        let guard =
            if wait == 0 { bucket.try_lock(&name) } else { bucket.lock(&name, Duration::from_millis(wait)).await };
        let guard = guard.map_err(refused)?;
        let number = self.held.number(self.env.handles_max)?;
        self.held.locks.push((number, guard));
        Ok(Resource::new_own(number))
    }

    fn drop(&mut self, _: Resource<cache::Bucket>) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl cache::HostLease for CallState {
    async fn fill(&mut self, this: Resource<cache::Lease>, value: Vec<u8>, lifetime: Lifetime) -> Result<u64, Error> {
        self.stats.owe(value.len());
        // It is spent by the first fill, and gone with the call that it was given to.
        let held = take(&mut self.held.leases, this.rep()).ok_or(Error::NotFound)?;
        held.bucket.fill(held.lease, &value, ttl(lifetime)).await.map_err(refused)
    }

    fn drop(&mut self, this: Resource<cache::Lease>) -> wasmtime::Result<()> {
        drop(take(&mut self.held.leases, this.rep()));
        Ok(())
    }
}

impl cache::HostLock for CallState {
    fn fence(&mut self, this: Resource<cache::Lock>) -> u64 {
        // A lock of an earlier call is held no more; 0 is below every fence.
        let held = self.held.locks.iter().find(|(number, _)| *number == this.rep());
        held.map_or(0, |(_, guard)| guard.fence())
    }

    fn drop(&mut self, this: Resource<cache::Lock>) -> wasmtime::Result<()> {
        drop(take(&mut self.held.locks, this.rep()));
        Ok(())
    }
}

fn ttl(lifetime: Lifetime) -> Ttl {
    match lifetime {
        Lifetime::Standard => Ttl::Default,
        Lifetime::After(millis) => Ttl::After(Duration::from_millis(millis)),
        Lifetime::Unlimited => Ttl::Never,
        Lifetime::Keep => Ttl::Keep,
    }
}

fn if_so(condition: Condition) -> skep_cache::Condition {
    match condition {
        Condition::Always => skep_cache::Condition::Always,
        Condition::IfAbsent => skep_cache::Condition::IfAbsent,
        Condition::IfVersion(version) => skep_cache::Condition::IfVersion(version),
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// What a guest is told of the engine's word.
pub(super) fn refused(error: skep_cache::Error) -> Error {
    match error {
        skep_cache::Error::TooLarge(limit) => Error::TooLarge(limit),
        skep_cache::Error::Full(_) => Error::Full,
        skep_cache::Error::Conflict => Error::Conflict,
        skep_cache::Error::Timeout => Error::Timeout,
        skep_cache::Error::Invalid(why) => Error::Invalid(why.to_owned()),
        other => Error::Unavailable(other.to_string()),
    }
}
