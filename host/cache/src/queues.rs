//! Which entry to evict: S3-FIFO (Yang and others, "FIFO queues are all you need for cache eviction", 2023).
//!
//! New entries enter a small queue. Those that are read again before they reach its end move to the main queue, the
//! others leave after a short stay, so that a scan of keys read once cannot push out what is read often. A ghost
//! remembers the keys that left; one that returns goes to the main queue at once. The main queue gives an entry another
//! round for every read, up to 3. A read only raises a counter; nothing is relinked.
//!
//! A table evicts nothing. If its changes are tracked, the same links hold the entries that were changed.

use crate::ghost::Ghost;
use crate::slab::{NONE, Queue, Slab};
use crate::usage::ENTRY_OVERHEAD;

/// The small queue's part of the bytes, in percent.
const SMALL_PERCENT: u64 = 10;
/// Reads that count.
const READS_MAX: u8 = 3;
/// Entries that are given another round in one eviction; then the next is taken as it is. Bounds the time under the lock.
const ROUNDS_MAX: u32 = 64;

#[derive(Clone, Copy)]
struct List {
    newest: u32,
    oldest: u32,
    bytes: u64,
}

impl List {
    const EMPTY: Self = Self { newest: NONE, oldest: NONE, bytes: 0 };
}

/// The queues of one shard, linked through the slots.
pub(crate) struct Queues {
    small: List,
    main: List,
    changed: List,
    ghost: Ghost,
}

/// What the queues see of a slot at its end.
pub(crate) enum Fate {
    /// Its time is over: it goes first.
    Ended,
    /// It may be evicted.
    Evictable,
    /// It must stay: it is being written.
    Kept,
}

/// What an entry costs.
pub(crate) fn cost(data_bytes: usize) -> u64 {
    data_bytes as u64 + ENTRY_OVERHEAD
}

impl Queues {
    pub(crate) fn new() -> Self {
        Self { small: List::EMPTY, main: List::EMPTY, changed: List::EMPTY, ghost: Ghost::new() }
    }

    /// Links a new entry.
    pub(crate) fn admit(&mut self, slab: &mut Slab, id: u32) {
        let hash = slab.entry(id).hash;
        let queue = if self.ghost.take(hash) { Queue::Main } else { Queue::Small };
        self.push(slab, id, queue);
    }

    /// Links an entry of a table that was changed, behind those that were before. Returns whether it was not linked yet.
    pub(crate) fn changed(&mut self, slab: &mut Slab, id: u32) -> bool {
        let news = slab.entry(id).queue != Queue::Changed;
        if news {
            self.push(slab, id, Queue::Changed);
        }
        news
    }

    /// The entry that was changed first, still linked.
    pub(crate) fn first_changed(&self) -> Option<u32> {
        (self.changed.oldest != NONE).then_some(self.changed.oldest)
    }

    /// Counts a read.
    #[inline]
    pub(crate) fn read(reads: &mut u8) {
        *reads = (*reads + 1).min(READS_MAX);
    }

    /// An entry's size changed.
    pub(crate) fn resize(&mut self, queue: Queue, before: usize, after: usize) {
        if let Some(list) = self.list(queue) {
            list.bytes = list.bytes + after as u64 - before as u64;
        }
    }

    /// The entry to evict next, still linked; `None` when all must stay.
    pub(crate) fn victim(&mut self, slab: &mut Slab, fate: impl Fn(u32, &Slab) -> Fate) -> Option<u32> {
        for _ in 0..ROUNDS_MAX {
            let total = self.small.bytes + self.main.bytes;
            let from_small = self.small.oldest != NONE
                && (self.main.oldest == NONE || self.small.bytes * 100 >= total * SMALL_PERCENT);
            let id = if from_small { self.small.oldest } else { self.main.oldest };
            if id == NONE {
                return None;
            }
            let reads = slab.entry(id).reads;
            match fate(id, slab) {
                Fate::Ended => return Some(id),
                Fate::Evictable if reads == 0 => {
                    if from_small {
                        self.ghost.insert(slab.entry(id).hash, slab.len());
                    }
                    return Some(id);
                }
                Fate::Evictable | Fate::Kept => {
                    self.unlink(slab, id);
                    self.push(slab, id, Queue::Main);
                    slab.slot_mut(id).reads = if from_small { 0 } else { reads.saturating_sub(1) };
                }
            }
        }
        self.oldest(slab, fate)
    }

    /// The oldest that may go at all, whatever its reads.
    fn oldest(&self, slab: &Slab, fate: impl Fn(u32, &Slab) -> Fate) -> Option<u32> {
        [self.main.oldest, self.small.oldest].into_iter().find_map(|oldest| {
            let mut id = oldest;
            // At most one entry is kept, so this looks at two.
            while id != NONE && matches!(fate(id, slab), Fate::Kept) {
                id = slab.entry(id).newer;
            }
            (id != NONE).then_some(id)
        })
    }

    fn push(&mut self, slab: &mut Slab, id: u32, queue: Queue) {
        let Some(list) = self.list(queue) else { return };
        let newest = list.newest;
        list.newest = id;
        if newest == NONE {
            list.oldest = id;
        }
        list.bytes += cost(slab.entry(id).bytes());
        let slot = slab.slot_mut(id);
        slot.queue = queue;
        slot.older = newest;
        slot.newer = NONE;
        if newest != NONE {
            slab.slot_mut(newest).newer = id;
        }
    }

    /// Takes an entry out of its queue; a no-op for one that is in none.
    pub(crate) fn unlink(&mut self, slab: &mut Slab, id: u32) {
        let bytes = cost(slab.entry(id).bytes());
        let slot = slab.slot_mut(id);
        let (queue, newer, older) = (slot.queue, slot.newer, slot.older);
        slot.queue = Queue::None;
        let Some(list) = self.list(queue) else { return };
        list.bytes -= bytes;
        if newer == NONE {
            list.newest = older;
        } else {
            slab.slot_mut(newer).older = older;
        }
        if older == NONE {
            list.oldest = newer;
        } else {
            slab.slot_mut(older).newer = newer;
        }
    }

    fn list(&mut self, queue: Queue) -> Option<&mut List> {
        match queue {
            Queue::None => None,
            Queue::Small => Some(&mut self.small),
            Queue::Main => Some(&mut self.main),
            Queue::Changed => Some(&mut self.changed),
        }
    }
}
