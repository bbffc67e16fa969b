//! Every way to be refused.

use crate::mail::MailId;
use crate::process::ProcessId;

/// An operation was refused, or its end is not known. Except for [`OutcomeUnknown`](Self::OutcomeUnknown), nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An argument breaks a documented rule.
    #[error("invalid: {0}")]
    Invalid(String),
    /// A key, a value, a job's arguments or a commit pass a limit, which is the number of bytes or operations.
    #[error("too large: the limit is {0}")]
    TooLarge(u64),
    /// The plugin has used up its quota.
    #[error("the plugin's quota of {0} bytes is used up")]
    Quota(u64),
    /// So many operations wait for the store already.
    #[error("the store has too much to do")]
    Busy,
    /// There is no such job, queue or item.
    #[error("not found")]
    NotFound,
    /// The store cannot write or read now: the disk is full, or fails. It tries again by itself; so may the caller.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// It may or may not have been written: the disk failed while it was made durable.
    #[error("it is not known whether this was written")]
    OutcomeUnknown,
}

impl Error {
    /// Whether the same would be refused again, however long one waits.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        matches!(self, Self::Invalid(_) | Self::TooLarge(_) | Self::NotFound)
    }
}

/// A commit was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// The check at this place of the commit's checks does not hold.
    #[error("check {0} does not hold")]
    Conflict(usize),
    /// A unique job of this commit stands against one that is there, and says [`Refuse`](crate::Conflict::Refuse).
    #[error("job {0} of the commit is there already")]
    Duplicate(usize),
    /// The process has another seq than its change says, or no record, or one already: somebody else has it.
    #[error("the process was changed by somebody else")]
    Stale {
        /// What its seq is; 0: there is no record.
        seq: u64,
    },
    /// Another process of the plugin has the name.
    #[error("the name is taken by process {}", .0.number)]
    NameTaken(ProcessId),
    /// The change of a process handles a mail that is not there: it was handled before.
    #[error("mail {0} was handled already")]
    Handled(MailId),
    /// What is wrong with the store or the arguments.
    #[error(transparent)]
    Store(#[from] Error),
}
