//! Giving jobs on lease, and extending leases.

use bytes::Bytes;
use rusqlite::params;

use crate::Timestamp;
use crate::error::Error;
use crate::job::{Fence, Job, JobId, JobState, Lease, LeaseRequest, Lost};
use crate::sqlite::blob::{self, Part};
use crate::sqlite::fault::Stop;
use crate::sqlite::state::handler_name;
use crate::sqlite::tx::{Tx, number, sql};

/// Takes the first available jobs of a queue.
pub(in crate::sqlite) fn lease(request: &LeaseRequest, tx: &mut Tx<'_>) -> Result<Vec<Job>, Stop<Error>> {
    let Some(queue) = tx.state.queue_known(&request.queue) else { return Ok(Vec::new()) };
    if request.limit == 0 || tx.state.queue(queue).is_none_or(|queue| queue.state.paused) {
        return Ok(Vec::new());
    }
    let mut jobs = found(request, tx, queue)?;
    for job in &mut jobs {
        tx.state.counters.fence += 1;
        let fence = Fence(tx.state.counters.fence);
        job.attempt = job.attempt.saturating_add(1);
        job.lease = Some(Lease { fence, worker: request.worker.clone(), until: request.until });
        tx.connection
            .prepare_cached(
                "UPDATE jobs SET state = 3, lane = -2, attempt = ?2, attempted = ?3, fence = ?4, rank = ?5, worker = ?6
                 WHERE id = ?1",
            )?
            .execute(params![
                sql(job.id.0),
                job.attempt,
                sql(request.now),
                sql(fence.0),
                sql(request.until),
                request.worker
            ])?;
        tx.state.moved(queue, Some(JobState::Available), Some(JobState::Executing));
    }
    Ok(jobs)
}

fn found(request: &LeaseRequest, tx: &Tx<'_>, queue: i64) -> rusqlite::Result<Vec<Job>> {
    let mut select = tx.connection.prepare_cached(
        "SELECT id, name, priority, attempt, max_attempts, inserted, run_at, blobs, args, meta
         FROM jobs INDEXED BY jobs_lanes WHERE lane BETWEEN ?1 * 10 AND ?1 * 10 + 9 ORDER BY lane, rank, id LIMIT ?2",
    )?;
    let mut rows = select.query(params![queue, sql(request.limit as u64)])?;
    let mut jobs = Vec::new();
    while let Some(row) = rows.next()? {
        let (id, blobs): (i64, i64) = (row.get(0)?, row.get(7)?);
        let part = |part: Part, at| -> rusqlite::Result<Bytes> {
            if blobs & part.bit() != 0 {
                return blob::read(tx.connection, id, part);
            }
            Ok(row.get_ref(at)?.as_blob_or_null()?.map(Bytes::copy_from_slice).unwrap_or_default())
        };
        jobs.push(Job {
            id: JobId(number(id)),
            queue: request.queue.clone(),
            name: handler_name(row, 1)?,
            state: JobState::Executing,
            waiting: None,
            args: part(Part::Args, 8)?,
            priority: row.get(2)?,
            attempt: row.get(3)?,
            max_attempts: row.get(4)?,
            inserted: number(row.get(5)?),
            run_at: number(row.get(6)?),
            attempted: Some(request.now),
            ended: None,
            output: None,
            meta: blob::decode(&part(Part::Meta, 9)?),
            lease: None,
        });
    }
    Ok(jobs)
}

/// What a heartbeat is given: the leases, and until when they are extended.
pub(in crate::sqlite) type Beat = (Vec<(JobId, Fence)>, Timestamp);

/// Extends leases; answers those that are lost.
pub(in crate::sqlite) fn heartbeat((leases, until): &Beat, tx: &mut Tx<'_>) -> Result<Vec<Lost>, Stop<Error>> {
    let mut lost = Vec::new();
    for (id, fence) in leases {
        let extended = tx
            .connection
            .prepare_cached("UPDATE jobs SET rank = ?3 WHERE id = ?1 AND state = 3 AND fence = ?2")?
            .execute([sql(id.0), sql(fence.0), sql(*until)])?;
        if extended == 0 {
            lost.push(Lost(*id));
        }
    }
    Ok(lost)
}
