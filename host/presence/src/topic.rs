//! One topic: who is there, and what waits to be announced.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use crate::gathered::Gathered;
use crate::member::{Member, Page, group};
use crate::options::Mode;
use crate::state::{Entry, Ref};

/// A page ends after the key that brings it past so many entries: one user may have very many tabs.
const PAGE_ENTRIES_MAX: usize = 2000;

/// Where an entry stands in the order of a list.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    key: Arc<str>,
    id: Ref,
}

impl Place {
    const FIRST: Ref = Ref { clock: 0, tag: 0 };
    const LAST: Ref = Ref { clock: u64::MAX, tag: u64::MAX };

    fn of(entry: &Entry) -> Self {
        Self { key: Arc::clone(&entry.key), id: entry.id() }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Topic {
    members: BTreeMap<Place, Arc<Entry>>,
    keys: u64,
    mode: Mode,
    pub(crate) gathered: Gathered,
    /// It stands in the queue of topics that are due.
    pub(crate) due: bool,
    /// The count that was announced last, in count mode.
    told: u64,
    /// Somebody has read a count since then that may never be announced otherwise.
    asked: bool,
}

/// What a topic has to announce.
pub(crate) enum News {
    Members { joins: Vec<Arc<Entry>>, leaves: Vec<Arc<Entry>> },
    Count(u64),
    Nothing,
}

impl Topic {
    pub(crate) fn new(mode: Mode) -> Self {
        Self { mode, ..Self::default() }
    }

    pub(crate) fn set_mode(&mut self, mode: Mode) {
        if mode != self.mode {
            // Who has followed the topic in the other mode must list it anew, and finds everything there.
            self.gathered = Gathered::default();
            self.mode = mode;
            self.told = self.keys;
            self.asked = self.due;
        }
    }

    pub(crate) fn join(&mut self, entry: &Arc<Entry>) {
        let first = self.of_key(&entry.key).next().is_none();
        self.keys += u64::from(first);
        self.members.insert(Place::of(entry), Arc::clone(entry));
        if self.mode == Mode::Full {
            self.gathered.join(entry);
        }
    }

    pub(crate) fn leave(&mut self, entry: &Arc<Entry>) {
        if self.members.remove(&Place::of(entry)).is_none() {
            return;
        }
        let last = self.of_key(&entry.key).next().is_none();
        self.keys -= u64::from(last);
        if self.mode == Mode::Full {
            self.gathered.leave(entry);
        }
    }

    fn of_key(&self, key: &Arc<str>) -> impl Iterator<Item = &Arc<Entry>> {
        let place = |id| Place { key: Arc::clone(key), id };
        self.members.range(place(Place::FIRST)..=place(Place::LAST)).map(|(_, entry)| entry)
    }

    /// Presences, of which several may have one key.
    pub(crate) fn entries(&self) -> usize {
        self.members.len()
    }

    pub(crate) fn keys(&self) -> u64 {
        self.keys
    }

    /// As `keys`, for a caller who goes by it until the next diff.
    pub(crate) fn count(&mut self) -> u64 {
        self.asked = true;
        self.keys
    }

    pub(crate) fn get(&mut self, key: &str) -> Option<Member> {
        self.gathered.listed();
        let key = Arc::from(key);
        let metas = self.of_key(&key).cloned().collect::<Vec<_>>();
        group(metas).pop()
    }

    /// Every entry, by key.
    pub(crate) fn all(&mut self) -> Vec<Arc<Entry>> {
        self.gathered.listed();
        self.members.values().cloned().collect()
    }

    pub(crate) fn list(&mut self, cursor: Option<&str>, limit: usize) -> Page {
        self.gathered.listed();
        let start = cursor.map_or(Bound::Unbounded, |key| Bound::Excluded(Place { key: key.into(), id: Place::LAST }));
        let (mut entries, mut keys, mut last, mut more) = (Vec::new(), 0, None::<&Arc<str>>, false);
        for (place, entry) in self.members.range((start, Bound::Unbounded)) {
            if last != Some(&place.key) {
                more = keys == limit || entries.len() >= PAGE_ENTRIES_MAX;
                if more {
                    break;
                }
                (keys, last) = (keys + 1, Some(&place.key));
            }
            entries.push(Arc::clone(entry));
        }
        let cursor = last.filter(|_| more).map(ToString::to_string);
        Page { members: group(entries), cursor }
    }

    /// Takes what is to be announced now.
    pub(crate) fn take(&mut self) -> News {
        self.due = false;
        if self.mode == Mode::Count {
            let changed = self.keys != self.told;
            self.told = self.keys;
            let asked = std::mem::take(&mut self.asked);
            return if changed || asked { News::Count(self.keys) } else { News::Nothing };
        }
        let (joins, leaves) = self.gathered.take();
        if joins.is_empty() && leaves.is_empty() { News::Nothing } else { News::Members { joins, leaves } }
    }
}
