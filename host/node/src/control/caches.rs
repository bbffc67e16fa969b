//! The admin listener's view of the buckets.

use std::sync::Arc;
use std::time::Duration;

use skep_admin::api::{BucketStatus, Cleared, Deleted, EntryStatus, KeyPage, ValueText};
use skep_admin::{CacheControl, ControlError, ControlFuture};
use skep_cache::{Bucket, PAGE_KEYS_MAX};
use skep_manifest::{CacheConfig, CacheKind};
use skep_types::BucketId;

use super::{NodeControl, detached};

impl NodeControl {
    fn bucket(&self, bucket: &str) -> Result<(BucketId, Arc<Bucket>, CacheConfig), ControlError> {
        let id = bucket.parse::<BucketId>().ok();
        let found = id.and_then(|id| self.0.buckets.get(&id).map(|(bucket, config)| (id, bucket, config)));
        found.ok_or_else(|| {
            let known: Vec<_> = self.0.buckets.list().iter().map(|(id, ..)| id.to_string()).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            ControlError::NotFound(format!("there is no bucket `{bucket}`; there are: {known}"))
        })
    }
}

fn status(id: &BucketId, bucket: &Bucket, config: &CacheConfig) -> BucketStatus {
    let stats = bucket.stats();
    BucketStatus {
        plugin: id.owner.to_string(),
        bucket: id.name.to_string(),
        kind: match config.kind {
            CacheKind::Cache => "cache".to_owned(),
            CacheKind::Table => "table".to_owned(),
        },
        persist: config.persist,
        write_behind: config.write_behind.is_some(),
        dirty: stats.dirty,
        flushed: stats.flushed,
        flush_failures: stats.flush_failures,
        entries: stats.entries,
        entries_max: config.entries,
        bytes: stats.bytes,
        bytes_max: config.bytes.0,
        hits: stats.hits,
        misses: stats.misses,
        loads: stats.loads,
        load_failures: stats.load_failures,
        evicted_entries: stats.evicted_entries,
        evicted_bytes: stats.evicted_bytes,
        expired: stats.expired,
        removed: stats.removed,
        rejected: stats.rejected,
        waiting: stats.waiting,
        leases: stats.leases,
        locks: stats.locks,
    }
}

impl CacheControl for NodeControl {
    fn caches(&self) -> Vec<BucketStatus> {
        self.0.buckets.list().iter().map(|(id, bucket, config)| status(id, bucket, config)).collect()
    }

    fn cache(&self, bucket: &str) -> Result<BucketStatus, ControlError> {
        let (id, bucket, config) = self.bucket(bucket)?;
        Ok(status(&id, &bucket, &config))
    }

    fn cache_keys(
        &self,
        bucket: &str,
        prefix: &str,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<KeyPage, ControlError> {
        let (_, bucket, _) = self.bucket(bucket)?;
        let page = bucket.keys(prefix, cursor, limit.clamp(1, PAGE_KEYS_MAX));
        let page = page.map_err(|error| ControlError::Refused(error.to_string()))?;
        Ok(KeyPage { keys: page.keys, cursor: page.cursor })
    }

    fn cache_entry(&self, bucket: &str, key: &str) -> Result<EntryStatus, ControlError> {
        let (id, bucket, _) = self.bucket(bucket)?;
        let entry = bucket.get_entry(key);
        let entry = entry.ok_or_else(|| ControlError::NotFound(format!("there is no entry `{key}` in `{id}`")))?;
        let millis = |left: Duration| u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
        Ok(EntryStatus {
            key: key.to_owned(),
            version: entry.version,
            time_left_ms: entry.ttl_left.map(millis),
            bytes: entry.value.len() as u64,
            value: ValueText::of(&entry.value),
        })
    }

    fn cache_delete(&self, bucket: &str, key: &str) -> Result<Deleted, ControlError> {
        let (id, bucket, _) = self.bucket(bucket)?;
        let deleted = bucket.delete(key);
        tracing::info!(bucket = %id, deleted, "an entry was deleted by command");
        Ok(Deleted { deleted })
    }

    fn cache_clear(&self, bucket: String) -> ControlFuture<Cleared> {
        let found = self.bucket(&bucket);
        detached(async move {
            let (id, bucket, _) = found?;
            // Millions of entries take a while to free.
            let removed = tokio::task::spawn_blocking(move || bucket.clear()).await;
            let removed = removed.map_err(|error| ControlError::Refused(format!("the host failed: {error}")))?;
            tracing::info!(bucket = %id, removed, "a bucket was cleared by command");
            Ok(Cleared { removed })
        })
    }
}
