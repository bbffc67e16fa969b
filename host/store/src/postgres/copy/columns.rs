//! Rows on their way: read one by one, written together.

use bytes::Bytes;
use rusqlite::types::{Type as FileType, ValueRef};
use tokio_postgres::types::Type;

use crate::postgres::batch::{Param, Raw};

/// How many rows are written at once.
const ROWS_MAX: usize = 5_000;
/// And how many bytes, but for the row that reaches it.
const BYTES_MAX: usize = 4 << 20;

/// Rows, as columns of the types that a statement wants.
pub(super) struct Columns {
    types: &'static [Type],
    columns: Vec<Column>,
    rows: usize,
    bytes: usize,
}

enum Column {
    Numbers(Vec<Option<i64>>),
    Small(Vec<Option<i16>>),
    Truths(Vec<Option<bool>>),
    Texts(Vec<Option<String>>),
    Bytes(Vec<Option<Raw>>),
}

impl Columns {
    pub(super) fn of(types: &'static [Type]) -> Self {
        Self { types, columns: types.iter().map(Column::of).collect(), rows: 0, bytes: 0 }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.rows == 0
    }

    pub(super) const fn is_full(&self) -> bool {
        self.rows >= ROWS_MAX || self.bytes >= BYTES_MAX
    }

    /// One more row, which has as many columns.
    pub(super) fn push(&mut self, row: &rusqlite::Row<'_>) -> rusqlite::Result<()> {
        for (at, column) in self.columns.iter_mut().enumerate() {
            let value = row.get_ref(at)?;
            self.bytes += column.push(value).ok_or_else(|| {
                rusqlite::Error::InvalidColumnType(at, "of a type that was never written".to_owned(), value.data_type())
            })?;
        }
        self.rows += 1;
        Ok(())
    }

    /// All rows; it begins anew.
    pub(super) fn take(&mut self) -> Vec<Param> {
        let full = std::mem::replace(self, Self::of(self.types));
        full.columns.into_iter().map(Column::param).collect()
    }
}

impl Column {
    fn of(ty: &Type) -> Self {
        match *ty {
            Type::INT2_ARRAY => Self::Small(Vec::new()),
            Type::BOOL_ARRAY => Self::Truths(Vec::new()),
            Type::TEXT_ARRAY => Self::Texts(Vec::new()),
            Type::BYTEA_ARRAY => Self::Bytes(Vec::new()),
            _ => Self::Numbers(Vec::new()),
        }
    }

    /// Answers how many bytes it takes; none if it does not fit.
    fn push(&mut self, value: ValueRef<'_>) -> Option<usize> {
        let is_null = value.data_type() == FileType::Null;
        let number = if let ValueRef::Integer(number) = value { Some(number) } else { None };
        match self {
            Self::Numbers(column) => column.push(number),
            Self::Small(column) => column.push(number.map(i16::try_from).transpose().ok()?),
            Self::Truths(column) => column.push(number.map(|number| number != 0)),
            Self::Texts(column) => {
                let text = value.as_str_or_null().ok()?;
                column.push(text.map(str::to_owned));
                return Some(text.map_or(0, str::len));
            }
            // Texts too, where the database's own hold no zero.
            Self::Bytes(column) => {
                let bytes = value.as_bytes_or_null().ok()?;
                column.push(bytes.map(|bytes| Raw(Bytes::copy_from_slice(bytes))));
                return Some(bytes.map_or(0, <[u8]>::len));
            }
        }
        (is_null || number.is_some()).then_some(size_of::<i64>())
    }

    fn param(self) -> Param {
        match self {
            Self::Numbers(column) => Box::new(column),
            Self::Small(column) => Box::new(column),
            Self::Truths(column) => Box::new(column),
            Self::Texts(column) => Box::new(column),
            Self::Bytes(column) => Box::new(column),
        }
    }
}
