//! `skep:plugin/jobs`: the guest's side of the jobs in `skep-jobs`.

use std::time::Duration;

use skep_bindings::jobs::{self, Inserted, JobId, Parts, Replace, State, States, Status, Unique};
use skep_bindings::types::Error;
use skep_jobs::{JobSpec, JobStatus, UniqueSpec};
use skep_store::{After, Commit, Conflict, Ends, JobState, NewJob, StateSet};
use skep_types::HandlerName;

use super::store::{inserted, refused};
use crate::state::CallState;

/// Every state of the contract and its counterpart.
const STATES: [(States, JobState); 8] = [
    (States::SUSPENDED, JobState::Suspended),
    (States::SCHEDULED, JobState::Scheduled),
    (States::AVAILABLE, JobState::Available),
    (States::EXECUTING, JobState::Executing),
    (States::RETRYABLE, JobState::Retryable),
    (States::COMPLETED, JobState::Completed),
    (States::CANCELLED, JobState::Cancelled),
    (States::DISCARDED, JobState::Discarded),
];

impl CallState {
    /// What the guest wants done, in the store's words, with what the plugin's definitions say of it.
    pub(super) fn new_jobs(&self, jobs: Vec<jobs::NewJob>) -> Result<Vec<NewJob>, Error> {
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        let specs = jobs.into_iter().map(|job| self.spec(job)).collect::<Result<_, _>>()?;
        self.store()?.jobs.prepare(self.stats.plugin(), specs).map_err(denied)
    }

    fn spec(&self, job: jobs::NewJob) -> Result<JobSpec, Error> {
        let meta: usize = job.meta.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.stats.owe(job.name.len() + meta);
        self.value(job.args.len())?;
        let after = |after: jobs::After| match after {
            jobs::After::Job(id) => After::Job(skep_store::JobId(id)),
            jobs::After::Place(at) => After::Place(at as usize),
        };
        Ok(JobSpec {
            name: name(&job.name)?,
            args: job.args.into(),
            queue: job.queue.as_deref().map(name).transpose()?,
            priority: job.priority,
            run_at: job.run_at,
            max_attempts: job.max_attempts,
            unique: job.unique.map(unique),
            after: job.after.into_iter().map(after).collect(),
            ends: if job.after_any_end { Ends::Any } else { Ends::Completed },
            meta: job.meta,
        })
    }

    fn status(&self, JobStatus { job, last_error }: JobStatus) -> Status {
        let (output, last_error) = (job.output.map(Vec::from), last_error.map(|attempt| attempt.error));
        self.stats.owe(output.as_ref().map_or(0, Vec::len) + last_error.as_ref().map_or(0, String::len));
        Status {
            state: state(job.state),
            attempt: job.attempt,
            max_attempts: job.max_attempts,
            run_at: job.run_at,
            output,
            last_error,
        }
    }
}

impl jobs::Host for CallState {
    async fn enqueue(&mut self, jobs: Vec<jobs::NewJob>) -> Result<Vec<Inserted>, Error> {
        let grants = self.store()?.clone();
        let mut commit = Commit::new(self.stats.plugin().clone(), grants.now());
        commit.jobs = self.new_jobs(jobs)?;
        let committed = grants.store.commit(commit).await.map_err(|error| match error {
            skep_store::CommitError::Store(error) => refused(error),
            // What else there is stands against a job, for this is no process's commit.
            _ => Error::Conflict,
        })?;
        Ok(committed.jobs.into_iter().map(inserted).collect())
    }

    async fn cancel(&mut self, id: JobId) -> Result<bool, Error> {
        let jobs = self.store()?.jobs.clone();
        jobs.cancel(skep_store::JobId(id), Some(self.stats.plugin())).await.map_err(denied)
    }

    async fn get(&mut self, id: JobId) -> Result<Status, Error> {
        let jobs = self.store()?.jobs.clone();
        let status = jobs.get(skep_store::JobId(id), Some(self.stats.plugin())).await.map_err(denied)?;
        Ok(self.status(status))
    }

    async fn await_(&mut self, id: JobId, wait: u64) -> Result<Status, Error> {
        let (jobs, wait) = (self.store()?.jobs.clone(), Duration::from_millis(wait));
        let ended = jobs.await_end(skep_store::JobId(id), Some(self.stats.plugin()), wait).await;
        Ok(self.status(ended.map_err(denied)?))
    }
}

fn name(text: &str) -> Result<HandlerName, Error> {
    HandlerName::new(text).map_err(|error| Error::Invalid(error.to_string()))
}

fn unique(unique: Unique) -> UniqueSpec {
    let replace = unique.replace;
    UniqueSpec {
        period: unique.period.map(Duration::from_millis),
        by: skep_jobs::Parts { queue: unique.by.contains(Parts::QUEUE), args: unique.by.contains(Parts::ARGS) },
        key: unique.key.filter(|_| unique.by.contains(Parts::KEY)),
        states: states(unique.states),
        conflict: if unique.refuse { Conflict::Refuse } else { Conflict::Existing },
        replace: skep_store::Replace {
            states: states(unique.replace_in),
            args: replace.contains(Replace::ARGS),
            run_at: replace.contains(Replace::RUN_AT),
            priority: replace.contains(Replace::PRIORITY),
            max_attempts: replace.contains(Replace::MAX_ATTEMPTS),
        },
    }
}

fn states(said: States) -> StateSet {
    let named: Vec<_> = STATES.iter().filter(|(flag, _)| said.contains(*flag)).map(|(_, state)| *state).collect();
    StateSet::of(&named)
}

fn state(state: JobState) -> State {
    match state {
        JobState::Suspended => State::Suspended,
        JobState::Scheduled => State::Scheduled,
        JobState::Available => State::Available,
        JobState::Executing => State::Executing,
        JobState::Retryable => State::Retryable,
        JobState::Completed => State::Completed,
        JobState::Cancelled => State::Cancelled,
        JobState::Discarded => State::Discarded,
    }
}

/// What a guest is told of the service's word.
fn denied(error: skep_jobs::Error) -> Error {
    match error {
        skep_jobs::Error::Invalid(why) => Error::Invalid(why),
        skep_jobs::Error::TooLarge(limit) => Error::TooLarge(limit),
        skep_jobs::Error::NotFound => Error::NotFound,
        skep_jobs::Error::Timeout => Error::Timeout,
        skep_jobs::Error::Full(_) => Error::Full,
        skep_jobs::Error::Commit(skep_store::CommitError::Store(error)) => refused(error),
        skep_jobs::Error::Commit(_) => Error::Conflict,
        other => Error::Unavailable(other.to_string()),
    }
}
