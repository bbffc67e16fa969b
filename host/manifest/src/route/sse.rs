//! Event streams (server-sent events) of routes: the host writes the messages of a topic to each client.

use std::time::Duration;

use skep_types::ByteSize;
use toml::Value;

use super::template::TopicTemplate;
use crate::read::{Item, Read};

const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);
const BYTES_MIN: ByteSize = ByteSize::kib(1);
const BYTES_MAX: ByteSize = ByteSize::mib(64);

/// What the clients of a route listen to: `sse = "orders:{id}"`, or a table where more is to be said.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SseConfig {
    /// The topic of the plugin, with captures of the path. Required.
    pub topic: TopicTemplate,
    /// Who may listen. Default: those whom the component's event-stream handler accepts.
    pub open: SseOpen,
    /// How long a stream may be silent before the host writes a comment, so that proxies keep it and a client that is
    /// gone is noticed. Default 15 s, 1 s to 10 m.
    pub keep_alive: Duration,
    /// Messages that may wait for one client. Default 1,000, 1 to 100,000.
    pub queue: usize,
    /// The bytes of the messages that may wait for one client. Default 1 MiB, 1 KiB to 64 MiB.
    pub queue_bytes: ByteSize,
    /// What happens to a client that is too slow for its queue. Default: its stream is closed, and it comes back.
    pub overflow: StreamOverflow,
    /// How long clients are told to wait before they come back, 1 ms to 1 h. Default: nothing is told, and browsers
    /// take a few seconds.
    pub retry: Option<Duration>,
}

/// Who may listen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SseOpen {
    /// Those whom the component's event-stream handler accepts.
    #[default]
    Handler,
    /// Everybody; the component is not asked, and a client begins behind the last event that it names.
    Anyone,
}

/// What happens to a client whose queue is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum StreamOverflow {
    /// Its stream is closed: it comes back, and goes on in the topic's log where there is one.
    #[default]
    Close,
    /// It loses the oldest message that waits.
    DropOldest,
    /// It loses the message that found no place.
    DropNewest,
}

impl SseConfig {
    /// An event stream of this topic, with the defaults for all else.
    #[must_use]
    pub fn new(topic: TopicTemplate) -> Self {
        Self {
            topic,
            open: SseOpen::default(),
            keep_alive: Duration::from_secs(15),
            queue: 1000,
            queue_bytes: ByteSize::mib(1),
            overflow: StreamOverflow::default(),
            retry: None,
        }
    }
}

impl Read for SseConfig {
    fn read(item: &Item<'_>) -> Option<Self> {
        match item.value {
            Value::String(_) => TopicTemplate::read(item).map(Self::new),
            Value::Table(_) => read_table(item),
            _ => item.expected("a topic such as \"orders:{id}\", or a table with `topic`"),
        }
    }
}

fn read_table(item: &Item<'_>) -> Option<SseConfig> {
    let mut table = item.section()?;
    let topic = table.require("topic", "missing; write the topic, such as \"orders:{id}\"");
    // The rest is read either way, so that all its problems are told.
    let mut sse = SseConfig::new(topic.clone().unwrap_or_else(TopicTemplate::empty));
    table.set("open", &mut sse.open);
    table.bounded("keep_alive", &mut sse.keep_alive, SECOND..=Duration::from_secs(600));
    table.bounded("queue", &mut sse.queue, 1..=100_000);
    table.bounded("queue_bytes", &mut sse.queue_bytes, BYTES_MIN..=BYTES_MAX);
    table.set("overflow", &mut sse.overflow);
    let mut retry = Duration::ZERO;
    table.bounded("retry", &mut retry, MILLISECOND..=Duration::from_secs(3600));
    sse.retry = (retry != Duration::ZERO).then_some(retry);
    table.finish();
    topic.map(|_| sse)
}

impl Read for TopicTemplate {
    fn read(item: &Item<'_>) -> Option<Self> {
        item.parse("a topic such as \"orders:{id}\"")
    }
}

impl Read for SseOpen {
    fn read(item: &Item<'_>) -> Option<Self> {
        item.word(&[("handler", Self::Handler), ("anyone", Self::Anyone)])
    }
}

impl Read for StreamOverflow {
    fn read(item: &Item<'_>) -> Option<Self> {
        item.word(&[("close", Self::Close), ("drop-oldest", Self::DropOldest), ("drop-newest", Self::DropNewest)])
    }
}
