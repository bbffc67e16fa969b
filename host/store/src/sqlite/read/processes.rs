//! Records of processes, and their events.

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Row, params};
use skep_types::PluginName;

use super::items::plugin_id;
use crate::error::Error;
use crate::limits::PAGE_BYTES_MAX;
use crate::number::{number, sql};
use crate::process::{EventPage, ProcessEvent, ProcessHead, ProcessId, ProcessPage, ProcessRecord, Saved};
use crate::sqlite::fault::Stop;
use crate::sqlite::part::{self, Part};
use crate::sqlite::readers::Reader;
use crate::sqlite::state::handler_name;

/// What there is of a process but its parts.
macro_rules! head {
    () => {
        "number, kind, name, seq, wake_at, quarantined, bytes"
    };
}

/// What there is beside [`head`].
macro_rules! rest {
    () => {
        "first_event, last_event, version, parts, args, extra, state"
    };
}

fn head(row: &Row<'_>, plugin: &PluginName) -> rusqlite::Result<ProcessHead> {
    let id = ProcessId { plugin: plugin.clone(), number: row.get::<_, i64>(0)?.cast_unsigned() };
    Ok(ProcessHead {
        id,
        kind: handler_name(row, 1)?,
        name: row.get(2)?,
        seq: number(row.get(3)?),
        wake_at: row.get::<_, Option<i64>>(4)?.map(number),
        quarantined: row.get(5)?,
        bytes: number(row.get(6)?),
    })
}

fn full(connection: &Connection, row: &Row<'_>, at: i64, plugin: &PluginName) -> rusqlite::Result<ProcessRecord> {
    let ProcessHead { id, kind, name, seq, wake_at, quarantined, bytes: _ } = head(row, plugin)?;
    let parts: i64 = row.get(10)?;
    let process = id.number.cast_signed();
    let of = |part: Part, column| -> rusqlite::Result<Bytes> {
        if parts & part.bit() != 0 {
            return part::read(connection, at, process, part);
        }
        Ok(row.get_ref(column)?.as_blob_or_null()?.map(Bytes::copy_from_slice).unwrap_or_default())
    };
    let version: Option<u32> = row.get(9)?;
    let saved = version.map(|version| Ok::<_, rusqlite::Error>(Saved { version, state: of(Part::State, 13)? }));
    Ok(ProcessRecord {
        id,
        kind,
        name,
        args: of(Part::Args, 11)?,
        saved: saved.transpose()?,
        before: before(connection, at, process)?,
        extra: of(Part::Extra, 12)?,
        seq,
        first_event: number(row.get(7)?),
        last_event: number(row.get(8)?),
        wake_at,
        quarantined,
    })
}

fn before(connection: &Connection, plugin: i64, process: i64) -> rusqlite::Result<Option<Saved>> {
    connection
        .prepare_cached("SELECT version, state FROM process_befores WHERE plugin = ?1 AND number = ?2")?
        .query_row([plugin, process], |row| {
            Ok(Saved { version: row.get(0)?, state: Bytes::copy_from_slice(row.get_ref(1)?.as_blob()?) })
        })
        .optional()
}

/// A process by its number.
pub(in crate::sqlite) fn record(reader: &Reader, id: &ProcessId) -> Result<Option<ProcessRecord>, Stop<Error>> {
    let Some(plugin) = plugin_id(reader, &id.plugin)? else { return Ok(None) };
    let found = reader
        .connection
        .prepare_cached(concat!(
            "SELECT ",
            head!(),
            ", ",
            rest!(),
            " FROM processes WHERE plugin = ?1 AND number = ?2"
        ))?
        .query_row([plugin, id.number.cast_signed()], |row| full(&reader.connection, row, plugin, &id.plugin))
        .optional()?;
    Ok(found)
}

/// A process by its name.
pub(in crate::sqlite) fn by_name(
    reader: &Reader,
    of: &PluginName,
    name: &str,
) -> Result<Option<ProcessRecord>, Stop<Error>> {
    let Some(plugin) = plugin_id(reader, of)? else { return Ok(None) };
    let found = reader
        .connection
        .prepare_cached(concat!(
            "SELECT ",
            head!(),
            ", ",
            rest!(),
            " FROM processes INDEXED BY processes_named WHERE plugin = ?1 AND name = ?2"
        ))?
        .query_row(params![plugin, name], |row| full(&reader.connection, row, plugin, of))
        .optional()?;
    Ok(found)
}

/// What a row of a page costs beside its name.
const HEAD_BYTES: usize = 256;

fn look(page: &mut ProcessPage, bytes: &mut usize, limit: usize, found: ProcessHead) -> bool {
    let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    *bytes += HEAD_BYTES + text(&found.name) + text(&found.quarantined);
    if page.processes.len() >= limit || (*bytes > PAGE_BYTES_MAX && !page.processes.is_empty()) {
        page.more = true;
        return false;
    }
    page.processes.push(found);
    true
}

/// Processes by how their names begin.
pub(in crate::sqlite) fn names(
    reader: &Reader,
    of: &PluginName,
    prefix: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<ProcessPage, Stop<Error>> {
    let mut page = ProcessPage::default();
    let Some(plugin) = plugin_id(reader, of)? else { return Ok(page) };
    let after = after.filter(|after| *after >= prefix);
    let mut select = reader.connection.prepare_cached(concat!(
        "SELECT ",
        head!(),
        " FROM processes INDEXED BY processes_named WHERE plugin = ?1 AND name >= ?2 ORDER BY name"
    ))?;
    let mut rows = select.query(params![plugin, after.unwrap_or(prefix)])?;
    let mut bytes = 0;
    while let Some(row) = rows.next()? {
        let name = row.get_ref(2)?.as_str()?;
        if after == Some(name) {
            continue;
        }
        if !name.starts_with(prefix) || !look(&mut page, &mut bytes, limit, head(row, of)?) {
            break;
        }
    }
    Ok(page)
}

/// Processes by their numbers, as SQLite orders them.
pub(in crate::sqlite) fn list(
    reader: &Reader,
    of: &PluginName,
    after: Option<u64>,
    limit: usize,
) -> Result<ProcessPage, Stop<Error>> {
    let mut page = ProcessPage::default();
    let Some(plugin) = plugin_id(reader, of)? else { return Ok(page) };
    let mut select = reader.connection.prepare_cached(concat!(
        "SELECT ",
        head!(),
        " FROM processes WHERE plugin = ?1 AND number >= ?2 ORDER BY number"
    ))?;
    let after = after.map(u64::cast_signed);
    let mut rows = select.query([plugin, after.unwrap_or(i64::MIN)])?;
    let mut bytes = 0;
    while let Some(row) = rows.next()? {
        if after == Some(row.get(0)?) {
            continue;
        }
        if !look(&mut page, &mut bytes, limit, head(row, of)?) {
            break;
        }
    }
    Ok(page)
}

/// A process's events. Those that are about to be deleted are not there.
pub(in crate::sqlite) fn events(
    reader: &Reader,
    id: &ProcessId,
    after: u64,
    limit: usize,
) -> Result<EventPage, Stop<Error>> {
    let mut page = EventPage::default();
    let Some(plugin) = plugin_id(reader, &id.plugin)? else { return Ok(page) };
    let process = id.number.cast_signed();
    let first: Option<i64> = reader
        .connection
        .prepare_cached("SELECT first_event FROM processes WHERE plugin = ?1 AND number = ?2")?
        .query_row([plugin, process], |row| row.get(0))
        .optional()?;
    let Some(first) = first else { return Ok(page) };
    let mut select = reader.connection.prepare_cached(
        "SELECT id, data FROM process_events WHERE plugin = ?1 AND number = ?2 AND id >= ?3 ORDER BY id",
    )?;
    let mut rows = select.query([plugin, process, first.max(sql(after.saturating_add(1)))])?;
    let mut bytes = 0;
    while let Some(row) = rows.next()? {
        let data = row.get_ref(1)?.as_blob()?;
        bytes += data.len();
        if page.events.len() >= limit || (bytes > PAGE_BYTES_MAX && !page.events.is_empty()) {
            page.more = true;
            break;
        }
        page.events.push(ProcessEvent { number: number(row.get(0)?), data: Bytes::copy_from_slice(data) });
    }
    Ok(page)
}
