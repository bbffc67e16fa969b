//! What is said over a channel, beside the event's name.

use std::fmt;

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    __private::bindings::{
        channels::exports::skep::plugin::channel_handler as handler, imports::skep::plugin::channel as host,
    },
    Bytes, Error, Result, StatusCode, codec,
};

/// What is said over a channel, as it is: JSON text, or bytes.
#[derive(Clone, PartialEq, Eq)]
pub enum Payload {
    /// JSON text.
    Json(String),
    /// Bytes, of clients that send an `ArrayBuffer`.
    Binary(Bytes),
}

impl Payload {
    /// A value as JSON.
    ///
    /// # Errors
    /// When the value does not encode.
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<Self> {
        Ok(Self::Json(serde_json::to_string(value)?))
    }

    /// The value in it. What takes nothing is read from `{}`, too.
    ///
    /// # Errors
    /// When it is not JSON, or no `T`. The client is told why, as of any [`Error`] with a message.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T> {
        let read = match self {
            Self::Json(text) if text.is_empty() => codec::from_payload(b"{}"),
            Self::Json(text) => codec::from_payload(text.as_bytes()),
            Self::Binary(_) => Err("it is binary".into()),
        };
        read.map_err(|error| invalid(error.to_string()))
    }

    /// The same as bytes, text or not.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Json(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }

    pub(crate) fn to_host(&self) -> host::Body {
        match self {
            Self::Json(text) => host::Body::Json(text.clone()),
            Self::Binary(bytes) => host::Body::Binary(bytes.to_vec()),
        }
    }
}

/// What a client has said that cannot be read.
pub(crate) fn invalid(why: String) -> Error {
    Error::new(StatusCode::BAD_REQUEST, why).code("invalid-payload")
}

/// `{}`.
impl Default for Payload {
    fn default() -> Self {
        Self::Json(String::new())
    }
}

impl From<Bytes> for Payload {
    fn from(bytes: Bytes) -> Self {
        Self::Binary(bytes)
    }
}

impl From<Vec<u8>> for Payload {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Binary(bytes.into())
    }
}

impl From<handler::Body> for Payload {
    fn from(body: handler::Body) -> Self {
        match body {
            handler::Body::Json(text) => Self::Json(text),
            handler::Body::Binary(bytes) => Self::Binary(bytes.into()),
        }
    }
}

impl From<Payload> for handler::Body {
    fn from(payload: Payload) -> Self {
        match payload {
            Payload::Json(text) => Self::Json(text),
            Payload::Binary(bytes) => Self::Binary(bytes.into()),
        }
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(text) => f.write_str(if text.is_empty() { "{}" } else { text }),
            Self::Binary(bytes) => bytes.fmt(f),
        }
    }
}

/// What `join` takes, and the others beside the event's name: any serde type, which is read from JSON, or the [`Payload`]
/// itself.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not what a channel takes",
    label = "what a client says cannot become this",
    note = "a channel takes any type that implements `serde::de::DeserializeOwned`, or `channel::Payload`, which may be binary"
)]
pub trait FromPayload: Sized {
    /// Makes the value.
    ///
    /// # Errors
    /// When it is no such value.
    fn from_payload(payload: Payload) -> Result<Self>;
}

impl<T: DeserializeOwned> FromPayload for T {
    fn from_payload(payload: Payload) -> Result<Self> {
        payload.read()
    }
}

impl FromPayload for Payload {
    fn from_payload(payload: Payload) -> Result<Self> {
        Ok(payload)
    }
}
