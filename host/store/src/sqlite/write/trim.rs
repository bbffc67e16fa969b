//! Events that are not needed any more, and the mail of processes that ended.
//!
//! There may be many of them: what is over a bound is written down, and deleted behind other writes. Until then it is not to be
//! seen: events are read from the record's `first_event` on, and nobody asks for mail to a number that is never given again.

use rusqlite::params;

use super::mail::Going;
use crate::limits::EVENT_OVERHEAD;
use crate::number::sql;
use crate::sqlite::tx::Tx;

/// How many rows are deleted in one transaction: a process with a long past must not keep others from writing.
const STEP: usize = 5_000;
/// How many that were left are looked at in one transaction.
const LEFT_MAX: usize = 100;

/// What is to be deleted of a process.
#[derive(Clone, Copy)]
pub(super) struct Trim {
    pub(super) plugin: i64,
    pub(super) number: i64,
    /// Events with lower numbers.
    pub(super) below: i64,
    /// And the mail to its number.
    pub(super) ended: bool,
}

/// Deletes what can be deleted now, and writes the rest down.
pub(super) fn begin(tx: &mut Tx<'_>, trim: Trim) -> rusqlite::Result<()> {
    // Behind what is left from before, so that each transaction has a bound.
    let mut steps = if tx.effects.unresolved { 0 } else { STEP };
    if carry_out(tx, trim, &mut steps)? {
        return Ok(());
    }
    tx.effects.unresolved = true;
    tx.connection
        .prepare_cached(
            "INSERT INTO process_trims(plugin, number, below, ended) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT(plugin, number) DO UPDATE SET below = max(below, excluded.below), ended = max(ended, excluded.ended)",
        )?
        .execute(params![trim.plugin, trim.number, trim.below, trim.ended])?;
    Ok(())
}

/// Goes on with what was left.
pub(in crate::sqlite) fn go_on(tx: &mut Tx<'_>) -> rusqlite::Result<()> {
    let left: Vec<Trim> = tx
        .connection
        .prepare_cached("SELECT plugin, number, below, ended FROM process_trims LIMIT ?1")?
        .query_map([sql(LEFT_MAX as u64)], |row| {
            Ok(Trim { plugin: row.get(0)?, number: row.get(1)?, below: row.get(2)?, ended: row.get(3)? })
        })?
        .collect::<rusqlite::Result<_>>()?;
    let mut steps = STEP;
    let mut more = left.len() == LEFT_MAX;
    for trim in left {
        if !carry_out(tx, trim, &mut steps)? {
            more = true;
            break;
        }
        tx.connection
            .prepare_cached("DELETE FROM process_trims WHERE plugin = ?1 AND number = ?2")?
            .execute([trim.plugin, trim.number])?;
    }
    tx.effects.unresolved |= more;
    Ok(())
}

/// Deletes at most so many rows. Answers whether that was all.
fn carry_out(tx: &mut Tx<'_>, trim: Trim, steps: &mut usize) -> rusqlite::Result<bool> {
    let Trim { plugin, number, below, ended } = trim;
    let first: Option<i64> = tx
        .connection
        .prepare_cached("SELECT min(id) FROM process_events WHERE plugin = ?1 AND number = ?2")?
        .query_row([plugin, number], |row| row.get(0))?;
    if let Some(first) = first.filter(|first| *first < below) {
        // They are numbered without gaps.
        let behind = below.min(first + sql(*steps as u64));
        let (mut rows, mut bytes) = (0, 0);
        {
            let mut delete = tx.connection.prepare_cached(
                "DELETE FROM process_events WHERE plugin = ?1 AND number = ?2 AND id < ?3 RETURNING length(data)",
            )?;
            let mut deleted = delete.query([plugin, number, behind])?;
            while let Some(row) = deleted.next()? {
                rows += 1;
                bytes += row.get::<_, i64>(0)? + sql(EVENT_OVERHEAD);
            }
        }
        *steps = steps.saturating_sub(rows);
        if let Some(of) = tx.state.plugin_named(plugin) {
            tx.state.used(&of, 0, 0, -bytes);
        }
        if *steps == 0 {
            return Ok(false);
        }
    }
    if !ended {
        return Ok(true);
    }
    let mail = Going::of_process(tx, plugin, number, *steps)?;
    for going in &mail {
        going.drop(tx)?;
    }
    *steps -= mail.len();
    Ok(*steps > 0)
}
