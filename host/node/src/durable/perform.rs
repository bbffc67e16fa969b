//! An attempt at a job is a call like any other.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Weak};
use std::time::Duration;

use skep_jobs::{AttemptContext, Outcome, Performer, Performing, StopReason};
use skep_runtime::JobAttempt;
use skep_store::Job;
use skep_types::{Call, FailureKind, RequestId};

use crate::guard::Branch;
use crate::plugin::Plugin;

/// How long a job waits that found no instance, or no revision.
const LATER: Duration = Duration::from_millis(500);

/// Performs a plugin's jobs by the revision that is in service when an attempt begins.
pub(super) struct PluginJobsPerformer {
    plugin: Weak<Plugin>,
}

impl PluginJobsPerformer {
    pub(super) fn new(plugin: &Weak<Plugin>) -> Self {
        Self { plugin: Weak::clone(plugin) }
    }
}

impl Performer for PluginJobsPerformer {
    fn perform(&self, job: Job, attempt: AttemptContext) -> Performing {
        let plugin = self.plugin.upgrade();
        Box::pin(async move {
            match plugin {
                Some(plugin) => perform(plugin, job, attempt).await,
                None => Outcome::Returned,
            }
        })
    }
}

async fn perform(plugin: Arc<Plugin>, job: Job, attempt: AttemptContext) -> Outcome {
    let Ok(revision) = plugin.serving() else { return Outcome::Snooze(LATER) };
    // While its breaker is open the job waits, and its attempts are not used up.
    let guard = plugin.guards().handler(Branch::Jobs, job.name.as_str());
    let permit = match guard.admit() {
        Ok(permit) => permit,
        Err(open) => return Outcome::Snooze(open.retry_after.unwrap_or(LATER)),
    };
    let deadline = attempt.timeout.unwrap_or(plugin.settings().config.jobs.timeout);
    let asked = JobAttempt {
        id: job.id.0,
        name: job.name.as_str(),
        args: &job.args,
        attempt: job.attempt,
        max_attempts: job.max_attempts,
        inserted_at: job.inserted,
        meta: &job.meta,
    };
    let ended = tokio::select! {
        biased;
        ended = revision.run_job(call(), deadline, asked) => ended,
        reason = attempt.stop.raised() => return match reason {
            StopReason::Shutdown => Outcome::Returned,
            StopReason::Cancelled | StopReason::LeaseLost => Outcome::Crashed("it was told to stop".to_owned()),
        },
    };
    permit.done(ended.as_ref().map(drop), None);
    match ended {
        Ok(outcome) => outcome,
        // It had no chance yet.
        Err(failure) if failure.kind == FailureKind::Overloaded => Outcome::Snooze(LATER),
        Err(failure) => Outcome::Crashed(failure.to_string()),
    }
}

/// A call that no client waits for.
fn call() -> Call {
    Call {
        id: RequestId::from_bits(fastrand::u64(..)),
        client: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        secure: false,
        captures: Vec::new(),
        hops: 0,
    }
}
