//! A message as a channel takes it: an enum whose variants are the events.

use std::fmt;

use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer, VariantAccess, Visitor,
    value::StrDeserializer,
};

use super::{Payload, payload::invalid};
use crate::{Error, Result};

/// A message, with its event: of a client, or a broadcast that the channel intercepts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Incoming {
    /// What happened.
    pub event: String,
    /// What belongs to it.
    pub payload: Payload,
}

impl Incoming {
    pub(crate) fn new(event: String, payload: Payload) -> Self {
        Self { event, payload }
    }

    /// The message as an enum whose variant has the event's name: what `handle_in(&mut self, message: In)` takes.
    ///
    /// ```
    /// use serde::Deserialize;
    ///
    /// #[derive(Deserialize)]
    /// #[serde(rename_all = "snake_case")]
    /// enum In {
    ///     NewMsg { body: String },            // "new_msg" with {"body": "hi"}
    ///     Typing(bool),                       // "typing" with true
    ///     Leaving,                            // "leaving" with whatever
    /// }
    /// ```
    ///
    /// Any other type is read from an object with `event` and `payload`.
    ///
    /// # Errors
    /// As of [`unknown_event`] if no variant has the event's name; [`Payload::read`]'s if its payload does not fit.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T> {
        T::deserialize(Read(self)).map_err(|error| match error {
            Misfit::Event(_) => unknown_event(&self.event),
            Misfit::Payload(why) => invalid(why),
        })
    }

    fn text(&self) -> Result<&str, Misfit> {
        match &self.payload {
            Payload::Json(text) if text.is_empty() => Ok("{}"),
            Payload::Json(text) => Ok(text),
            Payload::Binary(_) => Err(Misfit::custom("it is binary")),
        }
    }
}

/// An event that the channel does not know. Returned as an error it ends the channel, which the client sees as `phx_error`:
/// so it is in Phoenix, where no function clause matches.
pub fn unknown_event(event: &str) -> Error {
    UnknownEvent(crate::capability::shown(event)).into()
}

/// In the error that [`unknown_event`] makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UnknownEvent(String);

impl fmt::Display for UnknownEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the channel knows no event `{}`", self.0)
    }
}

impl std::error::Error for UnknownEvent {}

/// What `handle_in` and `handle_out` take where they take no event: an enum whose variants are the events, or [`Incoming`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not what a channel takes",
    label = "what a client says cannot become this",
    note = "a channel takes an enum that implements `serde::de::DeserializeOwned` and whose variants are the events, or `channel::Incoming`; or the event as `&str`, and then what belongs to it"
)]
pub trait FromIncoming: Sized {
    /// Makes the value.
    ///
    /// # Errors
    /// As [`Incoming::read`].
    fn from_incoming(message: Incoming) -> Result<Self>;
}

impl<T: DeserializeOwned> FromIncoming for T {
    fn from_incoming(message: Incoming) -> Result<Self> {
        message.read()
    }
}

impl FromIncoming for Incoming {
    fn from_incoming(message: Incoming) -> Result<Self> {
        Ok(message)
    }
}

/// What does not fit.
#[derive(Debug)]
enum Misfit {
    Event(String),
    Payload(String),
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Event(why) | Self::Payload(why)) = self;
        f.write_str(why)
    }
}

impl std::error::Error for Misfit {}

impl serde::de::Error for Misfit {
    fn custom<T: fmt::Display>(why: T) -> Self {
        Self::Payload(why.to_string())
    }
}

impl From<serde_json::Error> for Misfit {
    fn from(error: serde_json::Error) -> Self {
        Self::Payload(error.to_string())
    }
}

/// The message as serde reads it, without a value in between.
struct Read<'a>(&'a Incoming);

impl<'de> Deserializer<'de> for Read<'de> {
    type Error = Misfit;

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        visitor.visit_enum(self)
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        let payload: serde_json::Value = serde_json::from_str(self.0.text()?)?;
        let whole = serde_json::json!({"event": self.0.event, "payload": payload});
        Ok(whole.deserialize_any(visitor)?)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

impl<'de> EnumAccess<'de> for Read<'de> {
    type Error = Misfit;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Misfit> {
        let event: StrDeserializer<'_, Misfit> = self.0.event.as_str().into_deserializer();
        let variant = seed.deserialize(event).map_err(|error| Misfit::Event(error.to_string()))?;
        Ok((variant, self))
    }
}

impl<'de> VariantAccess<'de> for Read<'de> {
    type Error = Misfit;

    /// Clients always say something, if only `{}`.
    fn unit_variant(self) -> Result<(), Misfit> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Misfit> {
        json(self.0.text()?, |json| seed.deserialize(json))
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Misfit> {
        json(self.0.text()?, |json| json.deserialize_tuple(length, visitor))
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Misfit> {
        json(self.0.text()?, |json| json.deserialize_struct("", fields, visitor))
    }
}

/// Reads all of a JSON text.
fn json<'de, T>(
    text: &'de str,
    read: impl FnOnce(&mut serde_json::Deserializer<serde_json::de::StrRead<'de>>) -> serde_json::Result<T>,
) -> Result<T, Misfit> {
    let mut json = serde_json::Deserializer::from_str(text);
    let value = read(&mut json)?;
    json.end()?;
    Ok(value)
}
