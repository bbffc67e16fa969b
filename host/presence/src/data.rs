//! JSON of a guest, checked once and written out as it came.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use crate::error::Error;

/// The text of a JSON object that has neither `phx_ref` nor `phx_ref_prev`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Data(Box<str>);

const RESERVED: [&str; 2] = ["phx_ref", "phx_ref_prev"];

impl Data {
    /// Checks the text. Members of the reserved names are left out, as Phoenix overwrites them.
    pub(crate) fn new(bytes: &[u8], bytes_max: usize) -> Result<Self, Error> {
        if bytes.len() > bytes_max {
            return Err(Error::TooLarge("the data", bytes_max));
        }
        let invalid = Error::Invalid("the data of a presence is a JSON object");
        let text = std::str::from_utf8(bytes).map_err(|_| invalid.clone())?.trim_ascii();
        let shape: Shape = serde_json::from_str(text).map_err(|_| invalid.clone())?;
        if !shape.reserved {
            return Ok(Self(text.into()));
        }
        let mut object: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(text).map_err(|_| invalid.clone())?;
        object.retain(|name, _| !RESERVED.contains(&name.as_str()));
        Ok(Self(serde_json::Value::Object(object).to_string().into()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands between the braces.
    pub(crate) fn inside(&self) -> &str {
        self.0.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or_default().trim_ascii()
    }
}

/// That a text is an object, and whether it uses reserved names: found without building it.
struct Shape {
    reserved: bool,
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ShapeVisitor)
    }
}

struct ShapeVisitor;

impl<'de> Visitor<'de> for ShapeVisitor {
    type Value = Shape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Shape, A::Error> {
        let mut reserved = false;
        while let Some(Name { reserved: one }) = map.next_key()? {
            reserved |= one;
            map.next_value::<IgnoredAny>()?;
        }
        Ok(Shape { reserved })
    }
}

struct Name {
    reserved: bool,
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(NameVisitor)
    }
}

struct NameVisitor;

impl Visitor<'_> for NameVisitor {
    type Value = Name;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Name, E> {
        Ok(Name { reserved: RESERVED.contains(&name) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_objects_are_data() {
        for bad in ["", "[]", "1", "null", "\"{}\"", "{", "{}x", "{\"a\":}", "{a:1}"] {
            assert!(matches!(Data::new(bad.as_bytes(), 100), Err(Error::Invalid(_))), "{bad}");
        }
        assert!(matches!(Data::new(b"{\"a\":\"\xff\"}", 100), Err(Error::Invalid(_))));
        assert_eq!(Data::new(b"{\"a\": 1}", 7), Err(Error::TooLarge("the data", 7)));
        assert_eq!(Data::new(b"  { \"a\": 1e400 }\n", 100).unwrap().inside(), "\"a\": 1e400");
    }

    #[test]
    fn reserved_names_are_left_out_however_they_are_written() {
        let data = Data::new(br#"{"phx\u005fref":"forged","b":2,"phx_ref_prev":1}"#, 100).unwrap();
        assert_eq!(data.as_str(), r#"{"b":2}"#);
    }
}
