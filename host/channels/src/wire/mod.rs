//! What goes over the wire: Phoenix's serializers, as plain functions over bytes.
//!
//! A payload that is JSON stays text: it is checked where it comes in, cut out, and written into the next frame as it is.

mod encode;
mod json;
mod reference;
mod v1;
mod v2;
mod version;

use bytes::Bytes;

pub use encode::Unfit;
pub(crate) use json::{check as check_json, string as write_json_string};
pub use reference::{REF_BYTES_MAX, Ref};
pub use version::{UnknownVersion, Version};

/// Events that the protocol itself uses.
pub(crate) mod events {
    pub(crate) const JOIN: &str = "phx_join";
    pub(crate) const LEAVE: &str = "phx_leave";
    pub(crate) const REPLY: &str = "phx_reply";
    pub(crate) const CLOSE: &str = "phx_close";
    pub(crate) const ERROR: &str = "phx_error";
    pub(crate) const HEARTBEAT: &str = "heartbeat";
    /// A broadcast of this on the name of a socket closes it.
    pub(crate) const DISCONNECT: &str = "disconnect";
}

/// The topic of heartbeats.
pub(crate) const PHOENIX: &str = "phoenix";

/// A frame of a transport: a whole message, whatever pieces it came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// UTF-8: whoever makes a frame of a client's bytes has checked that.
    Text(Bytes),
    /// Bytes.
    Binary(Bytes),
}

impl Frame {
    /// What is in it.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        match self {
            Self::Text(bytes) | Self::Binary(bytes) => bytes,
        }
    }
}

/// What a message carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// The text of one JSON value.
    Json(String),
    /// Bytes.
    Binary(Bytes),
}

impl Body {
    /// `{}`, as Phoenix sends where there is nothing to say.
    #[must_use]
    pub fn empty() -> Self {
        Self::Json("{}".to_owned())
    }

    /// How many bytes it has.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Json(text) => text.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }

    /// Whether it has no bytes; JSON always has some.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A message of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incoming {
    /// The ref of the join that it belongs to.
    pub join_ref: Ref,
    /// Its own ref, which the reply repeats.
    pub reference: Ref,
    /// The topic.
    pub topic: String,
    /// What happens there.
    pub event: String,
    /// With what.
    pub body: Body,
}

/// A frame that is no message of the protocol: the socket closes with 1011, as Phoenix's does when its serializer raises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no message of the channel protocol: {0}")]
pub struct Malformed(pub &'static str);

impl Version {
    /// Reads a frame of a client.
    ///
    /// # Errors
    /// [`Malformed`] if it is no message of this version.
    pub fn decode(self, frame: &Frame) -> Result<Incoming, Malformed> {
        match (self, frame) {
            (Self::V1, Frame::Text(bytes)) => v1::decode(bytes),
            (Self::V1, Frame::Binary(_)) => Err(Malformed("version 1 has no binary messages")),
            (Self::V2, Frame::Text(bytes)) => v2::decode_text(bytes),
            (Self::V2, Frame::Binary(bytes)) => v2::decode_binary(bytes),
        }
    }
}
