//! A row as it is.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeOwned, MapAccess, Visitor},
    ser::SerializeMap as _,
};

use super::{Value, decode};
use crate::{Error, Result};

/// A row as it is: the names of its columns and their values. For those who do not know what they ask for.
///
/// ```
/// # use skep_sdk::{prelude::*, sql};
/// # skep_sdk::test::database("main");
/// let db = sql::Database::open("main")?;
/// let row: sql::Row = db.query_one("select 7 as bees, null as queen", ())?;
/// assert_eq!(row.get::<u32>("bees")?, 7);
/// assert_eq!(row.values().next(), Some(&sql::Value::Integer(7)));
/// assert_eq!(serde_json::to_string(&row)?, r#"{"bees":7,"queen":null}"#);
/// # use skep_sdk::serde_json;
/// # Ok::<_, Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row(Vec<(String, Value)>);

impl Row {
    /// The value of a column, the first of that name.
    ///
    /// # Errors
    /// When there is no such column, or its value is no `T`.
    pub fn get<T: DeserializeOwned>(&self, column: &str) -> Result<T> {
        let found = self.0.iter().find(|(name, _)| name == column);
        let (_, value) = found.ok_or_else(|| Error::from(format!("the row has no column `{column}`")))?;
        decode::value(value.clone(), column).map_err(Error::from)
    }

    /// The names of the columns, in their order; a name may repeat.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// The values, in the order of the columns.
    pub fn values(&self) -> impl Iterator<Item = &Value> {
        self.0.iter().map(|(_, value)| value)
    }
}

impl IntoIterator for Row {
    type Item = (String, Value);
    type IntoIter = std::vec::IntoIter<(String, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Row {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Columns)
    }
}

struct Columns;

impl<'de> Visitor<'de> for Columns {
    type Value = Row;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a row")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Row, A::Error> {
        let mut row = Vec::with_capacity(map.size_hint().unwrap_or(0).min(64));
        while let Some(column) = map.next_entry()? {
            row.push(column);
        }
        Ok(Row(row))
    }
}
