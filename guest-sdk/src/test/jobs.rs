//! Jobs in native tests.

use std::time::SystemTime;

use serde::de::DeserializeOwned;

use super::good;
use crate::{
    clock, codec,
    double::jobs as double,
    jobs::{Job, JobId, State, Worker},
};

/// Does all jobs that are due, those with a low priority first, and those that they enqueue or that waited for them. Returns
/// how many attempts that were. What failed is due again after [`advance`](super::advance); a panic in a job fails the test.
///
/// ```
/// use std::time::Duration;
/// use skep_sdk::{jobs::State, prelude::*, test};
///
/// #[skep::job(max_attempts = 2)]
/// fn weigh(hive: u32) -> JobResult {
///     Err("the scales are broken".into())
/// }
///
/// weigh::enqueue(&7)?;
/// assert_eq!((test::perform_jobs(), test::jobs()[0].state), (1, State::Retryable));
/// test::advance(Duration::from_secs(60));
/// assert_eq!((test::perform_jobs(), test::jobs()[0].state), (1, State::Discarded));
/// # Ok::<_, Error>(())
/// ```
pub fn perform_jobs() -> usize {
    double::perform_all()
}

/// All jobs that this test has enqueued so far, the first one first, whatever became of them.
///
/// ```
/// # use skep_sdk::{prelude::*, test};
/// # #[skep::job(queue = "mail")] fn welcome(user: String) -> JobResult { Ok(()) }
/// welcome::job(&"maja".to_owned()).priority(3).enqueue()?;
/// let job = &test::jobs()[0];
/// assert_eq!((job.name.as_str(), job.queue.as_str(), job.priority), ("welcome", "mail", 3));
/// assert_eq!(job.args::<String>(), "maja");
/// # Ok::<_, Error>(())
/// ```
#[must_use]
pub fn jobs() -> Vec<TestJob> {
    double::all().into_iter().map(TestJob::new).collect()
}

/// Makes a job known, as the plugin's export does on the host, for [`jobs::job`](crate::jobs::job) by its name.
/// `welcome::job` knows its own.
pub fn worker<W: Worker>() {
    double::register::<W>();
}

/// What is known of a job in its first of 20 attempts, for a function that takes `&Job`.
///
/// ```
/// # use skep_sdk::{prelude::*, test};
/// # fn welcome(user: String, job: &Job) -> JobResult<bool> { Ok(job.is_last_attempt()) }
/// let mut job = test::job();
/// job.attempt = 20;
/// assert!(welcome("maja".into(), &job).is_ok_and(|last| last));
/// ```
#[must_use]
pub fn job() -> Job {
    Job { id: JobId(1), attempt: 1, max_attempts: 20, inserted_at: clock::now(), meta: Vec::new() }
}

/// A job that was enqueued, from [`jobs`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TestJob {
    /// Its number.
    pub id: JobId,
    /// Which of the plugin's jobs it is.
    pub name: String,
    /// Its queue.
    pub queue: String,
    /// Where it is in its life.
    pub state: State,
    /// Attempts that were begun.
    pub attempt: u16,
    /// How many there may be.
    pub max_attempts: u16,
    /// 0 to 9, low ones first.
    pub priority: u8,
    /// Not before.
    pub run_at: SystemTime,
    /// Names and values for people.
    pub meta: Vec<(String, String)>,
    /// How its last attempt failed, or why it was cancelled.
    pub last_error: Option<String>,
    args: Vec<u8>,
    output: Option<Vec<u8>>,
}

impl TestJob {
    fn new(job: double::Kept) -> Self {
        Self {
            id: JobId(job.id),
            name: job.name,
            queue: job.queue,
            state: State::new(job.state),
            attempt: job.attempt,
            max_attempts: job.max_attempts,
            priority: job.priority,
            run_at: clock::moment(job.run_at),
            meta: job.meta,
            last_error: job.last_error,
            args: job.args,
            output: job.output,
        }
    }

    /// What it was given.
    ///
    /// # Panics
    /// If it is no `T`.
    #[must_use]
    #[track_caller]
    pub fn args<T: DeserializeOwned>(&self) -> T {
        good(codec::from_payload(&self.args), "arguments", &String::from_utf8_lossy(&self.args))
    }

    /// What it returned; `None` if that is nothing, or it is not done.
    ///
    /// # Panics
    /// If it is no `T`.
    #[must_use]
    #[track_caller]
    pub fn output<T: DeserializeOwned>(&self) -> Option<T> {
        let output = self.output.as_deref()?;
        Some(good(codec::from_payload(output), "output", &String::from_utf8_lossy(output)))
    }
}
