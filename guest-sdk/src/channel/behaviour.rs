//! What `#[skep::channel]` makes of a type.

use serde::Serialize;

use super::{End, Incoming, Payload, Reply, Socket};
use crate::{Error, Json, Result, process::State, pubsub::Message};

/// A channel as a type, which [`#[skep::channel]`](crate::skep::channel) makes of the one that holds what it remembers.
///
/// Its functions are called by the SDK; the author's are those of the `impl` under the attribute.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no channel",
    label = "there is no `#[skep::channel]` on an `impl` of this",
    note = "in a module under `#[skep::channels]` the `impl` is marked `#[channel(\"room:*\")]`; one elsewhere `#[skep::channel(\"room:*\", part)]`"
)]
#[allow(clippy::missing_errors_doc, reason = "each of them passes on what the author's function returns")]
pub trait Channel: State {
    /// One topic, or all that begin so: `"room:*"`.
    const TOPICS: &'static str;
    /// The name of the kind, where it is a process.
    const NAME: &'static str;
    /// Broadcasts that it is asked about.
    const INTERCEPTS: &'static [&'static str] = &[];
    /// Whether it has `handle_info`.
    const HEARS: bool = false;
    /// Whether it has `terminate`.
    const TERMINATES: bool = false;

    /// `join`.
    fn on_join(params: Payload, socket: &mut Socket) -> Result<Joined<Self>>;

    /// `handle_in`. Without it a channel knows no event.
    fn on_in(&mut self, message: Incoming, _socket: &mut Socket) -> Result<Reply> {
        Err(super::unknown_event(&message.event))
    }

    /// `handle_out`. Without it a broadcast passes as it is.
    fn on_out(&mut self, message: Incoming, socket: &mut Socket) -> Result<()> {
        socket.push_payload(&message.event, message.payload);
        Ok(())
    }

    /// `handle_info`.
    fn on_info(&mut self, _message: Message, _socket: &mut Socket) -> Result<()> {
        Ok(())
    }

    /// `terminate`.
    fn on_terminate(&mut self, _end: &End, _socket: &mut Socket) -> Result<()> {
        Ok(())
    }
}

/// A client has joined: what the channel remembers, and what the client is told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Joined<C> {
    pub(crate) channel: C,
    pub(crate) reply: Payload,
}

impl<C> Joined<C> {
    /// With `{}` for the client.
    pub fn new(channel: C) -> Self {
        Self { channel, reply: Payload::default() }
    }

    /// The same reply, with something made of the value.
    pub fn map<D>(self, make: impl FnOnce(C) -> D) -> Joined<D> {
        Joined { channel: make(self.channel), reply: self.reply }
    }

    /// With JSON or bytes for the client, as they are.
    pub fn reply(mut self, payload: impl Into<Payload>) -> Self {
        self.reply = payload.into();
        self
    }
}

/// What `join` returns: the value, with or without a [`Json`] for the client; a [`Joined`]; or a [`Result`] of these, whose
/// error refuses the client with `{"reason": ..}`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not what a channel of `{C}` begins with",
    label = "a client cannot join with this",
    note = "`join` returns `Self`, `(Self, Json<T>)` with what the client is told, or `Result` of either with an error that `?` can make a `skep_sdk::Error`"
)]
pub trait Joins<C> {
    /// The same for all of them.
    #[allow(clippy::missing_errors_doc, reason = "it passes on what it is given")]
    fn into_joined(self) -> Result<Joined<C>>;
}

impl<C> Joins<C> for C {
    fn into_joined(self) -> Result<Joined<C>> {
        Ok(Joined::new(self))
    }
}

impl<C> Joins<C> for Joined<C> {
    fn into_joined(self) -> Result<Self> {
        Ok(self)
    }
}

impl<C, T: Serialize> Joins<C> for (C, Json<T>) {
    fn into_joined(self) -> Result<Joined<C>> {
        let (channel, Json(value)) = self;
        let reply = Payload::json(&value).map_err(|error| error.context("writing the reply to a join"))?;
        Ok(Joined { channel, reply })
    }
}

impl<C, E: Into<Error>> Joins<C> for Result<C, E> {
    fn into_joined(self) -> Result<Joined<C>> {
        self.map(Joined::new).map_err(Into::into)
    }
}

impl<C, E: Into<Error>> Joins<C> for Result<Joined<C>, E> {
    fn into_joined(self) -> Result<Joined<C>> {
        self.map_err(Into::into)
    }
}

impl<C, T: Serialize, E: Into<Error>> Joins<C> for Result<(C, Json<T>), E> {
    fn into_joined(self) -> Result<Joined<C>> {
        self.map_err(Into::into)?.into_joined()
    }
}
