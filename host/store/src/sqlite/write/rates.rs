//! What of a queue began lately, where its rate is capped.

use rusqlite::{Connection, OptionalExtension, params};

use crate::window::Window;

/// As it was written last.
pub(super) fn read(connection: &Connection, queue: i64) -> rusqlite::Result<Window> {
    let begun: Option<Vec<u8>> = connection
        .prepare_cached("SELECT begun FROM rates WHERE queue = ?1")?
        .query_row([queue], |row| row.get(0))
        .optional()?;
    Ok(begun.map(|begun| Window::decode(&begun)).unwrap_or_default())
}

/// Keeps it, if it is another one.
pub(super) fn write(connection: &Connection, queue: i64, window: &Window) -> rusqlite::Result<()> {
    if window.is_changed() {
        connection
            .prepare_cached("INSERT OR REPLACE INTO rates(queue, begun) VALUES (?1, ?2)")?
            .execute(params![queue, window.encode()])?;
    }
    Ok(())
}
