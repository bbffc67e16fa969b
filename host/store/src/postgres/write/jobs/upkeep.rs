//! What is done as time goes by.

use skep_types::{HandlerName, PluginName};

use super::dependants;
use super::row::{JobRow, load_all};
use crate::Timestamp;
use crate::error::Error;
use crate::job::{JobId, JobState};
use crate::number::{number, sql};
use crate::postgres::fault::{Missing, Stop};
use crate::postgres::operation::STEP_ROWS;
use crate::postgres::rows::jobs::asks::Ask;
use crate::postgres::rows::jobs::lanes::Lane;
use crate::postgres::tx::{Tx, Wants};
use crate::postgres::verb::Verb;

/// A time, and how many at most.
type Due = (Timestamp, usize);

/// Wants those of a lane that are due, and one more, which says whether there are more.
fn want_due(lane: Lane, (now, limit): &Due, wants: &mut Wants<'_>) {
    wants.rows.jobs.stock.want_first(lane, sql(*now), limit.saturating_add(1));
    wants.rows.jobs.stock.want_next(lane, sql(*now), limit.saturating_add(1));
}

/// Those of a lane that are due, and when the next one is.
fn due(lane: Lane, (now, limit): &Due, tx: &mut Tx<'_>) -> Result<(Vec<JobRow>, Option<Timestamp>), Missing> {
    let mut ids = tx.rows.jobs.stock.first(lane, sql(*now), limit.saturating_add(1))?;
    let next = if ids.len() > *limit {
        ids.truncate(*limit);
        Some(*now)
    } else {
        tx.rows.jobs.stock.next(lane, sql(*now))?.map(number)
    };
    Ok((load_all(tx, &ids)?, next))
}

/// Makes due jobs available.
pub(in crate::postgres) const STAGE: Verb<Due, (u64, Option<Timestamp>), Error> =
    Verb { want: |args, wants| want_due(Lane::Due, args, wants), run: |args, tx| Ok(stage(args, tx)?) };

fn stage(args: &Due, tx: &mut Tx<'_>) -> Result<(u64, Option<Timestamp>), Missing> {
    let (due, next) = due(Lane::Due, args, tx)?;
    let count = due.len() as u64;
    for mut row in due {
        row.wait(tx, JobState::Available);
    }
    Ok((count, next))
}

/// Takes jobs whose lease ran out.
pub(in crate::postgres) const RECLAIM: Verb<Due, (Vec<JobId>, Option<Timestamp>), Error> =
    Verb { want: |args, wants| want_due(Lane::Leased, args, wants), run: |args, tx| Ok(reclaim(args, tx)?) };

fn reclaim(args: &Due, tx: &mut Tx<'_>) -> Result<(Vec<JobId>, Option<Timestamp>), Missing> {
    let (late, next) = due(Lane::Leased, args, tx)?;
    let ids = late.iter().map(JobRow::number).collect();
    take_away(tx, late, args.0, "its lease ran out: the worker was gone, or too slow to say that it is there")?;
    Ok((ids, next))
}

/// Takes the jobs of all other workers than this: of this host, and of those that are gone. A worker of another host that is
/// there has its own.
pub(in crate::postgres) const RECLAIM_OTHERS: Verb<(String, Timestamp), u64, Error> =
    Verb { want: |_, _| {}, run: |args, tx| Ok(reclaim_others(args, tx)?) };

fn reclaim_others((worker, now): &(String, Timestamp), tx: &mut Tx<'_>) -> Result<u64, Missing> {
    let ask = Ask::Others { worker: worker.clone(), host: tx.host, limit: sql(STEP_ROWS as u64) };
    let ids = tx.rows.jobs.asks.get(&ask)?.ids;
    let mut rows = load_all(tx, &ids)?;
    rows.retain(|row| row.job.state == JobState::Executing && row.job.worker.as_ref() != Some(worker));
    take_away(tx, rows, *now, "its worker is gone: the host was started again")?;
    // Those that another write of the group has taken are counted too: a full step means that there may be more.
    Ok(ids.len() as u64)
}

fn take_away(tx: &mut Tx<'_>, rows: Vec<JobRow>, now: Timestamp, why: &str) -> Result<(), Missing> {
    for row in &rows {
        row.may_fail(tx);
        if row.job.attempt >= row.job.max_attempts {
            dependants::may_end(tx, row);
        }
    }
    for mut row in rows {
        row.failed(tx, now, why)?;
        if row.job.attempt < row.job.max_attempts {
            row.wait(tx, JobState::Available);
            continue;
        }
        row.end(tx, JobState::Discarded, now);
        // Whoever takes it away need not know of the queue's cap.
        tx.effects.freed.insert(row.job.queue);
        if row.job.dependants {
            dependants::resolve(tx, row.id, now)?;
        }
    }
    Ok(())
}

/// What is resumed: the plugin, the names that its revision knows, and the time.
type Known = (PluginName, Vec<HandlerName>, Timestamp);

fn unknown((plugin, names, _): &Known) -> Ask {
    let names = names.iter().map(ToString::to_string).collect();
    Ask::Unknown { plugin: plugin.to_string(), names, limit: sql(STEP_ROWS as u64) }
}

/// Jobs that wait for a revision which knows their name.
pub(in crate::postgres) const RESUME: Verb<Known, u64, Error> =
    Verb { want: |known, wants| wants.rows.jobs.asks.want(unknown(known)), run: |known, tx| Ok(resume(known, tx)?) };

fn resume(known: &Known, tx: &mut Tx<'_>) -> Result<u64, Missing> {
    let ids = tx.rows.jobs.asks.get(&unknown(known))?.ids;
    for mut row in load_all(tx, &ids)? {
        if row.job.waiting == dependants::FOR_REVISION {
            let to = row.ready(known.2);
            row.wait(tx, to);
        }
    }
    // As above.
    Ok(ids.len() as u64)
}

/// A state, before when, and how many at most.
type Old = (JobState, Timestamp, usize);

/// The last rank before.
fn last((_, before, _): &Old) -> i64 {
    sql(*before) - 1
}

/// Deletes final jobs.
pub(in crate::postgres) const PRUNE: Verb<Old, u64, Error> = Verb {
    want: |old, wants| {
        if old.0.is_final() {
            wants.rows.jobs.stock.want_first(Lane::Ended(old.0), last(old), old.2);
        }
    },
    run: prune,
};

fn prune(old: &Old, tx: &mut Tx<'_>) -> Result<u64, Stop<Error>> {
    let (state, _, limit) = old;
    if !state.is_final() {
        return Err(Stop::Refused(Error::Invalid(format!("jobs that are {state} are not pruned"))));
    }
    let ids = tx.rows.jobs.stock.first(Lane::Ended(*state), last(old), *limit)?;
    let rows = load_all(tx, &ids)?;
    delete_all(tx, &rows)?;
    Ok(rows.len() as u64)
}

/// Deletes final jobs. The places of unique ones are asked for at once.
pub(super) fn delete_all(tx: &mut Tx<'_>, rows: &[JobRow]) -> Result<(), Missing> {
    for row in rows {
        if let Some(place) = row.place(tx) {
            tx.rows.jobs.uniques.want(place);
        }
    }
    rows.iter().try_for_each(|row| row.delete(tx))
}
