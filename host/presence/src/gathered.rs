//! The changes of one topic that are not announced yet.
//!
//! Only the net effect is announced: what came and went between two diffs never was. The exception is what somebody has
//! listed in between: such a reader has an entry that no diff joined, and would keep it for ever if no diff took it.

use std::sync::Arc;

use hashbrown::HashMap;

use crate::state::{Entry, Ref};

type Map<V> = HashMap<Ref, V, foldhash::fast::RandomState>;

#[derive(Debug, Default)]
pub(crate) struct Gathered {
    /// Alive and not announced.
    fresh: Map<Fresh>,
    /// Known to somebody, and gone.
    left: Map<Left>,
    /// The order of the next fresh entry.
    next: u64,
    /// Fresh entries of a lower order have been listed.
    listed: u64,
}

#[derive(Debug)]
struct Fresh {
    order: u64,
    entry: Arc<Entry>,
}

#[derive(Debug)]
struct Left {
    entry: Arc<Entry>,
    /// Announced, not only listed.
    announced: bool,
}

impl Gathered {
    pub(crate) fn join(&mut self, entry: &Arc<Entry>) {
        match self.left.remove(&entry.id()) {
            // A replica was down for less than a tick: those who know the entry still have it.
            Some(Left { announced: true, .. }) => {}
            Some(_) => {
                self.add(entry);
                self.listed();
            }
            None => self.add(entry),
        }
    }

    fn add(&mut self, entry: &Arc<Entry>) {
        self.fresh.insert(entry.id(), Fresh { order: self.next, entry: Arc::clone(entry) });
        self.next += 1;
    }

    pub(crate) fn leave(&mut self, entry: &Arc<Entry>) {
        let fresh = self.fresh.remove(&entry.id());
        let announced = fresh.is_none();
        if fresh.is_none_or(|fresh| fresh.order < self.listed) {
            self.left.insert(entry.id(), Left { entry: Arc::clone(entry), announced });
        }
    }

    /// Somebody has read the members: whatever is there is known now.
    pub(crate) fn listed(&mut self) {
        self.listed = self.next;
    }

    /// What an update of the entry names as the one before: the last that others may know.
    pub(crate) fn previous(&self, entry: &Entry) -> u64 {
        let unknown = self.fresh.get(&entry.id()).is_some_and(|fresh| fresh.order >= self.listed);
        let known = |id: Ref| self.left.contains_key(&id);
        if unknown && entry.previous().is_some_and(known) { entry.previous } else { entry.clock }
    }

    /// How many have left and wait to be announced.
    pub(crate) fn left(&self) -> usize {
        self.left.len()
    }

    /// Takes joins, in their order, and leaves, in the order that they joined in.
    pub(crate) fn take(&mut self) -> (Vec<Arc<Entry>>, Vec<Arc<Entry>>) {
        let Self { fresh, left, .. } = std::mem::take(self);
        let mut joins: Vec<Fresh> = fresh.into_values().collect();
        joins.sort_unstable_by_key(|fresh| fresh.order);
        let mut leaves: Vec<Arc<Entry>> = left.into_values().map(|left| left.entry).collect();
        leaves.sort_unstable_by_key(|entry| entry.id());
        (joins.into_iter().map(|fresh| fresh.entry).collect(), leaves)
    }
}
