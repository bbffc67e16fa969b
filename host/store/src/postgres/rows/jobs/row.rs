//! A job's row.

use bytes::Bytes;
use skep_types::HandlerName;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::lanes::{Key, lane};
use crate::job::JobState;
use crate::postgres::batch::{Batch, Raw, Sql, get, params};
use crate::postgres::fault::Fault;

/// A job as it is kept.
#[derive(Clone, Debug)]
pub(in crate::postgres) struct Job {
    pub(in crate::postgres) queue: i64,
    pub(in crate::postgres) state: JobState,
    /// How many jobs it waits for, or -1 for a revision that knows its name; 0 is nothing.
    pub(in crate::postgres) waiting: i64,
    pub(in crate::postgres) rank: i64,
    pub(in crate::postgres) priority: i64,
    pub(in crate::postgres) attempt: i64,
    pub(in crate::postgres) max_attempts: i64,
    pub(in crate::postgres) inserted: i64,
    pub(in crate::postgres) run_at: i64,
    pub(in crate::postgres) attempted: Option<i64>,
    /// 0 is none.
    pub(in crate::postgres) fence: i64,
    pub(in crate::postgres) worker: Option<String>,
    /// Whose worker has it.
    pub(in crate::postgres) host: Option<i64>,
    pub(in crate::postgres) any_end: bool,
    pub(in crate::postgres) dependants: bool,
    pub(in crate::postgres) failures: i64,
    pub(in crate::postgres) bytes: i64,
    pub(in crate::postgres) name: HandlerName,
    pub(in crate::postgres) ukey: Option<Bytes>,
    /// How many bytes its arguments have, and what it returned.
    pub(in crate::postgres) args_len: i64,
    pub(in crate::postgres) output_len: i64,
    /// Its arguments, if they are to be written.
    pub(in crate::postgres) args: Option<Bytes>,
    /// What its author wants to know of it, if it is to be written: of new ones only.
    pub(in crate::postgres) meta: Option<Bytes>,
    /// What it returned, or nothing, if that is to be written.
    pub(in crate::postgres) output: Option<Option<Bytes>>,
}

/// The state in a row.
pub(in crate::postgres) fn state(value: i16) -> JobState {
    let state = usize::try_from(value).ok().and_then(|at| JobState::ALL.get(at));
    // Only states are ever written.
    state.copied().unwrap_or(JobState::Discarded)
}

/// A name that was written as one.
pub(in crate::postgres) fn handler_name(row: &Row, at: usize) -> Result<HandlerName, Fault> {
    let text: &str = get(row, at)?;
    HandlerName::new(text).map_err(|_| Fault::Failed(format!("`{text}` is no name")))
}

/// The columns that [`Job::read`] wants, in its order.
macro_rules! columns {
    () => {
        "jobs.id, jobs.queue, jobs.state, jobs.waiting, jobs.rank, jobs.priority, jobs.attempt, jobs.max_attempts, \
         jobs.inserted, jobs.run_at, jobs.attempted, jobs.fence, jobs.worker, jobs.host, jobs.any_end, jobs.dependants, \
         jobs.failures, jobs.bytes, jobs.name, jobs.ukey, octet_length(jobs.args)::bigint, \
         octet_length(jobs.output)::bigint"
    };
}
pub(super) use columns;

/// Where what is asked for beside [`columns`] begins.
pub(super) const BESIDE: usize = 22;

impl Job {
    pub(super) fn read(row: &Row) -> Result<(i64, Self), Fault> {
        let ukey: Option<&[u8]> = get(row, 19)?;
        let job = Self {
            queue: get(row, 1)?,
            state: state(get(row, 2)?),
            waiting: get::<Option<i64>>(row, 3)?.unwrap_or(0),
            rank: get(row, 4)?,
            priority: get(row, 5)?,
            attempt: get(row, 6)?,
            max_attempts: get(row, 7)?,
            inserted: get(row, 8)?,
            run_at: get(row, 9)?,
            attempted: get(row, 10)?,
            fence: get::<Option<i64>>(row, 11)?.unwrap_or(0),
            worker: get(row, 12)?,
            host: get(row, 13)?,
            any_end: get(row, 14)?,
            dependants: get(row, 15)?,
            failures: get(row, 16)?,
            bytes: get(row, 17)?,
            name: handler_name(row, 18)?,
            ukey: ukey.map(Bytes::copy_from_slice),
            args_len: get(row, 20)?,
            output_len: get::<Option<i64>>(row, 21)?.unwrap_or(0),
            args: None,
            meta: None,
            output: None,
        };
        Ok((get(row, 0)?, job))
    }

    /// Where it is found.
    pub(super) fn key(&self, id: i64) -> Key {
        (lane(self.state, self.queue, self.priority), self.rank, id)
    }
}

static INSERT: Sql = Sql {
    text: "INSERT INTO jobs(id, queue, state, waiting, lane, rank, priority, attempt, max_attempts, run_at, attempted,
             fence, worker, host, dependants, failures, bytes, args, output, inserted, any_end, name, ukey, meta)
           SELECT id, queue, state, waiting, lane, rank, priority, attempt, max_attempts, run_at, attempted,
             fence, worker, host, dependants, failures, bytes, args, output, inserted, any_end, name, ukey, meta
           FROM unnest($1::bigint[], $2::smallint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
             $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::text[], $13::bigint[], $14::boolean[],
             $15::bigint[], $16::bigint[], $17::bytea[], $18::boolean[], $19::bytea[], $20::bigint[], $21::bigint[],
             $22::boolean[], $23::text[], $24::bytea[], $25::bytea[])
             AS new(id, state, waiting, lane, rank, priority, attempt, max_attempts, run_at, attempted, fence, worker,
               host, dependants, failures, bytes, args, returns, output, queue, inserted, any_end, name, ukey, meta)",
    types: &[
        Type::INT8_ARRAY,
        Type::INT2_ARRAY,
        Type::INT8_ARRAY,
        Type::INT8_ARRAY,
        Type::INT8_ARRAY,
        Type::INT8_ARRAY,
        Type::INT8_ARRAY,
        Type::INT8_ARRAY,
        Type::INT8_ARRAY,
        Type::INT8_ARRAY,
        Type::INT8_ARRAY,
        Type::TEXT_ARRAY,
        Type::INT8_ARRAY,
        Type::BOOL_ARRAY,
        Type::INT8_ARRAY,
        Type::INT8_ARRAY,
        Type::BYTEA_ARRAY,
        Type::BOOL_ARRAY,
        Type::BYTEA_ARRAY,
        Type::INT8_ARRAY,
        Type::INT8_ARRAY,
        Type::BOOL_ARRAY,
        Type::TEXT_ARRAY,
        Type::BYTEA_ARRAY,
        Type::BYTEA_ARRAY,
    ],
};
/// Large parts that stay are not touched, wherever they are.
static UPDATE: Sql = Sql {
    text: "UPDATE jobs SET state = new.state, waiting = new.waiting, lane = new.lane, rank = new.rank,
             priority = new.priority, attempt = new.attempt, max_attempts = new.max_attempts, run_at = new.run_at,
             attempted = new.attempted, fence = new.fence, worker = new.worker, host = new.host,
             dependants = new.dependants, failures = new.failures, bytes = new.bytes,
             args = coalesce(new.args, jobs.args),
             output = CASE WHEN new.returns THEN new.output ELSE jobs.output END
           FROM unnest($1::bigint[], $2::smallint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
             $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::text[], $13::bigint[], $14::boolean[],
             $15::bigint[], $16::bigint[], $17::bytea[], $18::boolean[], $19::bytea[])
             AS new(id, state, waiting, lane, rank, priority, attempt, max_attempts, run_at, attempted, fence, worker,
               host, dependants, failures, bytes, args, returns, output)
           WHERE jobs.id = new.id",
    types: &[
        Type::INT8_ARRAY,
        Type::INT2_ARRAY,
        Type::INT8_ARRAY,
        Type::INT8_ARRAY,
        Type::INT8_ARRAY,
        Type::INT8_ARRAY,
        Type::INT8_ARRAY,
        Type::INT8_ARRAY,
        Type::INT8_ARRAY,
        Type::INT8_ARRAY,
        Type::INT8_ARRAY,
        Type::TEXT_ARRAY,
        Type::INT8_ARRAY,
        Type::BOOL_ARRAY,
        Type::INT8_ARRAY,
        Type::INT8_ARRAY,
        Type::BYTEA_ARRAY,
        Type::BOOL_ARRAY,
        Type::BYTEA_ARRAY,
    ],
};
static DELETE: Sql = Sql { text: "DELETE FROM jobs WHERE id = ANY($1)", types: &[Type::INT8_ARRAY] };

type Jobs<'a> = [(i64, &'a Job)];

/// What may change of a job.
fn changing(jobs: &Jobs<'_>) -> Vec<crate::postgres::batch::Param> {
    let of = |part: fn(&Job) -> i64| jobs.iter().map(|(_, job)| part(job)).collect::<Vec<i64>>();
    let or = |part: fn(&Job) -> Option<i64>| jobs.iter().map(|(_, job)| part(job)).collect::<Vec<Option<i64>>>();
    let raw = |part: fn(&Job) -> Option<Bytes>| jobs.iter().map(|(_, job)| part(job).map(Raw)).collect::<Vec<_>>();
    params![
        jobs.iter().map(|(id, _)| *id).collect::<Vec<i64>>(),
        jobs.iter().map(|(_, job)| job.state as i16).collect::<Vec<i16>>(),
        or(|job| Some(job.waiting).filter(|waiting| *waiting != 0)),
        of(|job| lane(job.state, job.queue, job.priority)),
        of(|job| job.rank),
        of(|job| job.priority),
        of(|job| job.attempt),
        of(|job| job.max_attempts),
        of(|job| job.run_at),
        or(|job| job.attempted),
        or(|job| Some(job.fence).filter(|fence| *fence != 0)),
        jobs.iter().map(|(_, job)| job.worker.clone()).collect::<Vec<Option<String>>>(),
        or(|job| job.host),
        jobs.iter().map(|(_, job)| job.dependants).collect::<Vec<bool>>(),
        of(|job| job.failures),
        of(|job| job.bytes),
        raw(|job| job.args.clone()),
        jobs.iter().map(|(_, job)| job.output.is_some()).collect::<Vec<bool>>(),
        raw(|job| job.output.clone().flatten()),
    ]
}

pub(super) fn insert(batch: &mut Batch, jobs: &Jobs<'_>) {
    if jobs.is_empty() {
        return;
    }
    let mut columns = changing(jobs);
    let of = |part: fn(&Job) -> i64| jobs.iter().map(|(_, job)| part(job)).collect::<Vec<i64>>();
    let raw = |part: fn(&Job) -> Option<Bytes>| jobs.iter().map(|(_, job)| part(job).map(Raw)).collect::<Vec<_>>();
    columns.extend(params![
        of(|job| job.queue),
        of(|job| job.inserted),
        jobs.iter().map(|(_, job)| job.any_end).collect::<Vec<bool>>(),
        jobs.iter().map(|(_, job)| job.name.to_string()).collect::<Vec<String>>(),
        raw(|job| job.ukey.clone()),
        raw(|job| job.meta.clone().filter(|meta| !meta.is_empty())),
    ]);
    batch.ask(&INSERT, columns);
}

pub(super) fn update(batch: &mut Batch, jobs: &Jobs<'_>) {
    if !jobs.is_empty() {
        batch.ask(&UPDATE, changing(jobs));
    }
}

pub(super) fn delete(batch: &mut Batch, ids: Vec<i64>) {
    if !ids.is_empty() {
        batch.ask(&DELETE, params![ids]);
    }
}
