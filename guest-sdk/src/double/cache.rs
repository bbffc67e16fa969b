//! `skep:plugin/cache` with the functions that wit-bindgen generates, over memory.

use std::{ops::Bound, time::Duration};

pub(crate) use super::flight::{Fetched, Lease, Lock};
use super::{
    WORLD, World,
    store::{Store, check_entry},
};
pub(crate) use crate::__private::bindings::imports::skep::plugin::cache::{Condition, Entry, Lifetime, Page, Stats};
use crate::__private::bindings::imports::skep::plugin::types::Error;

/// As in the host.
const PAGE_KEYS_MAX: u32 = 1000;
const NAME_BYTES_MAX: usize = 64;

/// A handle: its bucket is that of the thread that uses it.
#[derive(Debug)]
pub(crate) struct Bucket {
    pub(super) name: String,
}

pub(crate) fn open(name: &str) -> Result<Bucket, Error> {
    let denied = WORLD.with_borrow_mut(|world| world.bucket(name).rules.denied);
    if denied || !name.splitn(2, '/').all(is_name) {
        let text = format!("there is no bucket `{name}`; declare it in the manifest, `[plugins.<name>.caches.{name}]`");
        return Err(Error::Denied(text));
    }
    Ok(Bucket { name: name.to_owned() })
}

/// What the manifest takes for a name.
fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(allowed)
}

/// The moment of an operation, and a number for what it makes.
pub(super) type Now = (Duration, u64);

impl Bucket {
    pub(super) fn read<R>(&self, run: impl FnOnce(&mut Store, Now) -> R) -> R {
        WORLD.with_borrow_mut(|world: &mut World| {
            let now = (world.now, world.number());
            let store = world.bucket(&self.name);
            store.sweep(now.0);
            run(store, now)
        })
    }

    pub(super) fn write<R>(&self, run: impl FnOnce(&mut Store, Now) -> Result<R, Error>) -> Result<R, Error> {
        self.read(|store, now| {
            if store.rules.read_only {
                return Err(Error::Denied(format!("`{}` is granted for reading", self.name)));
            }
            run(store, now)
        })
    }

    pub(crate) fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.read(|store, (now, _)| store.read(key, now).map(|slot| slot.value.clone())))
    }

    pub(crate) fn get_entry(&self, key: &str) -> Result<Option<Entry>, Error> {
        Ok(self.read(|store, (now, _)| {
            store.read(key, now).map(|slot| Entry {
                value: slot.value.clone(),
                version: slot.version,
                time_left: slot.expires.map(|at| at.saturating_sub(now).as_millis().try_into().unwrap_or(u64::MAX)),
            })
        }))
    }

    pub(crate) fn get_many(&self, keys: &[String]) -> Result<Vec<Option<Vec<u8>>>, Error> {
        keys.iter().map(|key| self.get(key)).collect()
    }

    pub(crate) fn put(&self, key: &str, value: &[u8], lifetime: Lifetime, condition: Condition) -> Result<u64, Error> {
        self.write(|store, now| store.put((key, value), lifetime, condition, now))
    }

    pub(crate) fn put_many(&self, entries: &[(String, Vec<u8>)], lifetime: Lifetime) -> Result<(), Error> {
        entries.iter().try_for_each(|(key, value)| check_entry(key, value))?;
        let mut entries = entries.iter();
        entries.try_for_each(|(key, value)| self.put(key, value, lifetime, Condition::Always).map(|_| ()))
    }

    pub(crate) fn delete(&self, key: &str) -> Result<bool, Error> {
        self.take(key).map(|value| value.is_some())
    }

    pub(crate) fn take(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        self.write(|store, (now, _)| Ok(store.remove(key, now)))
    }

    pub(crate) fn touch(&self, key: &str, lifetime: Lifetime) -> Result<bool, Error> {
        self.write(|store, (now, _)| Ok(store.touch(key, lifetime, now)))
    }

    pub(crate) fn increment(&self, key: &str, by: i64, lifetime: Lifetime) -> Result<i64, Error> {
        self.write(|store, now| {
            let before = store.live(key, now.0).map(|slot| number(&slot.value));
            let lifetime = if before.is_some() { Lifetime::Keep } else { lifetime };
            let sum = before.unwrap_or(Ok(0))?.checked_add(by);
            let sum = sum.ok_or_else(|| Error::Invalid("the counter would pass 64 bits".into()))?;
            store.put((key, sum.to_string().as_bytes()), lifetime, Condition::Always, now)?;
            Ok(sum)
        })
    }

    pub(crate) fn keys(&self, prefix: &str, cursor: Option<&str>, limit: u32) -> Result<Page, Error> {
        if limit == 0 {
            return Err(Error::Invalid("a page of no keys".into()));
        }
        Ok(self.read(|store, (now, _)| {
            let from = cursor.map_or(Bound::Included(prefix), Bound::Excluded);
            let keys = store.slots.range::<str, _>((from, Bound::Unbounded)).map(|(key, _)| key);
            let keys = keys.take_while(|key| key.starts_with(prefix)).filter(|key| store.live(key, now).is_some());
            let keys: Vec<_> = keys.take(limit.min(PAGE_KEYS_MAX) as usize).cloned().collect();
            Page { cursor: keys.last().cloned(), keys }
        }))
    }

    pub(crate) fn clear(&self) -> Result<u64, Error> {
        self.write(|store, (now, _)| {
            let keys: Vec<_> = store.slots.keys().cloned().collect();
            store.loading.clear();
            Ok(keys.iter().filter_map(|key| store.remove(key, now)).count() as u64)
        })
    }

    pub(crate) fn stats(&self) -> Stats {
        self.read(|store, _| Stats {
            entries: store.slots.len() as u64,
            bytes: store.slots.iter().map(|(key, slot)| key.len() + slot.value.len()).sum::<usize>() as u64,
            hits: store.hits,
            misses: store.misses,
            loads: store.loads,
            evictions: 0,
            expirations: store.expirations,
        })
    }
}

/// Decimal text, as strictly as it is written.
pub(super) fn number(text: &[u8]) -> Result<i64, Error> {
    let text = std::str::from_utf8(text).ok().filter(|text| !text.starts_with('+'));
    let number = text.and_then(|text| text.parse().ok());
    number.ok_or_else(|| Error::Invalid("the value is not a whole number of 64 bits".into()))
}
