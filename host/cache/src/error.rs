//! Every way for an operation to be refused.

use skep_types::ByteSize;

/// An operation was refused. Nothing was changed, except where the operation says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The entry can never fit: its value passes the bucket's limit of so many bytes.
    #[error("the entry is too large: the limit is {0} bytes")]
    TooLarge(u64),
    /// A table has no room left, or too many callers wait, hold leases or hold locks.
    #[error("full: {0}")]
    Full(&'static str),
    /// The condition of a write does not hold, or a lease was overtaken by another write.
    #[error("conflict: the entry was changed by somebody else")]
    Conflict,
    /// The time a caller was ready to wait is over.
    #[error("timeout: whoever loads or holds it took longer than this caller waits")]
    Timeout,
    /// The arguments make no sense to the bucket.
    #[error("invalid: {0}")]
    Invalid(&'static str),
    /// The byte limits of all buckets together would pass the memory that the host gives to caches.
    #[error("bucket `{bucket}` asks for {wanted}, but of the {budget} for all caches only {left} is left")]
    Budget {
        /// What all buckets may hold together.
        budget: ByteSize,
        /// Which bucket asked.
        bucket: String,
        /// What it asked for.
        wanted: ByteSize,
        /// What the other buckets leave of the budget.
        left: ByteSize,
    },
    /// A table holds more than its new limits allow, and a table never evicts.
    #[error("the table holds {entries} entries in {bytes} bytes, more than the new limits allow")]
    Shrink {
        /// Entries it holds.
        entries: u64,
        /// Bytes it holds.
        bytes: u64,
    },
}
