//! Where the entries of a shard live: slots in chunks, each with a stable number.
//!
//! A slot says of an entry what is looked at to find it and to let it go; its key and value are a second piece of memory. A reader
//! needs both, and neither is in the processor's cache where there are many. So where the second piece lies is not written in the
//! slot but beside it, in a row of its own that is small enough to stay there: the processor fetches both at once.

use std::ops::Deref;
use std::sync::Arc;

use crate::time::NEVER;
use crate::value::Value;

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

/// What is known of one entry beside its key and value. What a read looks at comes first, in half a cache line.
#[repr(C)]
pub(crate) struct Slot {
    pub(crate) hash: u64,
    /// When it ends, in the bucket's count.
    pub(crate) expires: u64,
    pub(crate) key_bytes: u16,
    pub(crate) queue: Queue,
    /// Reads since it was queued, up to 3.
    pub(crate) reads: u8,
    /// Whether the store that changes are written to has this key, or may have it.
    pub(crate) stored: bool,
    pub(crate) version: u64,
    /// When it was last read or written; kept up by reads only while the bucket has an idle limit.
    pub(crate) touched: u64,
    /// Towards the head of its queue.
    pub(crate) newer: u32,
    /// Towards the tail of its queue; in a free slot the next free one.
    pub(crate) older: u32,
}

impl Slot {
    const FREE: Self = Self {
        hash: 0,
        expires: NEVER,
        key_bytes: 0,
        queue: Queue::None,
        reads: 0,
        stored: false,
        version: 0,
        touched: 0,
        newer: NONE,
        older: NONE,
    };
}

/// An entry: its slot, and its key and value.
#[derive(Clone, Copy)]
pub(crate) struct Occupied<'a> {
    slot: &'a Slot,
    pub(crate) data: &'a Arc<[u8]>,
}

impl Deref for Occupied<'_> {
    type Target = Slot;

    fn deref(&self) -> &Slot {
        self.slot
    }
}

impl<'a> Occupied<'a> {
    #[inline]
    pub(crate) fn key(self) -> &'a [u8] {
        self.data.get(..usize::from(self.slot.key_bytes)).unwrap_or_default()
    }

    #[inline]
    pub(crate) fn value(self) -> &'a [u8] {
        self.data.get(usize::from(self.slot.key_bytes)..).unwrap_or_default()
    }

    /// The value for whoever keeps it.
    pub(crate) fn shared(self) -> Value {
        Value::of_entry(self.data, usize::from(self.slot.key_bytes))
    }

    /// Bytes of key and value.
    pub(crate) fn bytes(self) -> usize {
        self.data.len()
    }
}

/// The slots of a shard.
pub(crate) struct Slab {
    chunks: Vec<Chunk>,
    free: u32,
    used: u32,
    len: u32,
}

/// Some slots, and what they hold: nothing in a free one.
struct Chunk {
    slots: Vec<Slot>,
    data: Vec<Option<Arc<[u8]>>>,
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

    /// The entry in a slot, if there is one.
    #[inline]
    pub(crate) fn get(&self, id: u32) -> Option<Occupied<'_>> {
        let chunk = self.chunks.get((id >> CHUNK_BITS) as usize)?;
        let at = id as usize % CHUNK;
        Some(Occupied { slot: chunk.slots.get(at)?, data: chunk.data.get(at)?.as_ref()? })
    }

    /// All entries, in the order of their slots.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Occupied<'_>> {
        (0..self.used).filter_map(|id| self.get(id))
    }

    /// An entry whose number came from the index or from a queue.
    #[inline]
    pub(crate) fn entry(&self, id: u32) -> Occupied<'_> {
        self.get(id).expect("the index and the queues hold only slots with an entry")
    }

    #[inline]
    pub(crate) fn slot_mut(&mut self, id: u32) -> &mut Slot {
        self.chunks
            .get_mut((id >> CHUNK_BITS) as usize)
            .and_then(|chunk| chunk.slots.get_mut(id as usize % CHUNK))
            .expect("the index and the queues hold only slots that were handed out")
    }

    /// Where the key and value of an entry are.
    #[inline]
    pub(crate) fn data_mut(&mut self, id: u32) -> &mut Option<Arc<[u8]>> {
        self.chunks
            .get_mut((id >> CHUNK_BITS) as usize)
            .and_then(|chunk| chunk.data.get_mut(id as usize % CHUNK))
            .expect("the index and the queues hold only slots that were handed out")
    }

    /// Fills a free slot.
    pub(crate) fn insert(&mut self, slot: Slot, data: Arc<[u8]>) -> u32 {
        self.len += 1;
        if self.free != NONE {
            let id = self.free;
            let place = self.slot_mut(id);
            let next = place.older;
            *place = slot;
            *self.data_mut(id) = Some(data);
            self.free = next;
            return id;
        }
        let id = self.used;
        self.used += 1;
        if (id as usize).is_multiple_of(CHUNK) {
            // The first chunk grows as it is used, so that a tiny bucket stays tiny.
            let capacity = if id == 0 { 4 } else { CHUNK };
            self.chunks.push(Chunk { slots: Vec::with_capacity(capacity), data: Vec::with_capacity(capacity) });
        }
        if let Some(chunk) = self.chunks.last_mut() {
            chunk.slots.push(slot);
            chunk.data.push(Some(data));
        }
        id
    }

    /// Frees a slot and hands out what it held.
    pub(crate) fn remove(&mut self, id: u32) -> Option<Arc<[u8]>> {
        let free = self.free;
        *self.slot_mut(id) = Slot { older: free, ..Slot::FREE };
        self.free = id;
        self.len -= 1;
        self.data_mut(id).take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_read_looks_at_is_together() {
        assert_eq!(size_of::<Slot>() + size_of::<Option<Arc<[u8]>>>(), 64, "`ENTRY_OVERHEAD` counts on it");
        assert!(std::mem::offset_of!(Slot, stored) < 32 && std::mem::offset_of!(Slot, reads) < 32);
    }

    #[test]
    fn freed_slots_are_used_again() {
        let mut slab = Slab::new();
        let data = |number: u64| Arc::from(number.to_le_bytes());
        let ids: Vec<u32> =
            (0..3000).map(|version| slab.insert(Slot { version, ..Slot::FREE }, data(version))).collect();
        assert_eq!(slab.remove(ids[7]), Some(data(7)));
        assert_eq!(slab.remove(ids[2999]), Some(data(2999)));
        assert!(slab.get(7).is_none() && slab.get(2999).is_none());
        assert_eq!(slab.iter().count(), 2998);
        assert_eq!(slab.insert(Slot::FREE, data(1)), 2999);
        assert_eq!(slab.insert(Slot::FREE, data(2)), 7);
        assert_eq!((slab.insert(Slot::FREE, data(3)), slab.len(), slab.end()), (3000, 3001, 3001));
        assert_eq!((slab.entry(1500).version, slab.entry(1500).data), (1500, &data(1500)));
        assert!(slab.get(3001).is_none() && slab.get(NONE).is_none());
    }
}
