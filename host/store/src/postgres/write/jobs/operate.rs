//! What operators do.

use super::row::{JobRow, load_all};
use super::{dependants, insert};
use crate::Timestamp;
use crate::error::Error;
use crate::job::{Fence, JobFilter, JobId, JobState, Op, OpReport, QueueRef, QueueState};
use crate::limits::QUEUES_MAX;
use crate::number::{number, sql};
use crate::postgres::fault::{Missing, Stop, refuse};
use crate::postgres::operation::STEP_ROWS;
use crate::postgres::rows::jobs::asks::Ask;
use crate::postgres::tx::{Tx, Wants};
use crate::postgres::verb::Verb;

/// Which jobs, what to do, those before this one, and the time.
type Order = (JobFilter, Op, Option<JobId>, Timestamp);

/// One bounded step.
pub(in crate::postgres) const OPERATE: Verb<Order, OpReport, Error> =
    Verb { want, run: |order, tx| Ok(operate(order, tx)?) };

/// The jobs that an order names, if it does, the newest first, and where the next step begins.
fn named((filter, _, before, _): &Order) -> Option<(Vec<i64>, Option<i64>)> {
    if filter.ids.is_empty() {
        return None;
    }
    let before = before.map_or(i64::MAX, |before| sql(before.0));
    let mut ids: Vec<_> = filter.ids.iter().map(|id| sql(id.0)).filter(|id| *id < before).collect();
    ids.sort_unstable_by(|a, b| b.cmp(a));
    ids.dedup();
    let more = ids.len() > STEP_ROWS;
    ids.truncate(STEP_ROWS);
    let last = ids.last().copied().filter(|_| more);
    Some((ids, last))
}

fn ask((filter, _, before, _): &Order) -> Ask {
    Ask::Order {
        before: before.map_or(i64::MAX, |before| sql(before.0)),
        limit: sql(STEP_ROWS as u64),
        plugin: filter.plugin.as_ref().map(ToString::to_string),
        queue: filter.queue.as_ref().map(ToString::to_string),
        name: filter.name.as_ref().map(ToString::to_string),
        state: filter.state.map(|state| state as i16),
    }
}

fn want(order: &Order, wants: &mut Wants<'_>) {
    match named(order) {
        Some((ids, _)) => ids.into_iter().for_each(|id| wants.rows.jobs.stock.want(id)),
        None => wants.rows.jobs.asks.want(ask(order)),
    }
}

fn operate(order: &Order, tx: &mut Tx<'_>) -> Result<OpReport, Missing> {
    let (filter, op, _, now) = order;
    let (mut ids, last) = match named(order) {
        Some(named) => named,
        None => {
            let found = tx.rows.jobs.asks.get(&ask(order))?;
            (found.ids, found.last)
        }
    };
    ids.sort_unstable_by(|a, b| b.cmp(a));
    // Another write of the group may have changed them since they were looked for.
    let mut rows = load_all(tx, &ids)?;
    rows.retain(|row| fits(tx, filter, row));
    for row in &rows {
        match op {
            Op::Cancel => {
                row.may_fail(tx);
                dependants::may_end(tx, row);
            }
            Op::Retry | Op::Delete => {
                if let Some(place) = row.place(tx).filter(|_| row.job.state.is_final()) {
                    tx.rows.jobs.uniques.want(place);
                }
            }
        }
    }
    let mut report = OpReport { changed: 0, next: last.map(|id| JobId(number(id))) };
    for row in rows {
        report.changed += u64::from(carry_out(&row, *op, *now, tx)?);
    }
    Ok(report)
}

fn fits(tx: &Tx<'_>, filter: &JobFilter, row: &JobRow) -> bool {
    let queue = tx.names.queue_name(row.job.queue);
    queue.is_some_and(|queue| {
        filter.plugin.as_ref().is_none_or(|plugin| *plugin == queue.plugin)
            && filter.queue.as_ref().is_none_or(|name| *name == queue.queue)
    }) && filter.state.is_none_or(|wanted| wanted == row.job.state)
        && filter.name.as_ref().is_none_or(|name| *name == row.job.name)
}

fn carry_out(seen: &JobRow, op: Op, now: Timestamp, tx: &mut Tx<'_>) -> Result<bool, Missing> {
    // One before it may have changed it, as when a job is cancelled with the one that it waits for.
    let present = JobRow::load(tx, seen.id)?;
    let Some(mut row) = present.filter(|present| present.job.state == seen.job.state) else { return Ok(false) };
    let state = row.job.state;
    match op {
        Op::Cancel if !state.is_final() => {
            if state == JobState::Executing {
                tx.effects.taken.push((row.number(), Fence(number(row.job.fence))));
            }
            row.failed(tx, now, "an operator cancelled it")?;
            row.end(tx, JobState::Cancelled, now);
            if row.job.dependants {
                dependants::resolve(tx, row.id, now)?;
            }
            Ok(true)
        }
        Op::Retry if state.is_final() || matches!(state, JobState::Retryable | JobState::Scheduled) => {
            if state.is_final() && displaced(tx, &row, now)? {
                return Ok(false);
            }
            row.revive(tx, now);
            Ok(true)
        }
        Op::Delete if state.is_final() => {
            row.delete(tx)?;
            Ok(true)
        }
        Op::Cancel | Op::Retry | Op::Delete => Ok(false),
    }
}

/// Whether it is a unique job, and another has its place by now.
fn displaced(tx: &mut Tx<'_>, row: &JobRow, now: Timestamp) -> Result<bool, Missing> {
    let Some(place) = row.place(tx) else { return Ok(false) };
    Ok(insert::holder(tx, &place, now)?.is_some_and(|holder| holder.id != row.id))
}

/// Says something of a queue.
pub(in crate::postgres) const SET_QUEUE_STATE: Verb<(QueueRef, QueueState), (), Error> =
    Verb { want: |(queue, _), wants| _ = wants.queue(queue), run: set_queue_state };

fn set_queue_state((queue, state): &(QueueRef, QueueState), tx: &mut Tx<'_>) -> Result<(), Stop<Error>> {
    tx.named(&std::iter::once(queue.clone()).collect())?;
    let Some(id) = tx.names.queue(queue) else {
        return refuse(Error::Invalid(format!("a plugin has at most {QUEUES_MAX} queues")));
    };
    tx.rows.jobs.said.put(id, *state);
    if !state.paused {
        // Whoever waits for work may have been told while nothing was given out.
        tx.effects.available(id);
    }
    Ok(())
}
