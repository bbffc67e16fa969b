//! Sockets, over the wire.

use serde::{Deserialize, Serialize};

/// Which sockets. An absent part says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SocketFilter {
    /// Those that this plugin let in.
    pub plugin: Option<String>,
    /// Those of mounts that begin so, as `PLUGIN/MOUNT`: `chat/socket`, `chat@api.example.org/`.
    pub mount: Option<String>,
    /// Those of this name, as `PLUGIN/NAME`.
    pub name: Option<String>,
}

/// A socket of a client, whatever it travels by.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SocketStatus {
    /// Its id, 16 hexadecimal digits.
    pub id: String,
    /// The plugin that let it in.
    pub plugin: String,
    /// Where it was opened: `chat/socket`, or with a host `chat@api.example.org/socket`.
    pub mount: String,
    /// The name that it can be disconnected by, as `PLUGIN/NAME`, if it was given one. Several may have the same.
    pub name: Option<String>,
    /// The client's address.
    pub peer: String,
    /// How its frames travel: `websocket` or `longpoll`.
    pub transport: String,
    /// Topics that it has joined, as its client calls them.
    pub channels: Vec<String>,
    /// Frames that wait for the client to read them.
    pub queued: u64,
    /// What they count as, in bytes.
    pub queued_bytes: u64,
    /// Frames of the client.
    pub received: u64,
    /// Frames to the client.
    pub sent: u64,
    /// Messages that were dropped because a queue of it was full.
    pub dropped: u64,
    /// When it was opened, in milliseconds since the Unix epoch.
    pub since_ms: u64,
}

/// Sockets, the one that was opened first in front.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SocketPage {
    /// The sockets.
    pub sockets: Vec<SocketStatus>,
    /// How many pass, on all pages.
    pub total: u64,
    /// Where to go on; none at the end. Sockets come and go in between.
    pub cursor: Option<String>,
}

/// What came of disconnecting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disconnected {
    /// Sockets of this node that it was for. By name other nodes are told, too, and not counted.
    pub sockets: u64,
}

/// The sockets of a node together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SocketTotals {
    /// Those that are open.
    pub sockets: u64,
    /// How many may be open.
    pub sockets_max: u64,
    /// Those of them that are polled for.
    pub longpoll: u64,
    /// Those that were opened since the node started.
    pub opened: u64,
    /// Those that were refused since then, by plugins or for want of room.
    pub refused: u64,
    /// Those that were closed since then because their client did not read.
    pub slow: u64,
    /// Joins that went well since then.
    pub joins: u64,
    /// Joins and channels that crashed since then.
    pub crashes: u64,
}
