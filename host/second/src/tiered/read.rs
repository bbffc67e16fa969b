//! Reading: memory if its copy is fresh, else the second tier, once for all who wait.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use skep_cache::{Entry, KEY_BYTES_MAX, Value};
use tokio::sync::oneshot;

use super::stats::count;
use super::traffic::{Lookup, Visit};
use super::{Core, Tiered, alone, noted};
use crate::form::Note;
use crate::port::{Fault, Found, Left, Seen};

/// Keys that are worth asking for at once.
pub const MANY: usize = 64;

/// What a lookup found.
#[derive(Clone, Debug)]
pub(super) enum Looked {
    Entry(Entry),
    Absent,
    /// There was no answer: memory has the word.
    Failed,
}

impl Tiered {
    /// The value of a key.
    pub async fn get(&self, key: &str) -> Option<Value> {
        self.get_entry(key).await.map(|entry| entry.value)
    }

    /// The value of a key with its version, which all hosts share, and the time it has left.
    pub async fn get_entry(&self, key: &str) -> Option<Entry> {
        let copy = match self.core.copy(key) {
            Copied::Fresh(entry) => return Some(entry),
            Copied::Alone(entry) => return entry,
            Copied::Unsure(entry) => entry,
        };
        match self.core.look_up(&[key]).await.remove(key) {
            Some(Looked::Entry(entry)) => Some(entry),
            Some(Looked::Absent) => None,
            Some(Looked::Failed) | None => copy,
        }
    }

    /// The values of several keys, in their order. Each is read for itself: a write may fall between two of them. All that
    /// memory does not know for certain is asked for together; give no more than [`MANY`] keys at once.
    pub async fn get_many<K: AsRef<str>>(&self, keys: &[K]) -> Vec<Option<Value>> {
        let copies: Vec<_> = keys.iter().map(|key| self.core.copy(key.as_ref())).collect();
        let pairs = || keys.iter().map(AsRef::as_ref).zip(&copies);
        let unsure: Vec<_> =
            pairs().filter(|(_, copy)| matches!(copy, Copied::Unsure(_))).map(|(key, _)| key).collect();
        let looked = if unsure.is_empty() { HashMap::new() } else { self.core.look_up(&unsure).await };
        let value = |(key, copy): (&str, &Copied)| match (copy, looked.get(key)) {
            (Copied::Unsure(_), Some(Looked::Entry(entry))) | (Copied::Fresh(entry), _) => Some(entry.value.clone()),
            (Copied::Unsure(_), Some(Looked::Absent)) => None,
            (Copied::Unsure(entry) | Copied::Alone(entry), _) => entry.as_ref().map(|entry| entry.value.clone()),
        };
        pairs().map(value).collect()
    }

    /// An entry as this host's memory has it, for operators: nothing is asked.
    #[must_use]
    pub fn peek(&self, key: &str) -> Option<Entry> {
        self.core.bucket.get_entry(key).and_then(noted).map(|(entry, _)| entry)
    }
}

/// What memory has of a key.
enum Copied {
    /// It will do.
    Fresh(Entry),
    /// It has to do: nobody can be asked.
    Alone(Option<Entry>),
    /// The second tier is to be asked.
    Unsure(Option<Entry>),
}

impl Core {
    fn copy(&self, key: &str) -> Copied {
        if key.len() > KEY_BYTES_MAX {
            return Copied::Alone(None);
        }
        let copy = self.bucket.get_entry(key).and_then(noted);
        match copy {
            Some((entry, note)) if self.is_fresh(note) && !self.owed.has(key) => Copied::Fresh(entry),
            copy => {
                let entry = copy.map(|(entry, _)| entry);
                if self.asks(key) {
                    Copied::Unsure(entry)
                } else {
                    count(&self.counts.skipped);
                    Copied::Alone(entry)
                }
            }
        }
    }

    /// Looks keys up in the second tier, joining whoever does so already, and keeps what is found in memory.
    pub(super) async fn look_up(self: &Arc<Self>, keys: &[&str]) -> HashMap<Box<str>, Looked> {
        let (go, visits) = oneshot::channel();
        let core = Arc::clone(self);
        let own: Lookup = async move {
            // Somebody may join before all keys are known, and must wait for that.
            let visits: Vec<Visit> = visits.await.unwrap_or_default();
            Arc::new(core.read_all(visits).await)
        }
        .boxed()
        .shared();
        let (mut visits, mut lookups) = (Vec::new(), Vec::new());
        for key in keys {
            let visit = self.traffic.enter(key);
            match visit.join_or(&own) {
                Some(other) => lookups.push(other),
                None => visits.push(visit),
            }
        }
        // Its receiver is in `own`.
        drop(go.send(visits));
        lookups.push(own);
        let found = join_all(lookups).await;
        let wanted = |key: &&str| {
            let looked = found.iter().find_map(|found| found.get(*key)).cloned();
            (Box::from(*key), looked.unwrap_or(Looked::Failed))
        };
        keys.iter().map(wanted).collect()
    }

    async fn read_all(&self, visits: Vec<Visit>) -> HashMap<Box<str>, Looked> {
        let mut looked = HashMap::with_capacity(visits.len());
        let mut rest = &visits[..];
        while !rest.is_empty() {
            let asked: Vec<_> = rest.iter().map(|visit| (visit, visit.mark())).collect();
            let keys: Vec<Box<str>> = rest.iter().map(|visit| visit.key().into()).collect();
            // Taken before asking: what is told from here on is newer.
            let note = self.note(0);
            match self.second.read(&keys).await {
                Ok(seen) => {
                    rest = rest.get(seen.len().max(1)..).unwrap_or_default();
                    for ((visit, mark), seen) in asked.into_iter().zip(seen) {
                        let found = self.counted(seen);
                        let answer =
                            visit.settle_read(mark, |undisturbed| self.learn(visit.key(), found, note, undisturbed));
                        looked.insert(visit.key().into(), answer);
                    }
                }
                Err(fault) => {
                    rest.iter().for_each(|_| self.count_fault(Some(&fault)));
                    break;
                }
            }
        }
        looked
    }

    /// Counts what was seen, and says what of it is an entry.
    pub(super) fn counted(&self, seen: Seen) -> Option<Found> {
        match seen {
            Seen::Entry(found) => {
                count(if found.left.is_some() { &self.counts.hits } else { &self.counts.misses });
                Some(found)
            }
            Seen::Absent => {
                count(&self.counts.misses);
                None
            }
            Seen::Foreign => {
                count(&self.counts.misses);
                count(&self.counts.foreign);
                None
            }
        }
    }

    /// Brings memory up to date with what was found, unless that is out of date itself.
    fn learn(&self, key: &str, found: Option<Found>, note: Note, undisturbed: bool) -> Looked {
        let Some(Found { value, version, left: Some(left) }) = found else {
            if undisturbed {
                self.forget(key);
            }
            return Looked::Absent;
        };
        if undisturbed {
            self.keep(key, &value, Note { version, ..note }, left);
        }
        let ttl_left = match left {
            Left::Endless => None,
            Left::For(left) => Some(left),
        };
        Looked::Entry(Entry { value: alone(&value), version, ttl_left })
    }

    /// One key, asked for by the holder of its lease.
    pub(super) async fn read_one(&self, key: &str) -> Result<Option<Found>, Fault> {
        let seen = self.second.read(&[key.into()]).await?;
        Ok(seen.into_iter().next().and_then(|seen| self.counted(seen)))
    }
}
