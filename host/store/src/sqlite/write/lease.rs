//! Giving jobs on lease, and extending leases.

use bytes::Bytes;
use rusqlite::params;

use super::rates;
use super::row::{JobRow, columns};
use crate::Timestamp;
use crate::caps::{Leased, Room};
use crate::error::Error;
use crate::job::{Fence, Job, JobId, JobState, Lease, LeaseRequest, Lost};
use crate::meta;
use crate::number::{number, sql};
use crate::sqlite::blob::{self, Part};
use crate::sqlite::fault::Stop;
use crate::sqlite::state::handler_name;
use crate::sqlite::tx::Tx;
use crate::window::Window;

/// Takes the first available jobs of a queue, as far as its caps have room.
pub(in crate::sqlite) fn lease(request: &LeaseRequest, tx: &mut Tx<'_>) -> Result<Leased, Stop<Error>> {
    let Some(queue) = tx.state.queue_known(&request.queue) else { return Ok(Leased::default()) };
    let Some(known) = tx.state.queue(queue).filter(|queue| !queue.state.paused) else { return Ok(Leased::default()) };
    if request.limit == 0 {
        return Ok(Leased::default());
    }
    let LeaseRequest { caps, limit, now, .. } = request;
    let mut window = caps.rate.map_or(Ok(Window::default()), |_| rates::read(tx.connection, queue))?;
    let room = Room::new(caps, *limit, known.count(JobState::Executing), &mut window, *now);
    let jobs = if room.jobs() == 0 { Vec::new() } else { take(request, room.jobs(), tx, queue)? };
    let leased = room.give(jobs, caps, &mut window, *now);
    rates::write(tx.connection, queue, &window)?;
    Ok(leased)
}

fn take(request: &LeaseRequest, limit: usize, tx: &mut Tx<'_>, queue: i64) -> rusqlite::Result<Vec<Job>> {
    let found = found(request, limit, tx, queue)?;
    let mut jobs = Vec::with_capacity(found.len());
    let mut update = tx.connection.prepare_cached(
        "UPDATE jobs SET state = 3, lane = -2, attempt = ?2, attempted = ?3, fence = ?4, rank = ?5, worker = ?6
         WHERE id = ?1",
    )?;
    for (mut row, mut job) in found {
        tx.state.counters.fence += 1;
        let fence = Fence(tx.state.counters.fence);
        job.attempt = job.attempt.saturating_add(1);
        job.lease = Some(Lease { fence, worker: request.worker.clone(), until: request.until });
        update.execute(params![
            row.id,
            job.attempt,
            sql(request.now),
            sql(fence.0),
            sql(request.until),
            request.worker
        ])?;
        tx.state.moved(queue, Some(JobState::Available), Some(JobState::Executing));
        row = JobRow { state: JobState::Executing, attempt: job.attempt.into(), fence: sql(fence.0), ..row };
        tx.state.lease(row);
        jobs.push(job);
    }
    Ok(jobs)
}

fn found(request: &LeaseRequest, limit: usize, tx: &Tx<'_>, queue: i64) -> rusqlite::Result<Vec<(JobRow, Job)>> {
    let mut select = tx.connection.prepare_cached(concat!(
        "SELECT ",
        columns!(),
        ", name, inserted, args, meta FROM jobs INDEXED BY jobs_lanes
         WHERE lane BETWEEN ?1 * 10 AND ?1 * 10 + 9 ORDER BY lane, rank, id LIMIT ?2"
    ))?;
    let mut rows = select.query(params![queue, sql(limit as u64)])?;
    let mut jobs = Vec::new();
    while let Some(row) = rows.next()? {
        let known = JobRow::read(row)?;
        let part = |part: Part, at| -> rusqlite::Result<Bytes> {
            if known.blobs & part.bit() != 0 {
                return blob::read(tx.connection, known.id, part);
            }
            Ok(row.get_ref(at)?.as_blob_or_null()?.map(Bytes::copy_from_slice).unwrap_or_default())
        };
        let job = Job {
            id: known.job(),
            queue: request.queue.clone(),
            name: handler_name(row, 14)?,
            state: JobState::Executing,
            waiting: None,
            args: part(Part::Args, 16)?,
            priority: row.get(4)?,
            attempt: row.get(5)?,
            max_attempts: row.get(6)?,
            inserted: number(row.get(15)?),
            run_at: number(known.run_at),
            attempted: Some(request.now),
            ended: None,
            output: None,
            meta: meta::decode(&part(Part::Meta, 17)?),
            lease: None,
        };
        jobs.push((known, job));
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
