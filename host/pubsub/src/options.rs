//! What the engine is told when it starts, and what a subscriber may ask for.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use skep_types::{ByteSize, Clock, TopicSelector};

use crate::fabric::Fabric;

/// The longest event of a message, in bytes: it is a word of a protocol, not a document.
pub const EVENT_BYTES_MAX: usize = 255;

/// What the engine is told when it starts.
#[derive(Clone)]
pub struct Options {
    /// The time that ages and ids go by.
    pub clock: Arc<dyn Clock>,
    /// What bounds it.
    pub limits: Limits,
    /// Which topics have a log. Of several selectors that match, the most specific one counts: an exact one, else the
    /// longest prefix. Default: none.
    pub retain: Vec<(TopicSelector, Retain)>,
    /// Who carries messages to other nodes. Default: nobody.
    pub fabric: Option<Arc<dyn Fabric>>,
}

impl Options {
    /// The defaults, with this clock.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, limits: Limits::default(), retain: Vec::new(), fabric: None }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("limits", &self.limits).field("retain", &self.retain).finish_non_exhaustive()
    }
}

/// What bounds the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Topics that have a subscriber or a log. One more is refused. Default: 1,000,000.
    pub topics_max: usize,
    /// Subscriptions. One more is refused. Default: 1,000,000.
    pub subscriptions_max: usize,
    /// The longest data of a message. Default: 1 MiB.
    pub message_bytes_max: ByteSize,
    /// What all logs together hold, counted as [`Message::bytes`](crate::Message::bytes). Where it is passed, the largest
    /// log loses its oldest messages; of more than 16 logs, the largest of the next 16 in turn. Default: 64 MiB.
    pub retained_bytes_max: ByteSize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            topics_max: 1_000_000,
            subscriptions_max: 1_000_000,
            message_bytes_max: ByteSize::mib(1),
            retained_bytes_max: ByteSize::mib(64),
        }
    }
}

/// How much of a topic stays: whichever bound is reached first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retain {
    /// The most messages. Default: 1,000.
    pub messages: NonZeroUsize,
    /// The most bytes, counted as [`Message::bytes`](crate::Message::bytes). Default: 1 MiB.
    pub bytes: ByteSize,
    /// How long a message stays. Default: 5 minutes.
    pub age: Duration,
}

impl Default for Retain {
    fn default() -> Self {
        Self {
            messages: NonZeroUsize::new(1000).unwrap_or(NonZeroUsize::MIN),
            bytes: ByteSize::mib(1),
            age: Duration::from_secs(300),
        }
    }
}

/// What happens to a message that a full queue has no room for. An empty queue takes any message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// The oldest messages of the queue make room.
    #[default]
    DropOldest,
    /// The message is dropped.
    DropNewest,
    /// The subscription is closed: what is in the queue can still be read, then it ends.
    Close,
}

/// How to subscribe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubscribeOptions {
    /// The most messages that wait to be read. Default: 1,000.
    pub queue: NonZeroUsize,
    /// The most bytes that wait to be read, counted as [`Message::bytes`](crate::Message::bytes) though the data is shared
    /// with other queues. Default: 8 MiB.
    pub queue_bytes: ByteSize,
    /// What happens when the queue is full. Default: the oldest are dropped.
    pub overflow: Overflow,
    /// The id of the last message that was seen: what the topic's log has behind it comes first. It does not count
    /// against the queue's bounds, the log's own bound it. Of a prefix or a topic without a log nothing can be resumed.
    /// Default: only what is published from now on.
    pub after: Option<u64>,
}

impl Default for SubscribeOptions {
    fn default() -> Self {
        Self {
            queue: NonZeroUsize::new(1000).unwrap_or(NonZeroUsize::MIN),
            queue_bytes: ByteSize::mib(8),
            overflow: Overflow::DropOldest,
            after: None,
        }
    }
}
