//! Every way for the engine to refuse.

use crate::address::{InvalidAddress, Pid};
use crate::reason::Reason;

/// The engine refused; nothing was changed, except where [`OutcomeUnknown`](Self::OutcomeUnknown) says so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An argument breaks a documented rule.
    #[error("invalid: {0}")]
    Invalid(String),
    /// A message or a state passes the limit of so many bytes.
    #[error("too large: the limit is {0} bytes")]
    TooLarge(u64),
    /// There are as many as may be, of what it says.
    #[error("full: {0}")]
    Full(&'static str),
    /// There is no such kind, plugin or process.
    #[error("not found")]
    NotFound,
    /// A check of what was staged does not hold, or another host owns the process now.
    #[error("conflict")]
    Conflict,
    /// The store or the host's instances are away; trying again later may work.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// It may or may not have been written.
    #[error("it is not known whether this was written")]
    OutcomeUnknown,
    /// The engine is shutting down.
    #[error("the host is shutting down")]
    Stopping,
}

impl From<InvalidAddress> for Error {
    fn from(error: InvalidAddress) -> Self {
        Self::Invalid(error.to_string())
    }
}

/// A message did not get its answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// There is no such process.
    #[error("there is no such process")]
    NotFound,
    /// It has not answered in time; the text says what it does instead.
    #[error("timeout: {0}")]
    Timeout(String),
    /// It crashed or ended before it answered, or it gave up or is quarantined.
    #[error("crashed: {0}")]
    Crashed(Reason),
    /// It said that this call failed, and goes on.
    #[error("{0}")]
    Failed(String),
    /// Its mailbox is full.
    #[error("its mailbox is full")]
    Full,
    /// What the message did was not committed, because a check did not hold. Its state is what it was.
    #[error("a check of what it committed did not hold")]
    Conflict,
    /// Anything else. After [`Error::OutcomeUnknown`] it may have been handled.
    #[error(transparent)]
    Other(#[from] Error),
}

/// A process was not started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartFailure {
    /// A process of this name is there.
    #[error("the name is taken by {0}")]
    NameTaken(Pid),
    /// What its `init` said.
    #[error("{0}")]
    Failed(String),
    /// Its `init` crashed, or it ended before its `init` returned.
    #[error("crashed: {0}")]
    Crashed(Reason),
    /// [`Error::NotFound`]: there is no such kind. [`Error::Full`]: there are as many as may be.
    #[error(transparent)]
    Other(#[from] Error),
}
