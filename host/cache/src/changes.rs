//! What of a shard was changed since it was last written to the store: each key once, whatever was done to it.
//!
//! Entries that are there are linked through their slots, which costs no memory. Of those that are gone the key is kept,
//! but only if the store has it or may have it: what came and went unseen leaves nothing behind. So there are never more of
//! them than the store has keys.

use std::collections::HashSet;

use crate::queues::Queues;
use crate::slab::{Occupied, Queue, Slab};

/// The changes of one shard, under its lock.
#[derive(Default)]
pub(crate) struct Changes {
    /// How many entries are linked as changed.
    live: u64,
    /// Keys that are to be deleted from the store.
    gone: HashSet<Box<str>>,
}

impl Changes {
    pub(crate) fn len(&self) -> u64 {
        self.live + self.gone.len() as u64
    }

    /// A new entry is in its slot, which says whether it comes from the store.
    pub(crate) fn inserted(&mut self, queues: &mut Queues, slab: &mut Slab, id: u32) {
        let was_to_go = !self.gone.is_empty() && self.gone.remove(key(slab.entry(id)));
        let slot = slab.slot_mut(id);
        if !slot.stored || was_to_go {
            slot.stored = was_to_go;
            self.changed(queues, slab, id);
        }
    }

    /// An entry that is there was written.
    pub(crate) fn changed(&mut self, queues: &mut Queues, slab: &mut Slab, id: u32) {
        self.live += u64::from(queues.changed(slab, id));
    }

    /// An entry is about to leave its slot.
    pub(crate) fn removed(&mut self, entry: Occupied<'_>) {
        self.live -= u64::from(entry.queue == Queue::Changed);
        if entry.stored {
            self.gone.insert(key(entry).into());
        }
    }

    /// All entries of the shard have left.
    pub(crate) fn cleared(&mut self, slab: &Slab) {
        slab.iter().for_each(|entry| self.removed(entry));
    }

    /// Keys to delete from the store, at most so many; they are no longer in here.
    pub(crate) fn take_gone(&mut self, max: usize) -> impl Iterator<Item = Box<str>> {
        self.gone.extract_if(|_| true).take(max)
    }

    /// Takes the mark off the entry that was changed first.
    pub(crate) fn take_first(&mut self, queues: &mut Queues, slab: &mut Slab) -> Option<u32> {
        let id = queues.first_changed()?;
        queues.unlink(slab, id);
        self.live -= 1;
        Some(id)
    }

    /// The store has a key that is not here, or not any more.
    pub(crate) fn insert_gone(&mut self, key: &str) {
        self.gone.insert(key.into());
    }

    /// The store has not got it.
    pub(crate) fn remove_gone(&mut self, key: &str) {
        self.gone.remove(key);
    }
}

pub(crate) fn key(entry: Occupied<'_>) -> &str {
    // Keys come in as texts.
    std::str::from_utf8(entry.key()).unwrap_or_default()
}
