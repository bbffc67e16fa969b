//! Giving jobs on lease, and extending leases.

use super::row::JobRow;
use crate::Timestamp;
use crate::caps::{Caps, HeldBack, Leased, Room};
use crate::error::Error;
use crate::job::{Fence, Job, JobId, JobState, Lease, LeaseRequest, Lost};
use crate::meta;
use crate::number::{number, sql};
use crate::postgres::fault::Missing;
use crate::postgres::numbers::{FENCES, Kind};
use crate::postgres::rows::jobs::caps::Known;
use crate::postgres::rows::jobs::lanes::Lane;
use crate::postgres::tx::{Tx, Wants};
use crate::postgres::verb::Verb;

/// How many numbers of fences so many jobs take.
fn fences(jobs: usize) -> usize {
    jobs.div_ceil(usize::try_from(FENCES).unwrap_or(1))
}

/// `settles`: how many jobs the same write says the end of, each of which may make room.
pub(super) fn want(request: &LeaseRequest, settles: usize, wants: &mut Wants<'_>) {
    if request.limit == 0 {
        return;
    }
    if let Some(queue) = wants.queue(&request.queue) {
        wants.rows.jobs.said.want(queue);
        if request.caps.is_empty() {
            wants.rows.jobs.stock.want_first(Lane::Queue(queue), i64::MAX, request.limit);
        } else {
            // Which jobs is asked when it is known how many may be taken, so that the others stay free: one round trip more.
            wants.rows.jobs.caps.want(queue, below(&request.caps, settles), most(request));
        }
        // How many there are is not known yet; more are drawn when they are.
        wants.numbers.want(Kind::Fence, 1);
    }
}

/// Below how many at work there may be room.
fn below(caps: &Caps, settles: usize) -> Option<i64> {
    let settles = i64::try_from(settles).unwrap_or(i64::MAX);
    caps.running_max.map(|max| i64::from(max.get()).saturating_add(settles))
}

/// How many jobs it may be given.
fn most(LeaseRequest { limit, caps, .. }: &LeaseRequest) -> usize {
    caps.rate.map_or(*limit, |rate| rate.count.get() as usize).min(*limit)
}

/// Takes the first available jobs of a queue, as far as its caps have room. What another host is about to take is left to it.
pub(super) fn lease(request: &LeaseRequest, settles: usize, tx: &mut Tx<'_>) -> Result<Leased, Missing> {
    let LeaseRequest { caps, limit, now, .. } = request;
    // A plugin that has too many queues has no more.
    let Some(queue) = tx.names.queue(&request.queue) else { return Ok(Leased::default()) };
    if *limit == 0 || tx.rows.jobs.said.is_paused(queue)? {
        return Ok(Leased::default());
    }
    tx.capped.note(queue, caps.running_max.is_some());
    if caps.is_empty() {
        return Ok(Leased { jobs: take(request, *limit, queue, tx)?, held_back: None });
    }
    tx.rows.jobs.caps.want(queue, below(caps, settles), most(request));
    let executing = match tx.rows.jobs.caps.get(queue)? {
        Known::Locked(executing) => executing + tx.counts.more(queue, JobState::Executing),
        Known::Full => return Ok(Leased { jobs: Vec::new(), held_back: Some(HeldBack::Running) }),
        Known::Elsewhere => return Ok(Leased { jobs: Vec::new(), held_back: Some(HeldBack::Elsewhere) }),
    };
    let mut window = tx.rows.jobs.caps.window(queue)?;
    let room = Room::new(caps, *limit, executing, &mut window, *now);
    let jobs = if room.jobs() == 0 { Vec::new() } else { take(request, room.jobs(), queue, tx)? };
    let leased = room.give(jobs, caps, &mut window, *now);
    tx.rows.jobs.caps.put(queue, window);
    Ok(leased)
}

fn take(request: &LeaseRequest, limit: usize, queue: i64, tx: &mut Tx<'_>) -> Result<Vec<Job>, Missing> {
    let ids = tx.rows.jobs.stock.first(Lane::Queue(queue), i64::MAX, limit)?;
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
