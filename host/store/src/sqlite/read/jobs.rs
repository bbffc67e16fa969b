//! Jobs, for operators and for whoever waits for one.

use bytes::Bytes;
use rusqlite::{Connection, Row};

use crate::error::Error;
use crate::job::{Attempt, Fence, Job, JobFilter, JobId, JobPage, JobState, Lease, Waiting};
use crate::meta;
use crate::number::{number, sql};
use crate::sqlite::blob::{self, Part};
use crate::sqlite::fault::{Stop, refuse};
use crate::sqlite::readers::{Names, Reader};
use crate::sqlite::state::handler_name;
use crate::sqlite::write::dependants::FOR_REVISION;
use crate::sqlite::write::row::state;

/// How many rows a page looks at.
const ROWS_MAX: usize = 10_000;

macro_rules! columns {
    () => {
        "id, queue, name, state, waiting, priority, attempt, max_attempts, inserted, run_at, attempted, rank, fence,
         worker"
    };
}

/// A job without its parts.
fn head(names: &mut Names, connection: &Connection, row: &Row<'_>) -> rusqlite::Result<Job> {
    let time = |at| -> rusqlite::Result<Option<u64>> { Ok(row.get::<_, Option<i64>>(at)?.map(number)) };
    let job_state = state(row.get(3)?);
    // When its lease runs out, or when it ended.
    let rank = number(row.get(11)?);
    let lease = match (job_state, time(12)?) {
        (JobState::Executing, Some(fence)) => Some(Lease { fence: Fence(fence), worker: row.get(13)?, until: rank }),
        _ => None,
    };
    Ok(Job {
        id: JobId(number(row.get(0)?)),
        queue: names.queue(connection, row.get(1)?)?,
        name: handler_name(row, 2)?,
        state: job_state,
        waiting: row.get::<_, Option<i64>>(4)?.map(|waiting| match waiting {
            FOR_REVISION => Waiting::Revision,
            jobs => Waiting::Jobs(u32::try_from(jobs).unwrap_or(u32::MAX)),
        }),
        args: Bytes::new(),
        priority: row.get(5)?,
        attempt: row.get(6)?,
        max_attempts: row.get(7)?,
        inserted: number(row.get(8)?),
        run_at: number(row.get(9)?),
        attempted: time(10)?,
        ended: job_state.is_final().then_some(rank),
        output: None,
        meta: Vec::new(),
        lease,
    })
}

/// A job and how its attempts failed.
pub(in crate::sqlite) fn job(reader: &mut Reader, id: JobId) -> Result<(Job, Vec<Attempt>), Stop<Error>> {
    let Reader { connection, names } = reader;
    let mut select = connection.prepare_cached(concat!(
        "SELECT ",
        columns!(),
        ", blobs, args, output, meta FROM jobs WHERE id = ?1"
    ))?;
    let mut rows = select.query([sql(id.0)])?;
    let Some(row) = rows.next()? else { return refuse(Error::NotFound) };
    let blobs: i64 = row.get(14)?;
    let part = |part: Part, at| -> rusqlite::Result<Option<Bytes>> {
        if blobs & part.bit() != 0 {
            return blob::read(connection, sql(id.0), part).map(Some);
        }
        Ok(row.get_ref(at)?.as_blob_or_null()?.map(Bytes::copy_from_slice))
    };
    let mut job = head(names, connection, row)?;
    job.args = part(Part::Args, 15)?.unwrap_or_default();
    job.output = part(Part::Output, 16)?;
    job.meta = meta::decode(&part(Part::Meta, 17)?.unwrap_or_default());
    let mut select =
        connection.prepare_cached("SELECT attempt, at, error FROM attempts WHERE job = ?1 ORDER BY seq")?;
    let attempts = select
        .query_map([sql(id.0)], |row| {
            Ok(Attempt { attempt: row.get(0)?, at: number(row.get(1)?), error: row.get(2)? })
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok((job, attempts))
}

/// Jobs, the newest first.
pub(in crate::sqlite) fn jobs(
    reader: &mut Reader,
    filter: &JobFilter,
    before: Option<JobId>,
    limit: usize,
) -> Result<JobPage, Stop<Error>> {
    let Reader { connection, names } = reader;
    let before = before.map_or(i64::MAX, |before| sql(before.0));
    let mut page = JobPage::default();
    if !filter.ids.is_empty() {
        let mut ids: Vec<_> = filter.ids.iter().map(|id| sql(id.0)).filter(|id| *id < before).collect();
        ids.sort_unstable_by(|a, b| b.cmp(a));
        ids.dedup();
        let mut select = connection.prepare_cached(concat!("SELECT ", columns!(), " FROM jobs WHERE id = ?1"))?;
        for (at, id) in ids.into_iter().enumerate() {
            if page.jobs.len() >= limit || at >= ROWS_MAX {
                page.next = Some(JobId(number(id).saturating_add(1)));
                break;
            }
            let mut rows = select.query([id])?;
            if let Some(row) = rows.next()? {
                look(names, connection, row, filter, &mut page)?;
            }
        }
        return Ok(page);
    }
    let mut select =
        connection.prepare_cached(concat!("SELECT ", columns!(), " FROM jobs WHERE id < ?1 ORDER BY id DESC"))?;
    let mut rows = select.query([before])?;
    let (mut seen, mut last) = (0, None);
    while let Some(row) = rows.next()? {
        if page.jobs.len() >= limit || seen >= ROWS_MAX {
            page.next = last.map(|id: i64| JobId(number(id)));
            break;
        }
        look(names, connection, row, filter, &mut page)?;
        last = Some(row.get(0)?);
        seen += 1;
    }
    Ok(page)
}

fn look(
    names: &mut Names,
    connection: &Connection,
    row: &Row<'_>,
    filter: &JobFilter,
    page: &mut JobPage,
) -> rusqlite::Result<()> {
    if filter.state.is_some_and(|wanted| row.get::<_, i64>(3) != Ok(wanted as i64)) {
        return Ok(());
    }
    if let Some(name) = &filter.name
        && row.get_ref(2)?.as_str()? != name.as_str()
    {
        return Ok(());
    }
    let queue = names.queue(connection, row.get(1)?)?;
    if filter.plugin.as_ref().is_none_or(|plugin| *plugin == queue.plugin)
        && filter.queue.as_ref().is_none_or(|name| *name == queue.queue)
    {
        page.jobs.push(head(names, connection, row)?);
    }
    Ok(())
}
