//! A commit: everything is checked before anything is written.

use rusqlite::{OptionalExtension, params};
use skep_types::PluginName;

use super::{insert, items, mail, outbox, process};
use crate::commit::{Commit, Committed, Tick};
use crate::error::{CommitError, Error};
use crate::number::{number, sql};
use crate::sqlite::fault::{Stop, refuse};
use crate::sqlite::tx::Tx;

impl From<Stop<Error>> for Stop<CommitError> {
    fn from(stop: Stop<Error>) -> Self {
        match stop {
            Stop::Refused(error) => Self::Refused(error.into()),
            Stop::Fault(error) => Self::Fault(error),
        }
    }
}

/// All or nothing.
pub(in crate::sqlite) fn commit(commit: &Commit, tx: &mut Tx<'_>) -> Result<Committed, Stop<CommitError>> {
    for (at, check) in commit.checks.iter().enumerate() {
        if !items::holds(tx, check, commit.now)? {
            return refuse(CommitError::Conflict(at));
        }
    }
    for (at, tick) in commit.ticks.iter().enumerate() {
        if last_tick(tx, tick)? != tick.last.map(sql) {
            return refuse(CommitError::Conflict(commit.checks.len() + at));
        }
    }
    let process = commit.process.as_ref().map(|change| process::Plan::of(tx, change)).transpose()?;
    let items = items::Plan::of(tx, &commit.writes, commit.now)?;
    let jobs = insert::Plan::of(tx, commit)?;
    let mut uses = items.uses();
    let own = uses.entry(&commit.plugin).or_default();
    own.1 += jobs.bytes() + outbox::bytes(&commit.messages) + mail::bytes(commit);
    if let Some(plan) = &process {
        uses.entry(plan.plugin()).or_default().1 += plan.bytes;
        for (sender, bytes) in &plan.freed {
            uses.entry(sender).or_default().1 -= bytes;
        }
    }
    within_quotas(tx, uses.iter().map(|(plugin, (_, more))| (*plugin, *more)))?;

    tx.state.counters.version += 1;
    let version = tx.state.counters.version;
    items.write(tx, version)?;
    for (plugin, (items, bytes)) in uses {
        if items != 0 || bytes != 0 {
            tx.state.plugin_id(tx.connection, plugin)?;
            tx.state.used(plugin, items, 0, bytes);
        }
    }
    let sums = items.sums;
    let jobs = jobs.write(tx, commit)?;
    outbox::add(tx, commit)?;
    // A process that ends with it takes what it has sent to itself along.
    let mail = mail::add(tx, commit)?;
    let process = process.map(|plan| plan.write(tx)).transpose()?;
    for tick in &commit.ticks {
        let plugin = tx.state.plugin_id(tx.connection, &tick.plugin)?;
        tx.connection
            .prepare_cached("INSERT OR REPLACE INTO ticks(plugin, schedule, at) VALUES (?1, ?2, ?3)")?
            .execute(params![plugin, tick.schedule, sql(tick.at)])?;
    }
    Ok(Committed { version, sums, jobs, mail, process })
}

fn last_tick(tx: &Tx<'_>, tick: &Tick) -> rusqlite::Result<Option<i64>> {
    let Some(plugin) = tx.state.plugin(&tick.plugin) else { return Ok(None) };
    tx.connection
        .prepare_cached("SELECT at FROM ticks WHERE plugin = ?1 AND schedule = ?2")?
        .query_row(params![plugin.id, tick.schedule], |row| row.get(0))
        .optional()
}

/// What needs no more room than before is always let through, so that a plugin over its quota can make room.
pub(super) fn within_quotas<'a>(
    tx: &Tx<'_>,
    uses: impl IntoIterator<Item = (&'a PluginName, i64)>,
) -> Result<(), Stop<Error>> {
    let quotas = tx.quotas.read();
    for (plugin, more) in uses {
        let used = tx.state.plugin(plugin).map_or(0, |plugin| plugin.bytes);
        if more > 0
            && let Some(quota) = quotas.get(plugin)
            && number(used + more) > *quota
        {
            return refuse(Error::Quota(*quota));
        }
    }
    Ok(())
}
