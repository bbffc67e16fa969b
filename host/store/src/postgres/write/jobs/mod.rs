//! What becomes of a commit's jobs; what workers, time and operators do with jobs.

use super::commit::AllUses;
use crate::commit::Commit;
use crate::error::{CommitError, Error};
use crate::job::Inserted;
use crate::postgres::fault::{Stop, refuse};
use crate::postgres::tx::{Tx, Wants};
use crate::postgres::verb::Verb;

pub(super) fn want(_: &Commit, _: &mut Wants<'_>) {}

/// Inserts a commit's jobs. What they count for is added to `uses`.
pub(super) fn insert<'a>(
    _: &mut Tx<'_>,
    commit: &'a Commit,
    _: &mut AllUses<'a>,
) -> Result<Vec<Inserted>, Stop<CommitError>> {
    if commit.jobs.is_empty() { Ok(Vec::new()) } else { refuse(Error::Unavailable("no jobs yet".to_owned())) }
}

/// Goes on with jobs whose dependants wait to be told.
pub(in crate::postgres) const GO_ON: Verb<(), (), Error> = Verb { want: |(), _| {}, run: |(), _| Ok(()) };
