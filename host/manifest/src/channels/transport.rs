//! What bounds a WebSocket, whatever is spoken over it.

use std::time::Duration;

use skep_types::ByteSize;
use toml::Value;

use crate::origin::Origin;
use crate::read::{Item, Read, Section};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const KIB: ByteSize = ByteSize::kib(1);

/// What bounds one socket. The host reads and writes it, so these hold without an instance of the plugin.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SocketLimits {
    /// The pages that may open one. Default: those of the same host.
    pub origins: SocketOrigins,
    /// The longest message of a client. Default 64 KiB, 1 KiB to 16 MiB: what people type is far below it, and a thousand clients
    /// that send as much at once take 64 MiB. Over it the socket is closed with 1009.
    pub frame: ByteSize,
    /// How long a client may say nothing. Default 60 s, as Phoenix's, whose clients send a heartbeat each 30 s; 1 s to 1 h.
    pub idle_timeout: Duration,
    /// Messages of one client per second, in the long run. Default 1,000, 1 to 1,000,000. Over it the host reads nothing of this
    /// client until there is room again.
    pub messages_per_second: u32,
    /// Messages of one client at once, after a pause. Default: twice `messages_per_second`, 1 to 1,000,000.
    pub messages_burst: u32,
    /// Messages that may wait for one client to read them. Default 1,000, 16 to 100,000.
    pub queue: usize,
    /// Their bytes. Default 1 MiB, 1 KiB to 64 MiB.
    pub queue_bytes: ByteSize,
    /// What the host remembers for the plugin, of a socket and of each of its channels. Default 16 KiB, 1 KiB to 1 MiB.
    pub assigns: ByteSize,
}

/// The pages that may open a socket, by the `Origin` that browsers send. Clients that send none are no pages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum SocketOrigins {
    /// Those whose host is that of the request.
    #[default]
    SameHost,
    /// These.
    Only(Vec<Origin>),
    /// All. A page of anybody may then act for a user whose browser sends a cookie.
    Any,
}

/// What happens to a client whose queue is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SocketOverflow {
    /// Its socket is closed with 1013: it comes back, and joins again.
    #[default]
    Close,
    /// It loses the oldest broadcasts that wait. Replies and pushes stay; where nothing else waits, the socket is closed.
    DropBroadcasts,
}

/// A raw WebSocket of a route: `websocket = true`, or a table where more is to be said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct WebSocketConfig {
    /// What bounds it. A client whose queue is full has its socket closed with 1013.
    pub limits: SocketLimits,
}

impl Default for SocketLimits {
    fn default() -> Self {
        Self {
            origins: SocketOrigins::default(),
            frame: ByteSize::kib(64),
            idle_timeout: Duration::from_secs(60),
            messages_per_second: 1000,
            messages_burst: 2000,
            queue: 1000,
            queue_bytes: ByteSize::mib(1),
            assigns: ByteSize::kib(16),
        }
    }
}

impl SocketLimits {
    /// Reads its keys, which stand among others.
    pub(super) fn read(table: &mut Section<'_>) -> Self {
        let mut limits = Self::default();
        table.set("origins", &mut limits.origins);
        table.bounded("frame", &mut limits.frame, KIB..=ByteSize::mib(16));
        table.bounded("idle_timeout", &mut limits.idle_timeout, SECOND..=HOUR);
        table.bounded("messages_per_second", &mut limits.messages_per_second, 1..=1_000_000);
        limits.messages_burst = limits.messages_per_second.saturating_mul(2).min(1_000_000);
        table.bounded("messages_burst", &mut limits.messages_burst, 1..=1_000_000);
        table.bounded("queue", &mut limits.queue, 16..=100_000);
        table.bounded("queue_bytes", &mut limits.queue_bytes, KIB..=ByteSize::mib(64));
        table.bounded("assigns", &mut limits.assigns, KIB..=ByteSize::mib(1));
        limits
    }
}

impl Read for SocketOrigins {
    fn read(item: &Item<'_>) -> Option<Self> {
        const HOW: &str = "\"same-host\", \"any\", or a list such as [\"https://app.example.org\"]";
        match item.value {
            Value::Array(list) if list.is_empty() => item.fail(format!("is empty; write {HOW}")),
            Value::Array(_) => Vec::read(item).map(Self::Only),
            Value::String(text) if text == "same-host" => Some(Self::SameHost),
            Value::String(text) if text == "any" => Some(Self::Any),
            Value::String(text) => item.fail(format!("`{text}` is not known here; write {HOW}")),
            _ => item.expected(HOW),
        }
    }
}

impl Read for SocketOverflow {
    fn read(item: &Item<'_>) -> Option<Self> {
        item.word(&[("close", Self::Close), ("drop-broadcasts", Self::DropBroadcasts)])
    }
}

/// Reads what a route says of its WebSocket; none if it has none.
pub(crate) fn read_route(item: &Item<'_>) -> Option<Option<WebSocketConfig>> {
    match item.value {
        Value::Boolean(is_one) => Some(is_one.then(WebSocketConfig::default)),
        Value::Table(_) => {
            let mut table = item.section()?;
            let limits = SocketLimits::read(&mut table);
            table.finish();
            Some(Some(WebSocketConfig { limits }))
        }
        _ => item.expected("true, or a table such as { frame = \"64KiB\", idle_timeout = \"60s\" }"),
    }
}
