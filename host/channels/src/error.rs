//! Every way for an operation to be refused.

use crate::port::Crash;

/// An operation was refused. Nobody was told anything.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The channel or the socket is not there (any more), or belongs to another plugin.
    #[error("there is no such channel")]
    NotFound,
    /// The message cannot be sent.
    #[error("invalid: {0}")]
    Invalid(String),
}

impl From<Crash> for Error {
    fn from(crash: Crash) -> Self {
        Self::Invalid(crash.reason)
    }
}
