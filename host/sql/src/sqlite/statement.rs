//! One statement: prepared once, bound, stepped.

use std::sync::Arc;

use bytes::Bytes;
use rusqlite::types::{Null, ValueRef};
use rusqlite::{Batch, Connection, fallible_iterator::FallibleIterator as _};

use super::fault::multiple;
use crate::error::Error;
use crate::value::{Column, Row, Value};
use crate::words;

/// A prepared statement, and where its parameters are.
pub(super) struct Statement<'c> {
    pub(super) sql: Arc<str>,
    prepared: rusqlite::Statement<'c>,
    /// For each place of SQLite's the number of the parameter that goes there.
    places: Vec<usize>,
    params: usize,
    /// It changes rows and counts them.
    pub(super) counts: bool,
}

/// Why a statement did not get to its end.
pub(super) enum Stop {
    /// The host refuses it.
    Refused(Error),
    /// SQLite does.
    Fault(rusqlite::Error),
}

impl From<rusqlite::Error> for Stop {
    fn from(error: rusqlite::Error) -> Self {
        Self::Fault(error)
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl<'c> Statement<'c> {
    pub(super) fn prepare(connection: &'c Connection, sql: &str) -> Result<Self, Stop> {
        let first = words::first(sql);
        if words::is_transaction(&first) {
            return Err(Stop::Refused(words::refuse_transaction(&first)));
        }
        // Not `prepare`: that looks for more statements by calling itself, once for each semicolon.
        let mut batch = Batch::new(connection, sql);
        let Some(prepared) = batch.next()? else {
            return Err(Stop::Refused(Error::Invalid("there is no statement".to_owned())));
        };
        match batch.next() {
            Ok(None) => {}
            Ok(Some(_)) | Err(_) => return Err(Stop::Refused(multiple())),
        }
        let (places, params) = places(&prepared)?;
        Ok(Self { sql: sql.into(), prepared, places, params, counts: words::counts(&first) })
    }

    /// Whether it writes nothing.
    pub(super) fn only_reads(&self) -> bool {
        self.prepared.readonly()
    }

    pub(super) fn columns(&self) -> Vec<Column> {
        let columns = self.prepared.columns();
        columns
            .map(|column| Column { name: column.name().to_owned(), declared: column.decl_type().map(str::to_owned) })
            .collect()
    }

    pub(super) fn bind(&mut self, params: &[Value]) -> Result<(), Stop> {
        if params.len() != self.params {
            return Err(Stop::Refused(Error::Invalid(format!(
                "the statement has {} parameters, and {} were given",
                self.params,
                params.len()
            ))));
        }
        for (place, number) in self.places.iter().enumerate() {
            let place = place + 1;
            match params.get(*number) {
                Some(Value::Boolean(value)) => self.prepared.raw_bind_parameter(place, value)?,
                Some(Value::Integer(value)) => self.prepared.raw_bind_parameter(place, value)?,
                Some(Value::Real(value)) => self.prepared.raw_bind_parameter(place, value)?,
                Some(Value::Text(value)) => self.prepared.raw_bind_parameter(place, value.as_str())?,
                Some(Value::Blob(value)) => self.prepared.raw_bind_parameter(place, value.as_ref())?,
                Some(Value::Null) | None => self.prepared.raw_bind_parameter(place, Null)?,
            }
        }
        Ok(())
    }

    /// The next row. After the last one, and after an error, a further step would begin anew.
    pub(super) fn step(&mut self, booleans: &[bool]) -> Result<Option<Row>, Stop> {
        let mut rows = self.prepared.raw_query();
        let found = match rows.next()? {
            Some(row) => Some(read(row, booleans)?),
            None => None,
        };
        if found.is_some() {
            // Its drop would take the statement back to its beginning. It owns nothing.
            std::mem::forget(rows);
        }
        Ok(found)
    }

    /// Steps to the end, past all rows.
    pub(super) fn run(&mut self) -> Result<(), Stop> {
        let mut rows = self.prepared.raw_query();
        while rows.next()?.is_some() {}
        Ok(())
    }

    /// Back to the beginning: it holds neither locks nor values.
    pub(super) fn reset(&mut self) {
        drop(self.prepared.raw_query());
        self.prepared.clear_bindings();
    }
}

/// Whether a column says of itself that it holds truth values.
pub(super) fn booleans(columns: &[Column]) -> Vec<bool> {
    let is = |declared: &String| declared.eq_ignore_ascii_case("boolean") || declared.eq_ignore_ascii_case("bool");
    columns.iter().map(|column| column.declared.as_ref().is_some_and(is)).collect()
}

/// Which parameter goes where. `?` are counted; `?1` and `$1` are numbers; SQLite takes `$1` for a name.
fn places(prepared: &rusqlite::Statement<'_>) -> Result<(Vec<usize>, usize), Stop> {
    let invalid = |why: String| Stop::Refused(Error::Invalid(why));
    let count = prepared.parameter_count();
    let (mut places, mut dollars, mut others) = (Vec::with_capacity(count), false, false);
    for place in 1..=count {
        let number = match prepared.parameter_name(place) {
            None => {
                others = true;
                place
            }
            Some(name) => {
                let number = name.get(1..).and_then(|digits| digits.parse::<usize>().ok()).filter(|number| *number > 0);
                match (name.as_bytes().first(), number) {
                    (Some(b'?'), Some(number)) => {
                        others = true;
                        number
                    }
                    (Some(b'$'), Some(number)) => {
                        dollars = true;
                        number
                    }
                    _ => {
                        return Err(invalid(format!("`{name}`: parameters have numbers here, `$1` or `?1`, no names")));
                    }
                }
            }
        };
        places.push(number - 1);
    }
    if dollars && others {
        return Err(invalid("parameters are written `$1` or `?1`, not both in one statement".to_owned()));
    }
    let params = places.iter().max().map_or(0, |most| most + 1);
    Ok((places, params))
}

fn read(row: &rusqlite::Row<'_>, booleans: &[bool]) -> Result<Row, Stop> {
    let mut values = Vec::with_capacity(booleans.len());
    for (place, is_boolean) in booleans.iter().enumerate() {
        values.push(match row.get_ref(place)? {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(number @ (0 | 1)) if *is_boolean => Value::Boolean(number == 1),
            ValueRef::Integer(number) => Value::Integer(number),
            ValueRef::Real(number) => Value::Real(number),
            ValueRef::Text(text) => match std::str::from_utf8(text) {
                Ok(text) => Value::Text(text.to_owned()),
                Err(_) => {
                    return Err(Stop::Refused(Error::Invalid(format!(
                        "the text in column {} is not UTF-8: select it as `CAST(… AS BLOB)`",
                        place + 1
                    ))));
                }
            },
            ValueRef::Blob(bytes) => Value::Blob(Bytes::copy_from_slice(bytes)),
        });
    }
    Ok(values)
}
