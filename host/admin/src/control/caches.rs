//! The port to the node's buckets. A bucket goes by `PLUGIN/BUCKET`.

use super::{ControlError, ControlFuture};
use crate::api::{BucketStatus, Cleared, Deleted, EntryStatus, KeyPage};

/// Buckets that can be administered.
pub trait CacheControl: Send + Sync + 'static {
    /// All buckets, by name.
    fn caches(&self) -> Vec<BucketStatus>;

    /// One bucket.
    ///
    /// # Errors
    /// When there is no such bucket.
    fn cache(&self, bucket: &str) -> Result<BucketStatus, ControlError>;

    /// A page of the keys with a prefix: no more than `limit`, and no more than the node gives at once.
    ///
    /// # Errors
    /// When there is no such bucket, or the cursor is none.
    fn cache_keys(
        &self,
        bucket: &str,
        prefix: &str,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<KeyPage, ControlError>;

    /// An entry, as this node's memory has it. It counts as a read.
    ///
    /// # Errors
    /// When there is no such bucket or entry.
    fn cache_entry(&self, bucket: &str, key: &str) -> Result<EntryStatus, ControlError>;

    /// Deletes an entry.
    fn cache_delete(&self, bucket: String, key: String) -> ControlFuture<Deleted>;

    /// Removes all entries of a bucket.
    fn cache_clear(&self, bucket: String) -> ControlFuture<Cleared>;
}
