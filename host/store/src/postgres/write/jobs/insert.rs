//! What becomes of a commit's jobs.

use std::collections::BTreeSet;

use bytes::Bytes;
use foldhash::HashMap;

use super::row::JobRow;
use crate::Timestamp;
use crate::commit::Commit;
use crate::error::{CommitError, Error};
use crate::job::{After, Conflict, Ends, Inserted, JobId, JobState, NewJob, QueueRef, Replace, StateSet, Unique};
use crate::limits::JOB_OVERHEAD;
use crate::meta;
use crate::number::{len, number, sql};
use crate::postgres::counts::Uses;
use crate::postgres::fault::{Missing, Stop, broken, refuse};
use crate::postgres::numbers::Kind;
use crate::postgres::rows::jobs::row::Job;
use crate::postgres::rows::jobs::uniques::{Holder, Place};
use crate::postgres::tx::{Tx, Wants};
use crate::postgres::write::commit::AllUses;

fn queue(commit: &Commit, job: &NewJob) -> QueueRef {
    QueueRef { plugin: commit.plugin.clone(), queue: job.queue.clone() }
}

fn place(plugin: i64, unique: &Unique) -> Place {
    (plugin, Bytes::copy_from_slice(&unique.key))
}

/// The first job that waits for one which is not before it.
fn misplaced(commit: &Commit) -> Option<usize> {
    let mut jobs = commit.jobs.iter().enumerate();
    let behind = |at: usize, after: &After| matches!(after, After::Place(place) if *place >= at);
    jobs.find(|(at, job)| job.after.iter().any(|after| behind(*at, after))).map(|(at, _)| at)
}

pub(in crate::postgres::write) fn want(commit: &Commit, wants: &mut Wants<'_>) {
    // What is refused in any case gets no queue.
    if misplaced(commit).is_some() {
        return;
    }
    wants.numbers.want(Kind::Job, commit.jobs.len());
    for job in &commit.jobs {
        wants.queue(&queue(commit, job));
        if let Some(unique) = &job.unique
            && let Some(plugin) = wants.plugin(&commit.plugin)
        {
            wants.rows.jobs.uniques.want(place(plugin, unique));
        }
        for after in &job.after {
            if let After::Job(id) = after {
                wants.rows.jobs.stock.want(sql(id.0));
            }
        }
    }
}

/// Inserts a commit's jobs. What they count for is added to `uses`.
pub(in crate::postgres::write) fn insert<'a>(
    tx: &mut Tx<'_>,
    commit: &'a Commit,
    uses: &mut AllUses<'a>,
) -> Result<Vec<Inserted>, Stop<CommitError>> {
    if commit.jobs.is_empty() {
        return Ok(Vec::new());
    }
    if let Some(at) = misplaced(commit) {
        return refuse(Error::Invalid(format!("job {at} waits for a job behind it")));
    }
    let plugin = tx.plugin(&commit.plugin)?;
    tx.named(&commit.jobs.iter().map(|job| queue(commit, job)).collect())?;
    let uses = uses.entry(&commit.plugin).or_default();
    let mut inserting = Inserting { commit, plugin, uses, done: Vec::new(), new: HashMap::default() };
    for (at, job) in commit.jobs.iter().enumerate() {
        let there = match &job.unique {
            Some(unique) => holder(tx, &place(plugin, unique), commit.now)?,
            None => None,
        };
        let inserted = match (there, &job.unique) {
            (Some(_), Some(unique)) if unique.conflict == Conflict::Refuse => {
                return refuse(CommitError::Duplicate(at));
            }
            (Some(there), Some(unique)) => inserting.there(tx, there, job, unique.replace),
            _ => inserting.insert(tx, at, job)?,
        };
        inserting.done.push(inserted);
    }
    Ok(inserting.done)
}

/// The job that has this place, if it keeps others out by now.
pub(super) fn holder(tx: &mut Tx<'_>, place: &Place, now: Timestamp) -> Result<Option<JobRow>, Missing> {
    let Some(holder) = tx.rows.jobs.uniques.get(place)? else { return Ok(None) };
    if holder.until.is_some_and(|until| until <= sql(now)) {
        return Ok(None);
    }
    let states = StateSet::from_bits(u8::try_from(holder.states).unwrap_or(0));
    Ok(JobRow::load(tx, holder.job)?.filter(|row| states.has(row.job.state)))
}

/// The jobs of a commit on their way.
struct Inserting<'a> {
    commit: &'a Commit,
    plugin: i64,
    uses: &'a mut Uses,
    done: Vec<Inserted>,
    /// New ones, and their places in the commit.
    new: HashMap<i64, usize>,
}

/// What a new job waits for.
#[derive(Default)]
struct Before {
    jobs: BTreeSet<i64>,
    /// Why it is cancelled at once, if one that it waits for has not completed.
    broken: Option<String>,
}

impl Inserting<'_> {
    fn before(&self, tx: &mut Tx<'_>, job: &NewJob) -> Result<Before, Missing> {
        let mut before = Before::default();
        for after in &job.after {
            let id = match *after {
                After::Job(id) => sql(id.0),
                // It is before this one.
                After::Place(place) => self.done.get(place).map_or(0, |done| sql(done.id.0)),
            };
            // One that is gone has completed, and so has another plugin's.
            let Some(row) = JobRow::load(tx, id)?.filter(|row| tx.plugin_of(row.job.queue) == Some(self.plugin)) else {
                continue;
            };
            if !row.job.state.is_final() {
                before.jobs.insert(id);
            } else if job.ends == Ends::Completed && row.job.state != JobState::Completed {
                before.broken = Some(match self.new.get(&id) {
                    Some(place) => format!("job {place} of the commit, which this one waits for, was cancelled"),
                    None => format!("job {id}, which this one waits for, was {}", row.job.state),
                });
            }
        }
        if before.broken.is_some() {
            before.jobs.clear();
        }
        Ok(before)
    }

    fn insert(&mut self, tx: &mut Tx<'_>, at: usize, job: &NewJob) -> Result<Inserted, Stop<Error>> {
        let before = self.before(tx, job)?;
        let now = self.commit.now;
        let Some(queue) = tx.names.queue(&queue(self.commit, job)) else {
            return refuse(broken("a queue without a number"));
        };
        let id = tx.number(Kind::Job)?;
        let meta = meta::encode(&job.meta);
        let run_at = sql(job.run_at.unwrap_or(now));
        // One that is cancelled at once is suspended just before.
        let state = if before.broken.is_some() || !before.jobs.is_empty() {
            JobState::Suspended
        } else if run_at > sql(now) {
            JobState::Scheduled
        } else {
            JobState::Available
        };
        let new = Job {
            queue,
            state,
            waiting: sql(before.jobs.len() as u64),
            rank: if state == JobState::Suspended { 0 } else { run_at },
            priority: job.priority.into(),
            attempt: 0,
            max_attempts: job.max_attempts.into(),
            inserted: sql(now),
            run_at,
            attempted: None,
            fence: 0,
            worker: None,
            host: None,
            any_end: job.ends == Ends::Any,
            dependants: false,
            failures: 0,
            bytes: sql(JOB_OVERHEAD) + len(&job.args) + len(&meta),
            name: job.name.clone(),
            ukey: job.unique.as_ref().map(|unique| Bytes::copy_from_slice(&unique.key)),
            args_len: len(&job.args),
            output_len: 0,
            args: Some(job.args.clone()),
            meta: Some(meta.into()),
            output: None,
        };
        self.uses.jobs += 1;
        self.uses.bytes += new.bytes;
        tx.rows.jobs.stock.insert(id, new.clone());
        tx.counts.moved(queue, None, Some(state));
        tx.announce(queue, state, run_at);
        if let Some(unique) = &job.unique {
            let holder = Holder { job: id, until: unique.until.map(sql), states: i16::from(unique.states.bits()) };
            tx.rows.jobs.uniques.put(place(self.plugin, unique), Some(holder));
        }
        for other in before.jobs {
            tx.rows.jobs.waits.add(other, id);
            if let Some(mut row) = JobRow::load(tx, other)?.filter(|row| !row.job.dependants) {
                row.job.dependants = true;
                row.save(tx);
            }
        }
        let mut row = JobRow { id, job: new, more: 0 };
        if let Some(broken) = before.broken {
            row.failed(tx, now, &broken)?;
            // It counts with the rest of the commit.
            self.uses.bytes += std::mem::take(&mut row.more);
            row.end(tx, JobState::Cancelled, now);
        }
        self.new.insert(id, at);
        Ok(Inserted { id: row.number(), was_there: false, state: row.job.state })
    }

    /// One that was there, overwritten where the new one says so and its state allows it.
    fn there(&mut self, tx: &mut Tx<'_>, mut row: JobRow, job: &NewJob, replace: Replace) -> Inserted {
        let (id, now) = (JobId(number(row.id)), self.commit.now);
        let state = row.job.state;
        let any = replace.args || replace.run_at || replace.priority || replace.max_attempts;
        if !any || state.is_final() || state == JobState::Executing || !replace.states.has(state) {
            return Inserted { id, was_there: true, state };
        }
        if replace.args {
            let more = len(&job.args) - row.job.args_len;
            row.job.args_len += more;
            row.job.args = Some(job.args.clone());
            row.job.bytes += more;
            self.uses.bytes += more;
        }
        if replace.priority {
            row.job.priority = job.priority.into();
        }
        if replace.max_attempts {
            row.job.max_attempts = job.max_attempts.into();
        }
        let mut to = state;
        if replace.run_at {
            row.job.run_at = sql(job.run_at.unwrap_or(now));
            if state != JobState::Suspended {
                to = match (row.ready(now), state) {
                    (JobState::Scheduled, JobState::Retryable) => JobState::Retryable,
                    (ready, _) => ready,
                };
            }
        }
        row.wait(tx, to);
        Inserted { id, was_there: true, state: to }
    }
}
