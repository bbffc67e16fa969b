//! What anybody in the plugin may say to clients.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Payload, host};
use crate::{Result, capability::refused, presence::Owner};

/// Names one channel, from its `join` to its end, and is never given twice. It is text: whoever it is sent to, in this plugin,
/// may push to the client.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChannelId(String);

impl ChannelId {
    /// The id as the host gave it.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As [`push`].
    ///
    /// # Errors
    /// As [`push`].
    pub fn push<T: Serialize + ?Sized>(&self, event: &str, value: &T) -> Result<()> {
        push(self, event, value)
    }
}

impl fmt::Display for ChannelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A channel may own presences: they go when it ends.
impl From<&ChannelId> for Owner {
    fn from(channel: &ChannelId) -> Self {
        Self::new(channel.as_str())
    }
}

/// Says something to the client of one channel.
///
/// # Errors
/// [`NotFound`](crate::CapabilityError::NotFound) if the channel has ended, [`Invalid`](crate::CapabilityError::Invalid) for
/// what is no event and [`TooLarge`](crate::CapabilityError::TooLarge); also when the value does not encode.
pub fn push<T: Serialize + ?Sized>(to: &ChannelId, event: &str, value: &T) -> Result<()> {
    push_payload(to, event, &json(value, event)?)
}

/// The same of JSON or bytes as they are.
///
/// # Errors
/// As [`push`].
pub fn push_payload(to: &ChannelId, event: &str, payload: &Payload) -> Result<()> {
    host::push(to.as_str(), event, &payload.to_host())
        .map_err(|error| refused(error, format!("pushing `{event}` to the channel `{to}`")))
}

/// Says something to all that have joined a topic, of this plugin or as `"shop/orders:7"` of another one that grants it. It
/// is a message of [`pubsub`](crate::pubsub), too, with this event: whoever listens there hears it.
///
/// ```
/// # use serde::{Deserialize, Serialize};
/// use skep_sdk::{prelude::*, test};
///
/// # #[derive(Serialize, Deserialize)] struct Hive;
/// #[skep::channel("hive:*")]
/// impl Hive {
///     fn join() -> Self {
///         Hive
///     }
/// }
///
/// let hive = test::socket().join::<Hive>("hive:7", &json!({})).unwrap();
/// channel::broadcast("hive:7", "swarming", &json!({"bees": 40_000}))?;           // in a request, a job, anywhere
/// assert_eq!(hive.received()[0].event, "swarming");
/// # Ok::<_, Error>(())
/// ```
///
/// # Errors
/// [`Denied`](crate::CapabilityError::Denied) for a topic of another plugin that is not granted,
/// [`Invalid`](crate::CapabilityError::Invalid) for what is no topic or event, and
/// [`TooLarge`](crate::CapabilityError::TooLarge); also when the value does not encode. That nobody has joined is none.
pub fn broadcast<T: Serialize + ?Sized>(topic: &str, event: &str, value: &T) -> Result<()> {
    broadcast_payload(topic, event, &json(value, event)?)
}

/// The same of JSON or bytes as they are.
///
/// # Errors
/// As [`broadcast`].
pub fn broadcast_payload(topic: &str, event: &str, payload: &Payload) -> Result<()> {
    told(topic, event, payload, None)
}

pub(super) fn told(topic: &str, event: &str, payload: &Payload, except: Option<&str>) -> Result<()> {
    host::broadcast(topic, event, &payload.to_host(), except)
        .map_err(|error| refused(error, format!("broadcasting `{event}` to `{topic}`")))
}

/// Closes all sockets that [`Connected::id`](super::Connected::id) has given this id, on every node. Their clients may come back:
/// it is for the function under [`#[skep::socket]`](crate::skep::socket) to refuse them.
///
/// # Errors
/// When the host refuses. That there is none is no error.
pub fn disconnect(socket: &str) -> Result<()> {
    host::disconnect(socket).map_err(|error| refused(error, format!("disconnecting `{socket}`")))
}

pub(super) fn json<T: Serialize + ?Sized>(value: &T, event: &str) -> Result<Payload> {
    Payload::json(value).map_err(|error| error.context(format!("writing the event `{event}`")))
}
