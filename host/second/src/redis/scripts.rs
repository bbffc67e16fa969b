//! The two scripts, and what they say. Each is one step in Redis, which a GET and a PTTL would not be.

use std::sync::atomic::AtomicU64;

use redis::aio::MultiplexedConnection;
use redis::{ErrorKind, RedisError, Script, Value};
use skep_cache::Condition;

use super::plain;
use crate::form::{ENDLESS, Names, decode};
use crate::port::{Edit, Edited, Left, Life, Seen};

/// After so many bytes an answer ends, so that others get theirs in between.
const BUDGET: usize = 4 << 20;

pub(crate) struct Scripts {
    edit: Script,
    read: Script,
}

impl Default for Scripts {
    fn default() -> Self {
        Self { edit: Script::new(include_str!("edit.lua")), read: Script::new(include_str!("read.lua")) }
    }
}

/// The bucket that is asked about.
pub(crate) struct Asked<'a> {
    pub(crate) names: &'a Names,
    /// The longest value.
    pub(crate) value_bytes: u64,
    /// The generation as it was last seen; 0 if it is not known.
    pub(crate) generation: &'a AtomicU64,
}

/// What an operation says to the script, beside its name and value.
struct Words {
    version: u64,
    life: Option<Life>,
    condition: Condition,
}

impl Scripts {
    pub(crate) async fn probe(&self, connection: &mut MultiplexedConnection, prefix: &str) -> Result<(), RedisError> {
        let asked = self.read.key(prefix).arg(0).arg(0).invoke_async::<Value>(connection).await;
        asked.map(drop)
    }

    pub(crate) async fn read(
        &self,
        connection: &mut MultiplexedConnection,
        asked: &Asked<'_>,
        keys: &[Box<str>],
    ) -> Result<Vec<Seen>, RedisError> {
        let mut call = self.read.prepare_invoke();
        call.key(asked.names.generation());
        for key in keys {
            call.key(asked.names.entry(key));
        }
        match call.arg(asked.value_bytes).arg(BUDGET).invoke_async(connection).await? {
            Value::Array(found) if !found.is_empty() && found.len() <= keys.len() => found.iter().map(seen).collect(),
            _ => Err(unexpected()),
        }
    }

    pub(crate) async fn edit(
        &self,
        connection: &mut MultiplexedConnection,
        asked: &Asked<'_>,
        key: &str,
        edit: Edit<'_>,
    ) -> Result<Edited, RedisError> {
        if let Some(edited) = plain::put(connection, asked, key, edit).await? {
            return Ok(edited);
        }
        let number;
        let (what, words, value) = match edit {
            Edit::Put { value, version, life, condition } => {
                ("put", Words { version, life: Some(life), condition }, value)
            }
            Edit::Take => ("take", Words::NONE, &[][..]),
            Edit::Delete => ("delete", Words::NONE, &[][..]),
            Edit::Touch(life) => ("touch", Words { life: Some(life), ..Words::NONE }, &[][..]),
            Edit::Increment { by, version, life } => {
                number = by.to_string();
                ("increment", Words { version, life: Some(life), ..Words::NONE }, number.as_bytes())
            }
            Edit::Restore { value, version, life } => {
                ("restore", Words { version, life: Some(life), ..Words::NONE }, value)
            }
        };
        let (condition, expected) = match words.condition {
            Condition::Always => ("a", 0),
            Condition::IfAbsent => ("n", 0),
            Condition::IfVersion(version) => ("v", version),
        };
        let life = words.life.unwrap_or(NO_LIFE);
        let (endless, left) = match life.left {
            Left::Endless => ("1", 0),
            Left::For(left) => ("0", millis(left)),
        };
        let mut call = self.edit.prepare_invoke();
        call.key(asked.names.entry(key)).key(asked.names.generation());
        call.arg(what).arg(&generation()).arg(&words.version.to_le_bytes());
        call.arg(endless).arg(left).arg(&millis(life.stale).to_le_bytes());
        call.arg(condition).arg(&expected.to_le_bytes()).arg(if life.keep { "1" } else { "0" });
        call.arg(millis(ENDLESS)).arg(asked.value_bytes).arg(value);
        edited(call.invoke_async(connection).await?)
    }

    pub(crate) async fn clear(&self, connection: &mut MultiplexedConnection, names: &Names) -> Result<(), RedisError> {
        redis::cmd("SET").arg(names.generation()).arg(&generation()).query_async(connection).await
    }
}

impl Words {
    const NONE: Self = Self { version: 0, life: None, condition: Condition::Always };
}

const NO_LIFE: Life = Life { left: Left::Endless, keep: false, stale: std::time::Duration::ZERO };

pub(super) fn generation() -> [u8; 8] {
    fastrand::u64(1..).to_le_bytes()
}

pub(super) fn millis(time: std::time::Duration) -> u64 {
    // Rounded up, so that a time that is not zero stays so; and a number that scripts can hold exactly.
    u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX).min(1 << 50)
}

fn seen(value: &Value) -> Result<Seen, RedisError> {
    match value {
        Value::Int(0) => Ok(Seen::Absent),
        Value::Int(1) => Ok(Seen::Foreign),
        Value::Array(pair) => match pair.as_slice() {
            // Its time may have ended since the script looked at its length.
            [Value::Int(-2), _] => Ok(Seen::Absent),
            [Value::Int(left), Value::BulkString(whole)] => Ok(decode(whole, *left).map_or(Seen::Foreign, Seen::Entry)),
            _ => Err(unexpected()),
        },
        _ => Err(unexpected()),
    }
}

fn edited(value: Value) -> Result<Edited, RedisError> {
    let Value::Array(words) = value else { return Err(unexpected()) };
    match words.as_slice() {
        [Value::BulkString(word)] if word == b"absent" => Ok(Edited::Absent),
        [Value::BulkString(word)] if word == b"conflict" => Ok(Edited::Conflict),
        [Value::BulkString(word)] if word == b"not-a-number" => Ok(Edited::NotANumber),
        [Value::BulkString(word), Value::BulkString(value)] if word == b"removed" => Ok(Edited::Removed(value.clone())),
        [Value::BulkString(word), Value::Int(left), sum @ ..] if word == b"stored" => {
            let left = u64::try_from(*left).ok().map(std::time::Duration::from_millis).map_or(Left::Endless, Left::For);
            let sum = match sum {
                [Value::BulkString(sum)] => Some(number(sum).ok_or_else(unexpected)?),
                _ => None,
            };
            Ok(Edited::Stored(left, sum))
        }
        _ => Err(unexpected()),
    }
}

fn number(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn unexpected() -> RedisError {
    RedisError::from((
        ErrorKind::UnexpectedReturnType,
        "it is no Redis, or one of another kind: its answer makes no sense",
    ))
}
