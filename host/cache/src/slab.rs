//! Where the entries of a shard live: slots of one cache line, in chunks, each with a stable number.

use std::sync::Arc;

use crate::time::NEVER;

/// Slots in a chunk. A vector that doubles would hold up to twice what it needs, and both copies while it grows.
const CHUNK: usize = 1 << CHUNK_BITS;
const CHUNK_BITS: u32 = 10;

/// No slot.
pub(crate) const NONE: u32 = u32::MAX;

/// Which queue a slot is linked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Queue {
    /// None: the slot is free, or the bucket is a table.
    None,
    Small,
    Main,
    /// None either: it was changed, in a table whose changes are tracked. The links are free there, since nothing is evicted.
    Changed,
}

/// One entry. The fields fill one cache line.
pub(crate) struct Slot {
    /// Key and value; `None` in a free slot.
    pub(crate) data: Option<Arc<[u8]>>,
    pub(crate) hash: u64,
    pub(crate) version: u64,
    /// When it ends, in the bucket's count.
    pub(crate) expires: u64,
    /// When it was last read or written; kept up by reads only while the bucket has an idle limit.
    pub(crate) touched: u64,
    /// Towards the head of its queue.
    pub(crate) newer: u32,
    /// Towards the tail of its queue; in a free slot the next free one.
    pub(crate) older: u32,
    pub(crate) key_bytes: u16,
    pub(crate) queue: Queue,
    /// Reads since it was queued, up to 3.
    pub(crate) reads: u8,
    /// Whether the store that changes are written to has this key, or may have it.
    pub(crate) stored: bool,
}

impl Slot {
    const FREE: Self = Self {
        data: None,
        hash: 0,
        version: 0,
        expires: NEVER,
        touched: 0,
        newer: NONE,
        older: NONE,
        key_bytes: 0,
        queue: Queue::None,
        reads: 0,
        stored: false,
    };

    pub(crate) fn key(&self) -> &[u8] {
        self.data.as_deref().and_then(|data| data.get(..usize::from(self.key_bytes))).unwrap_or_default()
    }

    pub(crate) fn value(&self) -> &[u8] {
        self.data.as_deref().and_then(|data| data.get(usize::from(self.key_bytes)..)).unwrap_or_default()
    }

    pub(crate) fn data_bytes(&self) -> usize {
        self.data.as_deref().map_or(0, <[u8]>::len)
    }
}

/// The slots of a shard.
pub(crate) struct Slab {
    chunks: Vec<Vec<Slot>>,
    free: u32,
    used: u32,
    len: u32,
}

impl Slab {
    pub(crate) fn new() -> Self {
        Self { chunks: Vec::new(), free: NONE, used: 0, len: 0 }
    }

    /// Occupied slots.
    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    /// The number after the highest slot that was ever used.
    pub(crate) fn end(&self) -> u32 {
        self.used
    }

    pub(crate) fn get(&self, id: u32) -> Option<&Slot> {
        self.chunks.get((id >> CHUNK_BITS) as usize)?.get(id as usize % CHUNK)
    }

    /// A slot whose number came from the index or from a queue.
    #[inline]
    pub(crate) fn slot(&self, id: u32) -> &Slot {
        self.get(id).expect("the index and the queues hold only slots that were handed out")
    }

    #[inline]
    pub(crate) fn slot_mut(&mut self, id: u32) -> &mut Slot {
        self.chunks
            .get_mut((id >> CHUNK_BITS) as usize)
            .and_then(|chunk| chunk.get_mut(id as usize % CHUNK))
            .expect("the index and the queues hold only slots that were handed out")
    }

    /// A free slot, for the caller to fill.
    pub(crate) fn insert(&mut self, slot: Slot) -> u32 {
        self.len += 1;
        if self.free != NONE {
            let id = self.free;
            let place = self.slot_mut(id);
            let next = place.older;
            *place = slot;
            self.free = next;
            return id;
        }
        let id = self.used;
        self.used += 1;
        if (id as usize).is_multiple_of(CHUNK) {
            // The first chunk grows as it is used, so that a tiny bucket stays tiny.
            let capacity = if id == 0 { 4 } else { CHUNK };
            self.chunks.push(Vec::with_capacity(capacity));
        }
        if let Some(chunk) = self.chunks.last_mut() {
            chunk.push(slot);
        }
        id
    }

    /// Frees a slot and hands out what it held.
    pub(crate) fn remove(&mut self, id: u32) -> Slot {
        let free = self.free;
        let slot = std::mem::replace(self.slot_mut(id), Slot { older: free, ..Slot::FREE });
        self.free = id;
        self.len -= 1;
        slot
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_one_cache_line() {
        assert_eq!(size_of::<Slot>(), 64);
    }

    #[test]
    fn freed_slots_are_used_again() {
        let mut slab = Slab::new();
        let ids: Vec<u32> = (0..3000).map(|version| slab.insert(Slot { version, ..Slot::FREE })).collect();
        assert_eq!(slab.remove(ids[7]).version, 7);
        assert_eq!(slab.remove(ids[2999]).version, 2999);
        assert_eq!(slab.insert(Slot::FREE), 2999);
        assert_eq!(slab.insert(Slot::FREE), 7);
        assert_eq!((slab.insert(Slot::FREE), slab.len(), slab.end()), (3000, 3001, 3001));
        assert_eq!(slab.slot(1500).version, 1500);
        assert!(slab.get(3001).is_none() && slab.get(NONE).is_none());
    }
}
