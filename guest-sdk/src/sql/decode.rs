//! Rows and values as serde reads them.

use std::fmt;

use serde::{
    Deserializer,
    de::{
        self, DeserializeOwned, DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess, Visitor,
        value::{SeqDeserializer, StringDeserializer},
    },
    forward_to_deserialize_any,
};

use super::{Value, host};

/// A row, or a value of it, does not fit its type.
#[derive(Debug)]
pub(super) struct DecodeError {
    column: Option<String>,
    why: String,
}

impl DecodeError {
    fn in_column(self, column: &str) -> Self {
        Self { column: Some(self.column.unwrap_or_else(|| column.to_owned())), ..self }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.column {
            Some(column) => write!(f, "column `{column}`: {}", self.why),
            None => f.write_str(&self.why),
        }
    }
}

impl std::error::Error for DecodeError {}

impl de::Error for DecodeError {
    fn custom<T: fmt::Display>(why: T) -> Self {
        Self { column: None, why: why.to_string() }
    }
}

type Result<T> = std::result::Result<T, DecodeError>;

/// A value out of a row.
pub(super) fn row<T: DeserializeOwned>(columns: &[String], values: Vec<host::Value>) -> Result<T> {
    T::deserialize(RowDeserializer { columns, values: values.into_iter() })
}

/// A value out of one column.
pub(super) fn value<T: DeserializeOwned>(value: Value, column: &str) -> Result<T> {
    T::deserialize(ValueDeserializer(value)).map_err(|error| error.in_column(column))
}

/// A row: a map to who asks for names, a sequence to who asks for places, its one column to everybody else.
struct RowDeserializer<'a> {
    columns: &'a [String],
    values: std::vec::IntoIter<host::Value>,
}

impl RowDeserializer<'_> {
    /// The one column that there is.
    fn single<'de, V: Visitor<'de>>(
        mut self,
        visitor: V,
        visit: impl FnOnce(ValueDeserializer, V) -> Result<V::Value>,
    ) -> Result<V::Value> {
        match (self.columns, self.values.next()) {
            ([column], Some(value)) => {
                visit(ValueDeserializer(value.into()), visitor).map_err(|error| error.in_column(column))
            }
            _ => Err(de::Error::custom(format!(
                "the row has {} columns: read it as a struct, a tuple or a `Row`",
                self.columns.len()
            ))),
        }
    }

    fn is_single_blob(&self) -> bool {
        matches!(self.values.as_slice(), [host::Value::Blob(_)])
    }
}

/// The one column, by the method of the same name.
macro_rules! singles {
    ($($method:ident)+) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            self.single(visitor, |value, visitor| value.$method(visitor))
        }
    )+};
}

impl<'de> Deserializer<'de> for RowDeserializer<'_> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.deserialize_map(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_map(Columns { row: self, value: None })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        self.deserialize_map(visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        // Bytes are a list of numbers to serde.
        if self.is_single_blob() {
            return self.single(visitor, Deserializer::deserialize_seq);
        }
        visitor.visit_seq(Places { row: self, at: 0 })
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value> {
        if len != self.columns.len() && !self.is_single_blob() {
            let columns = self.columns.len();
            return Err(de::Error::custom(format!("the row has {columns} columns, and {len} are wanted")));
        }
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(self, _: &'static str, len: usize, visitor: V) -> Result<V::Value> {
        self.deserialize_tuple(len, visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.columns {
            [_] => self.single(visitor, Deserializer::deserialize_option),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        self.single(visitor, |value, visitor| value.deserialize_enum(name, variants, visitor))
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value> {
        visitor.visit_unit()
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        visitor.visit_unit()
    }

    singles! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128 deserialize_f32
        deserialize_f64 deserialize_char deserialize_str deserialize_string deserialize_bytes
        deserialize_byte_buf deserialize_identifier
    }
}

struct Columns<'a> {
    row: RowDeserializer<'a>,
    value: Option<(&'a str, host::Value)>,
}

impl<'de> MapAccess<'de> for Columns<'_> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        let Some((column, columns)) = self.row.columns.split_first() else { return Ok(None) };
        self.row.columns = columns;
        self.value = self.row.values.next().map(|value| (column.as_str(), value));
        seed.deserialize(column.as_str().into_deserializer()).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value> {
        let Some((column, value)) = self.value.take() else { return Err(de::Error::custom("the row is too short")) };
        seed.deserialize(ValueDeserializer(value.into())).map_err(|error| error.in_column(column))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.row.columns.len())
    }
}

struct Places<'a> {
    row: RowDeserializer<'a>,
    at: usize,
}

impl<'de> SeqAccess<'de> for Places<'_> {
    type Error = DecodeError;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>> {
        let Some(value) = self.row.values.next() else { return Ok(None) };
        let column = self.row.columns.get(self.at).map_or("", String::as_str);
        self.at += 1;
        seed.deserialize(ValueDeserializer(value.into())).map_err(|error| error.in_column(column)).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.row.values.len())
    }
}

/// One value. A number is read from text too, because that is how PostgreSQL's `numeric` comes; a boolean from 0 and 1, because
/// SQLite has no other.
struct ValueDeserializer(Value);

/// A number, also from its text.
macro_rules! numbers {
    ($($method:ident $visit:ident $number:ty)+) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
            if let Value::Text(text) = &self.0
                && let Ok(number) = text.parse::<$number>()
            {
                return visitor.$visit(number);
            }
            self.deserialize_any(visitor)
        }
    )+};
}

impl<'de> Deserializer<'de> for ValueDeserializer {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Boolean(value) => visitor.visit_bool(value),
            Value::Integer(value) => visitor.visit_i64(value),
            Value::Real(value) => visitor.visit_f64(value),
            Value::Text(value) => visitor.visit_string(value),
            Value::Blob(value) => visitor.visit_byte_buf(value),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.0 {
            Value::Integer(0) => visitor.visit_bool(false),
            Value::Integer(1) => visitor.visit_bool(true),
            _ => self.deserialize_any(visitor),
        }
    }

    numbers! {
        deserialize_i8 visit_i64 i64
        deserialize_i16 visit_i64 i64
        deserialize_i32 visit_i64 i64
        deserialize_i64 visit_i64 i64
        deserialize_i128 visit_i128 i128
        deserialize_u8 visit_u64 u64
        deserialize_u16 visit_u64 u64
        deserialize_u32 visit_u64 u64
        deserialize_u64 visit_u64 u64
        deserialize_u128 visit_u128 u128
        deserialize_f32 visit_f64 f64
        deserialize_f64 visit_f64 f64
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        match self.0 {
            Value::Blob(bytes) => visitor.visit_seq(SeqDeserializer::new(bytes.into_iter())),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(self, _: &'static str, _: usize, visitor: V) -> Result<V::Value> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        match self.0 {
            Value::Text(text) => visitor.visit_enum(StringDeserializer::new(text)),
            _ => self.deserialize_any(visitor),
        }
    }

    forward_to_deserialize_any! {
        char str string bytes byte_buf unit unit_struct map struct identifier ignored_any
    }
}
