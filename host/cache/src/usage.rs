//! What a bucket holds and may hold, counted for the bucket as a whole.
//!
//! A share per shard would make a table say full while it has room, so the counts are shared. They are reserved before
//! anything is stored: no moment exists at which a bucket holds more than its limits.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Bytes that an entry costs beside its key and value.
///
/// A slot and the place that says where its data lie are 64; the allocation that holds key and value adds a header of 16 and
/// is rounded up by the allocator, 16 on average; the index takes 5 to 12 and the memory of evicted keys 4 to 8.
/// `tests/memory.rs` measures the sum.
pub const ENTRY_OVERHEAD: u64 = 112;

/// Which limit stands in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Short {
    Entries,
    Bytes,
}

/// Two counts that never pass their limits, alone on their cache line.
#[repr(align(128))]
pub(crate) struct Usage {
    bytes: AtomicU64,
    entries: AtomicU64,
    bytes_max: AtomicU64,
    entries_max: AtomicU64,
}

impl Usage {
    pub(crate) fn new(entries_max: u64, bytes_max: u64) -> Self {
        Self {
            bytes: AtomicU64::new(0),
            entries: AtomicU64::new(0),
            bytes_max: AtomicU64::new(bytes_max),
            entries_max: AtomicU64::new(entries_max),
        }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    pub(crate) fn entries(&self) -> u64 {
        self.entries.load(Relaxed)
    }

    pub(crate) fn bytes_max(&self) -> u64 {
        self.bytes_max.load(Relaxed)
    }

    pub(crate) fn entries_max(&self) -> u64 {
        self.entries_max.load(Relaxed)
    }

    pub(crate) fn set_max(&self, entries_max: u64, bytes_max: u64) {
        self.entries_max.store(entries_max, Relaxed);
        self.bytes_max.store(bytes_max, Relaxed);
    }

    /// Which limit is passed, after limits shrank.
    pub(crate) fn over(&self) -> Option<Short> {
        if self.entries() > self.entries_max() {
            return Some(Short::Entries);
        }
        (self.bytes() > self.bytes_max()).then_some(Short::Bytes)
    }

    /// Takes room for so much more, or nothing at all.
    pub(crate) fn reserve(&self, entries: u64, bytes: u64) -> Result<(), Short> {
        if entries > 0 && !take(&self.entries, entries, self.entries_max()) {
            return Err(Short::Entries);
        }
        if bytes > 0 && !take(&self.bytes, bytes, self.bytes_max()) {
            if entries > 0 {
                self.entries.fetch_sub(entries, Relaxed);
            }
            return Err(Short::Bytes);
        }
        Ok(())
    }

    pub(crate) fn release(&self, entries: u64, bytes: u64) {
        if entries > 0 {
            self.entries.fetch_sub(entries, Relaxed);
        }
        if bytes > 0 {
            self.bytes.fetch_sub(bytes, Relaxed);
        }
    }
}

fn take(held: &AtomicU64, more: u64, max: u64) -> bool {
    // Relaxed: the count guards nothing but itself, and the shard's lock orders the entries.
    held.fetch_update(Relaxed, Relaxed, |held| held.checked_add(more).filter(|sum| *sum <= max)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_taken_past_a_limit() {
        let usage = Usage::new(2, 100);
        assert_eq!(usage.reserve(1, 60), Ok(()));
        assert_eq!(usage.reserve(1, 41), Err(Short::Bytes));
        assert_eq!((usage.entries(), usage.bytes()), (1, 60));
        assert_eq!(usage.reserve(1, 40), Ok(()));
        assert_eq!(usage.reserve(1, 0), Err(Short::Entries));
        usage.release(1, 40);
        usage.set_max(1, 50);
        assert_eq!(usage.over(), Some(Short::Bytes));
    }
}
