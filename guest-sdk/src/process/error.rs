//! Every way for a process not to be started, and not to answer.

use std::fmt;

use super::{Pid, Target};
use crate::{CapabilityError, Error};

/// Why a process did not answer, or did not get a message.
///
/// `?` makes it an [`Error`] with the [`CapabilityError`] that it stands for: a timeout, a crash and a full mailbox are a
/// 503, a conflict is a 409, the rest is a 500.
///
/// ```
/// use skep_sdk::{prelude::*, process::{CallError, Untyped}};
///
/// fn ask() -> Result<String> {
///     match process::call::<Untyped>("hive:7", &json!("how many?")) {
///         Err(CallError::NotFound(_)) => Ok("nobody is there".to_owned()),
///         answer => Ok(answer?.to_string()),
///     }
/// }
/// assert_eq!(ask()?, "nobody is there");
/// # Ok::<_, Error>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum CallError {
    /// There is no such process.
    NotFound(Target),
    /// It has not answered in time; the text says what it does instead, for instance that it waits for the caller.
    Timeout(Target, String),
    /// It crashed or ended before it answered; the text is the reason.
    Crashed(Target, String),
    /// It said that this call failed, with this text, and goes on: its `call` returned an error, or the message is none
    /// that it knows.
    Failed(Target, String),
    /// Its mailbox is full.
    Full(Target),
    /// What the message did was not committed, because a check did not hold. Its state is what it was.
    Conflict(Target),
    /// Anything else: a grant, a size, the store of a durable process; or a value that does not encode.
    Refused(Error),
}

impl CallError {
    /// What `?` makes of it.
    pub(crate) fn into_error(self) -> Error {
        let (why, target) = match self {
            Self::NotFound(target) => (CapabilityError::NotFound, target),
            Self::Full(target) => (CapabilityError::Full, target),
            Self::Conflict(target) => (CapabilityError::Conflict, target),
            Self::Timeout(target, doing) => {
                return Error::from(CapabilityError::Timeout)
                    .context(format!("calling the process `{target}`: {doing}"));
            }
            Self::Crashed(target, reason) => {
                return Error::from(CapabilityError::Crashed)
                    .context(format!("calling the process `{target}`: {reason}"));
            }
            Self::Failed(target, why) => return Error::from(why).context(format!("calling the process `{target}`")),
            Self::Refused(error) => return error,
        };
        Error::from(why).context(format!("calling the process `{target}`"))
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound(target) => write!(f, "there is no process `{target}`"),
            Self::Timeout(target, doing) => write!(f, "the process `{target}` has not answered in time: {doing}"),
            Self::Crashed(target, reason) => write!(f, "the process `{target}` ended before it answered: {reason}"),
            Self::Failed(target, why) => write!(f, "the process `{target}` says: {why}"),
            Self::Full(target) => write!(f, "the mailbox of the process `{target}` is full"),
            Self::Conflict(target) => {
                write!(f, "conflict: what the process `{target}` did was not committed, a check does not hold")
            }
            Self::Refused(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for CallError {}

/// Why a process was not started.
///
/// `?` makes it an [`Error`] with the [`CapabilityError`] that it stands for: a name that is taken is a 409, a crash a 503,
/// an `init` that failed a 500.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// A process of this name is there.
    NameTaken(Pid),
    /// Its `init` returned this error.
    Failed(String),
    /// Its `init` crashed, for this reason.
    Crashed(String),
    /// Anything else: `Full` if the plugin has as many processes as the manifest allows, `NotFound` if it has no such kind;
    /// or arguments that do not encode.
    Refused(Error),
}

impl StartError {
    /// What `?` makes of it.
    pub(crate) fn into_error(self) -> Error {
        match self {
            Self::NameTaken(pid) => {
                Error::from(CapabilityError::Conflict).context(format!("starting a process, whose name `{pid}` has"))
            }
            Self::Failed(why) => Error::from(why).context("starting a process"),
            Self::Crashed(reason) => {
                Error::from(CapabilityError::Crashed).context(format!("starting a process: {reason}"))
            }
            Self::Refused(error) => error,
        }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NameTaken(pid) => write!(f, "the process `{pid}` has this name already"),
            Self::Failed(why) => write!(f, "the process did not start: {why}"),
            Self::Crashed(reason) => write!(f, "the process crashed in its start: {reason}"),
            Self::Refused(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for StartError {}
