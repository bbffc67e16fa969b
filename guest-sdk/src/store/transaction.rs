//! Reads and writes that hold together, tried again until they do.

use std::{collections::BTreeMap, time::Duration};

use serde::{Serialize, de::DeserializeOwned};

use super::{
    Atomic, Committed, Item, Key, Space,
    atomic::{atomic, until_it_holds},
    host,
};
use crate::{Error, Result, codec, jobs::NewJob};

/// Runs `work` and commits what it said, if nothing that it read has changed meanwhile; if something has, it runs again.
/// Returns what it returned, and what the commit did.
///
/// `work` should do nothing but read through the transaction and compute, because it may run several times: what is to
/// happen once is said to the transaction too, as a job or a message. An error ends it, and nothing is written.
///
/// ```
/// use skep_sdk::{prelude::*, store, test};
///
/// let buy = |item: &str, count: i64| {
///     store::transaction(|tx| {
///         let key = format!("stock:{item}");
///         let stock: i64 = tx.get(&key)?.unwrap_or_default();
///         if stock < count {
///             return Err(Error::new(StatusCode::CONFLICT, "sold out"));
///         }
///         tx.set(&key, &(stock - count));
///         tx.publish("sold", &json!({ "item": item, "count": count }));
///         Ok(stock - count)
///     })
/// };
///
/// store::set("stock:honey", &3_i64)?;
/// let (left, _) = buy("honey", 2)?;
/// assert_eq!(left, 1);
/// assert!(buy("honey", 2).is_err());
/// assert_eq!(test::published().len(), 1);
/// # Ok::<_, Error>(())
/// ```
///
/// # Errors
/// That of `work`; those of a [`commit`](Atomic::commit). [`Conflict`](crate::CapabilityError::Conflict), as a 503, after 32
/// lost races.
pub fn transaction<R, E: Into<Error>>(
    mut work: impl FnMut(&mut Transaction) -> Result<R, E>,
) -> Result<(R, Committed)> {
    until_it_holds("committing a transaction", || {
        let mut transaction = Transaction { reads: BTreeMap::new(), writes: atomic() };
        let value = work(&mut transaction).map_err(Into::into)?;
        Ok(transaction.commit().map(|committed| (value, committed)))
    })
}

/// What [`transaction`] lends to its work.
#[derive(Debug)]
pub struct Transaction {
    /// All that was read, as it was: the commit checks it, and whoever reads it again sees the same.
    reads: BTreeMap<Key, Option<Item<Vec<u8>>>>,
    writes: Atomic,
}

impl Transaction {
    /// The value of a key, as this transaction has set it or as it is kept.
    ///
    /// # Errors
    /// When the value is no `T`, as that of a [`sum`](Self::sum); when the host refuses.
    pub fn get<T: DeserializeOwned>(&mut self, key: impl Into<Key>) -> Result<Option<T>> {
        let key = key.into();
        match self.writes.last_of(&key) {
            Some(host::Op::Set(set)) => {
                let value = codec::from_json(&set.value);
                return value.map(Some).map_err(|error| error.context(key.doing("reading")));
            }
            Some(host::Op::Sum(_)) => {
                return Err(Error::from("the transaction adds to it").context(key.doing("reading")));
            }
            Some(_) => return Ok(None),
            None => {}
        }
        Ok(self.read(key)?.map(Item::decode).transpose()?.map(|item| item.value))
    }

    /// What a sum was before this transaction; zero if there was none.
    ///
    /// # Errors
    /// When the value was not written by a sum; when the host refuses.
    pub fn counter(&mut self, key: impl Into<Key>) -> Result<i64> {
        self.read(key.into())?.map_or(Ok(0), |item| item.number())
    }

    /// Keeps a value, whatever was there.
    pub fn set<T: Serialize + ?Sized>(&mut self, key: impl Into<Key>, value: &T) {
        self.with(|writes| writes.set(key, value));
    }

    /// Keeps a value for so long.
    pub fn set_for<T: Serialize + ?Sized>(&mut self, key: impl Into<Key>, value: &T, ttl: Duration) {
        self.with(|writes| writes.set_for(key, value, ttl));
    }

    /// Deletes a key. It need not be there.
    pub fn delete(&mut self, key: impl Into<Key>) {
        self.with(|writes| writes.delete(key));
    }

    /// Adds to a number, whatever it is by then.
    pub fn sum(&mut self, key: impl Into<Key>, by: i64) {
        self.with(|writes| writes.sum(key, by));
    }

    /// Enqueues a job. Its id is in [`Committed::jobs`].
    pub fn enqueue(&mut self, job: NewJob) {
        self.with(|writes| writes.enqueue(job));
    }

    /// Enqueues several jobs, for instance a [`batch`](crate::jobs::batch()).
    pub fn enqueue_all(&mut self, jobs: impl IntoIterator<Item = NewJob>) {
        self.with(|writes| writes.enqueue_all(jobs));
    }

    /// Publishes a value as JSON.
    pub fn publish<T: Serialize + ?Sized>(&mut self, topic: impl Into<String>, value: &T) {
        self.with(|writes| writes.publish(topic, value));
    }

    /// Publishes a value as JSON with what happened.
    pub fn publish_event<T: Serialize + ?Sized>(
        &mut self,
        topic: impl Into<String>,
        event: impl Into<String>,
        value: &T,
    ) {
        self.with(|writes| writes.publish_event(topic, event, value));
    }

    /// Publishes text or bytes as they are, such as a piece of HTML.
    pub fn publish_bytes(&mut self, topic: impl Into<String>, event: Option<&str>, data: impl Into<Vec<u8>>) {
        self.with(|writes| writes.publish_bytes(topic, event, data));
    }

    fn read(&mut self, key: Key) -> Result<Option<Item<Vec<u8>>>> {
        if let Some(item) = self.reads.get(&key) {
            return Ok(item.clone());
        }
        let item = Space(key.space().map(str::to_owned)).get_item_bytes(key.as_str())?;
        self.reads.insert(key, item.clone());
        Ok(item)
    }

    fn with(&mut self, add: impl FnOnce(Atomic) -> Atomic) {
        self.writes = add(std::mem::take(&mut self.writes));
    }

    /// What was read is checked even where nothing is written, so that several reads are of one moment.
    fn commit(self) -> Result<Committed, super::CommitError> {
        if self.writes.is_empty() && self.reads.len() < 2 {
            return Ok(Committed { version: 0, sums: Vec::new(), jobs: Vec::new() });
        }
        let checks = self.reads.into_iter().fold(atomic(), |checks, (key, item)| match item {
            Some(item) => checks.check(&item),
            None => checks.check_absent(key),
        });
        checks.append(self.writes).commit()
    }
}
