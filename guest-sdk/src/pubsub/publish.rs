//! Telling, and what was told before.

use serde::Serialize;

use super::{Message, host};
use crate::{
    __private::bindings::imports::skep::plugin::{pubsub::Delivery, types as wit},
    Error, Result,
    capability::refused,
    codec,
};

/// Hands a value to everybody who listens now, as JSON, and never waits for them. Returns the message's id if the
/// manifest retains the topic.
///
/// ```
/// # use skep_sdk::{prelude::*, pubsub};
/// pubsub::publish("hives:7", &json!({"bees": 40_000}))?;
/// # Ok::<_, Error>(())
/// ```
///
/// # Errors
/// [`Denied`](crate::CapabilityError::Denied) for a topic of another plugin that is not granted,
/// [`Invalid`](crate::CapabilityError::Invalid) for what is no topic, and
/// [`TooLarge`](crate::CapabilityError::TooLarge); also when the value does not encode. That nobody listens is none.
pub fn publish<T: Serialize + ?Sized>(topic: &str, value: &T) -> Result<Option<u64>> {
    to(topic).publish(value)
}

/// Hands text or bytes as they are to everybody who listens now.
///
/// ```
/// # use skep_sdk::{prelude::*, pubsub};
/// pubsub::publish_bytes("hives:7", "<td>40,000 bees</td>")?;
/// # Ok::<_, Error>(())
/// ```
///
/// # Errors
/// As [`publish`].
pub fn publish_bytes(topic: &str, data: impl AsRef<[u8]>) -> Result<Option<u64>> {
    to(topic).publish_bytes(data)
}

/// A message in the making, with more to say than its value.
///
/// ```
/// # use skep_sdk::{prelude::*, pubsub};
/// pubsub::to("orders:42").event("paid").skip_own().publish(&json!({"total": 7}))?;
/// # Ok::<_, Error>(())
/// ```
pub fn to(topic: &str) -> Publish<'_> {
    Publish { topic, event: None, delivery: Delivery::empty() }
}

/// A message in the making, from [`to`].
#[derive(Clone, Debug)]
#[must_use = "nothing is published before `publish` or `publish_bytes`"]
pub struct Publish<'a> {
    topic: &'a str,
    event: Option<&'a str>,
    delivery: Delivery,
}

impl<'a> Publish<'a> {
    /// What happened, for listeners that tell messages apart: the `event` field of server-sent events. At most 255
    /// bytes without line breaks.
    pub fn event(mut self, name: &'a str) -> Self {
        self.event = Some(name);
        self
    }

    /// Not to the subscription whose message is being handled, so that a subscriber may publish to what it listens to.
    pub fn skip_own(mut self) -> Self {
        self.delivery = self.delivery | Delivery::SKIP_OWN;
        self
    }

    /// Not to other nodes.
    pub fn local(mut self) -> Self {
        self.delivery = self.delivery | Delivery::LOCAL;
        self
    }

    /// Hands over a value as JSON.
    ///
    /// # Errors
    /// As [`publish`].
    pub fn publish<T: Serialize + ?Sized>(self, value: &T) -> Result<Option<u64>> {
        let json = codec::to_json(value).map_err(|error| Error::from(error).context(self.doing()))?;
        self.publish_bytes(json)
    }

    /// Hands over text or bytes as they are.
    ///
    /// # Errors
    /// As [`publish`].
    pub fn publish_bytes(self, data: impl AsRef<[u8]>) -> Result<Option<u64>> {
        let published = host::publish(self.topic, self.event, data.as_ref(), self.delivery);
        published.map_err(|error| refused(error, self.doing()))
    }

    fn doing(&self) -> String {
        format!("publishing to `{}`", self.topic)
    }
}

/// What a topic's log has, from [`since`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct History {
    /// The oldest first.
    pub messages: Vec<Message>,
    /// Whether nothing is missing: false if messages behind `after` have left the log already.
    pub complete: bool,
}

/// What the topic's log has behind the message of this id, or with `None` from its beginning; at most `limit` messages,
/// and never more than 1,000.
///
/// ```
/// # use skep_sdk::{prelude::*, pubsub, test};
/// # test::topic("orders:*").retain();
/// let first = pubsub::publish("orders:7", "honey")?;
/// pubsub::publish("orders:7", "wax")?;
/// let history = pubsub::since("orders:7", first, 100)?;
/// assert_eq!(history.messages[0].json::<String>()?, "wax");
/// assert!(history.complete);
/// # Ok::<_, Error>(())
/// ```
///
/// # Errors
/// [`NotFound`](crate::CapabilityError::NotFound) if the manifest retains nothing of the topic.
pub fn since(topic: &str, after: impl Into<Option<u64>>, limit: u32) -> Result<History> {
    let history = host::since(topic, after.into(), limit);
    let history = history.map_err(|error: wit::Error| refused(error, format!("reading the log of `{topic}`")))?;
    let messages = history.messages.into_iter().map(Message::from).collect();
    Ok(History { messages, complete: history.complete })
}
