//! One shard of a bucket: an index into a slab, the queues, and the flights of the keys that fall here.

use std::collections::HashMap;
use std::sync::Arc;

use hashbrown::HashTable;

use crate::bucket::flight::Handed;
use crate::changes::Changes;
use crate::life::{Life, State};
use crate::line::Line;
use crate::queues::{Fate, Queues, cost};
use crate::slab::{NONE, Occupied, Queue, Slab, Slot};
use crate::stats::Counts;
use crate::time::NEVER;
use crate::usage::Short;
use crate::value::pack;

/// What is guarded by one mutex.
pub(crate) struct Shard {
    index: HashTable<u32>,
    pub(crate) slab: Slab,
    pub(crate) queues: Queues,
    evicting: bool,
    /// What was changed, in a table whose changes are tracked.
    pub(crate) changes: Option<Box<Changes>>,
    /// Keys that somebody loads.
    pub(crate) flights: HashMap<Box<str>, Line<Handed>>,
    pub(crate) counts: Counts,
    /// No entry ends before this moment, so that nobody need look for one.
    pub(crate) soonest: u64,
    /// Where the sweeper is, and the `soonest` of what it has seen.
    pub(crate) sweep_at: u32,
    pub(crate) sweep_soonest: u64,
}

/// What is written into a slot.
#[derive(Clone, Copy)]
pub(crate) struct Written<'a> {
    pub(crate) value: &'a [u8],
    pub(crate) version: u64,
    pub(crate) expires: u64,
    pub(crate) touched: u64,
    /// It comes from the store: it is no change.
    pub(crate) stored: bool,
}

impl Shard {
    pub(crate) fn new(evicting: bool) -> Self {
        Self {
            index: HashTable::new(),
            slab: Slab::new(),
            queues: Queues::new(),
            evicting,
            changes: None,
            flights: HashMap::new(),
            counts: Counts::default(),
            soonest: NEVER,
            sweep_at: 0,
            sweep_soonest: NEVER,
        }
    }

    /// Takes all entries out; flights and counts stay.
    pub(crate) fn empty(&mut self) -> Self {
        let mut old = std::mem::replace(self, Self::new(self.evicting));
        self.counts = old.counts;
        self.flights = std::mem::take(&mut old.flights);
        self.changes = old.changes.take().map(|mut changes| {
            changes.cleared(&old.slab);
            changes
        });
        old
    }

    #[inline]
    pub(crate) fn find(&self, hash: u64, key: &str) -> Option<u32> {
        let key = key.as_bytes();
        self.index
            .find(hash, |id| {
                let entry = self.slab.entry(*id);
                entry.hash == hash && entry.key() == key
            })
            .copied()
    }

    /// Finds an entry that is not dead; a dead one is freed on the way, and its cost is returned to be released.
    pub(crate) fn find_undead(&mut self, hash: u64, key: &str, life: &Life) -> (Option<(u32, State)>, u64) {
        let Some(id) = self.find(hash, key) else { return (None, 0) };
        match life.state(&self.slab.entry(id)) {
            State::Dead => {
                self.counts.expired += 1;
                (None, self.remove(id))
            }
            state => (Some((id, state)), 0),
        }
    }

    /// Counts a read of a live entry, notes when it was if that matters, and hands the entry out.
    #[inline]
    pub(crate) fn read(&mut self, id: u32, touched: Option<u64>) -> Occupied<'_> {
        self.counts.hits += 1;
        let slot = self.slab.slot_mut(id);
        Queues::read(&mut slot.reads);
        slot.touched = touched.unwrap_or(slot.touched);
        self.slab.entry(id)
    }

    /// Adds an entry, for which there is room.
    pub(crate) fn insert(&mut self, hash: u64, key: &str, written: Written<'_>, life: &Life) -> u32 {
        let slot = Slot {
            hash,
            expires: written.expires,
            // Keys are checked to be at most `KEY_BYTES_MAX` long where they enter.
            key_bytes: u16::try_from(key.len()).unwrap_or(u16::MAX),
            queue: Queue::None,
            reads: 0,
            stored: written.stored,
            version: written.version,
            touched: written.touched,
            newer: NONE,
            older: NONE,
        };
        let id = self.slab.insert(slot, pack(key.as_bytes(), written.value));
        let slab = &self.slab;
        self.index.insert_unique(hash, id, |id| slab.entry(*id).hash);
        if self.evicting {
            self.queues.admit(&mut self.slab, id);
        }
        if let Some(changes) = &mut self.changes {
            changes.inserted(&mut self.queues, &mut self.slab, id);
        }
        self.note_end(life.end(written.expires, written.touched));
        id
    }

    /// Writes over an entry, in its place: a scan that runs meanwhile still meets it once.
    pub(crate) fn replace(&mut self, id: u32, written: Written<'_>, life: &Life) {
        let entry = self.slab.entry(id);
        let key_bytes = usize::from(entry.key_bytes);
        let before = entry.bytes();
        let after = key_bytes + written.value.len();
        // A value of the same length needs no new memory unless somebody still reads the old one.
        match self.slab.data_mut(id).as_mut().filter(|_| before == after).and_then(Arc::get_mut) {
            Some(data) => {
                if let Some(place) = data.get_mut(key_bytes..) {
                    place.copy_from_slice(written.value);
                }
            }
            None => *self.slab.data_mut(id) = Some(pack(self.slab.entry(id).key(), written.value)),
        }
        let slot = self.slab.slot_mut(id);
        slot.version = written.version;
        slot.expires = written.expires;
        slot.touched = written.touched;
        Queues::read(&mut slot.reads);
        self.queues.resize(slot.queue, before, after);
        self.note_change(id);
        self.note_end(life.end(written.expires, written.touched));
    }

    /// Gives an entry another end, and notes that it was used.
    pub(crate) fn touch(&mut self, id: u32, expires: u64, life: &Life) {
        let slot = self.slab.slot_mut(id);
        let is_change = slot.expires != expires;
        (slot.expires, slot.touched) = (expires, life.now);
        if is_change {
            self.note_change(id);
        }
        self.note_end(life.end(expires, life.now));
    }

    fn note_change(&mut self, id: u32) {
        if let Some(changes) = &mut self.changes {
            changes.changed(&mut self.queues, &mut self.slab, id);
        }
    }

    /// An entry may end at that moment.
    pub(crate) fn note_end(&mut self, end: u64) {
        self.soonest = self.soonest.min(end);
        self.sweep_soonest = self.sweep_soonest.min(end);
    }

    /// Frees an entry. Returns its cost.
    pub(crate) fn remove(&mut self, id: u32) -> u64 {
        let hash = self.slab.entry(id).hash;
        if let Ok(entry) = self.index.find_entry(hash, |held| *held == id) {
            entry.remove();
        }
        if let Some(changes) = &mut self.changes {
            changes.removed(self.slab.entry(id));
        }
        self.queues.unlink(&mut self.slab, id);
        let data = self.slab.remove(id);
        cost(data.map_or(0, |data| data.len()))
    }

    /// Evicts one entry other than `keep`. Returns its cost.
    pub(crate) fn evict(&mut self, keep: Option<u32>, short: Short, life: &Life) -> Option<u64> {
        let fate = |id: u32, slab: &Slab| {
            if Some(id) == keep {
                Fate::Kept
            } else if life.state(&slab.entry(id)) == State::Dead {
                Fate::Ended
            } else {
                Fate::Evictable
            }
        };
        let id = self.queues.victim(&mut self.slab, fate)?;
        match (life.state(&self.slab.entry(id)), short) {
            (State::Dead, _) => self.counts.expired += 1,
            (_, Short::Entries) => self.counts.evicted_entries += 1,
            (_, Short::Bytes) => self.counts.evicted_bytes += 1,
        }
        Some(self.remove(id))
    }

    /// Frees whatever `over` says of all entries, and notes when the next of the others ends. Returns how many entries
    /// and bytes it freed.
    pub(crate) fn purge(&mut self, life: &Life, over: impl Fn(u32, State) -> bool) -> (u64, u64) {
        self.soonest = NEVER;
        self.sweep_at = 0;
        let (_, freed) = self.purge_from(life, u32::MAX, over);
        freed
    }

    /// The same for `slots` slots from where the sweeper is. Returns how many slots it looked at, and what it freed.
    pub(crate) fn purge_from(
        &mut self,
        life: &Life,
        slots: u32,
        over: impl Fn(u32, State) -> bool,
    ) -> (u32, (u64, u64)) {
        if self.sweep_at == 0 {
            self.sweep_soonest = NEVER;
        }
        let from = self.sweep_at;
        let to = from.saturating_add(slots).min(self.slab.end());
        let mut freed = (0, 0);
        for id in from..to {
            let Some(entry) = self.slab.get(id) else { continue };
            if over(id, life.state(&entry)) {
                self.counts.expired += 1;
                freed.0 += 1;
                freed.1 += self.remove(id);
            } else {
                self.sweep_soonest = self.sweep_soonest.min(life.end(entry.expires, entry.touched));
            }
        }
        if to == self.slab.end() {
            self.soonest = self.sweep_soonest;
            self.sweep_at = 0;
        } else {
            self.sweep_at = to;
        }
        (to - from, freed)
    }
}
