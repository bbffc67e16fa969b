//! A process's parts: small ones in its row, large ones in a table of their own, so that a turn writes only what it changes.

use bytes::Bytes;
use rusqlite::{Connection, params};

/// From how many bytes on a part has a row of its own. With a few small ones, a record is still in its page.
const INLINE_MAX: usize = 512;

/// Which part.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Args = 0,
    Extra = 1,
    State = 2,
}

impl Part {
    /// Its bit in the column `parts`.
    pub(super) const fn bit(self) -> i64 {
        1 << self as u8
    }
}

/// What goes into the process's row; nothing if the part needs a row of its own.
pub(super) fn inline(data: &[u8]) -> Option<&[u8]> {
    (data.len() <= INLINE_MAX).then_some(data)
}

/// Writes a part that is not inline.
pub(super) fn write(
    connection: &Connection,
    plugin: i64,
    number: i64,
    part: Part,
    data: &[u8],
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO process_parts(plugin, number, part, data) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![plugin, number, part as u8, data])?;
    Ok(())
}

/// Reads a part that is not inline.
pub(super) fn read(connection: &Connection, plugin: i64, number: i64, part: Part) -> rusqlite::Result<Bytes> {
    connection
        .prepare_cached("SELECT data FROM process_parts WHERE plugin = ?1 AND number = ?2 AND part = ?3")?
        .query_row([plugin, number, part as i64], |row| Ok(Bytes::copy_from_slice(row.get_ref(0)?.as_blob()?)))
}

/// How many bytes a part has that is not inline.
pub(super) fn len(connection: &Connection, plugin: i64, number: i64, part: Part) -> rusqlite::Result<i64> {
    connection
        .prepare_cached("SELECT length(data) FROM process_parts WHERE plugin = ?1 AND number = ?2 AND part = ?3")?
        .query_row([plugin, number, part as i64], |row| row.get(0))
}

/// Deletes a part that is not inline.
pub(super) fn delete(connection: &Connection, plugin: i64, number: i64, part: Part) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM process_parts WHERE plugin = ?1 AND number = ?2 AND part = ?3")?
        .execute([plugin, number, part as i64])?;
    Ok(())
}
