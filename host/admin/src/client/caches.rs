//! Buckets, from the command line's side.

use bytes::Bytes;
use http::Method;

use super::{Client, encoded};
use crate::api::{BucketStatus, Cleared, Deleted, EntryStatus, KeyPage};

impl Client {
    /// All buckets, by name.
    ///
    /// # Errors
    /// When the node does not answer.
    pub async fn caches(&self) -> anyhow::Result<Vec<BucketStatus>> {
        self.json(Method::GET, "/api/caches", Bytes::new()).await
    }

    /// One bucket, as `PLUGIN/BUCKET`.
    ///
    /// # Errors
    /// When the node does not answer or has no such bucket.
    pub async fn cache(&self, bucket: &str) -> anyhow::Result<BucketStatus> {
        self.json(Method::GET, &path(bucket)?, Bytes::new()).await
    }

    /// A page of the keys with a prefix.
    ///
    /// # Errors
    /// When the node does not answer or has no such bucket.
    pub async fn cache_keys(
        &self,
        bucket: &str,
        prefix: &str,
        cursor: Option<&str>,
        limit: usize,
    ) -> anyhow::Result<KeyPage> {
        let mut path = format!("{}/keys?limit={limit}&prefix={}", path(bucket)?, encoded(prefix));
        if let Some(cursor) = cursor {
            path.push_str(&format!("&cursor={}", encoded(cursor)));
        }
        self.json(Method::GET, &path, Bytes::new()).await
    }

    /// An entry.
    ///
    /// # Errors
    /// When the node does not answer, or has no such bucket or entry.
    pub async fn cache_entry(&self, bucket: &str, key: &str) -> anyhow::Result<EntryStatus> {
        self.json(Method::GET, &format!("{}/entries/{}", path(bucket)?, encoded(key)), Bytes::new()).await
    }

    /// Deletes an entry.
    ///
    /// # Errors
    /// When the node does not answer or has no such bucket.
    pub async fn cache_delete(&self, bucket: &str, key: &str) -> anyhow::Result<Deleted> {
        self.json(Method::DELETE, &format!("{}/entries/{}", path(bucket)?, encoded(key)), Bytes::new()).await
    }

    /// Removes all entries of a bucket.
    ///
    /// # Errors
    /// When the node does not answer or has no such bucket.
    pub async fn cache_clear(&self, bucket: &str) -> anyhow::Result<Cleared> {
        self.json(Method::DELETE, &path(bucket)?, Bytes::new()).await
    }
}

fn path(bucket: &str) -> anyhow::Result<String> {
    let Some((plugin, name)) = bucket.split_once('/') else {
        anyhow::bail!("`{bucket}` names no bucket: write PLUGIN/BUCKET, as `skep cache ls` does");
    };
    Ok(format!("/api/caches/{}/{}", encoded(plugin), encoded(name)))
}
