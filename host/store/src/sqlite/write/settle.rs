//! Saying what became of leased jobs.

use super::dependants;
use super::lease::lease;
use super::row::JobRow;
use crate::error::Error;
use crate::job::{JobState, LeaseRequest, Lost, Settle, Settled};
use crate::number::sql;
use crate::sqlite::fault::Stop;
use crate::sqlite::tx::Tx;
use crate::store;

/// What a round of a worker is given.
pub(in crate::sqlite) type Round = (Vec<Settle>, Option<LeaseRequest>);
/// Settles what ended, then leases what comes next.
pub(in crate::sqlite) fn settle_and_lease(
    (settles, request): &Round,
    tx: &mut Tx<'_>,
) -> Result<store::Round, Stop<Error>> {
    let settled = settles.iter().map(|one| settle(one, tx)).collect::<rusqlite::Result<_>>()?;
    let leased = request.as_ref().map(|request| lease(request, tx)).transpose()?;
    Ok((settled, leased.unwrap_or_default()))
}

fn settle(settle: &Settle, tx: &mut Tx<'_>) -> rusqlite::Result<Result<(), Lost>> {
    let row = JobRow::load(tx, sql(settle.id.0))?;
    let leased = row.filter(|row| row.state == JobState::Executing && row.fence == sql(settle.fence.0));
    let Some(mut row) = leased else { return Ok(Err(Lost(settle.id))) };
    let now = settle.now;
    match &settle.as_ {
        Settled::Completed { output } => row.end_with(tx, JobState::Completed, now, output.as_deref())?,
        Settled::Retryable { error, run_at } => {
            row.failed(tx, now, error)?;
            row.run_at = sql(*run_at);
            let to = if row.run_at > sql(now) { JobState::Retryable } else { JobState::Available };
            row.wait(tx, to)?;
        }
        Settled::Snoozed { run_at } => {
            row.attempt -= 1;
            row.run_at = sql(*run_at);
            let to = row.ready(now);
            row.wait(tx, to)?;
        }
        Settled::Cancelled { reason } => {
            row.failed(tx, now, reason)?;
            row.end(tx, JobState::Cancelled, now)?;
        }
        Settled::Discarded { error } => {
            row.failed(tx, now, error)?;
            row.end(tx, JobState::Discarded, now)?;
        }
        Settled::Returned => {
            row.attempt -= 1;
            row.wait(tx, JobState::Available)?;
        }
        Settled::Unknown => {
            row.attempt -= 1;
            row.wait(tx, JobState::Suspended)?;
            row.waits_for(tx, dependants::FOR_REVISION)?;
        }
    }
    if row.dependants && row.state.is_final() {
        dependants::resolve(tx, &row, now)?;
    }
    Ok(Ok(()))
}
