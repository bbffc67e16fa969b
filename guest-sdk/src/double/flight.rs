//! Leases and locks of the double. Nobody else runs meanwhile, so whoever would wait has waited in vain.

use super::{
    WORLD,
    cache::{Bucket, Condition, Lifetime},
    store::{Store, check_key},
};
use crate::__private::bindings::imports::skep::plugin::types::Error;

pub(crate) enum Fetched {
    Hit(Vec<u8>),
    Stale((Vec<u8>, Option<Lease>)),
    Miss(Lease),
}

#[derive(Debug)]
pub(crate) struct Lease {
    bucket: Bucket,
    key: String,
    holder: u64,
}

#[derive(Debug)]
pub(crate) struct Lock {
    bucket: String,
    name: String,
    fence: u64,
}

impl Bucket {
    pub(crate) fn fetch(&self, key: &str, _wait_ms: u64, stale: bool) -> Result<Fetched, Error> {
        check_key(key)?;
        self.write(|store, (now, holder)| {
            if let Some(slot) = store.read(key, now) {
                return Ok(Fetched::Hit(slot.value.clone()));
            }
            let stale = if stale { store.stale(key, now) } else { None };
            let lease = self.lease(store, key, holder);
            match (stale, lease) {
                (Some(value), lease) => Ok(Fetched::Stale((value, lease))),
                (None, Some(lease)) => Ok(Fetched::Miss(lease)),
                (None, None) => Err(Error::Timeout),
            }
        })
    }

    fn lease(&self, store: &mut Store, key: &str, holder: u64) -> Option<Lease> {
        if store.loading.contains_key(key) {
            return None;
        }
        store.loads += 1;
        store.loading.insert(key.to_owned(), holder);
        Some(Lease { bucket: Self { name: self.name.clone() }, key: key.to_owned(), holder })
    }

    pub(crate) fn lock(&self, name: &str, _wait_ms: u64) -> Result<Lock, Error> {
        check_key(name)?;
        self.write(|store, (_, fence)| {
            if store.locks.contains_key(name) {
                return Err(Error::Timeout);
            }
            store.locks.insert(name.to_owned(), fence);
            Ok(Lock { bucket: self.name.clone(), name: name.to_owned(), fence })
        })
    }
}

impl Lease {
    pub(crate) fn fill(&self, value: &[u8], lifetime: Lifetime) -> Result<u64, Error> {
        self.bucket.write(|store, now| {
            if store.loading.get(&self.key) != Some(&self.holder) {
                return Err(Error::Conflict);
            }
            store.loading.remove(&self.key);
            store.put((&self.key, value), lifetime, Condition::Always, now)
        })
    }
}

impl Lock {
    pub(crate) fn fence(&self) -> u64 {
        self.fence
    }
}

/// The world may be gone already where a thread ends.
fn give_back(bucket: &str, run: impl FnOnce(&mut Store)) {
    let _ = WORLD.try_with(|world| {
        if let Ok(mut world) = world.try_borrow_mut() {
            run(world.bucket(bucket));
        }
    });
}

impl Drop for Lease {
    fn drop(&mut self) {
        give_back(&self.bucket.name, |store| {
            if store.loading.get(&self.key) == Some(&self.holder) {
                store.loading.remove(&self.key);
            }
        });
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        give_back(&self.bucket, |store| {
            if store.locks.get(&self.name) == Some(&self.fence) {
                store.locks.remove(&self.name);
            }
        });
    }
}
