//! Who holds the place of a unique job. A place is a row under a primary key: there can be one holder.

use rusqlite::{OptionalExtension, params};

use super::row;
use crate::Timestamp;
use crate::job::{JobState, StateSet, Unique};
use crate::number::{number, sql};
use crate::sqlite::tx::Tx;

/// A job that has a place.
#[derive(Clone, Copy)]
pub(super) struct Holder {
    pub(super) job: i64,
    pub(super) state: JobState,
    /// In which states it keeps others out.
    pub(super) states: StateSet,
}

/// Who has this place, and has not had it for too long. Whether that keeps others out is for its state to say.
pub(super) fn holder(tx: &Tx<'_>, plugin: i64, key: &[u8], now: Timestamp) -> rusqlite::Result<Option<Holder>> {
    let found = tx
        .connection
        .prepare_cached(
            "SELECT job, uniques.until, states, state FROM uniques JOIN jobs ON jobs.id = job
             WHERE plugin = ?1 AND key = ?2",
        )?
        .query_row(params![plugin, key], |row| {
            let until: Option<i64> = row.get(1)?;
            let (states, state) = (StateSet::from_bits(row.get(2)?), row::state(row.get(3)?));
            let holds = until.is_none_or(|until| number(until) > now);
            Ok(holds.then_some(Holder { job: row.get(0)?, state, states }))
        })
        .optional()?;
    Ok(found.flatten())
}

/// Gives the place to a job. Whoever had it does not keep others out any more.
pub(super) fn hold(tx: &Tx<'_>, plugin: i64, unique: &Unique, job: i64) -> rusqlite::Result<()> {
    tx.connection
        .prepare_cached("INSERT OR REPLACE INTO uniques(plugin, key, job, until, states) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![plugin, &unique.key[..], job, unique.until.map(sql), unique.states.bits()])?;
    Ok(())
}
