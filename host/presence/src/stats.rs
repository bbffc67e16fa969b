//! What an engine tells about itself.

use std::sync::atomic::AtomicU64;

use skep_types::TopicId;

/// Counts of a whole engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Guards that are held.
    pub owners: u64,
    /// Topics that have presences, or had some until the last tick.
    pub topics: u64,
    /// Presences, of all keys.
    pub entries: u64,
    /// Topics whose changes wait for their tick.
    pub due: u64,
    /// Diffs announced since the start.
    pub diffs: u64,
    /// Joins and leaves in them.
    pub diff_entries: u64,
}

/// Counts of one topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicStats {
    /// Which.
    pub topic: TopicId,
    /// Keys that are there.
    pub keys: u64,
    /// Presences, of which several may have one key.
    pub entries: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) diffs: AtomicU64,
    pub(crate) entries: AtomicU64,
}
