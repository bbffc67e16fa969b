//! A job's function, and what calls it.

use std::time::Duration;

use serde::{Serialize, de::DeserializeOwned};

use super::{Job, JobError, NewJob};
use crate::{
    __private::bindings::workers::exports::skep::plugin::job_handler as wit, Error, Result, clock::millis, codec,
};

/// A job as a type, which [`#[skep::job]`](crate::skep::job) makes beside the function and under the same name.
pub trait Worker {
    /// What the function takes; `()` if it takes nothing.
    type Args: Serialize + DeserializeOwned;
    /// What it returns when it is done.
    type Output: Serialize + DeserializeOwned;
    /// Its name in the host.
    const NAME: &'static str;
    /// Its queue, unless the one who enqueues it says otherwise.
    const QUEUE: &'static str;
    /// How often it is tried, unless the one who enqueues it says otherwise.
    const MAX_ATTEMPTS: u16;
    /// 0 to 9, low ones first, unless the one who enqueues it says otherwise.
    const PRIORITY: u8;
    /// The wall time of one attempt; `None` is what the manifest says.
    const TIMEOUT: Option<Duration>;

    /// Calls the function.
    ///
    /// # Errors
    /// That of the function.
    fn perform(args: Self::Args, job: &Job) -> Result<Self::Output, JobError>;
}

/// What a job's return type must be: a `Result` of a serde type, with any error that `?` takes.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not what a job returns",
    label = "a job cannot return this",
    note = "a job returns `JobResult` or `JobResult<T>`, or a `Result` with an error that `?` can make a `skep_sdk::Error`; `T` is any type that implements `serde::Serialize` and `serde::Deserialize`"
)]
pub trait Performed {
    /// What it returns when it is done.
    type Output: Serialize + DeserializeOwned;

    /// The error as the host has it.
    #[allow(clippy::missing_errors_doc, reason = "it passes on what it is given")]
    fn into_result(self) -> Result<Self::Output, JobError>;
}

impl<T: Serialize + DeserializeOwned, E: Into<JobError>> Performed for Result<T, E> {
    type Output = T;

    fn into_result(self) -> Result<T, JobError> {
        self.map_err(Into::into)
    }
}

/// What the host is told of a job.
#[must_use]
pub fn definition<W: Worker>() -> wit::Definition {
    wit::Definition {
        name: W::NAME.to_owned(),
        queue: W::QUEUE.to_owned(),
        priority: W::PRIORITY,
        max_attempts: W::MAX_ATTEMPTS,
        timeout: W::TIMEOUT.map(millis),
    }
}

/// What the exported `perform` does for one job.
#[must_use]
pub fn perform<W: Worker>(job: wit::Job) -> wit::Outcome {
    let unfit = |what: &str, error: Error| error.context(format!("{what} of the job `{}`", W::NAME));
    let (job, args) = Job::new(job);
    let done = codec::from_payload(&args)
        .map_err(|error| unfit("reading the arguments", error).into())
        .and_then(|args| W::perform(args, &job))
        .and_then(|output| {
            let output = codec::to_json(&output).map_err(|error| unfit("writing the result", error.into()))?;
            // Nothing is not worth keeping.
            Ok((output != b"null").then_some(output))
        });
    match done {
        Ok(output) => wit::Outcome::Done(output),
        Err(JobError::Failed(error)) => wit::Outcome::Failed(error.to_string()),
        Err(JobError::RetryIn(after, error)) => wit::Outcome::FailedRetryIn((error.to_string(), millis(after))),
        Err(JobError::Snooze(after)) => wit::Outcome::Snooze(millis(after)),
        Err(JobError::Cancel(reason)) => wit::Outcome::Cancel(reason),
    }
}

/// `welcome::job`.
pub fn typed_job<W: Worker>(args: &W::Args) -> NewJob {
    #[cfg(not(target_arch = "wasm32"))]
    crate::double::jobs::register::<W>();
    super::job(W::NAME, args)
}
