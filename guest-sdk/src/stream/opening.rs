//! What the host says of a stream that is about to open.

use serde::Serialize;

use crate::{
    FromRequest, Rejection, Request, Result, StatusCode,
    presence::{self, Owner},
};

/// The stream that a client asks for. Take it as an argument of a function under
/// [`#[skep::event_stream]`](crate::skep::event_stream).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Opening {
    /// The stream as an owner of presences: what is tracked with it goes when the client does.
    pub stream: Owner,
    /// The topic of the route, with the request's captures in it.
    pub topic: String,
    /// What the client has seen last, if it was here before.
    pub last_event_id: Option<String>,
}

impl Opening {
    pub(super) fn new(stream: Owner, topic: String, last_event_id: Option<String>) -> Self {
        Self { stream, topic, last_event_id }
    }

    /// Says in the stream's topic that a key is there, for as long as the client is. Returns the reference that names
    /// this presence in diffs.
    ///
    /// # Errors
    /// As [`presence::track`].
    pub fn track<T: Serialize + ?Sized>(&self, key: &str, data: &T) -> Result<String> {
        presence::track(&self.stream, &self.topic, key, data)
    }
}

impl FromRequest for Opening {
    type Rejection = Rejection;

    fn from_request(request: &Request) -> Result<Self, Rejection> {
        request.extensions().get::<Self>().cloned().ok_or_else(|| {
            let text = "this route leads to a handler that wants to open an event stream";
            Rejection::new(StatusCode::INTERNAL_SERVER_ERROR, "no-event-stream", text)
        })
    }
}
