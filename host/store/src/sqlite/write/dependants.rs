//! Jobs that wait for others.

use rusqlite::params;

use super::row::JobRow;
use crate::Timestamp;
use crate::job::JobState;
use crate::number::{number, sql};
use crate::sqlite::tx::Tx;

/// In the column `waiting`: for a revision that knows the job's name.
pub(in crate::sqlite) const FOR_REVISION: i64 = -1;
/// How many dependants are told in one transaction: an end that many wait for must not keep others from writing. The rest
/// follows at once, in the next ones.
const STEP: usize = 5_000;

/// A job has ended: tells those that wait for it, and those that wait for them if they are cancelled with it.
pub(super) fn resolve(tx: &mut Tx<'_>, ended: &JobRow, now: Timestamp) -> rusqlite::Result<()> {
    // Behind what is left from before, so that each transaction has a bound.
    if tx.effects.unresolved {
        return put_off(tx, ended.id, now);
    }
    work_off(tx, vec![(ended.id, now)])
}

/// Goes on with what was left.
pub(in crate::sqlite) fn go_on(tx: &mut Tx<'_>) -> rusqlite::Result<()> {
    let mut left = Vec::new();
    {
        let mut select = tx.connection.prepare_cached("SELECT job, now FROM ending LIMIT 100")?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            left.push((row.get::<_, i64>(0)?, number(row.get(1)?)));
        }
    }
    tx.effects.unresolved = false;
    let full = left.len() == 100;
    for (id, _) in &left {
        tx.connection.prepare_cached("DELETE FROM ending WHERE job = ?1")?.execute([id])?;
    }
    work_off(tx, left)?;
    tx.effects.unresolved |= full;
    Ok(())
}

fn work_off(tx: &mut Tx<'_>, mut ended: Vec<(i64, Timestamp)>) -> rusqlite::Result<()> {
    let mut steps = STEP;
    while let Some((id, now)) = ended.pop() {
        if steps == 0 {
            put_off(tx, id, now)?;
            continue;
        }
        let Some(row) = JobRow::load(tx, id)? else { continue };
        let waiting = waiting_for(tx, id, steps)?;
        steps -= waiting.len();
        if steps == 0 {
            put_off(tx, id, now)?;
        }
        for job in waiting {
            tx.connection.prepare_cached("DELETE FROM waits WHERE before = ?1 AND job = ?2")?.execute([id, job])?;
            if let Some(cancelled) = tell(tx, &row, job, now)? {
                ended.push((cancelled, now));
            }
        }
    }
    Ok(())
}

fn waiting_for(tx: &Tx<'_>, before: i64, limit: usize) -> rusqlite::Result<Vec<i64>> {
    tx.connection
        .prepare_cached("SELECT job FROM waits WHERE before = ?1 ORDER BY job LIMIT ?2")?
        .query_map(params![before, sql(limit as u64)], |row| row.get(0))?
        .collect()
}

fn put_off(tx: &mut Tx<'_>, job: i64, now: Timestamp) -> rusqlite::Result<()> {
    tx.effects.unresolved = true;
    tx.connection.prepare_cached("INSERT OR IGNORE INTO ending(job, now) VALUES (?1, ?2)")?.execute([job, sql(now)])?;
    Ok(())
}

/// One of those that it waited for has ended. Answers its number if that cancels it, and others wait for it in turn.
fn tell(tx: &mut Tx<'_>, ended: &JobRow, job: i64, now: Timestamp) -> rusqlite::Result<Option<i64>> {
    let waits = |row: &JobRow| row.state == JobState::Suspended && row.waiting > 0;
    let Some(mut row) = JobRow::load(tx, job)?.filter(waits) else { return Ok(None) };
    if ended.state != JobState::Completed && !row.any_end {
        row.failed(tx, now, &format!("job {}, which this one waits for, was {}", ended.id, ended.state))?;
        row.end(tx, JobState::Cancelled, now)?;
        return Ok(row.dependants.then_some(row.id));
    }
    let left = row.waiting - 1;
    row.waits_for(tx, left)?;
    if left == 0 {
        let to = row.ready(now);
        row.wait(tx, to)?;
    }
    Ok(None)
}
