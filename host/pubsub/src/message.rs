//! What is delivered.

use std::fmt;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use skep_types::TopicId;

use crate::hub::Publish;
use crate::sse;

/// What a message takes beside its data and event, in bytes, as the bounds of queues and logs count it.
pub const MESSAGE_OVERHEAD: u64 = 256;

/// A message, shared by everyone it is delivered to.
pub struct Message {
    /// Where it was published.
    pub topic: TopicId,
    /// What happened, for listeners that tell messages apart.
    pub event: Option<Arc<str>>,
    /// Where it is in the topic's log, if there is one.
    pub id: Option<u64>,
    /// What it says.
    pub data: Bytes,
    /// When it was published: wall time in milliseconds since 1970.
    pub published: u64,
    /// What its data is, if it is a broadcast to the channels of its topic.
    pub broadcast: Option<Broadcast>,
    encoded: [OnceLock<Bytes>; 3],
}

/// Marks a message as a broadcast of Phoenix: the host itself writes it to the sockets that have joined its topic as a
/// channel. A message that is not marked so goes to the handlers of these channels. To everybody else it is a message like any
/// other, with the broadcast's event, and its payload as data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broadcast {
    /// The data is JSON; whoever publishes vouches for that.
    Json,
    /// The data is bytes.
    Binary,
}

/// The encodings that a message keeps for all its receivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// A server-sent event, as [`Message::sse`] makes it.
    Sse,
    /// A frame of the channel protocol, version 2.
    Channel,
    /// A frame of the channel protocol, version 1.
    ChannelV1,
}

impl Message {
    pub(crate) fn new(topic: TopicId, id: Option<u64>, published: u64, publish: Publish) -> Self {
        let Publish { event, data, broadcast, from: _, local: _ } = publish;
        Self { topic, event, id, data, published, broadcast, encoded: [const { OnceLock::new() }; 3] }
    }

    /// What it counts as against the bounds of queues and logs: data, event and [`MESSAGE_OVERHEAD`]. Encodings do not
    /// count: each is at most a small multiple of the data, and is free when the last receiver let go.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let event = self.event.as_ref().map_or(0, |event| event.len());
        (self.data.len() + event) as u64 + MESSAGE_OVERHEAD
    }

    /// The message in another form, which is computed for the first who asks and shared with the others ("fastlane" of
    /// Phoenix). All who name a slot must pass the same function.
    pub fn encoded(&self, slot: Slot, encode: impl FnOnce(&Self) -> Bytes) -> &Bytes {
        let [sse, channel, channel_v1] = &self.encoded;
        let cell = match slot {
            Slot::Sse => sse,
            Slot::Channel => channel,
            Slot::ChannelV1 => channel_v1,
        };
        cell.get_or_init(|| encode(self))
    }

    /// The message as a server-sent event: `id:` if it has one, `event:` if it has one, and a `data:` line for each line
    /// of the data, whatever ends it (`\n`, `\r\n` or `\r`; the client sees `\n`). Event streams are text: data that is
    /// not UTF-8 goes as one line of padded base64.
    pub fn sse(&self) -> &Bytes {
        self.encoded(Slot::Sse, |message| sse::frame(message.id, message.event.as_deref(), &message.data))
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { topic, event, id, data, published, broadcast, encoded: _ } = self;
        f.debug_struct("Message")
            .field("topic", topic)
            .field("event", event)
            .field("id", id)
            .field("bytes", &data.len())
            .field("published", published)
            .field("broadcast", broadcast)
            .finish()
    }
}
