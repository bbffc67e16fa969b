//! Every way for the service to refuse.

use skep_store::CommitError;

/// The service refused, or could not do what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An argument breaks a documented rule.
    #[error("invalid: {0}")]
    Invalid(String),
    /// Arguments, or a list of jobs, pass a limit, which is the number of bytes or jobs.
    #[error("too large: the limit is {0}")]
    TooLarge(u64),
    /// There is no such job, or it is another plugin's.
    #[error("not found")]
    NotFound,
    /// The time is over.
    #[error("timed out")]
    Timeout,
    /// So many wait for the ends of jobs already.
    #[error("full: {0} wait for jobs already")]
    Full(usize),
    /// The service is shutting down.
    #[error("the host is shutting down")]
    Stopping,
    /// What the store says.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl From<skep_store::Error> for Error {
    fn from(error: skep_store::Error) -> Self {
        match error {
            skep_store::Error::NotFound => Self::NotFound,
            other => Self::Commit(other.into()),
        }
    }
}
