//! What becomes of the process whose turn a commit is.

use super::commit::AllUses;
use crate::error::{CommitError, Error};
use crate::postgres::fault::{Stop, refuse};
use crate::postgres::tx::{Tx, Wants};
use crate::postgres::verb::Verb;
use crate::process::{ProcessChange, ProcessDone};

pub(super) fn want(_: &ProcessChange, _: &mut Wants<'_>) {}

/// What is known of a change before anything is written.
pub(super) struct Plan<'a> {
    change: &'a ProcessChange,
}

/// Decides whether the change can be made. What it counts for is added to `uses`.
pub(super) fn plan<'a>(
    _: &mut Tx<'_>,
    change: &'a ProcessChange,
    _: &mut AllUses<'a>,
) -> Result<Plan<'a>, Stop<CommitError>> {
    Ok(Plan { change })
}

/// Makes it.
pub(super) fn write(_: &mut Tx<'_>, plan: Plan<'_>) -> Result<ProcessDone, Stop<CommitError>> {
    refuse(Error::Unavailable(format!("no processes yet: {}", plan.change.id.number)))
}

/// Goes on with events and mail that wait to be deleted.
pub(in crate::postgres) const GO_ON: Verb<(), (), Error> = Verb { want: |(), _| {}, run: |(), _| Ok(()) };
