//! A message as a listener has it.

use std::{any::type_name, fmt};

use serde::de::DeserializeOwned;

use crate::{__private::bindings::imports::skep::plugin::pubsub as wit, Error, Result, codec};

/// A message: what was published, and where.
#[derive(Clone)]
pub struct Message(wit::Message);

impl Message {
    /// As the listener would write it: `"orders:42"` of its own, `"shop/orders:42"` of another plugin.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.0.topic
    }

    /// What happened, for listeners that tell messages apart: the `event` field of server-sent events.
    #[must_use]
    pub fn event(&self) -> Option<&str> {
        self.0.event.as_deref()
    }

    /// Where the message is in the topic's log, if the manifest retains one: it grows with every message.
    #[must_use]
    pub fn id(&self) -> Option<u64> {
        self.0.id
    }

    /// What was published, as it is.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0.data
    }

    /// The same without a copy.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0.data
    }

    /// What was published, as text.
    ///
    /// # Errors
    /// When it is not UTF-8.
    pub fn text(&self) -> Result<&str> {
        std::str::from_utf8(self.bytes()).map_err(|error| self.unfit(error.into(), "text"))
    }

    /// The value that was published.
    ///
    /// # Errors
    /// When it is not JSON, or no `T`; the text names the topic and the reason.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        codec::from_json(self.bytes()).map_err(|error| self.unfit(error, &format!("`{}`", type_name::<T>())))
    }

    fn unfit(&self, error: Error, wanted: &str) -> Error {
        error.context(format!("reading the message of `{}` as {wanted}", self.topic()))
    }
}

impl From<wit::Message> for Message {
    fn from(message: wit::Message) -> Self {
        Self(message)
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(wit::Message { topic, event, id, data }) = self;
        let data = String::from_utf8_lossy(data);
        f.debug_struct("Message")
            .field("topic", topic)
            .field("event", event)
            .field("id", id)
            .field("data", &data)
            .finish()
    }
}
