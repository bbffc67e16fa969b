//! What operators do.

use rusqlite::{Row, params};

use super::dependants;
use super::row::{JobRow, columns};
use super::unique;
use crate::Timestamp;
use crate::error::Error;
use crate::job::{Fence, JobFilter, JobId, JobState, Op, OpReport, QueueRef, QueueState};
use crate::limits::QUEUES_MAX;
use crate::number::{number, sql};
use crate::sqlite::fault::{Stop, refuse};
use crate::sqlite::operation::STEP_ROWS;
use crate::sqlite::tx::Tx;

/// Which jobs, what to do, those before this one, and the time.
pub(in crate::sqlite) type Order = (JobFilter, Op, Option<JobId>, Timestamp);

/// One bounded step.
pub(in crate::sqlite) fn operate((filter, op, before, now): &Order, tx: &mut Tx<'_>) -> Result<OpReport, Stop<Error>> {
    let mut report = OpReport::default();
    let (chosen, next) = choose(filter, *before, tx)?;
    report.next = next;
    for row in chosen {
        report.changed += u64::from(carry_out(row, *op, *now, tx)?);
    }
    Ok(report)
}

/// The jobs of the filter among those that this step looks at, and where the next one begins.
fn choose(filter: &JobFilter, before: Option<JobId>, tx: &Tx<'_>) -> rusqlite::Result<(Vec<JobRow>, Option<JobId>)> {
    let before = before.map_or(i64::MAX, |before| sql(before.0));
    let mut chosen = Vec::new();
    let mut look = |row: &Row<'_>| -> rusqlite::Result<i64> {
        let (queue, state) = (row.get(1)?, super::row::state(row.get(2)?));
        let queue = tx.state.queue(queue).map(|queue| &queue.queue);
        let fits = queue.is_some_and(|queue| {
            filter.plugin.as_ref().is_none_or(|plugin| *plugin == queue.plugin)
                && filter.queue.as_ref().is_none_or(|name| *name == queue.queue)
        });
        if fits
            && filter.state.is_none_or(|wanted| wanted == state)
            && filter
                .name
                .as_ref()
                .map_or(Ok(true), |name| Ok::<_, rusqlite::Error>(row.get_ref(14)?.as_str()? == name.as_str()))?
        {
            chosen.push(JobRow::read(row)?);
        }
        row.get(0)
    };
    if !filter.ids.is_empty() {
        let mut ids: Vec<_> = filter.ids.iter().map(|id| sql(id.0)).filter(|id| *id < before).collect();
        ids.sort_unstable_by(|a, b| b.cmp(a));
        ids.dedup();
        let more = ids.len() > STEP_ROWS;
        ids.truncate(STEP_ROWS);
        let mut select =
            tx.connection.prepare_cached(concat!("SELECT ", columns!(), ", name FROM jobs WHERE id = ?1"))?;
        for id in &ids {
            let mut rows = select.query([id])?;
            if let Some(row) = rows.next()? {
                look(row)?;
            }
        }
        let last = ids.last().copied().filter(|_| more);
        return Ok((chosen, last.map(|id| JobId(number(id)))));
    }
    let mut select = tx.connection.prepare_cached(concat!(
        "SELECT ",
        columns!(),
        ", name FROM jobs WHERE id < ?1 ORDER BY id DESC LIMIT ?2"
    ))?;
    let mut rows = select.query([before, sql(STEP_ROWS as u64)])?;
    let (mut seen, mut last) = (0, 0);
    while let Some(row) = rows.next()? {
        last = look(row)?;
        seen += 1;
    }
    Ok((chosen, (seen == STEP_ROWS).then_some(JobId(number(last)))))
}

fn carry_out(mut row: JobRow, op: Op, now: Timestamp, tx: &mut Tx<'_>) -> rusqlite::Result<bool> {
    // One before it may have changed it, as when a job is cancelled with the one that it waits for.
    let Some(present) = JobRow::load(tx, row.id)?.filter(|present| present.state == row.state) else {
        return Ok(false);
    };
    row = present;
    match op {
        Op::Cancel if !row.state.is_final() => {
            if row.state == JobState::Executing {
                tx.effects.taken.push((row.job(), Fence(number(row.fence))));
            }
            row.failed(tx, now, "an operator cancelled it")?;
            row.end(tx, JobState::Cancelled, now)?;
            if row.dependants {
                dependants::resolve(tx, &row, now)?;
            }
            Ok(true)
        }
        Op::Retry if row.state.is_final() || matches!(row.state, JobState::Retryable | JobState::Scheduled) => {
            if row.state.is_final() && displaced(tx, &row, now)? {
                return Ok(false);
            }
            row.revive(tx, now)?;
            Ok(true)
        }
        Op::Delete if row.state.is_final() => {
            row.delete(tx)?;
            Ok(true)
        }
        Op::Cancel | Op::Retry | Op::Delete => Ok(false),
    }
}

/// Whether it is a unique job, and another has its place by now.
fn displaced(tx: &Tx<'_>, row: &JobRow, now: Timestamp) -> rusqlite::Result<bool> {
    let ukey: Option<Vec<u8>> =
        tx.connection.prepare_cached("SELECT ukey FROM jobs WHERE id = ?1")?.query_row([row.id], |row| row.get(0))?;
    let (Some(ukey), Some(plugin)) = (ukey, tx.plugin_of(row.queue)) else { return Ok(false) };
    let holder = unique::holder(tx, plugin, &ukey, now)?;
    Ok(holder.is_some_and(|holder| holder.job != row.id && holder.states.has(holder.state)))
}

/// Says something of a queue.
pub(in crate::sqlite) fn set_queue_state(
    (queue, state): &(QueueRef, QueueState),
    tx: &mut Tx<'_>,
) -> Result<(), Stop<Error>> {
    if tx.state.queue_known(queue).is_none() && tx.state.queues_of(&queue.plugin) >= QUEUES_MAX {
        return refuse(Error::Invalid(format!("a plugin has at most {QUEUES_MAX} queues")));
    }
    let id = tx.state.queue_id(tx.connection, queue)?;
    tx.connection
        .prepare_cached("UPDATE queues SET paused = ?2, concurrency = ?3, said = 1 WHERE id = ?1")?
        .execute(params![id, state.paused, state.concurrency])?;
    tx.state.queue_said(id, *state);
    if !state.paused {
        // Whoever waits for work may have been told while nothing was given out.
        tx.effects.available(id);
    }
    Ok(())
}
