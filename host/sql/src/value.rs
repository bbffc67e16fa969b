//! Values, and how each backend keeps them.
//!
//! | value | SQLite | PostgreSQL |
//! |---|---|---|
//! | null | NULL | NULL |
//! | boolean | 0 or 1; read back as a boolean from a column that is declared `BOOLEAN` or `BOOL` | `boolean` |
//! | integer | INTEGER | `smallint`, `integer`, `bigint`, `oid` |
//! | real | REAL; a NaN becomes NULL, as SQLite has none | `real`, `double precision` |
//! | text | TEXT | texts, and in PostgreSQL's own text form: `uuid`, `json`, `numeric`, `timestamp`, enums, arrays … |
//! | blob | BLOB | `bytea` |
//!
//! A parameter that is a text is sent to PostgreSQL as text, whatever the type that the server gives the parameter; so
//! `'2024-01-31'` reaches a `date` and `'{1,2}'` an `integer[]`. Where the server cannot know the type, say `$1::bigint`.

use bytes::Bytes;

/// A value, as a parameter or in a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// No value.
    Null,
    /// True or false.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction.
    Real(f64),
    /// Text, or what is no other of these in its text form.
    Text(String),
    /// Bytes.
    Blob(Bytes),
}

/// The values of a row, in the order of the columns.
pub type Row = Vec<Value>;

/// A column of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name; names may repeat.
    pub name: String,
    /// The type: in PostgreSQL always, in SQLite as the table declares it, and nothing for expressions.
    pub declared: Option<String>,
}

impl Value {
    /// What it counts for against limits in bytes: its data, and 16 for its place.
    #[must_use]
    pub fn bytes(&self) -> usize {
        16 + match self {
            Self::Null | Self::Boolean(_) | Self::Integer(_) | Self::Real(_) => 0,
            Self::Text(text) => text.len(),
            Self::Blob(bytes) => bytes.len(),
        }
    }
}
