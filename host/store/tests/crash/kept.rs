//! What is left of processes and mail, and what it has to be.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;

use crate::turns::{EVENTS_KEPT, PROCESSES};

/// What the children said of processes and mail.
#[derive(Default)]
pub(crate) struct SaidOfProcesses {
    pub(crate) posted: BTreeSet<String>,
    pub(crate) handled: BTreeSet<String>,
    /// The last seq of each.
    pub(crate) turns: BTreeMap<u64, u64>,
}

struct Record {
    seq: u64,
    first: u64,
    last: u64,
    state: String,
}

/// Whether everything is there, once.
/// `forgets`: some processes keep only their last events.
pub(crate) fn agrees_with(said: &mut SaidOfProcesses, connection: &Connection, forgets: bool) -> Result<(), String> {
    let mut letters: BTreeSet<String> = BTreeSet::new();
    for (number, record) in records(connection) {
        if number >= PROCESSES {
            // It lives for a moment, and has no turns.
            continue;
        }
        let acknowledged = said.turns.get(&number).copied().unwrap_or(0);
        if record.seq < acknowledged {
            return Err(format!("process {number} was at {acknowledged}, and is not any more: {}", record.seq));
        }
        if record.last.to_string() != record.state.trim_end() && record.seq > 1 {
            return Err(format!("process {number} has state {}, and {} events", record.state.trim_end(), record.last));
        }
        let events = events(connection, number);
        if !events.iter().map(|(id, _)| *id).eq(record.first..=record.last) {
            return Err(format!("process {number} has other events than {} to {}", record.first, record.last));
        }
        if forgets && number % 2 == 1 && events.len() as u64 > 2 * EVENTS_KEPT {
            return Err(format!("process {number} has kept {} events", events.len()));
        }
        for (_, letter) in events {
            if !letters.insert(letter.clone()) {
                return Err(format!("letter {letter} was handled twice"));
            }
        }
    }
    // Also those of a turn that was not answered any more; the next ones may forget them.
    let handled = letters.clone();
    let mail = texts(connection, "SELECT CAST(data AS TEXT) FROM mail WHERE data <> CAST('to nobody' AS BLOB)");
    for letter in mail {
        if said.handled.contains(&letter) || !letters.insert(letter.clone()) {
            return Err(format!("letter {letter} was handled, and is there again"));
        }
    }
    // Whatever is not there any more was handled by one that forgets.
    for letter in said.posted.difference(&letters) {
        if !(forgets && said.handled.contains(letter)) {
            return Err(format!("letter {letter} was posted and is not there"));
        }
    }
    said.handled.extend(handled);
    nothing_is_left_over(connection)
}

/// Nothing belongs to a process that is not there, and what is counted is what there is.
fn nothing_is_left_over(connection: &Connection) -> Result<(), String> {
    for table in ["process_events", "process_parts", "process_befores", "mail"] {
        let (number, condition) =
            if table == "mail" { ("receiver", "typeof(receiver) = 'integer'") } else { ("number", "TRUE") };
        let left: u64 = count(
            connection,
            &format!(
                "SELECT count(*) FROM {table} WHERE {condition} AND NOT EXISTS (SELECT 1 FROM processes
                 WHERE processes.plugin = {table}.plugin AND processes.number = {table}.{number})"
            ),
        );
        if left > 0 {
            return Err(format!("{left} rows of {table} belong to nobody"));
        }
    }
    let counted = count(connection, "SELECT sum(bytes) FROM plugins");
    let found = count(
        connection,
        "SELECT (SELECT ifnull(sum(64 + length(key) + length(value)), 0) FROM items)
           + (SELECT ifnull(sum(bytes), 0) FROM jobs)
           + (SELECT ifnull(sum(64 + length(topic) + length(data)), 0) FROM outbox)
           + (SELECT ifnull(sum(bytes), 0) FROM processes)
           + (SELECT ifnull(sum(32 + length(data)), 0) FROM process_events)
           + (SELECT ifnull(sum(128 + length(data) + iif(typeof(receiver) = 'text', length(receiver), 0)), 0) FROM mail)",
    );
    let processes = count(connection, "SELECT sum(processes) FROM plugins");
    let records = count(connection, "SELECT count(*) FROM processes");
    if (counted, processes) != (found, records) {
        return Err(format!("{found} bytes and {records} processes, but {counted} and {processes} are counted"));
    }
    Ok(())
}

fn count(connection: &Connection, select: &str) -> u64 {
    connection.query_row(select, [], |row| row.get::<_, Option<i64>>(0)).unwrap().unwrap_or(0).cast_unsigned()
}

fn texts(connection: &Connection, select: &str) -> Vec<String> {
    let mut select = connection.prepare(select).unwrap();
    select.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

fn records(connection: &Connection) -> Vec<(u64, Record)> {
    let mut select = connection
        .prepare(
            "SELECT number, seq, first_event, last_event, CAST(coalesce(state, (SELECT data FROM process_parts AS parts
               WHERE parts.plugin = processes.plugin AND parts.number = processes.number AND part = 2), '') AS TEXT)
             FROM processes",
        )
        .unwrap();
    let rows = select.query_map([], |row| {
        let number = |at| row.get::<_, i64>(at).map(i64::cast_unsigned);
        Ok((number(0)?, Record { seq: number(1)?, first: number(2)?, last: number(3)?, state: row.get(4)? }))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

fn events(connection: &Connection, number: u64) -> Vec<(u64, String)> {
    let mut select =
        connection.prepare("SELECT id, CAST(data AS TEXT) FROM process_events WHERE number = ?1 ORDER BY id").unwrap();
    let rows = select.query_map([number.cast_signed()], |row| Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get(1)?)));
    rows.unwrap().map(Result::unwrap).collect()
}
