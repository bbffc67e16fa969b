//! What a bucket is told when it is configured, and what a caller may ask of a write.

use std::time::Duration;

use skep_types::ByteSize;

/// The longest key, in bytes. A key is an address, not a document: hashing and comparing it happens under a lock.
pub const KEY_BYTES_MAX: usize = 1024;

/// What a bucket does when it is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It evicts what is least worth keeping.
    Cache,
    /// It refuses the write with [`Error::Full`](crate::Error::Full) and evicts nothing.
    Table,
}

/// How a bucket behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketOptions {
    /// What happens when it is full. Default: [`Kind::Cache`].
    pub kind: Kind,
    /// What its values are to whoever writes them. A bucket of another tag is not taken over, but replaced by an empty one.
    /// Default: 0.
    pub tag: u64,
    /// The most entries it holds. Default: as many as the bytes allow.
    pub entries: u64,
    /// The most bytes it holds: keys, values and [`ENTRY_OVERHEAD`](crate::ENTRY_OVERHEAD) each. Default: 16 MiB.
    pub bytes: ByteSize,
    /// The longest value. Default: 1 MiB.
    pub value_bytes: ByteSize,
    /// How long an entry lives that is written with [`Ttl::Default`]. Default: until it is evicted or deleted.
    pub ttl: Option<Duration>,
    /// How long an entry lives that nobody reads or writes. Default: no such limit.
    pub idle: Option<Duration>,
    /// How long past its end an entry is kept for callers of `fetch` who take a stale value. Default: not at all.
    pub stale: Duration,
    /// Callers that may wait for one key or one lock; one more gets `Full`. Default: 4,096.
    pub waiters_per_key: usize,
    /// Callers that may wait in the whole bucket; one more gets `Full`. Default: 16,384.
    pub waiters: usize,
    /// Leases, and likewise lock names, that may be held at once; one more gets `Full`. Default: 16,384.
    pub holders: usize,
}

impl Default for BucketOptions {
    fn default() -> Self {
        Self {
            kind: Kind::Cache,
            tag: 0,
            entries: u64::MAX,
            bytes: ByteSize::mib(16),
            value_bytes: ByteSize::mib(1),
            ttl: None,
            idle: None,
            stale: Duration::ZERO,
            waiters_per_key: 4096,
            waiters: 16_384,
            holders: 16_384,
        }
    }
}

/// How long an entry lives from its write on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ttl {
    /// As long as the bucket says.
    #[default]
    Default,
    /// So long. Zero means that no reader ever sees it.
    After(Duration),
    /// Until it is evicted or deleted.
    Never,
    /// As long as the entry that is overwritten has left; as the bucket says if there is none (as Redis `KEEPTTL`).
    Keep,
}

/// When a write takes place; otherwise it is an [`Error::Conflict`](crate::Error::Conflict).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// In any case.
    #[default]
    Always,
    /// Only if there is no entry of that key.
    IfAbsent,
    /// Only if the entry has this version: compare and swap.
    IfVersion(u64),
}

/// How to write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PutOptions {
    /// How long the entry lives. Default: as the bucket says.
    pub ttl: Ttl,
    /// When the write takes place. Default: always.
    pub condition: Condition,
}
