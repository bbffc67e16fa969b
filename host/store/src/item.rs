//! Key-value data as it is read.

use bytes::Bytes;
use skep_types::PluginName;

use crate::Timestamp;
use crate::area::Area;

/// A value under its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its key.
    pub key: String,
    /// Its value; empty where only keys were asked for.
    pub value: Bytes,
    /// The commit that wrote it. It grows with every commit of the store, so a deleted and written key never has an old one.
    pub version: u64,
    /// When it ends, if it does.
    pub expires: Option<Timestamp>,
}

/// What of a plugin's data is listed, in the order of the keys' bytes.
#[derive(Clone, Debug)]
pub struct ListRequest {
    /// Whose data.
    pub space: PluginName,
    /// What the plugin wrote, or what the host keeps for it.
    pub area: Area,
    /// How the keys begin.
    pub prefix: String,
    /// The last key of the page before.
    pub after: Option<String>,
    /// The most items.
    pub limit: usize,
    /// A page ends before an item that would bring its keys and values over this; the first one is always in it.
    pub bytes_max: usize,
    /// Without the values.
    pub keys_only: bool,
    /// Items that have ended by now are not there.
    pub now: Timestamp,
}

/// A part of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// In the order of their keys.
    pub items: Vec<Item>,
    /// Whether there are more behind the last one.
    pub more: bool,
}
