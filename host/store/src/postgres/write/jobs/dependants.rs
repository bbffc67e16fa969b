//! Jobs that wait for others.

use super::row::JobRow;
use crate::Timestamp;
use crate::error::Error;
use crate::job::JobState;
use crate::number::{number, sql};
use crate::postgres::fault::{Missing, Stop};
use crate::postgres::rows::jobs::ending::LEFT_MAX;
use crate::postgres::tx::Tx;
use crate::postgres::verb::Verb;

/// In the column `waiting`: for a revision that knows the job's name.
pub(in crate::postgres) const FOR_REVISION: i64 = -1;
/// How many dependants are told in one transaction: an end that many wait for must not keep others from writing. The rest
/// follows at once, in the next ones.
const STEP: usize = 5_000;

/// It may end: those that wait for it will be asked for, so that those of many are asked for at once.
pub(super) fn may_end(tx: &mut Tx<'_>, row: &JobRow) {
    if row.job.dependants && !tx.effects.unresolved {
        tx.rows.jobs.waits.want(row.id);
    }
}

/// A job has ended: tells those that wait for it, and those that wait for them if they are cancelled with it.
pub(super) fn resolve(tx: &mut Tx<'_>, ended: i64, now: Timestamp) -> Result<(), Missing> {
    // Behind what is left from before, so that each transaction has a bound.
    if tx.effects.unresolved {
        put_off(tx, ended, now);
        return Ok(());
    }
    work_off(tx, vec![(ended, now)])
}

/// Goes on with jobs whose dependants wait to be told.
pub(in crate::postgres) const GO_ON: Verb<(), (), Error> =
    Verb { want: |(), wants| wants.rows.jobs.ending.want_left(), run: |(), tx| go_on(tx).map_err(Stop::from) };

fn go_on(tx: &mut Tx<'_>) -> Result<(), Missing> {
    let left: Vec<(i64, Timestamp)> = tx.rows.jobs.ending.left.iter().map(|(id, now)| (*id, number(*now))).collect();
    for (id, _) in &left {
        tx.rows.jobs.ending.remove(*id);
        tx.rows.jobs.stock.want(*id);
        tx.rows.jobs.waits.want(*id);
    }
    tx.effects.unresolved |= left.len() >= LEFT_MAX;
    work_off(tx, left)
}

fn work_off(tx: &mut Tx<'_>, mut ended: Vec<(i64, Timestamp)>) -> Result<(), Missing> {
    let mut steps = STEP;
    while let Some((id, now)) = ended.pop() {
        if steps == 0 {
            put_off(tx, id, now);
            continue;
        }
        let Some(row) = JobRow::load(tx, id)? else { continue };
        let waiting = tx.rows.jobs.waits.first(id, steps)?;
        steps -= waiting.len();
        if steps == 0 {
            put_off(tx, id, now);
        }
        for job in &waiting {
            tx.rows.jobs.stock.want(*job);
        }
        for job in waiting {
            tx.rows.jobs.waits.remove(id, job);
            if let Some(cancelled) = tell(tx, &row, job, now)? {
                tx.rows.jobs.waits.want(cancelled);
                ended.push((cancelled, now));
            }
        }
    }
    Ok(())
}

fn put_off(tx: &mut Tx<'_>, job: i64, now: Timestamp) {
    tx.effects.unresolved = true;
    tx.rows.jobs.ending.add(job, sql(now));
}

/// One of those that it waited for has ended. Answers its number if that cancels it, and others wait for it in turn.
fn tell(tx: &mut Tx<'_>, ended: &JobRow, job: i64, now: Timestamp) -> Result<Option<i64>, Missing> {
    let waits = |row: &JobRow| row.job.state == JobState::Suspended && row.job.waiting > 0;
    let Some(mut row) = JobRow::load(tx, job)?.filter(waits) else { return Ok(None) };
    if ended.job.state != JobState::Completed && !row.job.any_end {
        row.failed(tx, now, &format!("job {}, which this one waits for, was {}", ended.id, ended.job.state))?;
        row.end(tx, JobState::Cancelled, now);
        return Ok(row.job.dependants.then_some(row.id));
    }
    row.job.waiting -= 1;
    if row.job.waiting == 0 {
        let to = row.ready(now);
        row.wait(tx, to);
    } else {
        row.save(tx);
    }
    Ok(None)
}
