//! Jobs, over the wire. Moments are in milliseconds since the Unix epoch, by the clock of the node.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::ValueText;

/// Where a job is in its life; the words are Oban's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// It waits for other jobs, or for a revision that knows its name: see [`WaitingFor`].
    Suspended,
    /// It waits for its time.
    Scheduled,
    /// It begins when its queue has room.
    Available,
    /// It is at work.
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

    /// Its word.
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
        f.pad(self.as_str())
    }
}

/// A word that is no state of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownState(pub String);

impl fmt::Display for UnknownState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = JobState::ALL.map(JobState::as_str).join(", ");
        write!(f, "a job has no state `{}`; there are: {known}", self.0)
    }
}

impl std::error::Error for UnknownState {}

impl FromStr for JobState {
    type Err = UnknownState;

    fn from_str(word: &str) -> Result<Self, UnknownState> {
        Self::ALL.into_iter().find(|state| state.as_str() == word).ok_or_else(|| UnknownState(word.to_owned()))
    }
}

/// Which jobs. An absent part says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobFilter {
    /// Whose.
    pub plugin: Option<String>,
    /// In which queue; without a plugin, in those of all plugins that have one of this name.
    pub queue: Option<String>,
    /// Of which name.
    pub name: Option<String>,
    /// In which state.
    pub state: Option<JobState>,
    /// Only this one.
    pub id: Option<u64>,
}

impl JobFilter {
    /// Whether all jobs pass.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What is done with jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobOp {
    /// Those that have ended, and those that wait for their time or their next attempt, are available at once, with at
    /// least one more attempt.
    Retry,
    /// Those that have not ended are cancelled; of one at work the attempt is stopped.
    Cancel,
    /// Those that have ended are deleted.
    Delete,
}

/// Why a job is suspended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "for")]
pub enum WaitingFor {
    /// Jobs before it have not ended yet.
    Jobs {
        /// How many.
        count: u32,
    },
    /// The revision in service does not know its name.
    Revision,
}

/// Who works on a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseStatus {
    /// Its number: who works on the job later has a greater one.
    pub fence: u64,
    /// Who: the node and its start.
    pub worker: String,
    /// Until when nobody else does; a worker that lives extends it.
    pub until_ms: u64,
}

/// A job, without what it is given and what it returned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobStatus {
    /// Its number; it grows, and is never used again.
    pub id: u64,
    /// Whose.
    pub plugin: String,
    /// Its queue there.
    pub queue: String,
    /// Which of the plugin's jobs it is.
    pub name: String,
    /// Where it is in its life.
    pub state: JobState,
    /// Why it is suspended, if it is.
    pub waiting: Option<WaitingFor>,
    /// 0 to 9; low ones first.
    pub priority: u8,
    /// Attempts that were begun.
    pub attempt: u16,
    /// How many there may be.
    pub max_attempts: u16,
    /// When it was inserted.
    pub inserted_at_ms: u64,
    /// Not before.
    pub run_at_ms: u64,
    /// When its last attempt began.
    pub attempted_at_ms: Option<u64>,
    /// When it ended.
    pub ended_at_ms: Option<u64>,
    /// Who works on it; jobs that execute only.
    pub lease: Option<LeaseStatus>,
    /// What its author wants to know of it, in its order. Those of a schedule have `cron` and `tick`.
    pub meta: Vec<(String, String)>,
}

/// Jobs, the newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobPage {
    /// The jobs. A page may be short, even empty, before the end: it looks at a bounded number of jobs.
    pub jobs: Vec<JobStatus>,
    /// The number before which the next page begins; none at the end.
    pub next: Option<u64>,
}

/// What a job is given or returned, or how it begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataStatus {
    /// Its length.
    pub bytes: u64,
    /// What it is, or how it begins if that is shorter.
    pub value: ValueText,
}

impl DataStatus {
    /// The most bytes of a preview: the arguments of most jobs fit in.
    pub const PREVIEW_BYTES_MAX: usize = 2048;

    /// Writes data down, in full or as a preview.
    #[must_use]
    pub fn of(data: &[u8], full: bool) -> Self {
        let value = if full { ValueText::of(data) } else { ValueText::preview(data, Self::PREVIEW_BYTES_MAX) };
        Self { bytes: length(data.len()), value }
    }

    /// Whether there is more of it than is written down.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.bytes > length(self.value.length())
    }
}

fn length(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// How an attempt failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptStatus {
    /// Which one, from 1.
    pub attempt: u16,
    /// When.
    pub at_ms: u64,
    /// How.
    pub error: String,
}

/// All that is known of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobDetail {
    /// The job.
    #[serde(flatten)]
    pub job: JobStatus,
    /// What it is given.
    pub args: DataStatus,
    /// What it returned, if it did and that was kept.
    pub output: Option<DataStatus>,
    /// Its attempts that failed, the oldest first.
    pub attempts: Vec<AttemptStatus>,
}

/// What came of retrying, cancelling or deleting jobs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operated {
    /// Jobs that were changed.
    pub changed: u64,
    /// The number before which to go on, if there may be more; none at the end.
    pub next: Option<u64>,
}

/// A job that was inserted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enqueued {
    /// Its number, or that of the one that was there.
    pub id: u64,
    /// Whether there was one like it, which may be there only once.
    pub was_there: bool,
    /// The state it is in.
    pub state: JobState,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_written_and_read_as_one_word() {
        for state in JobState::ALL {
            assert_eq!(serde_json::to_string(&state).unwrap(), format!("\"{state}\""));
            assert_eq!(state.as_str().parse(), Ok(state));
        }
        let error = "done".parse::<JobState>().unwrap_err().to_string();
        assert!(error.starts_with("a job has no state `done`; there are: suspended, scheduled,"), "{error}");
    }

    #[test]
    fn a_preview_says_that_there_is_more() {
        let long = vec![b'x'; DataStatus::PREVIEW_BYTES_MAX + 1];
        assert!(DataStatus::of(&long, false).is_cut());
        assert_eq!(DataStatus::of(&long, false).bytes, 2049);
        assert!(!DataStatus::of(&long, true).is_cut());
        assert!(!DataStatus::of(&[0xff; DataStatus::PREVIEW_BYTES_MAX], false).is_cut());
        assert!(DataStatus::of(&[0xff; 4096], false).is_cut());
    }
}
