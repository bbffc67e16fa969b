//! Who may open a WebSocket.

use super::{Frame, WebSocket, WebSocketId};
use crate::{Error, FromRequest, IntoResponse, Rejection, Request, Response, Result, StatusCode};

/// The WebSocket that a client wants to open. Take it as an argument of `open`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Upgrade {
    /// The socket, which may own presences.
    pub socket: WebSocketId,
    /// The protocols that the client offers, in its order.
    pub protocols: Vec<String>,
}

impl Upgrade {
    pub(crate) fn new(socket: String, protocols: Vec<String>) -> Self {
        Self { socket: WebSocketId::new(socket), protocols }
    }
}

impl FromRequest for Upgrade {
    type Rejection = Rejection;

    fn from_request(request: &Request) -> Result<Self, Rejection> {
        request.extensions().get::<Self>().cloned().ok_or_else(|| {
            let text = "this route leads to a handler that wants to open a WebSocket";
            Rejection::new(StatusCode::INTERNAL_SERVER_ERROR, "no-websocket", text)
        })
    }
}

/// The plugin's yes to a client: what is remembered of it, and what it is told first.
#[derive(Debug)]
#[must_use]
pub struct Accepted<S> {
    pub(crate) value: S,
    pub(crate) protocol: Option<String>,
    pub(crate) first: Vec<Frame>,
    pub(crate) topics: Vec<String>,
}

impl<S> Accepted<S> {
    /// With nothing to say yet.
    pub fn new(value: S) -> Self {
        Self { value, protocol: None, first: Vec::new(), topics: Vec::new() }
    }

    /// One of the protocols that the client offers.
    pub fn protocol(mut self, protocol: impl Into<String>) -> Self {
        self.protocol = Some(protocol.into());
        self
    }

    /// Something that the client is told first.
    pub fn first(mut self, frame: impl Into<Frame>) -> Self {
        self.first.push(frame.into());
        self
    }

    /// Lets `handle_info` hear what is published there: see [`WebSocket::subscribe`].
    pub fn subscribe(mut self, topics: impl Into<String>) -> Self {
        self.topics.push(topics.into());
        self
    }

    /// What is done when it is open.
    pub(super) fn perform(first: Vec<Frame>, topics: &[String], socket: &mut WebSocket) {
        topics.iter().for_each(|topics| socket.subscribe(topics));
        first.into_iter().for_each(|frame| socket.send(frame));
    }
}

/// What `open` returns: the value, an [`Accepted`], or a [`Result`] of either, whose error refuses the client with the status
/// that a handler's error has.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say whether a WebSocket of `{S}` opens",
    label = "the host cannot open a WebSocket with this",
    note = "`open` returns `Self`, `Accepted<Self>`, or `Result` of either; an `Err` refuses the client: any error that `?` takes"
)]
pub trait Opens<S> {
    /// Yes, or the answer to the client that is refused.
    #[allow(clippy::result_large_err, clippy::missing_errors_doc, reason = "it passes on what it is given")]
    fn into_accepted(self) -> Result<Accepted<S>, Response>;
}

impl<S> Opens<S> for S {
    fn into_accepted(self) -> Result<Accepted<S>, Response> {
        Ok(Accepted::new(self))
    }
}

impl<S> Opens<S> for Accepted<S> {
    fn into_accepted(self) -> Result<Self, Response> {
        Ok(self)
    }
}

impl<S, E: Into<Error>> Opens<S> for Result<S, E> {
    fn into_accepted(self) -> Result<Accepted<S>, Response> {
        self.map(Accepted::new).map_err(|error| error.into().into_response())
    }
}

impl<S, E: Into<Error>> Opens<S> for Result<Accepted<S>, E> {
    fn into_accepted(self) -> Result<Accepted<S>, Response> {
        self.map_err(|error| error.into().into_response())
    }
}
