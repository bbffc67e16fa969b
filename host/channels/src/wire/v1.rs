//! Version 1: `{"topic":..,"event":..,"payload":..,"ref":..}`, for clients that send no `vsn`.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Body, Incoming, Malformed, Ref};

#[derive(Deserialize)]
struct Object<'a> {
    #[serde(borrow)]
    topic: Cow<'a, str>,
    #[serde(borrow)]
    event: Cow<'a, str>,
    #[serde(borrow)]
    payload: &'a RawValue,
    #[serde(borrow, rename = "ref")]
    reference: &'a RawValue,
    #[serde(borrow, default)]
    join_ref: Option<&'a RawValue>,
}

pub(super) fn decode(bytes: &[u8]) -> Result<Incoming, Malformed> {
    // An array would be taken for the fields of the object in order.
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return Err(Malformed("no JSON object"));
    }
    let object: Object<'_> = serde_json::from_slice(bytes).map_err(|_| Malformed("no message of version 1"))?;
    Ok(Incoming {
        join_ref: object.join_ref.map_or(Ok(Ref::NULL), |raw| Ref::from_json(raw.get()))?,
        reference: Ref::from_json(object.reference.get())?,
        topic: object.topic.into_owned(),
        event: object.event.into_owned(),
        body: Body::Json(object.payload.get().to_owned()),
    })
}
