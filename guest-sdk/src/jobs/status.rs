//! What has become of jobs.

use std::{fmt, time::Duration, time::SystemTime};

use serde::de::DeserializeOwned;

use super::{JobId, host};
use crate::{
    __private::bindings::imports::skep::plugin::types as wit, Error, Result, capability::refused, clock, codec,
};

/// Where a job is in its life; the words are Oban's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// It waits for other jobs, or for a revision that knows its name.
    Suspended,
    /// It waits for its time.
    Scheduled,
    /// It waits for its turn.
    Available,
    /// It is being done.
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

impl State {
    /// Whether a job stays in it for good, unless an operator retries it.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Cancelled | Self::Discarded)
    }

    /// Oban's word for it: "available".
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

    pub(crate) fn new(state: host::State) -> Self {
        match state {
            host::State::Suspended => Self::Suspended,
            host::State::Scheduled => Self::Scheduled,
            host::State::Available => Self::Available,
            host::State::Executing => Self::Executing,
            host::State::Retryable => Self::Retryable,
            host::State::Completed => Self::Completed,
            host::State::Cancelled => Self::Cancelled,
            host::State::Discarded => Self::Discarded,
        }
    }

    pub(super) fn flag(self) -> host::States {
        match self {
            Self::Suspended => host::States::SUSPENDED,
            Self::Scheduled => host::States::SCHEDULED,
            Self::Available => host::States::AVAILABLE,
            Self::Executing => host::States::EXECUTING,
            Self::Retryable => host::States::RETRYABLE,
            Self::Completed => host::States::COMPLETED,
            Self::Cancelled => host::States::CANCELLED,
            Self::Discarded => host::States::DISCARDED,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What has become of a job, from [`get`] and [`await_end`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// Which job.
    pub id: JobId,
    /// Where it is in its life.
    pub state: State,
    /// Attempts that were begun.
    pub attempt: u16,
    /// How many there may be.
    pub max_attempts: u16,
    /// Not before.
    pub run_at: SystemTime,
    /// How the last attempt failed.
    pub last_error: Option<String>,
    output: Option<Vec<u8>>,
}

impl Status {
    fn new(id: JobId, status: host::Status) -> Self {
        let host::Status { state, attempt, max_attempts, run_at, output, last_error } = status;
        let (state, run_at) = (State::new(state), clock::moment(run_at));
        Self { id, state, attempt, max_attempts, run_at, last_error, output }
    }

    /// What the job returned.
    ///
    /// # Errors
    /// When it is not [`Completed`](State::Completed), with how its last attempt failed; when it returned no `T`.
    pub fn output<T: DeserializeOwned>(&self) -> Result<T> {
        let doing = || format!("reading what the job {} returned", self.id);
        if self.state != State::Completed {
            let why = self.last_error.as_deref().map_or_else(String::new, |why| format!(": {why}"));
            return Err(Error::from(format!("it is {}{why}", self.state)).context(doing()));
        }
        codec::from_payload(self.output.as_deref().unwrap_or_default()).map_err(|error| error.context(doing()))
    }

    /// The same as the JSON that it is kept as; `None` if it returned nothing.
    #[must_use]
    pub fn output_bytes(&self) -> Option<&[u8]> {
        self.output.as_deref()
    }
}

/// What has become of a job; `None` if there is no such job, or not any more: those that have ended are kept for a while.
///
/// # Errors
/// When the host refuses.
pub fn get(id: JobId) -> Result<Option<Status>> {
    match host::get(id.0) {
        Ok(status) => Ok(Some(Status::new(id, status))),
        Err(wit::Error::NotFound) => Ok(None),
        Err(error) => Err(refused(error, format!("looking for the job {id}"))),
    }
}

/// Says that a job should not be done. One that is being done is ended as if its time were over. Returns whether that was
/// so: not if it had ended already.
///
/// # Errors
/// When the host refuses.
pub fn cancel(id: JobId) -> Result<bool> {
    match host::cancel(id.0) {
        Ok(cancelled) => Ok(cancelled),
        Err(wit::Error::NotFound) => Ok(false),
        Err(error) => Err(refused(error, format!("cancelling the job {id}"))),
    }
}

/// Waits until a job has ended, whatever its end. Keep the wait below the deadline of the call; a page that polls
/// [`get`], or listens to what the job publishes, holds no instance meanwhile.
///
/// # Errors
/// [`Timeout`](crate::CapabilityError::Timeout) if it has not ended by then, [`NotFound`](crate::CapabilityError::NotFound)
/// if there is no such job, or not any more.
pub fn await_end(id: JobId, wait: Duration) -> Result<Status> {
    match host::await_(id.0, clock::millis(wait)) {
        Ok(status) => Ok(Status::new(id, status)),
        Err(error) => Err(refused(error, format!("waiting for the job {id}"))),
    }
}
