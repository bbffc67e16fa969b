//! Storing without a script, which is what happens most.
//!
//! Of what a script writes, Redis 7 tells also the connection that ran it, although that asked not to be told of its own
//! changes; so after each script the copy in memory is gone. A plain SET is not told, and costs less.

use std::sync::atomic::Ordering::Relaxed;

use redis::aio::MultiplexedConnection;
use redis::{RedisError, Value};
use skep_cache::Condition;

use super::link::is_no_answer;
use super::scripts::{Asked, generation, millis};
use crate::form::{ENDLESS, encode};
use crate::port::{Edit, Edited, Left};

/// Attempts while other hosts make everything void in between.
const ATTEMPTS: u32 = 2;

/// Stores a value, if that can be done so; `None`: a script has to look closer, whatever was done here.
pub(crate) async fn put(
    connection: &mut MultiplexedConnection,
    asked: &Asked<'_>,
    key: &str,
    edit: Edit<'_>,
) -> Result<Option<Edited>, RedisError> {
    let Edit::Put { value, version, life, condition } = edit else { return Ok(None) };
    let is_plain = !life.keep && !matches!(condition, Condition::IfVersion(_));
    let stale = millis(life.stale);
    let (endless, left, kept) = match life.left {
        Left::Endless => (true, Left::Endless, millis(ENDLESS)),
        Left::For(left) => (false, Left::For(left), millis(left).saturating_add(stale)),
    };
    if !is_plain || kept == 0 {
        return Ok(None);
    }
    let absent = condition == Condition::IfAbsent;
    for _ in 0..ATTEMPTS {
        let Some(generation) = generation_of(connection, asked).await? else { return Ok(None) };
        let mut pipe = redis::pipe();
        let set = pipe.cmd("SET").arg(asked.names.entry(key));
        set.arg(encode(endless, generation, version, stale, value)).arg("PX").arg(kept);
        if absent {
            pipe.arg("NX");
        }
        pipe.cmd("GET").arg(asked.names.generation());
        let (set, now): (Value, Value) = match pipe.query_async(connection).await {
            Ok(said) => said,
            // Of another type, or refused: the script will be told the same, or knows what to do.
            Err(error) if !is_no_answer(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        let now = number(&now);
        asked.generation.store(now.unwrap_or(0), Relaxed);
        let is_set = matches!(set, Value::Okay);
        match (is_set, now == Some(generation)) {
            (true, true) => return Ok(Some(Edited::Stored(left, None))),
            // It was void when it was written: once more.
            (true, false) if !absent => {}
            // Something is there: live or not, the script knows.
            _ => return Ok(None),
        }
    }
    Ok(None)
}

/// The generation, made if there is none.
async fn generation_of(connection: &mut MultiplexedConnection, asked: &Asked<'_>) -> Result<Option<u64>, RedisError> {
    let known = asked.generation.load(Relaxed);
    if known != 0 {
        return Ok(Some(known));
    }
    let name = asked.names.generation();
    let mut pipe = redis::pipe();
    pipe.cmd("SET").arg(name).arg(&generation()).arg("NX").ignore().cmd("GET").arg(name);
    match pipe.query_async::<(Value,)>(connection).await {
        Ok((now,)) => Ok(number(&now)),
        Err(error) if !is_no_answer(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// None, if it is none that a script would leave as it is.
fn number(value: &Value) -> Option<u64> {
    let Value::BulkString(bytes) = value else { return None };
    Some(u64::from_le_bytes(bytes.as_slice().try_into().ok()?)).filter(|number| *number != 0)
}
