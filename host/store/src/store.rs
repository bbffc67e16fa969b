//! The port: what a backend does, and what it tells.

use std::future::Future;
use std::pin::Pin;

use skep_types::PluginName;

use crate::Timestamp;
use crate::caps::Leased;
use crate::commit::{Commit, Committed, Publish};
use crate::error::{CommitError, Error};
use crate::item::{Item, ListRequest, Page};
use crate::job::{
    Attempt, Fence, Job, JobFilter, JobId, JobPage, JobState, LeaseRequest, Lost, Op, OpReport, QueueCounts, QueueRef,
    QueueState, Settle,
};
use crate::mail::KeptMail;

/// An operation on its way. Writes run to their end even if nobody waits for them any more.
pub type StoreFuture<T, E = Error> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

/// What is kept, durably. [`ProcessStore`](crate::ProcessStore) is the part of it that whoever runs processes uses beside.
///
/// A write has answered only when it is durable, as durable as the backend is configured to make it. Concurrent writes share
/// what makes them durable. Everything takes `now`; all of it sees what was answered before.
pub trait Store: Send + Sync + 'static {
    /// Items that the plugin wrote by their keys, in the order of the keys; those that ended by `now` are not there.
    fn get(&self, space: PluginName, keys: Vec<String>, now: Timestamp) -> StoreFuture<Vec<Option<Item>>>;

    /// Items by how their keys begin.
    fn list(&self, request: ListRequest) -> StoreFuture<Page>;

    /// All or nothing.
    fn commit(&self, commit: Commit) -> StoreFuture<Committed, CommitError>;

    /// Gives up to so many available jobs on lease, by priority, then by when they were to run, then by number. Each lease
    /// has a new fence and counts an attempt. One write with [`settle`](Self::settle), so that a worker that goes through a
    /// queue waits for the disk once for each round; what is settled makes room for what is leased. Leases of a queue that have
    /// [caps](crate::Caps) never pass them together, whatever host they are of.
    fn settle_and_lease(&self, settle: Vec<Settle>, lease: Option<LeaseRequest>) -> StoreFuture<Round>;

    /// Says what became of jobs. A [`Lost`] one is left as it is.
    fn settle(&self, settle: Vec<Settle>) -> StoreFuture<Vec<Result<(), Lost>>> {
        let settled = self.settle_and_lease(settle, None);
        Box::pin(async move { Ok(settled.await?.0) })
    }

    /// Extends leases; answers those that are lost.
    fn heartbeat(&self, leases: Vec<(JobId, Fence)>, now: Timestamp, until: Timestamp) -> StoreFuture<Vec<Lost>>;

    /// Makes due jobs available: scheduled and retryable ones whose time has come, at most `limit`. Answers how many, and
    /// when the next one is due, now if there are more.
    fn stage(&self, now: Timestamp, limit: usize) -> StoreFuture<(u64, Option<Timestamp>)>;

    /// Takes jobs away from workers whose lease ran out, at most `limit`: each has an [`Attempt`] that says so, and is
    /// available again at once if it has attempts left, discarded otherwise. Answers them, and when the next lease runs out.
    fn reclaim(&self, now: Timestamp, limit: usize) -> StoreFuture<(Vec<JobId>, Option<Timestamp>)>;

    /// As [`reclaim`](Self::reclaim), whatever the time, of one worker, or of all others than this: what a host does at
    /// start, when the store is its alone.
    fn reclaim_others(&self, worker: String, now: Timestamp) -> StoreFuture<u64>;

    /// Makes jobs available that wait for a revision which knows these names.
    fn resume(&self, plugin: PluginName, names: Vec<skep_types::HandlerName>, now: Timestamp) -> StoreFuture<u64>;

    /// Deletes final jobs that ended before, in this state, at most `limit`.
    fn prune(&self, state: JobState, before: Timestamp, limit: usize) -> StoreFuture<u64>;

    /// Deletes items that ended by now, at most `limit`.
    fn expire(&self, now: Timestamp, limit: usize) -> StoreFuture<u64>;

    /// A job and how its attempts failed, the oldest first.
    fn job(&self, id: JobId) -> StoreFuture<(Job, Vec<Attempt>)>;

    /// Jobs, the newest first: those before this number, at most `limit`, without their arguments and outputs.
    fn jobs(&self, filter: JobFilter, before: Option<JobId>, limit: usize) -> StoreFuture<JobPage>;

    /// Carries out an operator's word on jobs, the newest first, in one bounded step.
    fn operate(&self, filter: JobFilter, op: Op, before: Option<JobId>, now: Timestamp) -> StoreFuture<OpReport>;

    /// How many jobs there are in each queue; it does not count them.
    fn queue_counts(&self) -> StoreFuture<Vec<QueueCounts>>;

    /// What operators said of queues.
    fn queue_states(&self) -> StoreFuture<Vec<(QueueRef, QueueState)>>;

    /// Says something of a queue.
    fn set_queue_state(&self, queue: QueueRef, state: QueueState) -> StoreFuture<()>;

    /// The last tick of each of the plugin's schedules that was acted on.
    fn ticks(&self, plugin: PluginName) -> StoreFuture<Vec<(String, Timestamp)>>;

    /// What each plugin uses.
    fn usage(&self) -> StoreFuture<Vec<PluginUsage>>;

    /// Sets a plugin's quota in bytes: commits that would bring it over are refused, jobs that are at work can still end.
    fn set_quota(&self, plugin: PluginName, bytes: u64);

    /// Writes a copy of the store as it is at one moment to a new file, while it goes on working. Answers its bytes.
    fn backup(&self, to: std::path::PathBuf) -> StoreFuture<u64>;

    /// Takes no more, finishes what it has taken and lets go of its files.
    fn close(&self) -> StoreFuture<()>;
}

/// What a worker's round answers: what became of each settle, in their order, and the jobs that it has on lease now.
pub type Round = (Vec<Result<(), Lost>>, Leased);

/// What a plugin uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginUsage {
    /// Which plugin.
    pub plugin: PluginName,
    /// Items, those that ended and are not yet deleted included.
    pub items: u64,
    /// Jobs in all states.
    pub jobs: u64,
    /// Processes.
    pub processes: u64,
    /// Bytes of items, jobs, messages, processes, their events, and mail that it has sent, with a fixed addition for each.
    pub bytes: u64,
    /// What it may use.
    pub quota: Option<u64>,
}

/// What a durable write changed.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// Queues in which jobs became available; and those in which another host has ended a job, where that one was asked for jobs
    /// under a [running cap](crate::Caps::running_max) lately, or has taken the job from one whose lease ran out.
    pub available: Vec<QueueRef>,
    /// The earliest time of a job that was put off by this write.
    pub next_due: Option<Timestamp>,
    /// Jobs that became final, and their state.
    pub ended: Vec<(JobId, JobState)>,
    /// Jobs that were taken away from whoever works on them, by an operator.
    pub taken: Vec<(JobId, Fence)>,
    /// Messages to pass on, in the order of their commits. They are delivered when the call returns.
    pub publishes: Vec<Publish>,
    /// Mail that is due now, in the order of their numbers, whoever posted it.
    pub mail: Vec<KeptMail>,
    /// The earliest time of a mail that was put off by this write.
    pub mail_due: Option<Timestamp>,
    /// The file was opened again after its disk had failed, or the database was reached again, or too much was missed of what other
    /// hosts did. What ended in the unknown may be there: whoever waits for jobs or
    /// mail has to look, as after a start.
    pub reopened: bool,
}

impl Changes {
    /// Whether there is nothing to tell.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        let Self { available, next_due, ended, taken, publishes, mail, mail_due, reopened } = self;
        let of_jobs = available.is_empty() && next_due.is_none() && ended.is_empty() && taken.is_empty();
        of_jobs && publishes.is_empty() && mail.is_empty() && mail_due.is_none() && !*reopened
    }
}

/// Hears what durable writes changed, in their order, after each group of them and before they are answered. A store that
/// opens tells first which messages a crash left undelivered, and so does one whose disk failed and came back. Of jobs and mail it
/// then tells nothing: who waits for them has to look, as after a start. Where several hosts share a store, it hears of jobs and
/// mail of the others too, a moment later; a message is told by one of them.
pub trait Observer: Send + Sync + 'static {
    /// It runs on the store's only writer: it must not wait.
    fn changed(&self, changes: Changes);
}
