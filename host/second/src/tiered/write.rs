//! Writing: the second tier first, then memory; in memory alone if it gives no answer.

use std::pin::Pin;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use skep_cache::{Condition, Error, Lease, PutOptions, Ttl, Update, Value};
use tokio::sync::OwnedMutexGuard;
use tokio::time::timeout;

use super::stats::count;
use super::traffic::{Mark, Visit};
use super::{Core, Tiered, alone, new_version, ttl, without_note};
use crate::form::{Note, value_of};
use crate::port::{Edit, Edited, Fault};

/// Writes of one `put_many` under way at once.
const AT_ONCE: usize = 16;

/// One of them.
type Put<'a> = Pin<Box<dyn Future<Output = Result<(), Error>> + Send + 'a>>;

/// A change that the second tier was asked for.
pub(super) struct Asked {
    pub(super) visit: Visit,
    pub(super) mark: Mark,
    /// Taken before asking.
    pub(super) note: Note,
    pub(super) outcome: Outcome,
    /// Held until memory is right too.
    _turn: Option<OwnedMutexGuard<()>>,
}

pub(super) enum Outcome {
    Edited(Edited),
    /// It is for memory to decide.
    Alone(Option<Fault>),
    /// The lease does not hold any more: nothing was asked.
    Overtaken,
}

/// A change on its way. If its caller is cut off, nobody knows what became of it.
struct OnItsWay<'a>(&'a Core, Option<&'a str>);

impl Drop for OnItsWay<'_> {
    fn drop(&mut self) {
        if let Some(key) = self.1 {
            self.0.owed.add(key);
        }
    }
}

impl Tiered {
    /// Stores a value, and returns its version, which all hosts share.
    ///
    /// # Errors
    /// As [`Bucket::put`](skep_cache::Bucket::put).
    pub async fn put(&self, key: &str, value: &[u8], options: PutOptions) -> Result<u64, Error> {
        let core = &*self.core;
        core.check(key, value.len())?;
        let (version, life) = (new_version(), core.life(options.ttl));
        let edit = Edit::Put { value, version, life, condition: options.condition };
        let asked = core.ask(key, edit, None).await;
        match &asked.outcome {
            Outcome::Edited(Edited::Stored(left, _)) => {
                asked.settle(|undisturbed| {
                    if undisturbed {
                        core.keep(key, value, Note { version, ..asked.note }, *left);
                    } else {
                        core.forget_disturbed(key);
                    }
                });
                Ok(version)
            }
            Outcome::Edited(_) | Outcome::Overtaken => {
                // Another host's value holds: the copy here may be another.
                asked.settle(|_| core.forget(key));
                Err(Error::Conflict)
            }
            Outcome::Alone(_) => core.alone(&asked, || {
                let put = core.put_alone(key, value, version, options).map(|()| version);
                let changed = put.is_ok();
                (put, changed)
            }),
        }
    }

    /// Stores several values with one TTL. All keys and sizes are checked before anything is stored.
    ///
    /// # Errors
    /// As [`put`](Self::put); some of the others are stored then.
    pub async fn put_many<K: AsRef<str>, V: AsRef<[u8]>>(&self, pairs: &[(K, V)], ttl: Ttl) -> Result<(), Error> {
        let mut last = std::collections::BTreeMap::new();
        for (key, value) in pairs {
            let (key, value) = (key.as_ref(), value.as_ref());
            self.core.check(key, value.len())?;
            // They go side by side, so of one key only the last may.
            last.insert(key, value);
        }
        let options = PutOptions { ttl, condition: Condition::Always };
        // Boxed: as closures they would not be known to be `Send`.
        let mut puts: Vec<Put<'_>> = Vec::with_capacity(last.len());
        for (key, value) in last {
            puts.push(Box::pin(async move { self.put(key, value, options).await.map(drop) }));
        }
        stream::iter(puts).buffer_unordered(AT_ONCE).try_collect().await
    }

    /// Removes an entry. Returns whether there was one.
    pub async fn delete(&self, key: &str) -> bool {
        let core = &*self.core;
        let asked = core.ask(key, Edit::Delete, None).await;
        match &asked.outcome {
            Outcome::Edited(edited) => {
                asked.settle(|_| core.bucket.delete(key));
                matches!(edited, Edited::Removed(_))
            }
            _ => core.alone(&asked, || (core.bucket.delete(key), true)),
        }
    }

    /// Removes an entry and returns its value: of several callers, on whatever host, exactly one gets it.
    pub async fn take(&self, key: &str) -> Option<Value> {
        let core = &*self.core;
        let asked = core.ask(key, Edit::Take, None).await;
        match &asked.outcome {
            Outcome::Edited(edited) => {
                asked.settle(|_| core.bucket.delete(key));
                if let Edited::Removed(value) = edited { Some(alone(value)) } else { None }
            }
            _ => core.alone(&asked, || (core.bucket.take(key).map(value_of), true)),
        }
    }

    /// Gives an entry a new TTL from now on. Its version stays. Returns whether there is one.
    pub async fn touch(&self, key: &str, wanted: Ttl) -> bool {
        let core = &*self.core;
        let asked = core.ask(key, Edit::Touch(core.life(wanted)), None).await;
        match &asked.outcome {
            Outcome::Edited(edited) => asked.settle(|undisturbed| match edited {
                Edited::Stored(left, _) => {
                    if undisturbed {
                        core.bucket.touch(key, ttl(*left));
                    } else {
                        core.forget_disturbed(key);
                    }
                    true
                }
                _ => {
                    core.forget(key);
                    false
                }
            }),
            _ => core.alone(&asked, || {
                let touched = core.bucket.touch(key, wanted);
                (touched, touched)
            }),
        }
    }

    /// Adds to a counter and returns what it is now: of all hosts together.
    ///
    /// # Errors
    /// As [`Bucket::increment`](skep_cache::Bucket::increment).
    pub async fn increment(&self, key: &str, by: i64, ttl_on_create: Ttl) -> Result<i64, Error> {
        let core = &*self.core;
        core.check(key, 0)?;
        let (version, life) = (new_version(), core.life(ttl_on_create));
        let asked = core.ask(key, Edit::Increment { by, version, life }, None).await;
        match &asked.outcome {
            Outcome::Edited(Edited::Stored(left, Some(sum))) => {
                asked.settle(|undisturbed| {
                    if undisturbed {
                        core.keep(key, sum.to_string().as_bytes(), Note { version, ..asked.note }, *left);
                    } else {
                        core.forget_disturbed(key);
                    }
                });
                Ok(*sum)
            }
            Outcome::Edited(_) | Outcome::Overtaken => {
                asked.settle(|_| core.forget(key));
                Err(NOT_A_NUMBER)
            }
            Outcome::Alone(_) => core.alone(&asked, || {
                let sum = core.increment_alone(key, by, version, ttl_on_create);
                let changed = sum.is_ok();
                (sum, changed)
            }),
        }
    }

    /// Removes all entries, for all hosts. Returns how many were in this host's memory.
    pub async fn clear(&self) -> u64 {
        let core = &*self.core;
        // Whatever becomes of this caller: what was asked may be done or not.
        let mut on_its_way = ClearOnItsWay(Some(core));
        let cleared = if core.epoch().is_some() { core.second.clear().await } else { Err(Fault::NotAsked) };
        match &cleared {
            Ok(()) => {
                count(&core.counts.writes);
                on_its_way.0 = None;
            }
            Err(fault) => core.count_fault(Some(fault)),
        }
        drop(on_its_way);
        core.traffic.all_changed();
        core.bucket.clear()
    }
}

struct ClearOnItsWay<'a>(Option<&'a Core>);

impl Drop for ClearOnItsWay<'_> {
    fn drop(&mut self) {
        if let Some(core) = self.0 {
            core.owed.add_all();
        }
    }
}

pub(super) const NOT_A_NUMBER: Error = Error::Invalid("the value is not a whole number of 64 bits");

impl Asked {
    /// Brings memory up to date with what was done.
    pub(super) fn settle<R>(&self, settle: impl FnOnce(bool) -> R) -> R {
        self.visit.settle_write(self.mark, settle)
    }
}

impl Core {
    /// Asks for a change, one at a time for each key. The wait for the turn has the second tier's own limit: whoever waits
    /// longer is served by memory alone, so that a stalled Redis holds nobody up for long.
    pub(super) async fn ask(&self, key: &str, edit: Edit<'_>, lease: Option<&Lease>) -> Asked {
        let visit = self.traffic.enter(key);
        let turn = if self.asks(key) { timeout(self.second.patience(), visit.turn()).await.ok() } else { None };
        let (mark, note) = (visit.mark(), self.note(0));
        let outcome = if lease.is_some_and(|lease| !lease.holds()) {
            Outcome::Overtaken
        } else if turn.is_some() && self.asks(key) {
            let mut on_its_way = OnItsWay(self, Some(key));
            let edited = self.second.edit(key, edit).await;
            on_its_way.1 = None;
            match edited {
                Ok(edited) => {
                    count(&self.counts.writes);
                    Outcome::Edited(edited)
                }
                Err(fault) => Outcome::Alone(Some(fault)),
            }
        } else {
            Outcome::Alone(None)
        };
        Asked { visit, mark, note, outcome, _turn: turn }
    }

    /// Does a change in memory alone. The key is owed if `change` says that it changed, or if the second tier may have.
    pub(super) fn alone<R>(&self, asked: &Asked, change: impl FnOnce() -> (R, bool)) -> R {
        let fault = if let Outcome::Alone(fault) = &asked.outcome { fault.as_ref() } else { None };
        self.count_fault(fault);
        asked.settle(|_| {
            let (answer, changed) = change();
            if changed || fault == Some(&Fault::NoAnswer) {
                self.owed.add(asked.visit.key());
            }
            answer
        })
    }

    fn put_alone(&self, key: &str, value: &[u8], version: u64, options: PutOptions) -> Result<(), Error> {
        let bytes = self.unconfirmed(version).in_front_of(value);
        let put = match options.condition {
            Condition::IfVersion(expected) => self.bucket.update(key, |there| {
                let is_it = there.and_then(Note::of).is_some_and(|note| note.version == expected);
                let update = if is_it { Update::Put(bytes.clone(), options.ttl) } else { Update::Keep };
                (update, if is_it { Ok(()) } else { Err(Error::Conflict) })
            }),
            Condition::Always | Condition::IfAbsent => self.bucket.put(key, &bytes, options).map(|_| Ok(())),
        };
        put.map_err(without_note)?
    }

    fn increment_alone(&self, key: &str, by: i64, version: u64, ttl_on_create: Ttl) -> Result<i64, Error> {
        let note = self.unconfirmed(version);
        let added = self.bucket.update(key, |there| {
            let before = there.map_or(Some(0), |bytes| number(bytes.get(crate::NOTE_BYTES..)?));
            match before.and_then(|before| before.checked_add(by)) {
                Some(sum) => {
                    let ttl = if there.is_some() { Ttl::Keep } else { ttl_on_create };
                    (Update::Put(note.in_front_of(sum.to_string().as_bytes()), ttl), Ok(sum))
                }
                None => (Update::Keep, Err(NOT_A_NUMBER)),
            }
        });
        added.map_err(without_note)?
    }

    /// A note for what the second tier has not: no epoch has this number.
    pub(super) fn unconfirmed(&self, version: u64) -> Note {
        Note { epoch: 0, seen: self.now(), version }
    }
}

/// Reads decimal text as strictly as it is written.
fn number(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok().filter(|text| !text.starts_with('+'))?;
    text.parse().ok()
}
