//! Values on their way to a server and back.

use bytes::{Bytes, BytesMut};
use fallible_iterator::FallibleIterator as _;
use postgres_protocol::message::backend::DataRowBody;
use postgres_protocol::{IsNull, Oid, message::frontend};

use crate::error::Error;
use crate::value::{Row, Value};

/// What a column's values become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Boolean,
    Integer,
    Real,
    Blob,
    Text,
}

const BYTEA: Oid = 17;
/// Types whose names need not be asked for: those that most columns have.
const KNOWN: [(Oid, &str, Form); 22] = [
    (16, "boolean", Form::Boolean),
    (BYTEA, "bytea", Form::Blob),
    (19, "name", Form::Text),
    (20, "bigint", Form::Integer),
    (21, "smallint", Form::Integer),
    (23, "integer", Form::Integer),
    (25, "text", Form::Text),
    (26, "oid", Form::Integer),
    (114, "json", Form::Text),
    (700, "real", Form::Real),
    (701, "double precision", Form::Real),
    (1042, "character", Form::Text),
    (1043, "character varying", Form::Text),
    (1082, "date", Form::Text),
    (1083, "time without time zone", Form::Text),
    (1114, "timestamp without time zone", Form::Text),
    (1184, "timestamp with time zone", Form::Text),
    (1186, "interval", Form::Text),
    (1266, "time with time zone", Form::Text),
    (1700, "numeric", Form::Text),
    (2950, "uuid", Form::Text),
    (3802, "jsonb", Form::Text),
];

pub(super) fn form(oid: Oid) -> Form {
    KNOWN.iter().find(|(known, ..)| *known == oid).map_or(Form::Text, |(.., form)| *form)
}

pub(super) fn known_name(oid: Oid) -> Option<&'static str> {
    KNOWN.iter().find(|(known, ..)| *known == oid).map(|(_, name, _)| *name)
}

/// Writes the message that gives a statement its parameters, which have these types to the server, and says in which form
/// each column is wanted: bytes as they are, all else in PostgreSQL's own text form.
pub(super) fn bind(
    portal: &str,
    statement: &str,
    types: &[Oid],
    params: &[Value],
    forms: &[Form],
    to: &mut BytesMut,
) -> Result<(), Error> {
    if types.len() != params.len() {
        return Err(Error::Invalid(format!(
            "the statement has {} parameters, and {} were given",
            types.len(),
            params.len()
        )));
    }
    for (place, (oid, param)) in types.iter().zip(params).enumerate() {
        if matches!(param, Value::Blob(_)) && *oid != BYTEA {
            let name = known_name(*oid).unwrap_or("another type");
            return Err(Error::Invalid(format!(
                "parameter {} is a blob, and the server takes it for {name}: say `${}::bytea`",
                place + 1,
                place + 1
            )));
        }
    }
    let formats: Vec<i16> = params.iter().map(|param| i16::from(matches!(param, Value::Blob(_)))).collect();
    let results: Vec<i16> = forms.iter().map(|form| i16::from(*form == Form::Blob)).collect();
    let bound = frontend::bind(portal, statement, formats, params, |param, to| Ok(write(param, to)), results, to);
    bound.map_err(|error| match error {
        frontend::BindError::Conversion(error) => Error::Invalid(error.to_string()),
        frontend::BindError::Serialization(error) => Error::Invalid(error.to_string()),
    })
}

fn write(param: &Value, to: &mut BytesMut) -> IsNull {
    match param {
        Value::Null => return IsNull::Yes,
        Value::Boolean(value) => to.extend_from_slice(if *value { b"true" } else { b"false" }),
        Value::Integer(value) => to.extend_from_slice(value.to_string().as_bytes()),
        Value::Real(value) => to.extend_from_slice(real(*value).as_bytes()),
        Value::Text(value) => to.extend_from_slice(value.as_bytes()),
        Value::Blob(value) => to.extend_from_slice(value),
    }
    IsNull::No
}

/// The shortest text that is read as the same number; whole ones keep their point, so that no integer takes them.
fn real(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned()
    } else {
        format!("{value:?}")
    }
}

pub(super) fn read(body: &DataRowBody, forms: &[Form]) -> Result<Row, Error> {
    let broken = || Error::Unavailable("the server sends a row that makes no sense".to_owned());
    let (mut ranges, buffer) = (body.ranges(), body.buffer());
    let mut row = Vec::with_capacity(forms.len());
    for form in forms {
        let range = ranges.next().map_err(|_| broken())?.ok_or_else(broken)?;
        let value = match range {
            None => Value::Null,
            Some(range) => read_value(buffer.get(range).ok_or_else(broken)?, *form).ok_or_else(broken)?,
        };
        row.push(value);
    }
    Ok(row)
}

fn read_value(bytes: &[u8], form: Form) -> Option<Value> {
    if form == Form::Blob {
        return Some(Value::Blob(Bytes::copy_from_slice(bytes)));
    }
    let text = std::str::from_utf8(bytes).ok()?;
    Some(match form {
        Form::Boolean => Value::Boolean(text == "t"),
        Form::Integer => Value::Integer(text.parse().ok()?),
        // It reads PostgreSQL's `Infinity` and `NaN` too.
        Form::Real => Value::Real(text.parse().ok()?),
        Form::Text | Form::Blob => Value::Text(text.to_owned()),
    })
}
