//! What a bucket counted.

/// Counts since the bucket was created. They only grow, except the six that say what is so now: `entries`, `bytes`,
/// `waiting`, `leases`, `locks` and `dirty`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Entries held now; those that ended and were not swept yet are among them.
    pub entries: u64,
    /// Bytes held now, counted as the limit is.
    pub bytes: u64,
    /// Reads that found an entry.
    pub hits: u64,
    /// Reads that found none.
    pub misses: u64,
    /// Leases given by `fetch`, to first callers and to waiters.
    pub loads: u64,
    /// Leases dropped without a fill.
    pub load_failures: u64,
    /// Entries evicted because there were too many.
    pub evicted_entries: u64,
    /// Entries evicted because they held too many bytes.
    pub evicted_bytes: u64,
    /// Entries that ended by their time.
    pub expired: u64,
    /// Entries removed by delete, take, update or clear.
    pub removed: u64,
    /// Writes refused because the bucket was full.
    pub rejected: u64,
    /// Callers that wait now, for a value or a lock.
    pub waiting: u64,
    /// Leases held now.
    pub leases: u64,
    /// Locks held now.
    pub locks: u64,
    /// Keys that were changed and are not in the store yet; 0 in a bucket whose changes are not tracked.
    pub dirty: u64,
    /// Changed keys that were written to the store.
    pub flushed: u64,
    /// Attempts to write that failed.
    pub flush_failures: u64,
}

/// The counts of one shard, under its lock.
#[derive(Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(crate) hits: u64,
    pub(crate) misses: u64,
    pub(crate) loads: u64,
    pub(crate) load_failures: u64,
    pub(crate) evicted_entries: u64,
    pub(crate) evicted_bytes: u64,
    pub(crate) expired: u64,
    pub(crate) removed: u64,
}

impl Stats {
    pub(crate) fn add(&mut self, counts: &Counts) {
        self.hits += counts.hits;
        self.misses += counts.misses;
        self.loads += counts.loads;
        self.load_failures += counts.load_failures;
        self.evicted_entries += counts.evicted_entries;
        self.evicted_bytes += counts.evicted_bytes;
        self.expired += counts.expired;
        self.removed += counts.removed;
    }
}
