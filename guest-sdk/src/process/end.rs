//! Ends, of a process itself and of others.

use std::fmt;

use super::Pid;
use crate::__private::bindings::processes::exports::skep::plugin::process_handler as wit;

/// Why a process ends, or has ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// Its work is done. No crash.
    Normal,
    /// Somebody said so: an operator, its supervisor, the end of the host. No crash.
    Shutdown,
    /// It was not there when somebody wanted to know of its end.
    NoProcess,
    /// Any other is a crash: `"fuel-exhausted"`, or whatever was said to [`Ctx::stop`](super::Ctx::stop).
    Other(String),
}

impl Reason {
    /// As the host has it: `"normal"`, `"shutdown"`, `"noproc"`, or the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Normal => "normal",
            Self::Shutdown => "shutdown",
            Self::NoProcess => "noproc",
            Self::Other(text) => text,
        }
    }

    /// Whether it is neither [`Normal`](Self::Normal) nor [`Shutdown`](Self::Shutdown).
    #[must_use]
    pub fn is_crash(&self) -> bool {
        !matches!(self, Self::Normal | Self::Shutdown)
    }
}

impl From<&str> for Reason {
    fn from(text: &str) -> Self {
        match text {
            "normal" => Self::Normal,
            "shutdown" => Self::Shutdown,
            "noproc" => Self::NoProcess,
            text => Self::Other(text.to_owned()),
        }
    }
}

impl From<String> for Reason {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A monitor of another process, from [`Ctx::monitor`](super::Ctx::monitor). It may be kept in the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Monitor(pub u64);

/// A process that was monitored has ended for good: what `down` takes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Down {
    /// Which monitor says so.
    pub monitor: Monitor,
    /// Which process.
    pub pid: Pid,
    /// Why; [`NoProcess`](Reason::NoProcess) if it was not there.
    pub reason: Reason,
}

impl Down {
    pub(super) fn new(down: wit::Down) -> Self {
        Self { monitor: Monitor(down.ref_), pid: Pid::new(down.pid), reason: down.reason.into() }
    }
}

/// A process that this one is linked to has ended for good, and this one traps exits: what `exit` takes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exit {
    /// Which process.
    pub pid: Pid,
    /// Why.
    pub reason: Reason,
}

impl Exit {
    pub(super) fn new(exit: wit::Exit) -> Self {
        Self { pid: Pid::new(exit.pid), reason: exit.reason.into() }
    }
}
