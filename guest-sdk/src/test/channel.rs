//! Clients of channels in native tests.

use std::{fmt, marker::PhantomData};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{TestRequest, good};
use crate::{
    channel::{Channel, ChannelId, Connected, Connecting, Connects, End, Live, Payload, Status, connect::decide},
    codec,
    double::channels::{self as double, Kind},
    web::Asked,
};

impl TestRequest {
    /// Opens a socket, as the host would: the parameters are the request's query. An error is what the log would say.
    ///
    /// # Errors
    /// When the function refuses the client.
    #[track_caller]
    pub fn connect<M, F>(self, token: Option<&str>, connect: F) -> Result<TestSocket, String>
    where
        F: Asked<M, Answer: Connects>,
    {
        let connecting = Connecting::new("/socket".to_owned(), token.map(str::to_owned));
        let Connected { id, assigns, .. } = decide(connect, self.request(), connecting)?;
        Ok(TestSocket { socket: double::open(id, assigns) })
    }
}

/// A socket that nobody was asked about. [`TestRequest::connect`] asks.
#[must_use]
pub fn socket() -> TestSocket {
    TestSocket { socket: double::open(None, Vec::new()) }
}

/// A socket as [`Connected::new`] would have it, with this value.
#[must_use]
#[track_caller]
pub fn socket_with<T: Serialize + ?Sized>(assigns: &T) -> TestSocket {
    let assigns = good(codec::to_json(assigns), "socket's value", "JSON");
    TestSocket { socket: double::open(None, assigns) }
}

/// A client's socket, from [`socket`]. It stays open until it is closed.
#[derive(Debug)]
pub struct TestSocket {
    socket: u64,
}

impl TestSocket {
    /// The name that it was given.
    ///
    /// # Panics
    /// If it is closed, as the others that ask about it.
    #[must_use]
    #[track_caller]
    pub fn id(&self) -> Option<String> {
        self.there().id
    }

    /// What the channels of it begin with.
    #[must_use]
    #[track_caller]
    pub fn assigns<T: DeserializeOwned>(&self) -> T {
        good(codec::from_payload(&self.there().assigns), "value of the socket", "JSON")
    }

    /// Whether it is open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        double::connection(self.socket).is_some()
    }

    /// The client goes.
    pub fn close(&self) {
        double::close(self.socket);
    }

    /// Joins a topic. A refusal is what the client sees.
    ///
    /// # Errors
    /// When `join` refuses, or crashes.
    ///
    /// # Panics
    /// If the topic is none of the channel's; also where the socket is closed.
    #[track_caller]
    pub fn join<C: Channel>(&self, topic: &str, params: &(impl Serialize + ?Sized)) -> Result<TestChannel<C>, Value> {
        self.enter(topic, params, false)
    }

    /// The same, with a channel that is a process.
    ///
    /// # Errors
    /// As [`join`](Self::join).
    ///
    /// # Panics
    /// As [`join`](Self::join).
    #[track_caller]
    pub fn join_process<C: Channel>(
        &self,
        topic: &str,
        params: &(impl Serialize + ?Sized),
    ) -> Result<TestChannel<C>, Value> {
        self.enter(topic, params, true)
    }

    #[track_caller]
    fn enter<C: Channel>(
        &self,
        topic: &str,
        params: &(impl Serialize + ?Sized),
        is_process: bool,
    ) -> Result<TestChannel<C>, Value> {
        let is_it = crate::__private::channel_of(&[C::TOPICS], topic).is_some();
        assert!(is_it, "the topic `{topic}` is none of `{}`", C::TOPICS);
        let params = good(Payload::json(params), "parameter", "JSON");
        let socket = (self.socket, self.there().assigns);
        match double::join(socket, &Kind::of::<C>(), topic, &params, is_process) {
            Ok((channel, reply)) => Ok(TestChannel { channel, reply, of: PhantomData }),
            Err(why) => Err(value(&why)),
        }
    }

    #[track_caller]
    fn there(&self) -> double::OpenSocket {
        double::connection(self.socket).unwrap_or_else(|| panic!("the socket is closed"))
    }
}

/// A channel that a client has joined, from [`TestSocket::join`]: what the client may do, and what it sees.
pub struct TestChannel<C> {
    channel: String,
    reply: Payload,
    of: PhantomData<fn() -> C>,
}

impl<C: Channel> TestChannel<C> {
    /// What the client was told when it joined.
    #[must_use]
    #[track_caller]
    pub fn reply<T: DeserializeOwned>(&self) -> T {
        read(&self.reply)
    }

    /// Says something, as JSON. What comes of it has come when this returns.
    #[track_caller]
    pub fn push(&self, event: &str, value: &(impl Serialize + ?Sized)) -> TestReply {
        self.push_payload(event, good(Payload::json(value), "payload of", event))
    }

    /// Says something, as JSON or bytes as they are.
    pub fn push_payload(&self, event: &str, payload: impl Into<Payload>) -> TestReply {
        TestReply { ref_: double::say(&self.channel, event, payload.into()) }
    }

    /// All that the client has got since this was last asked, replies aside.
    #[must_use]
    pub fn received(&self) -> Vec<TestEvent> {
        let received = double::received(&self.channel).into_iter();
        received.map(|double::Received { event, payload }| TestEvent { event, payload }).collect()
    }

    /// Names the channel.
    #[must_use]
    pub fn id(&self) -> ChannelId {
        ChannelId::new(self.channel.clone())
    }

    /// What the channel remembers.
    ///
    /// # Panics
    /// If it has ended.
    #[must_use]
    #[track_caller]
    pub fn state(&self) -> C {
        if let Some(assigns) = double::assigns(&self.channel) {
            return good(codec::from_json(&assigns), "channel", &self.channel);
        }
        let Some(saved) = double::value(&self.channel) else { panic!("the channel `{}` has ended", self.channel) };
        let live: Live<C> = good(codec::from_json(&saved), "channel", &self.channel);
        live.into_value()
    }

    /// Why it has ended; none if it has not.
    #[must_use]
    pub fn end(&self) -> Option<End> {
        double::end_of(&self.channel)
    }

    /// The client leaves.
    pub fn leave(&self) {
        double::leave(&self.channel);
    }

    /// It crashes, between two messages.
    pub fn crash(&self) {
        double::crash(&self.channel);
    }
}

impl<C> fmt::Debug for TestChannel<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestChannel").field("channel", &self.channel).field("reply", &self.reply).finish()
    }
}

/// What a client has got, from [`TestChannel::received`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TestEvent {
    /// What happened.
    pub event: String,
    /// What belongs to it.
    pub payload: Payload,
}

impl TestEvent {
    /// What belongs to it, as a value.
    ///
    /// # Panics
    /// If it is no such value.
    #[must_use]
    #[track_caller]
    pub fn json<T: DeserializeOwned>(&self) -> T {
        read(&self.payload)
    }
}

/// A client that waits for the reply to what it has said, from [`TestChannel::push`].
#[derive(Debug)]
pub struct TestReply {
    ref_: String,
}

impl TestReply {
    /// The reply, if it has come.
    #[must_use]
    pub fn reply(&self) -> Option<(Status, Payload)> {
        double::replied(&self.ref_)
    }

    /// The value of the reply `"ok"`.
    ///
    /// # Panics
    /// If it has not come, is another one, or has no such value.
    #[must_use]
    #[track_caller]
    pub fn ok<T: DeserializeOwned>(&self) -> T {
        self.with(&Status::Ok)
    }

    /// The value of the reply `"error"`.
    ///
    /// # Panics
    /// As [`ok`](Self::ok).
    #[must_use]
    #[track_caller]
    pub fn error<T: DeserializeOwned>(&self) -> T {
        self.with(&Status::Error)
    }

    #[track_caller]
    fn with<T: DeserializeOwned>(&self, wanted: &Status) -> T {
        match self.reply() {
            Some((status, payload)) if status == *wanted => read(&payload),
            Some((status, payload)) => panic!("the reply is `{}`: {payload:?}", status.as_str()),
            None => panic!("there is no reply"),
        }
    }
}

#[track_caller]
fn read<T: DeserializeOwned>(payload: &Payload) -> T {
    good(payload.read(), "payload", &format!("{payload:?}"))
}

#[track_caller]
fn value(payload: &Payload) -> Value {
    read(payload)
}
