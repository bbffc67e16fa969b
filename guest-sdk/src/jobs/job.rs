//! A job as its function sees it.

use std::{fmt, num::ParseIntError, str::FromStr, time::SystemTime};

use serde::{Deserialize, Serialize};

use crate::{__private::bindings::workers::exports::skep::plugin::job_handler as wit, clock};

/// The number of a job. It is never used again, so it tells a job that is done twice from two jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(pub u64);

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for JobId {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        text.parse().map(Self)
    }
}

/// What is known of the job that is being done, as the second argument of its function. In tests
/// [`test::job`](crate::test::job) makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Job {
    /// Its number, the same in every attempt: what others know it by, as a third party that is to do a thing once.
    pub id: JobId,
    /// Which attempt this is; the first one is 1.
    pub attempt: u16,
    /// How many there may be.
    pub max_attempts: u16,
    /// When it was enqueued.
    pub inserted_at: SystemTime,
    /// What was said of it by [`NewJob::meta`](super::NewJob::meta).
    pub meta: Vec<(String, String)>,
}

impl Job {
    /// What was said of it under this name.
    #[must_use]
    pub fn meta(&self, name: &str) -> Option<&str> {
        self.meta.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Whether it is discarded if it fails now.
    #[must_use]
    pub fn is_last_attempt(&self) -> bool {
        self.attempt >= self.max_attempts
    }

    pub(super) fn new(job: wit::Job) -> (Self, Vec<u8>) {
        let wit::Job { id, name: _, args, attempt, max_attempts, inserted_at, meta } = job;
        (Self { id: JobId(id), attempt, max_attempts, inserted_at: clock::moment(inserted_at), meta }, args)
    }
}
