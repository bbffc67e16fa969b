//! A commit: everything is decided over loaded rows, and undone where something stands against it.

use std::collections::BTreeMap;

use bytes::Bytes;
use skep_types::PluginName;

use super::{items, jobs, mail, outbox, process};
use crate::commit::{Commit, Committed, Tick};
use crate::error::{CommitError, Error};
use crate::number::{number, sql};
use crate::postgres::counts::Uses;
use crate::postgres::fault::{Stop, refuse};
use crate::postgres::numbers::Kind;
use crate::postgres::rows::ticks::Place;
use crate::postgres::tx::{Tx, Wants};
use crate::postgres::verb::Verb;

impl From<Stop<Error>> for Stop<CommitError> {
    fn from(stop: Stop<Error>) -> Self {
        match stop {
            Stop::Refused(error) => Self::Refused(error.into()),
            Stop::Missing => Self::Missing,
        }
    }
}

/// What a commit's plugins have more, or less.
pub(super) type AllUses<'a> = BTreeMap<&'a PluginName, Uses>;

/// All or nothing.
pub(in crate::postgres) const COMMIT: Verb<Commit, Committed, CommitError> = Verb { want, run };

fn want(commit: &Commit, wants: &mut Wants<'_>) {
    wants.plugin(&commit.plugin);
    wants.quota(&commit.plugin);
    wants.numbers.want(Kind::Version, 1);
    items::want(commit, wants);
    for tick in &commit.ticks {
        if let Some(plugin) = wants.plugin(&tick.plugin) {
            wants.rows.ticks.want(schedule(plugin, tick));
        }
    }
    outbox::want(commit, wants);
    jobs::want(commit, wants);
    mail::want(commit, wants);
    if let Some(change) = &commit.process {
        process::want(change, wants);
    }
}

fn schedule(plugin: i64, tick: &Tick) -> Place {
    (plugin, Bytes::copy_from_slice(tick.schedule.as_bytes()))
}

fn run(commit: &Commit, tx: &mut Tx<'_>) -> Result<Committed, Stop<CommitError>> {
    for (at, check) in commit.checks.iter().enumerate() {
        if !items::holds(tx, check, commit.now)? {
            return refuse(CommitError::Conflict(at));
        }
    }
    for (at, tick) in commit.ticks.iter().enumerate() {
        let plugin = tx.plugin(&tick.plugin)?;
        if tx.rows.ticks.get(&schedule(plugin, tick))?.map(number) != tick.last {
            return refuse(CommitError::Conflict(commit.checks.len() + at));
        }
    }
    let mut uses = AllUses::new();
    let version = tx.number(Kind::Version)?;
    let process = commit.process.as_ref().map(|change| process::plan(tx, change, &mut uses)).transpose()?;
    let sums = items::write(tx, commit, version, &mut uses)?;
    let jobs = jobs::insert(tx, commit, &mut uses)?;
    outbox::add(tx, commit, &mut uses)?;
    // A process that ends with it takes what it has sent to itself along.
    let mail = mail::add(tx, commit, &mut uses)?;
    // What goes with the end of a process makes room only for those behind.
    for (plugin, uses) in uses {
        tx.within_quota(plugin, uses.bytes)?;
        let plugin = tx.plugin(plugin)?;
        tx.uses(plugin, uses);
    }
    let process = process.map(|plan| process::write(tx, plan)).transpose()?;
    for tick in &commit.ticks {
        let plugin = tx.plugin(&tick.plugin)?;
        tx.rows.ticks.put(schedule(plugin, tick), sql(tick.at));
    }
    Ok(Committed { version: number(version), sums, jobs, mail, process })
}
