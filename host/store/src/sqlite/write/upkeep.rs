//! What is done as time goes by.

use rusqlite::{OptionalExtension, params};
use skep_types::{HandlerName, PluginName};

use super::dependants;
use super::row::{JobRow, LANE_DUE, LANE_LEASED, columns};
use crate::Timestamp;
use crate::error::Error;
use crate::job::{JobId, JobState};
use crate::limits::ITEM_OVERHEAD;
use crate::number::{len, number, sql};
use crate::sqlite::fault::Stop;
use crate::sqlite::operation::STEP_ROWS;
use crate::sqlite::state::plugin_name;
use crate::sqlite::tx::Tx;

/// A time, and how many at most.
pub(in crate::sqlite) type Due = (Timestamp, usize);

fn rows(tx: &Tx<'_>, select: &str, params: impl rusqlite::Params) -> rusqlite::Result<Vec<JobRow>> {
    tx.connection.prepare_cached(select)?.query_map(params, JobRow::read)?.collect()
}

/// The lowest rank of a lane.
fn earliest(tx: &Tx<'_>, lane: i64) -> rusqlite::Result<Option<Timestamp>> {
    let found: Option<i64> = tx
        .connection
        .prepare_cached("SELECT rank FROM jobs INDEXED BY jobs_lanes WHERE lane = ?1 ORDER BY rank LIMIT 1")?
        .query_row([lane], |row| row.get(0))
        .optional()?;
    Ok(found.map(number))
}

/// Makes due jobs available.
pub(in crate::sqlite) fn stage((now, limit): &Due, tx: &mut Tx<'_>) -> Result<(u64, Option<Timestamp>), Stop<Error>> {
    let due = rows(
        tx,
        concat!(
            "SELECT ",
            columns!(),
            " FROM jobs INDEXED BY jobs_lanes WHERE lane = -1 AND rank <= ?1 ORDER BY rank, id LIMIT ?2"
        ),
        [sql(*now), sql(*limit as u64)],
    )?;
    let count = due.len() as u64;
    for mut row in due {
        row.wait(tx, JobState::Available)?;
    }
    let next = earliest(tx, LANE_DUE)?;
    Ok((count, next.map(|next| next.max(*now))))
}

/// Takes jobs whose lease ran out.
pub(in crate::sqlite) fn reclaim(
    (now, limit): &Due,
    tx: &mut Tx<'_>,
) -> Result<(Vec<JobId>, Option<Timestamp>), Stop<Error>> {
    let late = rows(
        tx,
        concat!(
            "SELECT ",
            columns!(),
            " FROM jobs INDEXED BY jobs_lanes WHERE lane = -2 AND rank <= ?1 ORDER BY rank, id LIMIT ?2"
        ),
        [sql(*now), sql(*limit as u64)],
    )?;
    let mut ids = Vec::with_capacity(late.len());
    for row in late {
        ids.push(row.job());
        take_away(tx, row, *now, "its lease ran out: the worker was gone, or too slow to say that it is there")?;
    }
    let next = earliest(tx, LANE_LEASED)?;
    Ok((ids, next.map(|next| next.max(*now))))
}

/// Takes the jobs of all other workers than this.
pub(in crate::sqlite) fn reclaim_others(
    (worker, now): &(String, Timestamp),
    tx: &mut Tx<'_>,
) -> Result<u64, Stop<Error>> {
    let others = rows(
        tx,
        concat!("SELECT ", columns!(), " FROM jobs INDEXED BY jobs_lanes WHERE lane = -2 AND worker <> ?1 LIMIT ?2"),
        params![worker, sql(STEP_ROWS as u64)],
    )?;
    let count = others.len() as u64;
    for row in others {
        take_away(tx, row, *now, "its worker is gone: the host was started again")?;
    }
    Ok(count)
}

fn take_away(tx: &mut Tx<'_>, mut row: JobRow, now: Timestamp, why: &str) -> rusqlite::Result<()> {
    row.failed(tx, now, why)?;
    if row.attempt < row.max_attempts {
        return row.wait(tx, JobState::Available);
    }
    row.end(tx, JobState::Discarded, now)?;
    if row.dependants { dependants::resolve(tx, &row, now) } else { Ok(()) }
}

/// What is resumed: the plugin, the names that its revision knows, and the time.
pub(in crate::sqlite) type Known = (PluginName, Vec<HandlerName>, Timestamp);

/// Jobs that wait for a revision which knows their name.
pub(in crate::sqlite) fn resume((plugin, names, now): &Known, tx: &mut Tx<'_>) -> Result<u64, Stop<Error>> {
    let queues: Vec<i64> = tx.state.queue_ids_of(plugin).collect();
    let mut count = 0;
    for (queue, name) in queues.iter().flat_map(|queue| names.iter().map(move |name| (queue, name))) {
        let waiting = rows(
            tx,
            concat!(
                "SELECT ",
                columns!(),
                " FROM jobs INDEXED BY jobs_unknown WHERE waiting = -1 AND queue = ?1 AND name = ?2 LIMIT ?3"
            ),
            params![queue, name.as_str(), sql((STEP_ROWS - count) as u64)],
        )?;
        count += waiting.len();
        for mut row in waiting {
            let to = row.ready(*now);
            row.wait(tx, to)?;
        }
        if count >= STEP_ROWS {
            break;
        }
    }
    Ok(count as u64)
}

/// Deletes final jobs.
pub(in crate::sqlite) fn prune(
    (state, before, limit): &(JobState, Timestamp, usize),
    tx: &mut Tx<'_>,
) -> Result<u64, Stop<Error>> {
    if !state.is_final() {
        return Err(Stop::Refused(Error::Invalid(format!("jobs that are {state} are not pruned"))));
    }
    let old = rows(
        tx,
        concat!(
            "SELECT ",
            columns!(),
            " FROM jobs INDEXED BY jobs_lanes WHERE lane = -?1 AND rank < ?2 ORDER BY rank, id LIMIT ?3"
        ),
        params![*state as u8, sql(*before), sql(*limit as u64)],
    )?;
    for row in &old {
        row.delete(tx)?;
    }
    Ok(old.len() as u64)
}

/// Deletes items that ended.
pub(in crate::sqlite) fn expire((now, limit): &Due, tx: &mut Tx<'_>) -> Result<u64, Stop<Error>> {
    let mut gone: Vec<(i64, Vec<u8>, PluginName, i64)> = Vec::new();
    {
        let mut select = tx.connection.prepare_cached(
            "SELECT plugin, key, (SELECT name FROM plugins WHERE plugins.id = plugin), length(value)
             FROM items INDEXED BY items_expiring WHERE expires <= ?1 ORDER BY expires LIMIT ?2",
        )?;
        let mut rows = select.query([sql(*now), sql(*limit as u64)])?;
        while let Some(row) = rows.next()? {
            gone.push((row.get(0)?, row.get(1)?, plugin_name(row, 2)?, row.get(3)?));
        }
    }
    for (plugin, key, name, value) in &gone {
        tx.connection
            .prepare_cached("DELETE FROM items WHERE plugin = ?1 AND key = ?2")?
            .execute(params![plugin, key])?;
        tx.state.used(name, -1, 0, -(len(key) + value + sql(ITEM_OVERHEAD)));
    }
    Ok(gone.len() as u64)
}
