//! What becomes of a commit's jobs.

use std::collections::BTreeSet;

use foldhash::HashMap;
use rusqlite::params;

use super::row::JobRow;
use super::unique::{self, Holder};
use crate::Timestamp;
use crate::commit::Commit;
use crate::error::{CommitError, Error};
use crate::job::{After, Conflict, Ends, Inserted, JobId, JobState, NewJob, QueueRef, Replace};
use crate::sqlite::blob::{self, Part};
use crate::sqlite::fault::{Stop, refuse};
use crate::sqlite::options::{JOB_OVERHEAD, QUEUES_MAX};
use crate::sqlite::tx::{Tx, len, number, sql};

/// What becomes of each job, in their order.
pub(super) struct Plan {
    jobs: Vec<Planned>,
    bytes: i64,
}

enum Planned {
    New(New),
    /// This one is there; what of it is overwritten, and how many bytes it has more.
    There(Holder, Option<i64>),
    /// The one at this place of the commit came first.
    Same(usize),
}

struct New {
    state: JobState,
    /// Jobs that it waits for.
    jobs: BTreeSet<i64>,
    /// Places of the commit that it waits for.
    places: BTreeSet<usize>,
    /// Which job's end makes it cancelled at once, where it is one that is there already.
    broken: Option<String>,
    bytes: i64,
    meta: Vec<u8>,
    /// Whether a later one waits for it.
    dependants: bool,
}

impl Plan {
    pub(super) const fn bytes(&self) -> i64 {
        self.bytes
    }

    pub(super) fn of(tx: &Tx<'_>, commit: &Commit) -> Result<Self, Stop<CommitError>> {
        enough_queues(tx, commit)?;
        let plugin = tx.state.plugin(&commit.plugin).map(|plugin| plugin.id);
        let mut plan = Self { jobs: Vec::with_capacity(commit.jobs.len()), bytes: 0 };
        let mut firsts: HashMap<[u8; 16], usize> = HashMap::default();
        for (place, job) in commit.jobs.iter().enumerate() {
            if let Some(unique) = &job.unique {
                let first = firsts.get(&unique.key).copied().filter(|first| plan.holds(*first, commit));
                let there = match (first, plugin) {
                    (Some(first), _) => Some(Planned::Same(first)),
                    (None, Some(plugin)) => unique::holder(tx, plugin, &unique.key, commit.now)?
                        .map(|holder| replaced(tx, holder, job).map(|bytes| Planned::There(holder, bytes)))
                        .transpose()?,
                    (None, None) => None,
                };
                if let Some(there) = there {
                    if unique.conflict == Conflict::Refuse {
                        return refuse(CommitError::Duplicate(place));
                    }
                    if let Planned::There(_, Some(bytes)) = there {
                        plan.bytes += bytes;
                    }
                    plan.jobs.push(there);
                    continue;
                }
                firsts.insert(unique.key, place);
            }
            let new = plan.new_job(tx, commit, place, job)?;
            plan.bytes += new.bytes;
            plan.jobs.push(Planned::New(new));
        }
        Ok(plan)
    }

    /// Whether the new job at this place keeps others out.
    fn holds(&self, place: usize, commit: &Commit) -> bool {
        let Some(Planned::New(new)) = self.jobs.get(place) else { return false };
        let unique = commit.jobs.get(place).and_then(|job| job.unique.as_ref());
        unique.is_some_and(|unique| unique.states.has(new.state) && unique.until.is_none_or(|until| until > commit.now))
    }

    fn new_job(&mut self, tx: &Tx<'_>, commit: &Commit, place: usize, job: &NewJob) -> Result<New, Stop<Error>> {
        let meta = blob::encode(&job.meta);
        let bytes = sql(JOB_OVERHEAD) + len(&job.args) + len(&meta);
        let mut new = New {
            state: JobState::Available,
            jobs: BTreeSet::new(),
            places: BTreeSet::new(),
            broken: None,
            bytes,
            meta,
            dependants: false,
        };
        for after in &job.after {
            match *after {
                After::Job(id) => new.wait_for(tx, commit, sql(id.0), job.ends)?,
                After::Place(before) => match self.jobs.get_mut(before).filter(|_| before < place) {
                    None => return refuse(Error::Invalid(format!("job {place} waits for a job behind it"))),
                    Some(Planned::There(holder, _)) => {
                        let id = holder.job;
                        new.wait_for(tx, commit, id, job.ends)?;
                    }
                    Some(Planned::Same(first)) => {
                        let first = *first;
                        self.wait_for_place(&mut new, first, job.ends);
                    }
                    Some(Planned::New(_)) => self.wait_for_place(&mut new, before, job.ends),
                },
            }
        }
        new.state = if new.broken.is_some() {
            JobState::Cancelled
        } else if !new.jobs.is_empty() || !new.places.is_empty() {
            JobState::Suspended
        } else if job.run_at.is_some_and(|at| at > commit.now) {
            JobState::Scheduled
        } else {
            JobState::Available
        };
        Ok(new)
    }

    fn wait_for_place(&mut self, new: &mut New, before: usize, ends: Ends) {
        let Some(Planned::New(first)) = self.jobs.get_mut(before) else { return };
        if first.state != JobState::Cancelled {
            first.dependants = true;
            new.places.insert(before);
        } else if ends == Ends::Completed {
            new.broken = Some(format!("job {before} of the commit, which this one waits for, was cancelled"));
        }
    }

    pub(super) fn write(self, tx: &mut Tx<'_>, commit: &Commit) -> rusqlite::Result<Vec<Inserted>> {
        let mut inserted: Vec<Inserted> = Vec::with_capacity(self.jobs.len());
        for (planned, job) in self.jobs.iter().zip(&commit.jobs) {
            let one = match planned {
                Planned::New(new) => write_new(tx, commit, job, new, &inserted)?,
                Planned::There(holder, replaces) => {
                    let state = match replaces {
                        Some(more) => overwrite(tx, holder.job, job, *more, commit.now)?,
                        None => holder.state,
                    };
                    Inserted { id: JobId(number(holder.job)), was_there: true, state }
                }
                // It refers to one before it.
                Planned::Same(first) => match inserted.get(*first) {
                    Some(first) => {
                        let (id, first_state) = (first.id, first.state);
                        let state = match may_replace(job, first_state) {
                            Some(_) => overwrite_same(tx, id, job, commit.now)?,
                            None => first_state,
                        };
                        Inserted { id, was_there: true, state }
                    }
                    None => return Err(rusqlite::Error::InvalidQuery),
                },
            };
            inserted.push(one);
        }
        Ok(inserted)
    }
}

impl New {
    /// Waits for a job that is there, if it is the plugin's own and has not ended.
    fn wait_for(&mut self, tx: &Tx<'_>, commit: &Commit, id: i64, ends: Ends) -> rusqlite::Result<()> {
        let Some(row) = JobRow::load(tx, id)? else { return Ok(()) };
        if tx.state.queue(row.queue).is_none_or(|queue| queue.queue.plugin != commit.plugin) {
            return Ok(());
        }
        if !row.state.is_final() {
            self.jobs.insert(id);
        } else if ends == Ends::Completed && row.state != JobState::Completed {
            self.broken = Some(format!("job {id}, which this one waits for, was {}", row.state));
        }
        Ok(())
    }
}

fn enough_queues(tx: &Tx<'_>, commit: &Commit) -> Result<(), Stop<CommitError>> {
    let mut new = BTreeSet::new();
    for job in &commit.jobs {
        if new.contains(&job.queue) {
            continue;
        }
        if tx.state.queue_known(&QueueRef { plugin: commit.plugin.clone(), queue: job.queue.clone() }).is_none() {
            new.insert(&job.queue);
        }
    }
    if !new.is_empty() && tx.state.queues_of(&commit.plugin) + new.len() > QUEUES_MAX {
        return refuse(Error::Invalid(format!("a plugin has at most {QUEUES_MAX} queues")));
    }
    Ok(())
}

fn write_new(
    tx: &mut Tx<'_>,
    commit: &Commit,
    job: &NewJob,
    new: &New,
    before: &[Inserted],
) -> rusqlite::Result<Inserted> {
    let queue =
        tx.state.queue_id(tx.connection, &QueueRef { plugin: commit.plugin.clone(), queue: job.queue.clone() })?;
    tx.state.counters.job += 1;
    let job_id = JobId(tx.state.counters.job);
    let id = sql(job_id.0);
    let waits: BTreeSet<i64> = new
        .places
        .iter()
        .filter_map(|place| before.get(*place))
        .map(|before| sql(before.id.0))
        .chain(new.jobs.iter().copied())
        .collect();
    let mut blobs = 0;
    for (part, data) in [(Part::Args, &job.args[..]), (Part::Meta, &new.meta)] {
        if blob::inline(data).is_none() {
            blob::write(tx.connection, id, part, data)?;
            blobs |= part.bit();
        }
    }
    let run_at = sql(job.run_at.unwrap_or(commit.now));
    let final_now = new.state.is_final();
    tx.connection
        .prepare_cached(
            "INSERT INTO jobs(id, queue, state, waiting, priority, attempt, max_attempts, inserted, run_at, ended, ends,
               dependants, failures, bytes, blobs, name, ukey, meta, args)
             VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6, ?7, ?8, ?9, ?10, ?11, 0, ?12, ?13, ?14, ?15, ?16, ?17)",
        )?
        .execute(params![
            id,
            queue,
            new.state as u8,
            (new.state == JobState::Suspended).then_some(waits.len()).and_then(|count| i64::try_from(count).ok()),
            job.priority,
            job.max_attempts,
            sql(commit.now),
            run_at,
            final_now.then_some(sql(commit.now)),
            job.ends == Ends::Any,
            new.dependants,
            new.bytes,
            blobs,
            job.name.as_str(),
            job.unique.as_ref().map(|unique| &unique.key[..]),
            blob::inline(&new.meta).filter(|meta| !meta.is_empty()),
            blob::inline(&job.args),
        ])?;
    if let Some(unique) = &job.unique {
        let plugin = tx.state.plugin_id(tx.connection, &commit.plugin)?;
        unique::hold(tx, plugin, unique, id)?;
    }
    tx.state.moved(queue, None, Some(new.state));
    // Its bytes were counted with the commit's.
    tx.charge(queue, 1, 0);
    tx.announce(queue, new.state, run_at);
    if new.state == JobState::Suspended {
        for before in waits {
            tx.connection.prepare_cached("INSERT INTO waits(before, job) VALUES (?1, ?2)")?.execute([before, id])?;
            tx.connection
                .prepare_cached("UPDATE jobs SET dependants = 1 WHERE id = ?1 AND dependants = 0")?
                .execute([before])?;
        }
    }
    if let Some(broken) = &new.broken
        && let Some(mut row) = JobRow::load(tx, id)?
    {
        row.failed(tx, commit.now, broken)?;
        row.end(tx, JobState::Cancelled, commit.now)?;
    }
    Ok(Inserted { id: job_id, was_there: false, state: new.state })
}

/// What of a job in this state is overwritten, if anything.
fn may_replace(job: &NewJob, state: JobState) -> Option<Replace> {
    let replace = job.unique.as_ref()?.replace;
    let any = replace.args || replace.run_at || replace.priority || replace.max_attempts;
    (any && !state.is_final() && state != JobState::Executing && replace.states.has(state)).then_some(replace)
}

/// How many bytes the holder has more when it is overwritten; nothing if it is not.
fn replaced(tx: &Tx<'_>, holder: Holder, job: &NewJob) -> rusqlite::Result<Option<i64>> {
    let Some(replace) = may_replace(job, holder.state) else { return Ok(None) };
    if !replace.args {
        return Ok(Some(0));
    }
    Ok(Some(len(&job.args) - args_len(tx, holder.job)?))
}

fn args_len(tx: &Tx<'_>, id: i64) -> rusqlite::Result<i64> {
    tx.connection
        .prepare_cached("SELECT coalesce(length(args), (SELECT length(data) FROM blobs WHERE blobs.id = ?1 * 4)) FROM jobs WHERE id = ?1")?
        .query_row([id], |row| row.get(0))
}

/// The job came with this commit, so that what it has more was not counted with it.
fn overwrite_same(tx: &mut Tx<'_>, id: JobId, job: &NewJob, now: Timestamp) -> rusqlite::Result<JobState> {
    let args = job.unique.is_some_and(|unique| unique.replace.args);
    let more = if args { len(&job.args) - args_len(tx, sql(id.0))? } else { 0 };
    if let Some(row) = JobRow::load(tx, sql(id.0))? {
        tx.charge(row.queue, 0, more);
    }
    overwrite(tx, sql(id.0), job, more, now)
}

/// Overwrites what is to be, of a job that waits. What it has more is counted already.
fn overwrite(tx: &mut Tx<'_>, id: i64, job: &NewJob, more: i64, now: Timestamp) -> rusqlite::Result<JobState> {
    let Some(mut row) = JobRow::load(tx, id)? else { return Ok(JobState::Available) };
    let Some(replace) = may_replace(job, row.state) else { return Ok(row.state) };
    row.bytes += more;
    if replace.args {
        blob::delete(tx.connection, id, row.blobs & Part::Args.bit())?;
        row.blobs &= !Part::Args.bit();
        if blob::inline(&job.args).is_none() {
            blob::write(tx.connection, id, Part::Args, &job.args)?;
            row.blobs |= Part::Args.bit();
        }
        tx.connection.prepare_cached("UPDATE jobs SET args = ?2, blobs = ?3 WHERE id = ?1")?.execute(params![
            id,
            blob::inline(&job.args),
            row.blobs
        ])?;
    }
    if replace.priority {
        tx.connection
            .prepare_cached("UPDATE jobs SET priority = ?2 WHERE id = ?1")?
            .execute(params![id, job.priority])?;
    }
    if replace.max_attempts {
        row.max_attempts = job.max_attempts.into();
    }
    let mut to = row.state;
    if replace.run_at {
        row.run_at = sql(job.run_at.unwrap_or(now));
        if row.state != JobState::Suspended {
            to = match (row.ready(now), row.state) {
                (JobState::Scheduled, JobState::Retryable) => JobState::Retryable,
                (ready, _) => ready,
            };
        }
    }
    row.wait(tx, to)?;
    Ok(to)
}
