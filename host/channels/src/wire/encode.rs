//! What the server says, in both versions.

use bytes::{BufMut as _, Bytes, BytesMut};

use super::{Body, Frame, Ref, Version, events, write_json_string};

/// A message that a client's version cannot carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Version 1 has no binary messages.
    #[error("the client's version has no binary messages")]
    Binary,
    /// A binary frame has one byte for the size of a name.
    #[error("an event or a status has at most 255 bytes in a binary message")]
    TooLong,
}

/// The first byte of a server's binary frame.
#[derive(Clone, Copy)]
enum Kind {
    Push = 0,
    Reply = 1,
    Broadcast = 2,
}

/// Room for brackets, quotes, commas and refs around names and payload.
const AROUND: usize = 64;

impl Version {
    /// The reply to a message.
    ///
    /// # Errors
    /// [`Unfit`] for a binary body that this version cannot carry.
    pub fn reply(
        self,
        join_ref: &Ref,
        reference: &Ref,
        topic: &str,
        status: &str,
        body: &Body,
    ) -> Result<Frame, Unfit> {
        match body {
            Body::Json(json) => Ok(self.reply_text(join_ref, reference, topic, status, json)),
            Body::Binary(_) if self == Self::V1 => Err(Unfit::Binary),
            Body::Binary(data) => {
                let (join_ref, reference) = (join_ref.text(), reference.text());
                binary(Kind::Reply, &[&join_ref, &reference, topic, status], data)
            }
        }
    }

    /// A reply whose body is JSON, which always fits.
    pub(crate) fn reply_text(self, join_ref: &Ref, reference: &Ref, topic: &str, status: &str, json: &str) -> Frame {
        let mut payload = String::with_capacity(json.len() + status.len() + AROUND);
        payload.push_str("{\"status\":");
        write_json_string(status, &mut payload);
        payload.push_str(",\"response\":");
        payload.push_str(json);
        payload.push('}');
        self.text(join_ref, reference, topic, events::REPLY, &payload)
    }

    /// A message to one client.
    ///
    /// # Errors
    /// [`Unfit`] for a binary body that this version cannot carry.
    pub fn push(self, join_ref: &Ref, topic: &str, event: &str, body: &Body) -> Result<Frame, Unfit> {
        match body {
            Body::Json(json) => Ok(self.text(join_ref, &Ref::NULL, topic, event, json)),
            Body::Binary(_) if self == Self::V1 => Err(Unfit::Binary),
            Body::Binary(data) => binary(Kind::Push, &[&join_ref.text(), topic, event], data),
        }
    }

    /// A message to all who have joined a topic; the same for each of them.
    ///
    /// # Errors
    /// [`Unfit`] for a binary body that this version cannot carry.
    pub fn broadcast(self, topic: &str, event: &str, body: &Body) -> Result<Frame, Unfit> {
        match body {
            Body::Json(json) => Ok(self.text(&Ref::NULL, &Ref::NULL, topic, event, json)),
            Body::Binary(_) if self == Self::V1 => Err(Unfit::Binary),
            Body::Binary(data) => binary(Kind::Broadcast, &[topic, event], data),
        }
    }

    /// The end of a channel: [`events::CLOSE`] or [`events::ERROR`], whose ref is the join's.
    pub(crate) fn ended(self, join_ref: &Ref, topic: &str, event: &str) -> Frame {
        self.text(join_ref, join_ref, topic, event, "{}")
    }

    /// A message as text, with the JSON of its payload.
    pub(crate) fn text(self, join_ref: &Ref, reference: &Ref, topic: &str, event: &str, json: &str) -> Frame {
        let mut out = String::with_capacity(json.len() + topic.len() + event.len() + AROUND);
        match self {
            Self::V2 => {
                out.push('[');
                out.push_str(join_ref.json());
                out.push(',');
                out.push_str(reference.json());
                out.push(',');
                write_json_string(topic, &mut out);
                out.push(',');
                write_json_string(event, &mut out);
                out.push(',');
                out.push_str(json);
                out.push(']');
            }
            Self::V1 => {
                out.push_str("{\"topic\":");
                write_json_string(topic, &mut out);
                out.push_str(",\"event\":");
                write_json_string(event, &mut out);
                out.push_str(",\"payload\":");
                out.push_str(json);
                out.push_str(",\"ref\":");
                out.push_str(reference.json());
                out.push('}');
            }
        }
        Frame::Text(out.into())
    }
}

fn binary(kind: Kind, names: &[&str], data: &Bytes) -> Result<Frame, Unfit> {
    let len: usize = names.iter().map(|name| name.len() + 1).sum();
    let mut out = BytesMut::with_capacity(1 + len + data.len());
    out.put_u8(kind as u8);
    for name in names {
        out.put_u8(u8::try_from(name.len()).map_err(|_| Unfit::TooLong)?);
    }
    for name in names {
        out.put_slice(name.as_bytes());
    }
    out.put_slice(data);
    Ok(Frame::Binary(out.freeze()))
}
