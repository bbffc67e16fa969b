//! Giving jobs on lease, and extending leases.

use super::row::JobRow;
use crate::Timestamp;
use crate::error::Error;
use crate::job::{Fence, Job, JobId, JobState, Lease, LeaseRequest, Lost};
use crate::meta;
use crate::number::{number, sql};
use crate::postgres::fault::Missing;
use crate::postgres::numbers::{FENCES, Kind};
use crate::postgres::rows::jobs::lanes::Lane;
use crate::postgres::tx::{Tx, Wants};
use crate::postgres::verb::Verb;

/// How many numbers of fences so many jobs take.
fn fences(jobs: usize) -> usize {
    jobs.div_ceil(usize::try_from(FENCES).unwrap_or(1))
}

pub(super) fn want(request: &LeaseRequest, wants: &mut Wants<'_>) {
    if request.limit == 0 {
        return;
    }
    if let Some(queue) = wants.queue(&request.queue) {
        wants.rows.jobs.said.want(queue);
        wants.rows.jobs.stock.want_first(Lane::Queue(queue), i64::MAX, request.limit);
        // How many there are is not known yet; more are drawn when they are.
        wants.numbers.want(Kind::Fence, 1);
    }
}

/// Takes the first available jobs of a queue. What another host is about to take is left to it.
pub(super) fn lease(request: &LeaseRequest, tx: &mut Tx<'_>) -> Result<Vec<Job>, Missing> {
    // A plugin that has too many queues has no more.
    let Some(queue) = tx.names.queue(&request.queue) else { return Ok(Vec::new()) };
    if request.limit == 0 || tx.rows.jobs.said.is_paused(queue)? {
        return Ok(Vec::new());
    }
    let ids = tx.rows.jobs.stock.first(Lane::Queue(queue), i64::MAX, request.limit)?;
    let parts = tx.rows.jobs.stock.parts(&ids)?;
    let mut firsts = Vec::new();
    for _ in 0..fences(ids.len()) {
        firsts.push(tx.number(Kind::Fence)?);
    }
    let mut fences = firsts.into_iter().flat_map(|first| first..first + FENCES);
    let mut jobs = Vec::with_capacity(ids.len());
    for (id, parts) in ids.into_iter().zip(parts) {
        let (Some(mut row), Some(fence)) = (JobRow::load(tx, id)?, fences.next()) else { continue };
        let job = &mut row.job;
        job.attempt += 1;
        job.attempted = Some(sql(request.now));
        job.rank = sql(request.until);
        job.state = JobState::Executing;
        (job.fence, job.worker, job.host) = (fence, Some(request.worker.clone()), Some(tx.host));
        jobs.push(Job {
            id: JobId(number(id)),
            queue: request.queue.clone(),
            name: job.name.clone(),
            state: JobState::Executing,
            waiting: None,
            args: parts.args,
            priority: u8::try_from(job.priority).unwrap_or(u8::MAX),
            attempt: u16::try_from(job.attempt).unwrap_or(u16::MAX),
            max_attempts: u16::try_from(job.max_attempts).unwrap_or(u16::MAX),
            inserted: number(job.inserted),
            run_at: number(job.run_at),
            attempted: Some(request.now),
            ended: None,
            output: None,
            meta: meta::decode(&parts.meta),
            lease: Some(Lease { fence: Fence(number(fence)), worker: request.worker.clone(), until: request.until }),
        });
        tx.counts.moved(queue, Some(JobState::Available), Some(JobState::Executing));
        row.save(tx);
    }
    Ok(jobs)
}

/// What a heartbeat is given: the leases, and until when they are extended.
type Beat = (Vec<(JobId, Fence)>, Timestamp);

/// Extends leases; answers those that are lost.
pub(in crate::postgres) const HEARTBEAT: Verb<Beat, Vec<Lost>, Error> = Verb {
    want: |(leases, _), wants| leases.iter().for_each(|(id, _)| wants.rows.jobs.stock.want(sql(id.0))),
    run: |beat, tx| Ok(heartbeat(beat, tx)?),
};

fn heartbeat((leases, until): &Beat, tx: &mut Tx<'_>) -> Result<Vec<Lost>, Missing> {
    let mut lost = Vec::new();
    for (id, fence) in leases {
        let row = JobRow::load(tx, sql(id.0))?;
        let leased = row.filter(|row| row.job.state == JobState::Executing && row.job.fence == sql(fence.0));
        if let Some(mut row) = leased {
            row.job.rank = sql(*until);
            row.save(tx);
        } else {
            lost.push(Lost(*id));
        }
    }
    Ok(lost)
}
