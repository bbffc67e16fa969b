//! What of a statement can be refused without the database.

use crate::error::Error;
use crate::options::SessionLimits;
use crate::value::Value;

/// Whether a statement and its parameters keep the limits.
pub(crate) fn statement(sql: &str, params: &[Value], limits: &SessionLimits) -> Result<(), Error> {
    within(sql.len(), limits.sql_bytes_max.0)?;
    within(params.len(), limits.params_max as u64)?;
    let mut bytes = 0;
    for param in params {
        within(length(param), limits.value_bytes_max.0)?;
        bytes += param.bytes();
    }
    within(bytes, limits.params_bytes_max.0)?;
    if sql.contains('\0') {
        return Err(Error::Invalid("a statement has no NUL character; pass it in a parameter".to_owned()));
    }
    Ok(())
}

/// The bytes of a value's data.
pub(crate) fn length(value: &Value) -> usize {
    match value {
        Value::Text(text) => text.len(),
        Value::Blob(bytes) => bytes.len(),
        Value::Null | Value::Boolean(_) | Value::Integer(_) | Value::Real(_) => 0,
    }
}

pub(crate) fn within(found: usize, limit: u64) -> Result<(), Error> {
    if found as u64 > limit { Err(Error::TooLarge(limit)) } else { Ok(()) }
}
