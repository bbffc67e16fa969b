//! Every way for a job not to be done.

use std::{fmt, time::Duration};

use crate::Error;

/// What a job returns; `T` is kept for those who await it.
pub type JobResult<T = ()> = Result<T, JobError>;

/// Why a job is not done, and what is to become of it.
///
/// `?` turns every error into [`Failed`](Self::Failed), as it does in a handler. The rest is said on purpose:
///
/// ```
/// use std::time::Duration;
/// use skep_sdk::prelude::*;
///
/// # #[derive(serde::Serialize, serde::Deserialize)] struct Invoice { address: String, paid: bool }
/// # fn send(_: &str) -> Result<(), std::io::Error> { Ok(()) }
/// #[skep::job(queue = "mail")]
/// fn remind(invoice: Invoice, job: &Job) -> JobResult {
///     if invoice.paid {
///         return Err(JobError::cancel("it is paid"));
///     }
///     send(&invoice.address).context("sending").retry_in(Duration::from_secs(60))?;
///     Ok(())
/// }
/// # let invoice = Invoice { address: String::new(), paid: true };
/// # assert!(matches!(remind(invoice, &skep_sdk::test::job()), Err(JobError::Cancel(why)) if why == "it is paid"));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum JobError {
    /// It failed. It is tried again, later after each attempt, if it has attempts left.
    Failed(Error),
    /// As [`Failed`](Self::Failed), but not before so long from now.
    RetryIn(Duration, Error),
    /// Not now: again in so long. The attempt does not count.
    Snooze(Duration),
    /// It should not be done, now or later; for this reason.
    Cancel(String),
}

impl JobError {
    /// It failed, and is not tried again before so long from now.
    pub fn retry_in(after: Duration, error: impl Into<Error>) -> Self {
        Self::RetryIn(after, error.into())
    }

    /// Not now: again in so long. The attempt does not count.
    #[must_use]
    pub fn snooze(for_: Duration) -> Self {
        Self::Snooze(for_)
    }

    /// It should not be done, now or later.
    pub fn cancel(reason: impl Into<String>) -> Self {
        Self::Cancel(reason.into())
    }
}

impl<E: Into<Error>> From<E> for JobError {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl fmt::Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(error) => write!(f, "{error}"),
            Self::RetryIn(after, error) => write!(f, "{error}; again in {after:?}"),
            Self::Snooze(after) => write!(f, "not now, again in {after:?}"),
            Self::Cancel(reason) => write!(f, "cancelled: {reason}"),
        }
    }
}

/// What is to become of a job, on the way of a `?`.
pub trait JobResultExt<T>: Sized {
    /// An error has the job tried again, but not before so long from now.
    ///
    /// # Errors
    /// The error that `self` holds, if it does.
    fn retry_in(self, after: Duration) -> JobResult<T>;

    /// An error cancels the job: trying again would not help.
    ///
    /// # Errors
    /// The error that `self` holds, if it does.
    fn or_cancel(self) -> JobResult<T>;
}

impl<T, E: Into<Error>> JobResultExt<T> for Result<T, E> {
    fn retry_in(self, after: Duration) -> JobResult<T> {
        self.map_err(|error| JobError::retry_in(after, error))
    }

    fn or_cancel(self) -> JobResult<T> {
        self.map_err(|error| JobError::cancel(error.into().to_string()))
    }
}
