//! The store, from the command line's side.

use bytes::Bytes;
use http::Method;

use super::{Client, encoded};
use crate::api::{BackedUp, StoreUsage, StoredItem, StoredKeyPage};

impl Client {
    /// What each plugin uses of the store.
    ///
    /// # Errors
    /// When the node does not answer or has no store.
    pub async fn store_usage(&self) -> anyhow::Result<Vec<StoreUsage>> {
        self.json(Method::GET, "/api/store", Bytes::new()).await
    }

    /// A page of a plugin's keys with a prefix.
    ///
    /// # Errors
    /// When the node does not answer or has no such plugin.
    pub async fn store_keys(
        &self,
        plugin: &str,
        prefix: &str,
        cursor: Option<&str>,
        limit: usize,
    ) -> anyhow::Result<StoredKeyPage> {
        let cursor = cursor.map(|cursor| format!("&cursor={}", encoded(cursor))).unwrap_or_default();
        let path = format!("/api/store/{}/keys?limit={limit}&prefix={}{cursor}", encoded(plugin), encoded(prefix));
        self.json(Method::GET, &path, Bytes::new()).await
    }

    /// A value under its key.
    ///
    /// # Errors
    /// When the node does not answer, or has no such plugin or key.
    pub async fn store_item(&self, plugin: &str, key: &str) -> anyhow::Result<StoredItem> {
        self.json(Method::GET, &format!("/api/store/{}/items/{}", encoded(plugin), encoded(key)), Bytes::new()).await
    }

    /// Has the node write a copy of its store to a new file on its host.
    ///
    /// # Errors
    /// When the node does not answer, there is a file already, or it cannot be written.
    pub async fn backup(&self, to: &str) -> anyhow::Result<BackedUp> {
        self.json(Method::POST, &format!("/api/store/backup?to={}", encoded(to)), Bytes::new()).await
    }
}
