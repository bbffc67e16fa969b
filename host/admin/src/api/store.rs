//! The store and what plugins keep in it, over the wire. Moments are in milliseconds since the Unix epoch.

use serde::{Deserialize, Serialize};

use super::ValueText;

/// What a plugin uses of the store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreUsage {
    /// Which plugin.
    pub plugin: String,
    /// Items under keys; those that ended count until they are deleted.
    pub items: u64,
    /// Jobs in all states.
    pub jobs: u64,
    /// Bytes of items, jobs and messages, counted as the quota is.
    pub bytes: u64,
    /// The most bytes; none for a plugin that the manifest does not name any more.
    pub quota: Option<u64>,
}

/// A key, without its value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredKey {
    /// The key.
    pub key: String,
    /// The commit that wrote its value; it grows.
    pub version: u64,
    /// When it ends; none: never.
    pub expires_at_ms: Option<u64>,
}

/// Keys of a plugin, in the order of their bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredKeyPage {
    /// The keys.
    pub keys: Vec<StoredKey>,
    /// Where to go on; none at the end.
    pub cursor: Option<String>,
}

/// A value under its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredItem {
    /// The key.
    pub key: String,
    /// The commit that wrote the value; it grows.
    pub version: u64,
    /// When it ends; none: never.
    pub expires_at_ms: Option<u64>,
    /// The length of the value.
    pub bytes: u64,
    /// The value.
    pub value: ValueText,
}

/// A copy of the store that was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackedUp {
    /// The file, on the node's host.
    pub path: String,
    /// Its length.
    pub bytes: u64,
}
