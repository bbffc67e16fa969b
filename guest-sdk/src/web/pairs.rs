//! Serde over names and values that are all text: captures, queries, forms.
//!
//! `serde_urlencoded` would do for queries; this does for captures too, knows in which field it failed, and takes a
//! name that stands more than once as a sequence.

use std::{borrow::Cow, fmt, vec};

use serde::{
    Deserializer,
    de::{self, DeserializeSeed, IntoDeserializer, Visitor, value::StrDeserializer},
    forward_to_deserialize_any,
};

type Pair<'de> = (Cow<'de, str>, Cow<'de, str>);

/// All of them. Names fill a struct or a map, positions fill a tuple, a single one fills a single value.
pub(crate) struct Pairs<'de>(Vec<Pair<'de>>);

impl<'de> Pairs<'de> {
    pub(crate) fn new(pairs: Vec<Pair<'de>>) -> Self {
        Self(pairs)
    }

    fn single(mut self) -> Result<(Cow<'de, str>, Values<'de>), Error> {
        match (self.0.pop(), self.0.len()) {
            (Some((name, value)), 0) => Ok((name, Values(vec![value]))),
            (_, others) => {
                let count = if others == 0 { 0 } else { others + 1 };
                Err(de::Error::custom(format_args!("it takes 1 value, and there are {count}")))
            }
        }
    }
}

/// What went wrong, and under which name.
#[derive(Debug)]
pub(crate) struct Error {
    name: Option<String>,
    message: String,
}

impl Error {
    /// Whether a value is at fault, and not the set of names.
    pub(crate) fn is_about_a_value(&self) -> bool {
        self.name.is_some()
    }

    /// The message, with the name behind what such names are called.
    pub(crate) fn describe(&self, called: &str) -> String {
        match &self.name {
            Some(name) => format!("{called} `{name}`: {}", self.message),
            None => self.message.clone(),
        }
    }

    fn at(mut self, name: &str) -> Self {
        self.name.get_or_insert_with(|| name.to_owned());
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { name: None, message: message.to_string() }
    }
}

macro_rules! single {
    ($($method:ident $(($($arg:ident: $ty:ty),*))?;)*) => {$(
        fn $method<V: Visitor<'de>>(self, $($($arg: $ty,)*)? visitor: V) -> Result<V::Value, Error> {
            let (name, value) = self.single()?;
            value.$method($($($arg,)*)? visitor).map_err(|error| error.at(&name))
        }
    )*};
}

impl<'de> Deserializer<'de> for Pairs<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_map(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        // Sorted, one name's values lie together; the sort is stable, so they stay in order.
        self.0.sort_by(|(a, _), (b, _)| a.cmp(b));
        visitor.visit_map(ByName { pairs: self.0.into_iter(), current: None })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_map(visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(ByPosition(self.0.into_iter()))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Error> {
        if len != self.0.len() {
            return Err(de::Error::custom(format_args!("it takes {len} values, and there are {}", self.0.len())));
        }
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_tuple(len, visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.0.is_empty() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    single! {
        deserialize_bool; deserialize_char; deserialize_str; deserialize_string;
        deserialize_i8; deserialize_i16; deserialize_i32; deserialize_i64; deserialize_i128;
        deserialize_u8; deserialize_u16; deserialize_u32; deserialize_u64; deserialize_u128;
        deserialize_f32; deserialize_f64;
        deserialize_enum(name: &'static str, variants: &'static [&'static str]);
    }

    forward_to_deserialize_any! { bytes byte_buf unit_struct identifier ignored_any }
}

struct ByName<'de> {
    pairs: vec::IntoIter<Pair<'de>>,
    current: Option<(Cow<'de, str>, Values<'de>)>,
}

impl<'de> de::MapAccess<'de> for ByName<'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some((name, first)) = self.pairs.next() else { return Ok(None) };
        let mut values = vec![first];
        while self.pairs.as_slice().first().is_some_and(|(next, _)| *next == name) {
            values.extend(self.pairs.next().map(|(_, value)| value));
        }
        let (name, _) = self.current.insert((name, Values(values)));
        seed.deserialize(StrDeserializer::new(name)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Error> {
        let (name, values) =
            self.current.take().ok_or_else(|| <Error as de::Error>::custom("a value before its name"))?;
        seed.deserialize(values).map_err(|error| error.at(&name))
    }
}

struct ByPosition<'de>(vec::IntoIter<Pair<'de>>);

impl<'de> de::SeqAccess<'de> for ByPosition<'de> {
    type Error = Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        let Some((name, value)) = self.0.next() else { return Ok(None) };
        seed.deserialize(Values(vec![value])).map(Some).map_err(|error| error.at(&name))
    }
}

/// The values of one name, never none. As a sequence all of them, else the last.
struct Values<'de>(Vec<Cow<'de, str>>);

impl<'de> Values<'de> {
    fn last(mut self) -> Cow<'de, str> {
        self.0.pop().unwrap_or_default()
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident $ty:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            let value = self.last();
            let number = value.parse::<$ty>().map_err(|_| {
                let (min, max) = ($ty::MIN, $ty::MAX);
                <Error as de::Error>::custom(format_args!("`{value}` is not a whole number from {min} to {max}"))
            })?;
            visitor.$visit(number)
        }
    )*};
}

macro_rules! floats {
    ($($method:ident $visit:ident $ty:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            let value = self.last();
            let number = value.parse::<$ty>();
            visitor.$visit(number.map_err(|_| <Error as de::Error>::custom(format_args!("`{value}` is not a number")))?)
        }
    )*};
}

impl<'de> Deserializer<'de> for Values<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.last() {
            Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
            Cow::Owned(text) => visitor.visit_string(text),
        }
    }

    numbers! {
        deserialize_i8 visit_i8 i8
        deserialize_i16 visit_i16 i16
        deserialize_i32 visit_i32 i32
        deserialize_i64 visit_i64 i64
        deserialize_i128 visit_i128 i128
        deserialize_u8 visit_u8 u8
        deserialize_u16 visit_u16 u16
        deserialize_u32 visit_u32 u32
        deserialize_u64 visit_u64 u64
        deserialize_u128 visit_u128 u128
    }

    floats! {
        deserialize_f32 visit_f32 f32
        deserialize_f64 visit_f64 f64
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let value = self.last();
        match &*value {
            "true" => visitor.visit_bool(true),
            "false" => visitor.visit_bool(false),
            _ => Err(de::Error::custom(format_args!("`{value}` is neither `true` nor `false`"))),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.0.iter().all(|value| value.is_empty()) { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(de::value::SeqDeserializer::new(self.0.into_iter().map(One)))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_enum(self.last().into_deserializer())
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! { char str string bytes byte_buf map struct identifier ignored_any }
}

struct One<'de>(Cow<'de, str>);

impl<'de> IntoDeserializer<'de, Error> for One<'de> {
    type Deserializer = Values<'de>;

    fn into_deserializer(self) -> Values<'de> {
        Values(vec![self.0])
    }
}
