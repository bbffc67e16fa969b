//! The client's side of a channel, while one of its functions runs.

use std::fmt;

use serde::{Serialize, de::DeserializeOwned};

use super::{ChannelId, Payload, ReplyTo, tell::json};
use crate::{
    __private::bindings::channels::exports::skep::plugin::channel_handler::{Action, Event},
    Result, codec,
    presence::Owner,
};

/// The client's side of a channel: the last argument of its functions, `socket: &mut Socket`, for those that want it.
///
/// What is pushed, broadcast and so on is done in that order when the function returns, before its reply; and not at all if
/// it crashes.
pub struct Socket {
    channel: ChannelId,
    topic: String,
    /// What the topics of the channel have in common.
    pattern: &'static str,
    assigns: Vec<u8>,
    ref_: Option<String>,
    pub(super) actions: Vec<Action>,
    pub(super) stop: Option<String>,
}

impl Socket {
    pub(super) fn new(channel: String, topic: String, pattern: &'static str) -> Self {
        let channel = ChannelId::new(channel);
        Self { channel, topic, pattern, assigns: Vec::new(), ref_: None, actions: Vec::new(), stop: None }
    }

    pub(super) fn with_assigns(mut self, assigns: Vec<u8>) -> Self {
        self.assigns = assigns;
        self
    }

    pub(super) fn with_ref(mut self, ref_: Option<String>) -> Self {
        self.ref_ = ref_;
        self
    }

    /// Whether the client waits for a reply.
    pub(super) fn is_asked(&self) -> bool {
        self.ref_.is_some()
    }

    /// Names this channel, for whoever is to push to its client.
    #[must_use]
    pub fn id(&self) -> &ChannelId {
        &self.channel
    }

    /// The topic that the client has joined.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The part of the topic that the `*` of the channel stands for: `"7"` of `"room:7"`, where that is `"room:*"`. Of a
    /// channel without one it is nothing.
    #[must_use]
    pub fn subtopic(&self) -> &str {
        self.pattern.strip_suffix('*').and_then(|prefix| self.topic.strip_prefix(prefix)).unwrap_or_default()
    }

    /// What the function under [`#[skep::socket]`](crate::skep::socket) has said of the client, for `join`. What a channel needs
    /// later is in its own value.
    ///
    /// # Errors
    /// When it is no `T`; also where there is no such function, unless `T` takes nothing.
    pub fn assigns<T: DeserializeOwned>(&self) -> Result<T> {
        codec::from_payload(&self.assigns).map_err(|error| error.context("reading what the socket was opened with"))
    }

    /// Says something to the client.
    ///
    /// # Errors
    /// When the value does not encode.
    pub fn push<T: Serialize + ?Sized>(&mut self, event: &str, value: &T) -> Result<()> {
        self.push_payload(event, json(value, event)?);
        Ok(())
    }

    /// Says something to the client, as JSON or bytes as they are.
    pub fn push_payload(&mut self, event: &str, payload: impl Into<Payload>) {
        self.actions.push(Action::Push(said(event, payload)));
    }

    /// Says something to all that have joined the topic, this client included.
    ///
    /// # Errors
    /// When the value does not encode.
    pub fn broadcast<T: Serialize + ?Sized>(&mut self, event: &str, value: &T) -> Result<()> {
        self.broadcast_payload(event, json(value, event)?);
        Ok(())
    }

    /// The same of JSON or bytes as they are.
    pub fn broadcast_payload(&mut self, event: &str, payload: impl Into<Payload>) {
        self.actions.push(Action::Broadcast(said(event, payload)));
    }

    /// Says something to all that have joined the topic, but this client.
    ///
    /// # Errors
    /// When the value does not encode.
    pub fn broadcast_from<T: Serialize + ?Sized>(&mut self, event: &str, value: &T) -> Result<()> {
        self.broadcast_from_payload(event, json(value, event)?);
        Ok(())
    }

    /// The same of JSON or bytes as they are.
    pub fn broadcast_from_payload(&mut self, event: &str, payload: impl Into<Payload>) {
        self.actions.push(Action::BroadcastFrom(said(event, payload)));
    }

    /// Takes the client that waits for a reply, who gets it later. Return no reply then. phoenix.js waits for 10 s, unless it
    /// is told otherwise.
    pub fn reply_later(&mut self) -> ReplyTo {
        ReplyTo::new(self.ref_.take())
    }

    /// Lets `handle_info` hear what is published on one more topic, or on all that begin as `"orders:*"`. The manifest grants those
    /// of other plugins. At most 32; the channel hears of it no more when it ends.
    pub fn subscribe(&mut self, topics: &str) {
        self.actions.push(Action::Subscribe(topics.to_owned()));
    }

    /// No more of that, written as it was in [`subscribe`](Self::subscribe).
    pub fn unsubscribe(&mut self, topics: &str) {
        self.actions.push(Action::Unsubscribe(topics.to_owned()));
    }

    /// Ends the channel, after the reply. For the reasons `"normal"`, `"shutdown"` and those that begin with `"shutdown:"` the client
    /// sees that it is closed; any other is an error, after which it joins again.
    pub fn stop(&mut self, reason: impl Into<String>) {
        self.stop = Some(reason.into());
    }

    pub(crate) fn push_presence_state(&mut self) {
        self.actions.push(Action::PresenceState);
    }

    /// This channel as an owner of presences: what is tracked with it goes when the channel ends, however it does.
    /// [`Presence`](crate::presence::Presence) has it shorter.
    #[must_use]
    pub fn owner(&self) -> Owner {
        Owner::from(&self.channel)
    }
}

fn said(event: &str, payload: impl Into<Payload>) -> Event {
    Event { event: event.to_owned(), body: payload.into().into() }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { channel, topic, ref_, .. } = self;
        f.debug_struct("Socket")
            .field("channel", channel)
            .field("topic", topic)
            .field("ref", ref_)
            .finish_non_exhaustive()
    }
}
