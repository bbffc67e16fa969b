//! What happened in the supervision tree, over the wire.

use serde::{Deserialize, Serialize};

/// Something that happened somewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventStatus {
    /// Its number on the node, from 0, without gaps; a restart counts anew.
    pub sequence: u64,
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// Where: names from the root, as `host/shop/subscribers/on-order`.
    pub path: String,
    /// What, for people.
    pub what: String,
}
