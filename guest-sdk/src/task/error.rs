//! How a task ended that did not return a value.

use std::fmt;

use crate::__private::bindings::imports::skep::plugin::tasks::Failure;

/// Why a task has no result.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TaskError {
    /// It returned this error.
    Failed(String),
    /// The host ended it; the text is the reason, such as `"fuel-exhausted"`.
    Crashed(String),
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(why) => write!(f, "the task failed: {why}"),
            Self::Crashed(why) => write!(f, "the task crashed: {why}"),
        }
    }
}

impl std::error::Error for TaskError {}

impl From<Failure> for TaskError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Failed(why) => Self::Failed(why),
            Failure::Crashed(why) => Self::Crashed(why),
        }
    }
}
