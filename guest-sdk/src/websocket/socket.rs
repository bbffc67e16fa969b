//! The client's side of a WebSocket, and what anybody in the plugin may say to it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Frame, host};
use crate::{
    __private::bindings::websockets::exports::skep::plugin::websocket_handler::{Action, Closing},
    Result,
    capability::refused,
    presence::Owner,
};

/// Names one WebSocket for as long as it is open, and is never given twice. It is text: whoever it is sent to, in this plugin,
/// may say something to the client.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WebSocketId(String);

impl WebSocketId {
    /// The id as the host gave it.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Says something to the client.
    ///
    /// # Errors
    /// [`NotFound`](crate::CapabilityError::NotFound) if it is closed, and [`TooLarge`](crate::CapabilityError::TooLarge).
    pub fn send(&self, frame: impl Into<Frame>) -> Result<()> {
        host::send(&self.0, &frame.into().to_host())
            .map_err(|error| refused(error, format!("sending to the WebSocket `{self}`")))
    }

    /// Closes it, when what waits is written. The code is 1000, or 3000 to 4999; the reason has at most 123 bytes.
    ///
    /// # Errors
    /// As [`send`](Self::send), and [`Invalid`](crate::CapabilityError::Invalid) for any other code.
    pub fn close(&self, code: u16, reason: &str) -> Result<()> {
        host::close(&self.0, code, reason).map_err(|error| refused(error, format!("closing the WebSocket `{self}`")))
    }
}

impl fmt::Display for WebSocketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A WebSocket may own presences: they go when it is closed.
impl From<&WebSocketId> for Owner {
    fn from(socket: &WebSocketId) -> Self {
        Self::new(socket.as_str())
    }
}

/// The client's side of a WebSocket: the last argument of its functions, `socket: &mut WebSocket`, for those that want it. What
/// is done is done in that order when the function returns, and not at all if it crashes.
pub struct WebSocket {
    id: WebSocketId,
    pub(super) actions: Vec<Action>,
    pub(super) close: Option<(u16, String)>,
}

impl WebSocket {
    pub(super) fn new(id: String) -> Self {
        Self { id: WebSocketId::new(id), actions: Vec::new(), close: None }
    }

    /// Names it, for whoever is to say something to its client.
    #[must_use]
    pub fn id(&self) -> &WebSocketId {
        &self.id
    }

    /// Says something to the client.
    pub fn send(&mut self, frame: impl Into<Frame>) {
        self.actions.push(Action::Send(frame.into().into()));
    }

    /// Says a value to the client, as JSON text.
    ///
    /// # Errors
    /// When the value does not encode.
    pub fn send_json<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<()> {
        self.send(Frame::json(value)?);
        Ok(())
    }

    /// Lets `handle_info` hear what is published on one more topic, or on all that begin as `"orders:*"`. The manifest grants those
    /// of other plugins.
    pub fn subscribe(&mut self, topics: &str) {
        self.actions.push(Action::Subscribe(topics.to_owned()));
    }

    /// No more of that, written as it was in [`subscribe`](Self::subscribe).
    pub fn unsubscribe(&mut self, topics: &str) {
        self.actions.push(Action::Unsubscribe(topics.to_owned()));
    }

    /// Closes it, when what waits is written. The code is 1000, or 3000 to 4999; the reason has at most 123 bytes.
    pub fn close(&mut self, code: u16, reason: impl Into<String>) {
        self.close = Some((code, reason.into()));
    }

    /// This socket as an owner of presences: what is tracked with it goes when it is closed.
    #[must_use]
    pub fn owner(&self) -> Owner {
        Owner::from(&self.id)
    }

    pub(super) fn done(self) -> Vec<Action> {
        let Self { mut actions, close, .. } = self;
        actions.extend(close.map(|(code, reason)| Action::Close(Closing { code, reason })));
        actions
    }
}

impl fmt::Debug for WebSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket").field("id", &self.id).finish_non_exhaustive()
    }
}
