//! `skep:plugin/job-handler`: work that must happen.

use std::sync::Arc;
use std::time::Duration;

use skep_bindings::job_handler::{Definition, Job, Outcome as Said};
use skep_jobs::Outcome;
use skep_types::{Call, Failure};
use wasmtime::Store;

use crate::drive::errand::Errand;
use crate::linked::{Guest, Role};
use crate::revision::Revision;
use crate::state::CallState;

/// One attempt at a job, as the guest is told of it.
#[derive(Clone, Copy, Debug)]
pub struct JobAttempt<'a> {
    /// The job's number.
    pub id: u64,
    /// Which of the plugin's jobs.
    pub name: &'a str,
    /// What it is given.
    pub args: &'a [u8],
    /// The first one is 1.
    pub attempt: u16,
    /// How many there may be.
    pub max_attempts: u16,
    /// When the job was inserted, in milliseconds since 1970.
    pub inserted_at: u64,
    /// What its author wanted to know of it.
    pub meta: &'a [(String, String)],
}

impl Revision {
    /// Runs an attempt at a job in a fresh instance, under the plugin's limits and within `deadline`. Dropping the future
    /// cancels the guest. The end of the call is reported once, whatever it is.
    ///
    /// # Errors
    /// Every way for the call to end without an outcome.
    pub async fn run_job(
        self: &Arc<Self>,
        call: Call,
        deadline: Duration,
        job: JobAttempt<'_>,
    ) -> Result<Outcome, Failure> {
        let read = |said| {
            Ok(match said {
                Said::Done(output) => Outcome::Done(output.map(Into::into)),
                Said::Failed(why) => Outcome::Failed(why),
                Said::FailedRetryIn((why, after)) => Outcome::FailedRetryIn(why, Duration::from_millis(after)),
                Said::Snooze(time) => Outcome::Snooze(Duration::from_millis(time)),
                Said::Cancel(why) => Outcome::Cancel(why),
            })
        };
        self.run_errand(call, deadline, job, read).await
    }

    /// The plugin's jobs, as the component defines them.
    pub(crate) async fn ask_job_definitions(self: &Arc<Self>, call: Call) -> Result<Vec<Definition>, Failure> {
        self.run_errand(call, self.limits().deadline, Definitions, Ok).await
    }
}

impl Errand for JobAttempt<'_> {
    type Answer = Said;
    const ROLE: Role = Role::Job;

    fn charge(&self) -> usize {
        let meta: usize = self.meta.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.name.len() + self.args.len() + meta
    }

    async fn ask(&self, store: &mut Store<CallState>, guest: &Guest) -> Option<wasmtime::Result<Said>> {
        let Guest::Jobs(guest) = guest else { return None };
        let meta: Vec<_> = self.meta.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let job = Job {
            id: self.id,
            name: self.name,
            args: self.args,
            attempt: self.attempt,
            max_attempts: self.max_attempts,
            inserted_at: self.inserted_at,
            meta: &meta,
        };
        Some(guest.skep_plugin_job_handler().call_perform(store, job).await)
    }
}

struct Definitions;

impl Errand for Definitions {
    type Answer = Vec<Definition>;
    const ROLE: Role = Role::Job;

    fn charge(&self) -> usize {
        0
    }

    async fn ask(&self, store: &mut Store<CallState>, guest: &Guest) -> Option<wasmtime::Result<Self::Answer>> {
        let Guest::Jobs(guest) = guest else { return None };
        Some(guest.skep_plugin_job_handler().call_definitions(store).await)
    }
}
