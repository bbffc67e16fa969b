//! What was published, what the manifest says of topics, and messages by hand, in native tests.

use std::ops::Deref;

use serde::Serialize;

use super::good;
use crate::{
    Result, codec,
    double::pubsub as double,
    pubsub::{Message, Subscriber},
};

/// Everything that this test has published so far, the first message first.
///
/// ```
/// use skep_sdk::{prelude::*, test};
///
/// pubsub::to("orders:7").event("paid").skip_own().publish(&json!({"total": 7}))?;
/// let message = &test::published()[0];
/// assert_eq!((message.topic(), message.event(), message.skip_own), ("orders:7", Some("paid"), true));
/// assert_eq!(message.text()?, r#"{"total":7}"#);
/// # Ok::<_, Error>(())
/// ```
#[must_use]
pub fn published() -> Vec<Published> {
    let published = double::published().into_iter().map(|(message, delivery)| Published {
        message: message.into(),
        skip_own: delivery & double::Delivery::SKIP_OWN == double::Delivery::SKIP_OWN,
        local: delivery & double::Delivery::LOCAL == double::Delivery::LOCAL,
    });
    published.collect()
}

/// A message that was published, from [`published`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Published {
    /// The message, as a listener would have it.
    pub message: Message,
    /// Whether it is not for the subscription whose message was being handled.
    pub skip_own: bool,
    /// Whether it is not for other nodes.
    pub local: bool,
}

impl Deref for Published {
    type Target = Message;

    fn deref(&self) -> &Message {
        &self.message
    }
}

/// Hands a value, as JSON, to a subscriber, as the host would.
///
/// ```
/// use skep_sdk::{prelude::*, test};
///
/// fn on_order(topic: &str, count: u32) -> Result<()> {
///     cache::bucket("orders")?.put(topic, &count)
/// }
///
/// test::deliver(on_order, "orders:7", &3)?;
/// assert_eq!(cache::bucket("orders")?.get::<u32>("orders:7")?, Some(3));
///
/// let error = test::deliver(on_order, "orders:7", "three").unwrap_err();
/// assert!(error.to_string().starts_with("reading the message of `orders:7` as `u32`: invalid type"));
/// # Ok::<_, Error>(())
/// ```
///
/// # Errors
/// What the subscriber returns: the host would set the message aside.
#[track_caller]
pub fn deliver<M>(subscriber: impl Subscriber<M>, topic: &str, value: &(impl Serialize + ?Sized)) -> Result<()> {
    let data = good(codec::to_json(value), "message", "JSON");
    deliver_all(subscriber, [message(topic, data)])
}

/// Hands a batch of messages to a subscriber; [`message`] makes them.
///
/// # Errors
/// What the subscriber returns: the host would set all of the messages aside.
pub fn deliver_all<M>(subscriber: impl Subscriber<M>, messages: impl IntoIterator<Item = Message>) -> Result<()> {
    subscriber.receive(messages.into_iter().collect())
}

/// A message of text or bytes as they are, without an event and an id.
pub fn message(topic: &str, data: impl Into<Vec<u8>>) -> Message {
    double::Message { topic: topic.to_owned(), event: None, id: None, data: data.into() }.into()
}

/// Says of a topic, or of all that begin as `"orders:*"`, what the manifest would. By default every topic is granted and
/// none is retained.
///
/// ```
/// use skep_sdk::{prelude::*, test};
///
/// test::topic("orders:*").retain();
/// test::topic("shop/*").deny();
/// assert_eq!(pubsub::publish("orders:7", "honey")?, Some(1));
/// assert!(pubsub::publish("shop/orders:7", "honey").is_err());
/// # Ok::<_, Error>(())
/// ```
pub fn topic(topics: &str) -> TestTopic {
    TestTopic { topics: topics.to_owned() }
}

/// Topics of the test, from [`topic`].
#[derive(Clone, Debug)]
pub struct TestTopic {
    topics: String,
}

#[allow(clippy::must_use_candidate, reason = "each of them does what it says; the chain may end anywhere")]
impl TestTopic {
    /// Keeps what is published from now on, so that messages have ids and [`since`](crate::pubsub::since) finds them.
    pub fn retain(self) -> Self {
        self.with(|rules| rules.retained = true)
    }

    /// Not granted, for publishing, for looking and for presence.
    pub fn deny(self) -> Self {
        self.with(|rules| rules.denied = true)
    }

    fn with(self, change: impl FnOnce(&mut double::Rules)) -> Self {
        double::configure(&self.topics, change);
        self
    }
}
