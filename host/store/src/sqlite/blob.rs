//! A job's parts: small ones in its row, large ones in a table of their own.

use bytes::Bytes;
use rusqlite::{Connection, params};

/// From how many bytes a part has a row of its own.
const INLINE_MAX: usize = 256;

/// Which part.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Args = 0,
    Output = 1,
    Meta = 2,
}

impl Part {
    pub(super) const ALL: [Self; 3] = [Self::Args, Self::Output, Self::Meta];

    /// Its bit in the column `blobs`.
    pub(super) const fn bit(self) -> i64 {
        1 << self as u8
    }

    const fn row(self, job: i64) -> i64 {
        job * 4 + self as i64
    }
}

/// What goes into the job's row; nothing if the part needs a row of its own.
pub(super) fn inline(data: &[u8]) -> Option<&[u8]> {
    (data.len() <= INLINE_MAX).then_some(data)
}

/// Writes a part that is not inline.
pub(super) fn write(connection: &Connection, job: i64, part: Part, data: &[u8]) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO blobs(id, data) VALUES (?1, ?2)")?
        .execute(params![part.row(job), data])?;
    Ok(())
}

/// Reads a part that is not inline.
pub(super) fn read(connection: &Connection, job: i64, part: Part) -> rusqlite::Result<Bytes> {
    connection
        .prepare_cached("SELECT data FROM blobs WHERE id = ?1")?
        .query_row([part.row(job)], |row| Ok(Bytes::copy_from_slice(row.get_ref(0)?.as_blob()?)))
}

/// Deletes the parts of these bits.
pub(super) fn delete(connection: &Connection, job: i64, bits: i64) -> rusqlite::Result<()> {
    for part in Part::ALL {
        if bits & part.bit() != 0 {
            connection.prepare_cached("DELETE FROM blobs WHERE id = ?1")?.execute([part.row(job)])?;
        }
    }
    Ok(())
}
