//! What is said over a WebSocket.

use std::fmt;

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    __private::bindings::{
        imports::skep::plugin::websocket as host, websockets::exports::skep::plugin::websocket_handler as wit,
    },
    Bytes, Error, Result, StatusCode, codec,
};

/// A message over a WebSocket: text, or bytes.
#[derive(Clone, PartialEq, Eq)]
pub enum Frame {
    /// Text.
    Text(String),
    /// Bytes.
    Binary(Bytes),
}

impl Frame {
    /// A value as JSON text.
    ///
    /// # Errors
    /// When the value does not encode.
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<Self> {
        serde_json::to_string(value).map(Self::Text).map_err(|error| Error::from(error).context("writing a message"))
    }

    /// The value of a JSON text.
    ///
    /// # Errors
    /// When it is binary, not JSON, or no `T`.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T> {
        let read = match self {
            Self::Text(text) => codec::from_json(text.as_bytes()),
            Self::Binary(_) => Err("it is binary".into()),
        };
        read.map_err(|error| Error::new(StatusCode::BAD_REQUEST, error.to_string()).code("invalid-message"))
    }

    /// The same as bytes, text or not.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }

    pub(super) fn to_host(&self) -> host::Message {
        match self {
            Self::Text(text) => host::Message::Text(text.clone()),
            Self::Binary(bytes) => host::Message::Binary(bytes.to_vec()),
        }
    }
}

impl From<String> for Frame {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Frame {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<Bytes> for Frame {
    fn from(bytes: Bytes) -> Self {
        Self::Binary(bytes)
    }
}

impl From<Vec<u8>> for Frame {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Binary(bytes.into())
    }
}

impl From<wit::Message> for Frame {
    fn from(message: wit::Message) -> Self {
        match message {
            wit::Message::Text(text) => Self::Text(text),
            wit::Message::Binary(bytes) => Self::Binary(bytes.into()),
        }
    }
}

impl From<Frame> for wit::Message {
    fn from(frame: Frame) -> Self {
        match frame {
            Frame::Text(text) => Self::Text(text),
            Frame::Binary(bytes) => Self::Binary(bytes.into()),
        }
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => text.fmt(f),
            Self::Binary(bytes) => bytes.fmt(f),
        }
    }
}

/// What `message` takes: any serde type, which is read from JSON text, or the [`Frame`] itself.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not what a WebSocket takes",
    label = "what a client says cannot become this",
    note = "a WebSocket takes any type that implements `serde::de::DeserializeOwned`, from JSON text, or `websocket::Frame`"
)]
pub trait FromFrame: Sized {
    /// Makes the value.
    ///
    /// # Errors
    /// When it is no such value.
    fn from_frame(frame: Frame) -> Result<Self>;
}

impl<T: DeserializeOwned> FromFrame for T {
    fn from_frame(frame: Frame) -> Result<Self> {
        frame.read()
    }
}

impl FromFrame for Frame {
    fn from_frame(frame: Frame) -> Result<Self> {
        Ok(frame)
    }
}
