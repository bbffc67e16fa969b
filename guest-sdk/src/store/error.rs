//! Every way for a commit to be refused.

use std::fmt;

use super::Key;
use crate::{CapabilityError, Error};

/// Why a commit was refused. Except for [`OutcomeUnknown`](Self::OutcomeUnknown), nothing of it was written.
///
/// `?` makes it an [`Error`] with the [`CapabilityError`] that it stands for: a conflict and a duplicate are a 409.
#[derive(Debug)]
#[non_exhaustive]
pub enum CommitError {
    /// What is under this key is not what was checked: somebody else was faster.
    Conflict(Key),
    /// The unique job at this place among the commit's jobs is there already, and it wants to be refused then.
    Duplicate(usize),
    /// It may or may not be written: the host was cut off while it was made durable.
    OutcomeUnknown,
    /// Anything else: the quota, the size, a grant, the store itself; or a value that does not encode.
    Refused(Error),
}

impl CommitError {
    /// Whether the same commit may succeed when it is made anew from what is there now.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict(_))
    }

    /// What `?` makes of it.
    pub(crate) fn into_error(self) -> Error {
        let doing = match &self {
            Self::Conflict(key) => key.doing("committing what was checked of"),
            Self::Duplicate(place) => format!("committing the unique job {place}"),
            _ => "committing".to_owned(),
        };
        match self {
            Self::Conflict(_) | Self::Duplicate(_) => Error::from(CapabilityError::Conflict).context(doing),
            Self::OutcomeUnknown => Error::from(CapabilityError::OutcomeUnknown).context(doing),
            Self::Refused(error) => error,
        }
    }
}

impl fmt::Display for CommitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conflict(key) => write!(f, "conflict: `{key}` was changed by somebody else"),
            Self::Duplicate(place) => write!(f, "duplicate: the unique job {place} of the commit is there already"),
            Self::OutcomeUnknown => f.write_str("outcome unknown: it may or may not be written"),
            Self::Refused(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for CommitError {}
