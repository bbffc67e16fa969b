//! What becomes of a commit's jobs.

use std::collections::BTreeSet;
use std::collections::hash_map::Entry;

use foldhash::HashMap;
use rusqlite::params;

use super::row::{JobRow, lane};
use super::unique;
use crate::Timestamp;
use crate::commit::Commit;
use crate::error::{CommitError, Error};
use crate::job::{After, Conflict, Ends, Inserted, JobId, JobState, NewJob, QueueRef, Unique};
use crate::limits::{JOB_OVERHEAD, QUEUES_MAX};
use crate::meta;
use crate::number::{len, number, sql};
use crate::sqlite::blob::{self, Part};
use crate::sqlite::fault::{Stop, refuse};
use crate::sqlite::tx::Tx;

/// What becomes of each job, in their order.
pub(super) struct Plan {
    jobs: Vec<Planned>,
    bytes: i64,
    /// Jobs that were there and are overwritten, as they are by then.
    overwritten: HashMap<i64, Present>,
}

enum Planned {
    New(New),
    /// This one is there; how many bytes it has more when it is overwritten, if it is.
    There(i64, JobState, Option<i64>),
    /// The one at this place of the commit came first; the same of it.
    Same(usize, Option<i64>),
}

/// A job as it is by then.
#[derive(Clone, Copy)]
struct Present {
    state: JobState,
    args: i64,
}

struct New {
    state: JobState,
    /// Jobs that it waits for.
    jobs: BTreeSet<i64>,
    /// Places of the commit that it waits for.
    places: BTreeSet<usize>,
    /// Why it is cancelled at once, if one that it waits for has not completed.
    broken: Option<String>,
    bytes: i64,
    meta: Vec<u8>,
    /// Whether a later one waits for it.
    dependants: bool,
    /// What later ones of the commit make of it.
    present: Present,
}

impl Plan {
    pub(super) const fn bytes(&self) -> i64 {
        self.bytes
    }

    pub(super) fn of(tx: &mut Tx<'_>, commit: &Commit) -> Result<Self, Stop<CommitError>> {
        enough_queues(tx, commit)?;
        let jobs = Vec::with_capacity(commit.jobs.len());
        let mut plan = Self { jobs, bytes: 0, overwritten: HashMap::default() };
        let mut firsts: HashMap<[u8; 16], usize> = HashMap::default();
        for (place, job) in commit.jobs.iter().enumerate() {
            let planned = match &job.unique {
                Some(unique) => match plan.there(tx, commit, job, unique, firsts.get(&unique.key).copied())? {
                    Some(_) if unique.conflict == Conflict::Refuse => return refuse(CommitError::Duplicate(place)),
                    Some(there) => there,
                    None => {
                        firsts.insert(unique.key, place);
                        Planned::New(plan.new_job(tx, commit, place, job)?)
                    }
                },
                None => Planned::New(plan.new_job(tx, commit, place, job)?),
            };
            plan.bytes += match &planned {
                Planned::New(new) => new.bytes,
                Planned::There(_, _, more) | Planned::Same(_, more) => more.unwrap_or(0),
            };
            plan.jobs.push(planned);
        }
        Ok(plan)
    }

    /// The job that keeps this one out, if one does.
    fn there(
        &mut self,
        tx: &Tx<'_>,
        commit: &Commit,
        job: &NewJob,
        unique: &Unique,
        first: Option<usize>,
    ) -> Result<Option<Planned>, Stop<CommitError>> {
        if let Some(first) = first {
            let Some(Planned::New(new)) = self.jobs.get_mut(first) else { return Ok(None) };
            let own = commit.jobs.get(first).and_then(|job| job.unique.as_ref());
            let holds = own.is_some_and(|own| {
                own.states.has(new.present.state) && own.until.is_none_or(|until| until > commit.now)
            });
            return Ok(holds.then(|| Planned::Same(first, new.present.overwrite(job, commit.now))));
        }
        let Some(plugin) = tx.state.plugin(&commit.plugin) else { return Ok(None) };
        let Some(holder) = unique::holder(tx, plugin.id, &unique.key, commit.now)? else { return Ok(None) };
        let present = match self.overwritten.entry(holder.job) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(Present { state: holder.state, args: args_len(tx, holder.job)? }),
        };
        let state = present.state;
        let holds = holder.states.has(state);
        Ok(holds.then(|| Planned::There(holder.job, state, present.overwrite(job, commit.now))))
    }

    fn new_job(&mut self, tx: &mut Tx<'_>, commit: &Commit, place: usize, job: &NewJob) -> Result<New, Stop<Error>> {
        let meta = meta::encode(&job.meta);
        let bytes = sql(JOB_OVERHEAD) + len(&job.args) + len(&meta);
        let mut new = New {
            state: JobState::Available,
            jobs: BTreeSet::new(),
            places: BTreeSet::new(),
            broken: None,
            bytes,
            meta,
            dependants: false,
            present: Present { state: JobState::Available, args: len(&job.args) },
        };
        for after in &job.after {
            match *after {
                After::Job(id) => new.wait_for(tx, commit, sql(id.0), job.ends)?,
                After::Place(before) => match self.jobs.get_mut(before).filter(|_| before < place) {
                    None => return refuse(Error::Invalid(format!("job {place} waits for a job behind it"))),
                    Some(Planned::There(id, _, _)) => {
                        let id = *id;
                        new.wait_for(tx, commit, id, job.ends)?;
                    }
                    Some(Planned::Same(first, _)) => {
                        let first = *first;
                        self.wait_for_place(&mut new, first, job.ends);
                    }
                    Some(Planned::New(_)) => self.wait_for_place(&mut new, before, job.ends),
                },
            }
        }
        new.state = if new.broken.is_some() {
            new.jobs.clear();
            new.places.clear();
            JobState::Cancelled
        } else if !new.jobs.is_empty() || !new.places.is_empty() {
            JobState::Suspended
        } else if job.run_at.is_some_and(|at| at > commit.now) {
            JobState::Scheduled
        } else {
            JobState::Available
        };
        new.present.state = new.state;
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
                Planned::There(id, state, more) => there(tx, JobId(number(*id)), *state, job, *more, commit.now)?,
                // It refers to one before it.
                Planned::Same(first, more) => match inserted.get(*first) {
                    Some(first) => there(tx, first.id, first.state, job, *more, commit.now)?,
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
    fn wait_for(&mut self, tx: &mut Tx<'_>, commit: &Commit, id: i64, ends: Ends) -> rusqlite::Result<()> {
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
    // One that is cancelled at once is suspended just before.
    let state = if new.state.is_final() { JobState::Suspended } else { new.state };
    tx.connection
        .prepare_cached(
            "INSERT INTO jobs(id, queue, state, waiting, lane, rank, priority, attempt, max_attempts, inserted, run_at,
               ends, dependants, failures, bytes, blobs, name, ukey, meta, args)
             VALUES (?1, ?2, ?3, nullif(?4, 0), ?5, ?6, ?7, 0, ?8, ?9, ?10, ?11, ?12, 0, ?13, ?14, ?15, ?16, ?17, ?18)",
        )?
        .execute(params![
            id,
            queue,
            state as u8,
            sql(waits.len() as u64),
            lane(state, queue, job.priority.into()),
            if state == JobState::Suspended { 0 } else { run_at },
            job.priority,
            job.max_attempts,
            sql(commit.now),
            run_at,
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
    tx.state.moved(queue, None, Some(state));
    // Its bytes were counted with the commit's.
    tx.charge(queue, 1, 0);
    tx.announce(queue, state, run_at);
    if new.state == JobState::Suspended {
        for before in waits {
            tx.connection.prepare_cached("INSERT INTO waits(before, job) VALUES (?1, ?2)")?.execute([before, id])?;
            if let Some(leased) = tx.state.leased(before) {
                leased.dependants = true;
            }
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

impl Present {
    /// Overwrites it, if the new job says so and its state allows it. Answers how many bytes it has more.
    fn overwrite(&mut self, job: &NewJob, now: Timestamp) -> Option<i64> {
        let replace = job.unique.as_ref()?.replace;
        let any = replace.args || replace.run_at || replace.priority || replace.max_attempts;
        if !any || self.state.is_final() || self.state == JobState::Executing || !replace.states.has(self.state) {
            return None;
        }
        if replace.run_at && self.state != JobState::Suspended {
            let later = job.run_at.is_some_and(|at| at > now);
            self.state = match (later, self.state) {
                (true, JobState::Retryable) => JobState::Retryable,
                (true, _) => JobState::Scheduled,
                (false, _) => JobState::Available,
            };
        }
        if !replace.args {
            return Some(0);
        }
        let more = len(&job.args) - self.args;
        self.args = len(&job.args);
        Some(more)
    }
}

fn args_len(tx: &Tx<'_>, id: i64) -> rusqlite::Result<i64> {
    tx.connection
        .prepare_cached(
            "SELECT coalesce(length(args), (SELECT length(data) FROM blobs WHERE blobs.id = ?1 * 4))
             FROM jobs WHERE id = ?1",
        )?
        .query_row([id], |row| row.get(0))
}

/// One that was there, overwritten if so many bytes more are said. They are counted already.
fn there(
    tx: &mut Tx<'_>,
    id: JobId,
    state: JobState,
    job: &NewJob,
    more: Option<i64>,
    now: Timestamp,
) -> rusqlite::Result<Inserted> {
    let unchanged = Inserted { id, was_there: true, state };
    let (Some(more), Some(unique)) = (more, &job.unique) else { return Ok(unchanged) };
    let Some(mut row) = JobRow::load(tx, sql(id.0))? else { return Ok(unchanged) };
    let replace = unique.replace;
    row.bytes += more;
    if replace.args {
        blob::delete(tx.connection, row.id, row.blobs & Part::Args.bit())?;
        row.blobs &= !Part::Args.bit();
        if blob::inline(&job.args).is_none() {
            blob::write(tx.connection, row.id, Part::Args, &job.args)?;
            row.blobs |= Part::Args.bit();
        }
        tx.connection.prepare_cached("UPDATE jobs SET args = ?2, blobs = ?3 WHERE id = ?1")?.execute(params![
            row.id,
            blob::inline(&job.args),
            row.blobs
        ])?;
    }
    if replace.priority {
        row.priority = job.priority.into();
        tx.connection.prepare_cached("UPDATE jobs SET priority = ?2 WHERE id = ?1")?.execute([row.id, row.priority])?;
    }
    if replace.max_attempts {
        row.max_attempts = job.max_attempts.into();
    }
    let mut present = Present { state: row.state, args: 0 };
    present.overwrite(job, now);
    if replace.run_at {
        row.run_at = sql(job.run_at.unwrap_or(now));
    }
    row.wait(tx, present.state)?;
    Ok(Inserted { state: present.state, ..unchanged })
}
