//! Writing: every operation is one decision, given to `Bucket::edit`.

use std::borrow::Cow;
use std::time::Duration;

use super::Bucket;
use super::edit::{Carried, Change, Terms};
use crate::error::Error;
use crate::options::{Condition, PutOptions, Ttl};
use crate::slab::Occupied;
use crate::value::Value;

/// An entry as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its value.
    pub value: Value,
    /// Its version: it grows with every write in the bucket and is never given twice.
    pub version: u64,
    /// How long it has left by its TTL; `None` if it has none.
    pub ttl_left: Option<Duration>,
}

/// What [`Bucket::update`] is to do with the entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Update {
    /// Store this value.
    Put(Vec<u8>, Ttl),
    /// Leave it as it is.
    Keep,
    /// Remove it.
    Delete,
}

impl Bucket {
    /// Stores a value and returns its version. Callers of `fetch` that wait for the key get this value, and the fill of
    /// whoever loads it is refused.
    ///
    /// # Errors
    /// [`Error::Conflict`] if the condition does not hold; [`Error::TooLarge`]; [`Error::Invalid`] if the key is too
    /// long; [`Error::Full`] from a table at its limit.
    pub fn put(&self, key: &str, value: &[u8], options: PutOptions) -> Result<u64, Error> {
        self.put_on(key, value, options, Terms::default())
    }

    pub(super) fn put_on(&self, key: &str, value: &[u8], options: PutOptions, terms: Terms) -> Result<u64, Error> {
        let (_, version) = self.edit(key, terms, |slot| {
            let allowed = match options.condition {
                Condition::Always => true,
                Condition::IfAbsent => slot.is_none(),
                Condition::IfVersion(version) => slot.is_some_and(|slot| slot.version == version),
            };
            if allowed { Ok((Change::Put(Cow::Borrowed(value), options.ttl), ())) } else { Err(Error::Conflict) }
        })?;
        Ok(version)
    }

    /// Stores an entry from a file or the store, unless there is one of that key already.
    pub(crate) fn put_restored(&self, key: &str, value: &[u8], restored: Carried) -> Result<u64, Error> {
        let options = PutOptions { ttl: Ttl::Never, condition: Condition::IfAbsent };
        self.put_on(key, value, options, Terms { lease: None, restored: Some(restored) })
    }

    /// Stores several values with one TTL. All keys and sizes are checked before anything is stored.
    ///
    /// # Errors
    /// As [`put`](Self::put). A table that fills up on the way keeps the pairs before the one that it refused.
    pub fn put_many<K: AsRef<str>, V: AsRef<[u8]>>(&self, pairs: &[(K, V)], ttl: Ttl) -> Result<(), Error> {
        for (key, value) in pairs {
            let (key, value) = (key.as_ref(), value.as_ref());
            Self::check_key(key)?;
            self.check_size(value.len(), key.len() + value.len())?;
        }
        let options = PutOptions { ttl, condition: Condition::Always };
        pairs.iter().try_for_each(|(key, value)| self.put(key.as_ref(), value.as_ref(), options).map(|_| ()))
    }

    /// Removes an entry. Returns whether there was one. A fill that is under way for the key is refused: what it loaded
    /// may be older than this.
    pub fn delete(&self, key: &str) -> bool {
        self.edit(key, Terms::default(), |slot| Ok((Change::Delete, slot.is_some()))).is_ok_and(|(existed, _)| existed)
    }

    /// Removes an entry and returns its value: of several callers exactly one gets it.
    pub fn take(&self, key: &str) -> Option<Value> {
        self.edit(key, Terms::default(), |slot| Ok((Change::Delete, slot.map(Occupied::shared)))).ok()?.0
    }

    /// Gives an entry a new TTL from now on, and a new time to idle. Its version stays. Returns whether there is one.
    pub fn touch(&self, key: &str, ttl: Ttl) -> bool {
        self.edit(key, Terms::default(), |slot| Ok((Change::Touch(ttl), slot.is_some())))
            .is_ok_and(|(exists, _)| exists)
    }

    /// Takes an entry's TTL away. Returns whether there is an entry.
    pub fn persist(&self, key: &str) -> bool {
        self.touch(key, Ttl::Never)
    }

    /// Adds to a counter and returns what it is now. A counter is decimal text, so `get` reads it; one that does not
    /// exist starts at zero, with the given TTL. A counter that exists keeps its end.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the value is not a number of 64 bits or the sum passes one; otherwise as
    /// [`put`](Self::put).
    pub fn increment(&self, key: &str, by: i64, ttl_on_create: Ttl) -> Result<i64, Error> {
        let (sum, _) = self.edit(key, Terms::default(), |slot| {
            let before = slot.map_or(Ok(0), |slot| number(slot.value()))?;
            let sum = before.checked_add(by).ok_or(Error::Invalid("the counter would pass 64 bits"))?;
            let ttl = if slot.is_some() { Ttl::Keep } else { ttl_on_create };
            Ok((Change::Put(Cow::Owned(sum.to_string().into_bytes()), ttl), sum))
        })?;
        Ok(sum)
    }

    /// Reads and writes an entry in one step, and returns what `decide` returned with it.
    ///
    /// `decide` runs under a lock: it should be short, and it must not use this bucket. It may run more than once, when
    /// room had to be made in between; only its last answer counts.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub fn update<R>(&self, key: &str, mut decide: impl FnMut(Option<&[u8]>) -> (Update, R)) -> Result<R, Error> {
        let (answer, _) = self.edit(key, Terms::default(), |slot| {
            let (update, answer) = decide(slot.map(Occupied::value));
            let change = match update {
                Update::Put(value, ttl) => Change::Put(Cow::Owned(value), ttl),
                Update::Keep => Change::Nothing,
                Update::Delete => Change::Delete,
            };
            Ok((change, answer))
        })?;
        Ok(answer)
    }
}

/// Reads decimal text as strictly as it is written: no plus sign, no spaces.
fn number(text: &[u8]) -> Result<i64, Error> {
    let text = std::str::from_utf8(text).ok().filter(|text| !text.starts_with('+'));
    text.and_then(|text| text.parse().ok()).ok_or(Error::Invalid("the value is not a whole number of 64 bits"))
}
