//! Jobs as they are kept, leased and settled. States and words are Oban's.

use std::fmt;

use bytes::Bytes;
use skep_types::{HandlerName, PluginName};

use crate::Timestamp;
use crate::caps::Caps;

/// The number of a job on this store, from 1; it grows, and is never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobId(pub u64);

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The right to settle a job, for whoever leased it last. It grows with every lease of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fence(pub u64);

/// Where a job is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum JobState {
    /// It waits for other jobs, or for a revision that knows its name: see [`Waiting`].
    Suspended,
    /// It waits for its time.
    Scheduled,
    /// It can be leased.
    Available,
    /// Somebody has it on lease.
    Executing,
    /// It failed, and waits for its next attempt.
    Retryable,
    /// It is done.
    Completed,
    /// Somebody, or it, said that it should not be done.
    Cancelled,
    /// It failed for the last time.
    Discarded,
}

impl JobState {
    /// All of them, in the order of a job's life.
    pub const ALL: [Self; 8] = [
        Self::Suspended,
        Self::Scheduled,
        Self::Available,
        Self::Executing,
        Self::Retryable,
        Self::Completed,
        Self::Cancelled,
        Self::Discarded,
    ];

    /// Whether a job stays in it for good, unless an operator retries it.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Cancelled | Self::Discarded)
    }

    /// Oban's word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Suspended => "suspended",
            Self::Scheduled => "scheduled",
            Self::Available => "available",
            Self::Executing => "executing",
            Self::Retryable => "retryable",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
            Self::Discarded => "discarded",
        }
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Several states.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct StateSet(u8);

impl StateSet {
    /// None.
    pub const EMPTY: Self = Self(0);

    /// These.
    #[must_use]
    pub const fn of(states: &[JobState]) -> Self {
        let (mut bits, mut at) = (0, 0);
        while at < states.len() {
            #[expect(clippy::indexing_slicing, reason = "at is below the length; a const fn has no iterator")]
            let state = states[at];
            bits |= 1 << state as u8;
            at += 1;
        }
        Self(bits)
    }

    /// Whether this one is among them.
    #[must_use]
    pub const fn has(self, state: JobState) -> bool {
        self.0 & (1 << state as u8) != 0
    }

    /// As a number that a backend can keep.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// What [`bits`](Self::bits) gave.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }
}

/// Why a job is suspended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Waiting {
    /// So many jobs have not ended yet.
    Jobs(u32),
    /// The revision in service does not know its name.
    Revision,
}

/// A queue of a plugin.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueueRef {
    /// Whose.
    pub plugin: PluginName,
    /// Its name there.
    pub queue: HandlerName,
}

/// A job that another waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// One of the plugin's that is there. One that is not there any more, because it was pruned, counts as completed; so does
    /// another plugin's.
    Job(JobId),
    /// The job at this place of the same commit, before this one.
    Place(usize),
}

/// Which ends of the jobs before it let a job begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ends {
    /// All must complete. If one is cancelled or discarded, the job is cancelled, and so are those after it. All that wait for
    /// a job are told in the transaction of its end, up to some thousands of them; the others at once behind it.
    #[default]
    Completed,
    /// Any end will do: how a batch calls back.
    Any,
}

/// What becomes of a new job that stands against a unique one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Conflict {
    /// The one that is there is answered in its place.
    #[default]
    Existing,
    /// The commit is refused as a whole, as a [`Duplicate`](crate::CommitError::Duplicate).
    Refuse,
}

/// What of a job that is there is overwritten by the new one that stands against it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replace {
    /// In which states it is; one that executes, or is final, never changes.
    pub states: StateSet,
    /// Its arguments.
    pub args: bool,
    /// When it runs.
    pub run_at: bool,
    /// Its priority.
    pub priority: bool,
    /// How often it is tried.
    pub max_attempts: bool,
}

/// There is at most one of those with the same key, however many insert it at once.
///
/// Whether a job keeps others out is for the one that is there to say, with the `until` and `states` that it was inserted with.
/// One that is deleted or pruned keeps nobody out any more. An operator's retry leaves a job as it is if another has its
/// place by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unique {
    /// What has to be the same: a digest of the parts of the job that count. It is the plugin's own.
    pub key: [u8; 16],
    /// Until when after its insertion a job keeps others out; none: for as long as it is in one of the states.
    pub until: Option<Timestamp>,
    /// In which states a job keeps others out.
    pub states: StateSet,
    /// What becomes of the new one.
    pub conflict: Conflict,
    /// What of the old one is overwritten.
    pub replace: Replace,
}

/// A job to insert.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// Its queue; the plugin is the commit's.
    pub queue: HandlerName,
    /// Which of the plugin's jobs it is.
    pub name: HandlerName,
    /// What it is given.
    pub args: Bytes,
    /// 0 to 9; low ones first.
    pub priority: u8,
    /// Not before; none or by now: at once.
    pub run_at: Option<Timestamp>,
    /// At least 1.
    pub max_attempts: u16,
    /// If there may be only one like it.
    pub unique: Option<Unique>,
    /// What has to end before it.
    pub after: Vec<After>,
    /// Which ends will do.
    pub ends: Ends,
    /// Whatever its author wants to know of it.
    pub meta: Vec<(String, String)>,
}

/// What came of a new job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inserted {
    /// Its number, or that of the one that was there.
    pub id: JobId,
    /// Whether there was one.
    pub was_there: bool,
    /// The state it is in.
    pub state: JobState,
}

/// A job as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its number.
    pub id: JobId,
    /// Where it is.
    pub queue: QueueRef,
    /// Which of the plugin's jobs it is.
    pub name: HandlerName,
    /// Where it is in its life.
    pub state: JobState,
    /// Why it is suspended, if it is.
    pub waiting: Option<Waiting>,
    /// What it is given.
    pub args: Bytes,
    /// 0 to 9; low ones first.
    pub priority: u8,
    /// Attempts that were begun; the first one is 1.
    pub attempt: u16,
    /// How many there may be.
    pub max_attempts: u16,
    /// When it was inserted.
    pub inserted: Timestamp,
    /// Not before.
    pub run_at: Timestamp,
    /// When its last attempt began.
    pub attempted: Option<Timestamp>,
    /// When it became final.
    pub ended: Option<Timestamp>,
    /// What it returned, if it was kept.
    pub output: Option<Bytes>,
    /// Whatever its author wants to know of it.
    pub meta: Vec<(String, String)>,
    /// Who works on it, and until when; jobs that execute only.
    pub lease: Option<Lease>,
}

/// Who works on a job, and until when nobody else does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The right to settle it.
    pub fence: Fence,
    /// Who, for people: the node and its start.
    pub worker: String,
    /// Until when it is the worker's.
    pub until: Timestamp,
}

/// How an attempt failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Which one, from 1.
    pub attempt: u16,
    /// When.
    pub at: Timestamp,
    /// How, for people.
    pub error: String,
}

/// Wants jobs of a queue.
#[derive(Clone, Debug)]
pub struct LeaseRequest {
    /// Which queue.
    pub queue: QueueRef,
    /// How many at most.
    pub limit: usize,
    /// Who will work on them.
    pub worker: String,
    /// Wall time.
    pub now: Timestamp,
    /// Until when they are the worker's.
    pub until: Timestamp,
    /// What it keeps to.
    pub caps: Caps,
}

/// What became of a leased job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It is done.
    Completed {
        /// What it returned, to be kept until it is pruned.
        output: Option<Bytes>,
    },
    /// It failed, and is tried again.
    Retryable {
        /// How it failed.
        error: String,
        /// When it is tried.
        run_at: Timestamp,
    },
    /// It is put off; the attempt does not count.
    Snoozed {
        /// Until when.
        run_at: Timestamp,
    },
    /// It should not be done.
    Cancelled {
        /// Why.
        reason: String,
    },
    /// It failed for the last time.
    Discarded {
        /// How it failed.
        error: String,
    },
    /// It was not finished, through no fault of its own, as when the host shuts down; the attempt does not count.
    Returned,
    /// The revision in service does not know its name; the attempt does not count.
    Unknown,
}

/// Says what became of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settle {
    /// Which job.
    pub id: JobId,
    /// The right to say so.
    pub fence: Fence,
    /// Wall time.
    pub now: Timestamp,
    /// What became of it.
    pub as_: Settled,
}

/// The job is not the caller's any more: its lease ran out and somebody else has it, or it was cancelled or deleted. Nothing
/// was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("job {0} is not leased with this fence any more")]
pub struct Lost(pub JobId);

/// Which jobs, for operators. An absent part says nothing.
#[derive(Clone, Debug, Default)]
pub struct JobFilter {
    /// Whose.
    pub plugin: Option<PluginName>,
    /// In which queue.
    pub queue: Option<HandlerName>,
    /// Of which name.
    pub name: Option<HandlerName>,
    /// In which state.
    pub state: Option<JobState>,
    /// Only these.
    pub ids: Vec<JobId>,
}

/// A part of a list of jobs, the newest first.
#[derive(Clone, Debug, Default)]
pub struct JobPage {
    /// The newest first.
    pub jobs: Vec<Job>,
    /// The last number that was looked at, if there may be more behind it: a page looks at a bounded number of rows, so
    /// that one with a rare filter may be empty and still not the last.
    pub next: Option<JobId>,
}

/// What an operator does with jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Those that are not final are cancelled; who works on one learns it at the next heartbeat, or from the [`Observer`](crate::Observer).
    Cancel,
    /// Those that are final, retryable or scheduled become available, with at least one more attempt; those that execute,
    /// are available or suspended are left.
    Retry,
    /// Those that are final are deleted.
    Delete,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpReport {
    /// Jobs that were changed.
    pub changed: u64,
    /// The last number that was looked at, if there may be more: the operation is carried out in bounded steps.
    pub next: Option<JobId>,
}

/// Jobs of a queue by their state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueCounts {
    /// Which queue.
    pub queue: QueueRef,
    /// How many, in the order of [`JobState::ALL`].
    pub counts: [u64; 8],
}

/// What an operator said of a queue, which a restart keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueState {
    /// Nothing is leased from it.
    pub paused: bool,
    /// In place of what the manifest says.
    pub concurrency: Option<u32>,
}
