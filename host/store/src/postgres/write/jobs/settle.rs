//! Saying what became of leased jobs.

use super::lease;
use super::row::JobRow;
use super::{dependants, dependants::FOR_REVISION};
use crate::error::Error;
use crate::job::{JobState, LeaseRequest, Lost, Settle, Settled};
use crate::number::sql;
use crate::postgres::fault::Missing;
use crate::postgres::tx::{Tx, Wants};
use crate::postgres::verb::Verb;
use crate::store;

/// What a round of a worker is given.
type Round = (Vec<Settle>, Option<LeaseRequest>);

/// Settles what ended, then leases what comes next.
pub(in crate::postgres) const SETTLE_AND_LEASE: Verb<Round, store::Round, Error> =
    Verb { want, run: |round, tx| Ok(run(round, tx)?) };

fn want((settles, request): &Round, wants: &mut Wants<'_>) {
    for settle in settles {
        wants.rows.jobs.stock.want(sql(settle.id.0));
    }
    if let Some(request) = request {
        lease::want(request, settles.len(), wants);
    }
}

fn run((settles, request): &Round, tx: &mut Tx<'_>) -> Result<store::Round, Missing> {
    for settle in settles {
        if let Some(row) = leased(settle, tx)? {
            match settle.as_ {
                Settled::Completed { .. } => dependants::may_end(tx, &row),
                Settled::Cancelled { .. } | Settled::Discarded { .. } => {
                    row.may_fail(tx);
                    dependants::may_end(tx, &row);
                }
                Settled::Retryable { .. } => row.may_fail(tx),
                Settled::Snoozed { .. } | Settled::Returned | Settled::Unknown => {}
            }
        }
    }
    let settled = settles.iter().map(|one| settle(one, tx)).collect::<Result<_, Missing>>()?;
    let leased = request.as_ref().map(|request| lease::lease(request, settles.len(), tx)).transpose()?;
    Ok((settled, leased.unwrap_or_default()))
}

/// The job, if it is leased with this fence.
fn leased(settle: &Settle, tx: &mut Tx<'_>) -> Result<Option<JobRow>, Missing> {
    let row = JobRow::load(tx, sql(settle.id.0))?;
    Ok(row.filter(|row| row.job.state == JobState::Executing && row.job.fence == sql(settle.fence.0)))
}

fn settle(settle: &Settle, tx: &mut Tx<'_>) -> Result<Result<(), Lost>, Missing> {
    let Some(mut row) = leased(settle, tx)? else { return Ok(Err(Lost(settle.id))) };
    let now = settle.now;
    match &settle.as_ {
        Settled::Completed { output } => row.end_with(tx, JobState::Completed, now, output.as_ref()),
        Settled::Retryable { error, run_at } => {
            row.failed(tx, now, error)?;
            row.job.run_at = sql(*run_at);
            let to = if row.job.run_at > sql(now) { JobState::Retryable } else { JobState::Available };
            row.wait(tx, to);
        }
        Settled::Snoozed { run_at } => {
            row.job.attempt -= 1;
            row.job.run_at = sql(*run_at);
            let to = row.ready(now);
            row.wait(tx, to);
        }
        Settled::Cancelled { reason } => {
            row.failed(tx, now, reason)?;
            row.end(tx, JobState::Cancelled, now);
        }
        Settled::Discarded { error } => {
            row.failed(tx, now, error)?;
            row.end(tx, JobState::Discarded, now);
        }
        Settled::Returned => {
            row.job.attempt -= 1;
            row.wait(tx, JobState::Available);
        }
        Settled::Unknown => {
            row.job.attempt -= 1;
            row.job.waiting = FOR_REVISION;
            row.wait(tx, JobState::Suspended);
        }
    }
    if row.job.dependants && row.job.state.is_final() {
        dependants::resolve(tx, row.id, now)?;
    }
    Ok(Ok(()))
}
