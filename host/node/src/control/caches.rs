//! The admin listener's view of the buckets.

use std::time::Duration;

use skep_admin::api::{BucketStatus, Cleared, Deleted, EntryStatus, KeyPage, SecondTierStatus, ValueText};
use skep_admin::{CacheControl, ControlError, ControlFuture};
use skep_cache::PAGE_KEYS_MAX;
use skep_manifest::{CacheConfig, CacheKind};
use skep_second::{AnyBucket, Tiered};
use skep_types::BucketId;

use super::{NodeControl, detached};

impl NodeControl {
    fn bucket(&self, bucket: &str) -> Result<(BucketId, AnyBucket, CacheConfig), ControlError> {
        let id = bucket.parse::<BucketId>().ok();
        let found = id.and_then(|id| self.0.buckets.get(&id).map(|(bucket, config)| (id, bucket, config)));
        found.ok_or_else(|| {
            let known: Vec<_> = self.0.buckets.list().iter().map(|(id, ..)| id.to_string()).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            ControlError::NotFound(format!("there is no bucket `{bucket}`; there are: {known}"))
        })
    }
}

fn status(id: &BucketId, bucket: &AnyBucket, config: &CacheConfig) -> BucketStatus {
    let stats = bucket.memory().stats();
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
        l2: bucket.tiered().map(|tiered| second_tier(tiered)),
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

fn second_tier(tiered: &Tiered) -> SecondTierStatus {
    let stats = tiered.stats();
    SecondTierStatus {
        up: stats.up,
        tells: stats.tells,
        why: stats.why.map(|why| why.to_string()),
        hits: stats.hits,
        misses: stats.misses,
        foreign: stats.foreign,
        writes: stats.writes,
        errors: stats.errors,
        skipped: stats.skipped,
        told: stats.told,
        owed: stats.owed,
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
        let page = bucket.memory().keys(prefix, cursor, limit.clamp(1, PAGE_KEYS_MAX));
        let page = page.map_err(|error| ControlError::Refused(error.to_string()))?;
        Ok(KeyPage { keys: page.keys, cursor: page.cursor })
    }

    fn cache_entry(&self, bucket: &str, key: &str) -> Result<EntryStatus, ControlError> {
        let (id, bucket, _) = self.bucket(bucket)?;
        let entry = bucket.peek(key);
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

    fn cache_delete(&self, bucket: String, key: String) -> ControlFuture<Deleted> {
        let found = self.bucket(&bucket);
        detached(async move {
            let (id, bucket, _) = found?;
            let deleted = bucket.delete(&key).await;
            tracing::info!(bucket = %id, deleted, "an entry was deleted by command");
            Ok(Deleted { deleted })
        })
    }

    fn cache_clear(&self, bucket: String) -> ControlFuture<Cleared> {
        let found = self.bucket(&bucket);
        detached(async move {
            let (id, bucket, _) = found?;
            let removed = match bucket {
                // Millions of entries take a while to free.
                AnyBucket::Plain(bucket) => tokio::task::spawn_blocking(move || bucket.clear()).await,
                AnyBucket::Tiered(tiered) => Ok(tiered.clear().await),
            };
            let removed = removed.map_err(|error| ControlError::Refused(format!("the host failed: {error}")))?;
            tracing::info!(bucket = %id, removed, "a bucket was cleared by command");
            Ok(Cleared { removed })
        })
    }
}
