//! Whoever has timers or mail that are due.

use std::sync::Arc;

use foldhash::HashSet;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::mail::place;
use super::{plugin_name, rows_max};
use crate::Timestamp;
use crate::mail::{Due, DueCursor, DuePage, MailId, MailPlace, Receiver};
use crate::number::{number, sql};
use crate::postgres::batch::{Batch, Sql, get, params};
use crate::postgres::fault::Fault;
use crate::postgres::readers::{Read, Reader};
use crate::process::ProcessId;

/// How long whoever made a process's last turn is left what is due for it, in milliseconds, if it lives; then it is anybody's, since
/// that one may be too slow, or have no such plugin any more. Who has a process is decided by its seq: this only keeps hosts from
/// running the same one beside each other all the time.
const LEFT_MS: u64 = 30_000;

static TIMERS: Sql = Sql {
    text: "SELECT wake_at, (SELECT name FROM plugins WHERE plugins.id = plugin), number FROM processes
           WHERE wake_at IS NOT NULL AND quarantined IS NULL AND wake_at <= $1
             AND (wake_at <= $6 OR host = $7 OR NOT EXISTS (SELECT 1 FROM hosts WHERE hosts.id = processes.host))
             AND (wake_at, plugin, number) > ($2, coalesce((SELECT id FROM plugins WHERE name = $3), 0), $4)
           ORDER BY wake_at, plugin, number LIMIT $5",
    types: &[Type::INT8, Type::INT8, Type::TEXT, Type::INT8, Type::INT8, Type::INT8, Type::INT8],
};
static MAIL: Sql = Sql {
    text: "SELECT at, id, (SELECT name FROM plugins WHERE plugins.id = plugin), number, name FROM mail
           WHERE at <= $1 AND (at, id) > ($2, $3) AND (at <= $5 OR NOT EXISTS (
             SELECT 1 FROM processes JOIN hosts ON hosts.id = processes.host
             WHERE processes.plugin = mail.plugin AND hosts.id <> $6
               AND (processes.number = mail.number OR processes.name = mail.name)
           )) ORDER BY at, id LIMIT $4",
    types: &[Type::INT8, Type::INT8, Type::INT8, Type::INT8, Type::INT8, Type::INT8],
};
static NEXT: Sql = Sql {
    text: "SELECT least(
             (SELECT wake_at FROM processes WHERE wake_at IS NOT NULL AND quarantined IS NULL AND wake_at > $1
              ORDER BY wake_at LIMIT 1),
             (SELECT at FROM mail WHERE at > $1 ORDER BY at LIMIT 1),
             (SELECT wake_at + $2 FROM processes JOIN hosts ON hosts.id = processes.host
              WHERE wake_at IS NOT NULL AND quarantined IS NULL AND wake_at <= $1 AND wake_at > $1 - $2 AND hosts.id <> $3
              ORDER BY wake_at LIMIT 1),
             (SELECT at + $2 FROM mail WHERE at <= $1 AND at > $1 - $2 AND EXISTS (
                SELECT 1 FROM processes JOIN hosts ON hosts.id = processes.host
                WHERE processes.plugin = mail.plugin AND hosts.id <> $3
                  AND (processes.number = mail.number OR processes.name = mail.name)
              ) ORDER BY at LIMIT 1)
           )",
    types: &[Type::INT8, Type::INT8, Type::INT8],
};

/// What is due, and what will be next.
pub(in crate::postgres) async fn due(
    reader: Reader,
    args: Arc<(DueCursor, Timestamp, usize)>,
) -> Result<DuePage, Read> {
    let (after, now, limit) = &*args;
    let (at, plugin, process) = match &after.timer {
        Some((at, id)) => (sql(*at), Some(id.plugin.to_string()), id.number.cast_signed()),
        None => (i64::MIN, None, 0),
    };
    let (host, left) = (reader.shared.host(), sql(now.saturating_sub(LEFT_MS)));
    let mut batch = Batch::of(&TIMERS, params![sql(*now), at, plugin, process, rows_max(*limit), left, host]);
    let (at, id) = place(after.mail);
    batch.ask(&MAIL, params![sql(*now), at, id, rows_max(*limit), left, host]);
    batch.ask(&NEXT, params![sql(*now), sql(LEFT_MS), host]);
    let mut answers = reader.look(&batch).await?;
    let mut page = DuePage { cursor: after.clone(), ..DuePage::default() };
    timers(&answers.rows(), *limit, &mut page)?;
    mail(&answers.rows(), *limit, &mut page)?;
    page.next = get::<Option<i64>>(&answers.row()?, 0)?.map(number);
    Ok(page)
}

fn timers(rows: &[Row], limit: usize, page: &mut DuePage) -> Result<(), Fault> {
    page.more |= rows.len() > limit;
    for row in rows.iter().take(limit) {
        let at = number(get(row, 0)?);
        let id = ProcessId { plugin: plugin_name(row, 1)?, number: get::<i64>(row, 2)?.cast_unsigned() };
        page.cursor.timer = Some((at, id.clone()));
        page.due.push(Due { to: Receiver::Process(id), at, mail: false });
    }
    Ok(())
}

fn mail(rows: &[Row], limit: usize, page: &mut DuePage) -> Result<(), Fault> {
    page.more |= rows.len() > limit;
    let mut seen = HashSet::default();
    for row in rows.iter().take(limit) {
        let place = MailPlace { at: number(get(row, 0)?), id: MailId(number(get(row, 1)?)) };
        page.cursor.mail = Some(place);
        let plugin = plugin_name(row, 2)?;
        let to = match get::<Option<i64>>(row, 3)? {
            Some(process) => Receiver::Process(ProcessId { plugin, number: process.cast_unsigned() }),
            None => Receiver::Name(plugin, get(row, 4)?),
        };
        if seen.insert(to.clone()) {
            page.due.push(Due { to, at: place.at, mail: true });
        }
    }
    Ok(())
}
