//! Whoever has timers or mail that are due.

use foldhash::HashSet;
use rusqlite::OptionalExtension;

use super::items::plugin_id;
use crate::Timestamp;
use crate::error::Error;
use crate::mail::{Due, DueCursor, DuePage, Receiver};
use crate::number::{number, sql};
use crate::process::ProcessId;
use crate::sqlite::fault::Stop;
use crate::sqlite::readers::Reader;
use crate::sqlite::state::plugin_name;
use crate::sqlite::write::mail::{place, read_place, read_receiver};

/// What is due, and what will be next.
pub(in crate::sqlite) fn due(
    reader: &Reader,
    after: DueCursor,
    now: Timestamp,
    limit: usize,
) -> Result<DuePage, Stop<Error>> {
    let mut page = DuePage { cursor: after, ..DuePage::default() };
    timers(reader, now, limit, &mut page)?;
    mail(reader, now, limit, &mut page)?;
    let earliest = |select: &str| -> rusqlite::Result<Option<Timestamp>> {
        let found = reader.connection.prepare_cached(select)?.query_row([sql(now)], |row| row.get(0)).optional()?;
        Ok(found.map(number))
    };
    let timer = earliest(
        "SELECT wake_at FROM processes INDEXED BY processes_waking WHERE wake_at > ?1 AND quarantined IS NULL
         ORDER BY wake_at LIMIT 1",
    )?;
    let mail = earliest("SELECT at FROM mail INDEXED BY mail_due WHERE at > ?1 ORDER BY at LIMIT 1")?;
    page.next = timer.into_iter().chain(mail).min();
    Ok(page)
}

/// Mail of a range of the index.
macro_rules! select {
    ($range:literal) => {
        concat!(
            "SELECT at, id, (SELECT name FROM plugins WHERE plugins.id = plugin), receiver
             FROM mail INDEXED BY mail_due WHERE ",
            $range,
            " ORDER BY at, id"
        )
    };
}

fn timers(reader: &Reader, now: Timestamp, limit: usize, page: &mut DuePage) -> rusqlite::Result<()> {
    let (at, plugin, process) = match &page.cursor.timer {
        Some((at, id)) => (sql(*at), plugin_id(reader, &id.plugin)?.unwrap_or(0), id.number.cast_signed()),
        None => (i64::MIN, 0, 0),
    };
    let mut select = reader.connection.prepare_cached(
        "SELECT wake_at, (SELECT name FROM plugins WHERE plugins.id = plugin), number
         FROM processes INDEXED BY processes_waking
         WHERE wake_at <= ?1 AND quarantined IS NULL AND (wake_at, plugin, number) > (?2, ?3, ?4)
         ORDER BY wake_at, plugin, number",
    )?;
    let mut rows = select.query([sql(now), at, plugin, process])?;
    let mut found = 0;
    while let Some(row) = rows.next()? {
        if found >= limit {
            page.more = true;
            break;
        }
        found += 1;
        let at = number(row.get(0)?);
        let id = ProcessId { plugin: plugin_name(row, 1)?, number: row.get::<_, i64>(2)?.cast_unsigned() };
        page.cursor.timer = Some((at, id.clone()));
        page.due.push(Due { to: Receiver::Process(id), at, mail: false });
    }
    Ok(())
}

fn mail(reader: &Reader, now: Timestamp, limit: usize, page: &mut DuePage) -> rusqlite::Result<()> {
    let [at, id] = place(page.cursor.mail);
    let (mut found, mut seen) = (0, HashSet::default());
    if at > sql(now) {
        return Ok(());
    }
    // Much may be due at one time, and the index does not have the number in it that the next page begins with.
    for (select, bound) in [(select!("at = ?1 AND id > ?2"), id), (select!("at > ?1 AND at <= ?2"), sql(now))] {
        let mut select = reader.connection.prepare_cached(select)?;
        let mut rows = select.query([at, bound])?;
        while let Some(row) = rows.next()? {
            if found >= limit {
                page.more = true;
                return Ok(());
            }
            found += 1;
            let place = read_place(row.get(0)?, row.get(1)?);
            page.cursor.mail = Some(place);
            let to = read_receiver(row, 3, plugin_name(row, 2)?)?;
            if seen.insert(to.clone()) {
                page.due.push(Due { to, at: place.at, mail: true });
            }
        }
    }
    Ok(())
}
