//! Jobs, for operators and for whoever waits for one.

use std::sync::Arc;

use bytes::Bytes;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::error::Error;
use crate::job::{Attempt, Fence, Job, JobFilter, JobId, JobPage, JobState, Lease, QueueRef, Waiting};
use crate::meta;
use crate::number::{number, sql};
use crate::postgres::batch::{Batch, Sql, get, params};
use crate::postgres::fault::{Fault, broken};
use crate::postgres::readers::{Read, Reader};
use crate::postgres::rows::jobs::row::{handler_name, state};
use crate::postgres::write::jobs::FOR_REVISION;

/// How many rows a page looks at.
const ROWS_MAX: i64 = 10_000;

macro_rules! columns {
    () => {
        "jobs.id, jobs.queue, jobs.name, jobs.state, jobs.waiting, jobs.priority, jobs.attempt, jobs.max_attempts, \
         jobs.inserted, jobs.run_at, jobs.attempted, jobs.rank, jobs.fence, jobs.worker"
    };
}

static JOB: Sql =
    Sql { text: concat!("SELECT ", columns!(), ", args, output, meta FROM jobs WHERE id = $1"), types: &[Type::INT8] };
static ATTEMPTS: Sql =
    Sql { text: "SELECT attempt, at, error FROM attempts WHERE job = $1 ORDER BY seq", types: &[Type::INT8] };
/// Those of a filter among the rows that a page looks at: as many as fit, and one more.
macro_rules! page {
    ($looked:expr) => {
        concat!(
            "SELECT ",
            columns!(),
            " FROM (",
            $looked,
            ") AS looked JOIN jobs USING (id)
              WHERE ($4::text IS NULL OR jobs.name = $4) AND ($5::smallint IS NULL OR jobs.state = $5)
                AND (($2::text IS NULL AND $3::text IS NULL) OR jobs.queue IN (
                  SELECT queues.id FROM queues JOIN plugins ON plugins.id = queues.plugin
                  WHERE ($2::text IS NULL OR plugins.name = $2) AND ($3::text IS NULL OR queues.name = $3)
                ))
              ORDER BY jobs.id DESC LIMIT $6"
        )
    };
}
static PAGE: Sql = Sql {
    text: page!("SELECT id FROM jobs WHERE id < $1 ORDER BY id DESC LIMIT $7"),
    types: &[Type::INT8, Type::TEXT, Type::TEXT, Type::TEXT, Type::INT2, Type::INT8, Type::INT8],
};
static PAGE_OF_IDS: Sql = Sql {
    text: page!("SELECT id FROM unnest($1::bigint[]) AS wanted(id)"),
    types: &[Type::INT8_ARRAY, Type::TEXT, Type::TEXT, Type::TEXT, Type::INT2, Type::INT8],
};
/// The last row that a page looks at, if there are more behind it; it stands in the order of the page.
static PAGE_END: Sql = Sql {
    text: "SELECT count(*), (array_agg(id ORDER BY id DESC))[$2]
           FROM (SELECT id FROM jobs WHERE id < $1 ORDER BY id DESC LIMIT $2 + 1) AS looked",
    types: &[Type::INT8, Type::INT8],
};

/// A job without its parts.
fn head(row: &Row, queue: QueueRef) -> Result<Job, Fault> {
    let time = |at| -> Result<Option<u64>, Fault> { Ok(get::<Option<i64>>(row, at)?.map(number)) };
    let count = |at| -> Result<u16, Fault> { Ok(u16::try_from(get::<i64>(row, at)?).unwrap_or(u16::MAX)) };
    let job_state = state(get(row, 3)?);
    // When its lease runs out, or when it ended.
    let rank = number(get(row, 11)?);
    let lease = match (job_state, time(12)?, get::<Option<String>>(row, 13)?) {
        (JobState::Executing, Some(fence), Some(worker)) => Some(Lease { fence: Fence(fence), worker, until: rank }),
        _ => None,
    };
    Ok(Job {
        id: JobId(number(get(row, 0)?)),
        queue,
        name: handler_name(row, 2)?,
        state: job_state,
        waiting: get::<Option<i64>>(row, 4)?.map(|waiting| match waiting {
            FOR_REVISION => Waiting::Revision,
            jobs => Waiting::Jobs(u32::try_from(jobs).unwrap_or(u32::MAX)),
        }),
        args: Bytes::new(),
        priority: u8::try_from(get::<i64>(row, 5)?).unwrap_or(u8::MAX),
        attempt: count(6)?,
        max_attempts: count(7)?,
        inserted: number(get(row, 8)?),
        run_at: number(get(row, 9)?),
        attempted: time(10)?,
        ended: job_state.is_final().then_some(rank),
        output: None,
        meta: Vec::new(),
        lease,
    })
}

/// Jobs without their parts.
async fn heads(reader: &Reader, rows: &[Row]) -> Result<Vec<Job>, Read> {
    let queues = rows.iter().map(|row| get::<i64>(row, 1)).collect::<Result<Vec<_>, _>>()?;
    let named = |names: &crate::postgres::names::Names| -> Option<Vec<QueueRef>> {
        queues.iter().map(|queue| names.queue_name(*queue).cloned()).collect()
    };
    let Some(named) = reader.queues(&queues, named).await? else {
        return Err(Read::Refused(broken("a job in a queue that is not there")));
    };
    Ok(rows.iter().zip(named).map(|(row, queue)| head(row, queue)).collect::<Result<_, _>>()?)
}

/// A job and how its attempts failed.
pub(in crate::postgres) async fn job(reader: Reader, id: Arc<JobId>) -> Result<(Job, Vec<Attempt>), Read> {
    let mut batch = Batch::of(&JOB, params![sql(id.0)]);
    batch.ask(&ATTEMPTS, params![sql(id.0)]);
    let mut answers = reader.look(&batch).await?;
    let rows = answers.rows();
    let (Some(mut job), Some(row)) = (heads(&reader, &rows).await?.pop(), rows.first()) else {
        return Err(Read::Refused(Error::NotFound));
    };
    let part = |at| -> Result<Option<Bytes>, Fault> { Ok(get::<Option<&[u8]>>(row, at)?.map(Bytes::copy_from_slice)) };
    job.args = part(14)?.unwrap_or_default();
    job.output = part(15)?;
    job.meta = meta::decode(&part(16)?.unwrap_or_default());
    let attempt = |row: &Row| -> Result<Attempt, Fault> {
        Ok(Attempt {
            attempt: u16::try_from(get::<i64>(row, 0)?).unwrap_or(u16::MAX),
            at: number(get(row, 1)?),
            error: String::from_utf8_lossy(get(row, 2)?).into_owned(),
        })
    };
    let attempts = answers.rows().iter().map(attempt).collect::<Result<_, _>>()?;
    Ok((job, attempts))
}

/// Which jobs, those before this one, and how many at most.
pub(in crate::postgres) type Wanted = (JobFilter, Option<JobId>, usize);

/// Jobs, the newest first.
pub(in crate::postgres) async fn jobs(reader: Reader, wanted: Arc<Wanted>) -> Result<JobPage, Read> {
    let (filter, before, limit) = &*wanted;
    let before = before.map_or(i64::MAX, |before| sql(before.0));
    let text = |name: Option<&dyn std::fmt::Display>| name.map(ToString::to_string);
    let plugin = text(filter.plugin.as_ref().map(|name| name as _));
    let queue = text(filter.queue.as_ref().map(|name| name as _));
    let name = text(filter.name.as_ref().map(|name| name as _));
    let state = filter.state.map(|state| state as i16);
    let more = sql(*limit as u64).saturating_add(1);
    // Where the next page begins, if this one looks at all that it may.
    let behind;
    let rows = if filter.ids.is_empty() {
        let mut batch = Batch::of(&PAGE, params![before, plugin, queue, name, state, more, ROWS_MAX]);
        batch.ask(&PAGE_END, params![before, ROWS_MAX]);
        let mut answers = reader.look(&batch).await?;
        let rows = answers.rows();
        let end = answers.row()?;
        behind = get::<Option<i64>>(&end, 1)?.filter(|_| get(&end, 0).is_ok_and(|seen: i64| seen > ROWS_MAX));
        rows
    } else {
        let mut ids: Vec<_> = filter.ids.iter().map(|id| sql(id.0)).filter(|id| *id < before).collect();
        ids.sort_unstable_by(|a, b| b.cmp(a));
        ids.dedup();
        let most = usize::try_from(ROWS_MAX).unwrap_or(usize::MAX);
        behind = ids.get(most).and_then(|_| ids.get(most - 1)).copied();
        ids.truncate(most);
        reader.look(&Batch::of(&PAGE_OF_IDS, params![ids, plugin, queue, name, state, more])).await?.rows()
    };
    let mut jobs = heads(&reader, &rows).await?;
    let full = jobs.len() > *limit;
    jobs.truncate(*limit);
    let next = if full {
        jobs.last().map(|job| job.id).or(Some(JobId(number(before))))
    } else {
        behind.map(|id| JobId(number(id)))
    };
    Ok(JobPage { jobs, next })
}
