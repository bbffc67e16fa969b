//! Version 2: `[join_ref, ref, topic, event, payload]`, and binary pushes.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{Body, Incoming, Malformed, Ref};

/// The first byte of a client's binary frame.
const PUSH: u8 = 0;

struct Array<'a> {
    join_ref: &'a RawValue,
    reference: &'a RawValue,
    topic: Cow<'a, str>,
    event: Cow<'a, str>,
    payload: &'a RawValue,
}

#[derive(Deserialize)]
struct Word<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Deserialize<'de> for Array<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ArrayVisitor)
    }
}

struct ArrayVisitor;

impl<'de> Visitor<'de> for ArrayVisitor {
    type Value = Array<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of five")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        fn next<'de, T: Deserialize<'de>, A: SeqAccess<'de>>(seq: &mut A) -> Result<T, A::Error> {
            seq.next_element()?.ok_or_else(|| A::Error::custom("too short"))
        }
        let (join_ref, reference) = (next(&mut seq)?, next(&mut seq)?);
        let (Word(topic), Word(event)) = (next(&mut seq)?, next(&mut seq)?);
        let payload = next(&mut seq)?;
        // More than five are fine with Phoenix.
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Array { join_ref, reference, topic, event, payload })
    }
}

pub(super) fn decode_text(bytes: &[u8]) -> Result<Incoming, Malformed> {
    let array: Array<'_> = serde_json::from_slice(bytes).map_err(|_| Malformed("no message of version 2"))?;
    Ok(Incoming {
        join_ref: Ref::from_json(array.join_ref.get())?,
        reference: Ref::from_json(array.reference.get())?,
        topic: array.topic.into_owned(),
        event: array.event.into_owned(),
        body: Body::Json(array.payload.get().to_owned()),
    })
}

/// `0, sizes of join_ref, ref, topic and event | those | data`.
pub(super) fn decode_binary(bytes: &Bytes) -> Result<Incoming, Malformed> {
    const SHORT: Malformed = Malformed("a binary frame that is too short");
    let (&[kind, join_ref, reference, topic, event], mut rest) = bytes.split_first_chunk().ok_or(SHORT)?;
    if kind != PUSH {
        return Err(Malformed("a binary frame that is no push"));
    }
    let mut take = |size: u8| {
        let (head, tail) = rest.split_at_checked(size.into()).ok_or(SHORT)?;
        rest = tail;
        std::str::from_utf8(head).map_err(|_| Malformed("a binary frame whose names are no text"))
    };
    let (join_ref, reference) = (Ref::from_text(take(join_ref)?)?, Ref::from_text(take(reference)?)?);
    let (topic, event) = (take(topic)?.to_owned(), take(event)?.to_owned());
    let data = bytes.slice(bytes.len() - rest.len()..);
    Ok(Incoming { join_ref, reference, topic, event, body: Body::Binary(data) })
}
