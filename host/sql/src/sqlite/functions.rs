//! Functions of SQLite's that take time in the product of two lengths, done again in their sum.
//!
//! SQLite looks at the clock between the steps of a statement, and a function is one step: `instr` of two long texts would
//! work for hours, whatever the statement's limit. What cannot be done again in a few lines is refused by the guard.
//! Numbers with a fraction are refused as arguments, because only SQLite knows their text: `CAST(x AS TEXT)` says it.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use memchr::memmem;
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, Error, Result, ffi};

/// The most characters that `trim` takes away: they are looked up, and gathered first.
const TRIMMED_MAX: usize = 1_000;

/// Puts these in the place of SQLite's.
pub(super) fn attach(connection: &Connection, length_max: &Arc<AtomicUsize>) -> Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    connection.create_scalar_function("instr", 2, flags, instr)?;
    let length_max = Arc::clone(length_max);
    connection.create_scalar_function("replace", 3, flags, move |context| replace(context, &length_max))?;
    connection.create_scalar_function("trim", 2, flags, |context| trim(context, true, true))?;
    connection.create_scalar_function("ltrim", 2, flags, |context| trim(context, true, false))?;
    connection.create_scalar_function("rtrim", 2, flags, |context| trim(context, false, true))?;
    connection.create_scalar_function("unhex", 2, flags, unhex)
}

/// Where the second is in the first: in characters, and in bytes if both are blobs.
fn instr(context: &Context<'_>) -> Result<Option<i64>> {
    let [Some(text), Some(wanted)] = arguments(context)? else { return Ok(None) };
    let is_blob = |at| matches!(context.get_raw(at), ValueRef::Blob(_));
    let Some(before) = memmem::find(&text, &wanted).and_then(|at| text.get(..at)) else { return Ok(Some(0)) };
    let is_text = !is_blob(0) || !is_blob(1);
    let continues = |byte: &&u8| is_text && **byte & 0xc0 == 0x80;
    let counted = before.len() - before.iter().filter(continues).count();
    Ok(Some(i64::try_from(counted).unwrap_or(i64::MAX) + 1))
}

/// The first, with the third wherever there was the second.
fn replace(context: &Context<'_>, length_max: &AtomicUsize) -> Result<Option<Value>> {
    let [Some(text), Some(old), new] = arguments(context)? else { return Ok(None) };
    if old.is_empty() {
        return string(text.into_owned()).map(Some);
    }
    let Some(new) = new else { return Ok(None) };
    let finder = memmem::Finder::new(&*old);
    let count = finder.find_iter(&text).count();
    let length = (text.len() - count * old.len()).saturating_add(count.saturating_mul(new.len()));
    if length > length_max.load(Relaxed) {
        return Err(Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_TOOBIG), None));
    }
    let (mut done, mut from) = (Vec::with_capacity(length), 0);
    for at in finder.find_iter(&text) {
        done.extend_from_slice(text.get(from..at).unwrap_or_default());
        done.extend_from_slice(&new);
        from = at + old.len();
    }
    done.extend_from_slice(text.get(from..).unwrap_or_default());
    string(done).map(Some)
}

/// The first, without characters of the second at its ends.
fn trim(context: &Context<'_>, begin: bool, end: bool) -> Result<Option<Value>> {
    let [Some(text), Some(characters)] = arguments(context)? else { return Ok(None) };
    let (text, characters) = (utf8(&text)?, utf8(&characters)?);
    let gone: HashSet<char> = characters.chars().take(TRIMMED_MAX + 1).collect();
    if gone.len() > TRIMMED_MAX || characters.len() > TRIMMED_MAX * 4 {
        return Err(refused(&format!("trim takes away at most {TRIMMED_MAX} different characters")));
    }
    let is_gone = |character: char| gone.contains(&character);
    let text = if begin { text.trim_start_matches(is_gone) } else { text };
    let text = if end { text.trim_end_matches(is_gone) } else { text };
    Ok(Some(Value::Text(text.to_owned())))
}

fn unhex(_: &Context<'_>) -> Result<Option<Value>> {
    Err(refused("unhex takes nothing but digits here: say `unhex(replace(…, '-', ''))`"))
}

/// The bytes of the arguments; nothing for those that are NULL.
fn arguments<'a, const N: usize>(context: &'a Context<'_>) -> Result<[Option<Cow<'a, [u8]>>; N]> {
    let mut arguments = std::array::from_fn(|_| None);
    for (at, argument) in arguments.iter_mut().enumerate() {
        *argument = match context.get_raw(at) {
            ValueRef::Null => None,
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(Cow::Borrowed(bytes)),
            ValueRef::Integer(number) => Some(Cow::Owned(number.to_string().into_bytes())),
            ValueRef::Real(_) => {
                return Err(refused("a number with a fraction is no text here: say `CAST(… AS TEXT)`"));
            }
        };
    }
    Ok(arguments)
}

fn string(bytes: Vec<u8>) -> Result<Value> {
    String::from_utf8(bytes).map(Value::Text).map_err(|_| refused("a text is not UTF-8"))
}

fn utf8(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|_| refused("a text is not UTF-8"))
}

fn refused(why: &str) -> Error {
    Error::UserFunctionError(why.into())
}
