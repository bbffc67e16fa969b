//! Why a process ended, or crashed.

use std::fmt;
use std::sync::Arc;

/// The longest reason that is kept, in bytes; of a longer one the end is cut off.
pub const REASON_BYTES_MAX: usize = 1024;

/// Why a process ended: a text, of which "normal" and "shutdown" mean that all is well. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Reason(Repr);

#[derive(Clone, PartialEq, Eq, Hash)]
enum Repr {
    // The usual ones need no allocation.
    Known(&'static str),
    Said(Arc<str>),
}

impl Reason {
    /// It was done.
    pub const NORMAL: Self = Self(Repr::Known("normal"));
    /// It was told to stop.
    pub const SHUTDOWN: Self = Self(Repr::Known("shutdown"));
    /// It was cut off.
    pub const KILLED: Self = Self(Repr::Known("killed"));
    /// There is no such process.
    pub const NOPROC: Self = Self(Repr::Known("noproc"));

    /// What somebody said, cut to [`REASON_BYTES_MAX`].
    #[must_use]
    pub fn new(text: &str) -> Self {
        match text {
            "normal" => Self::NORMAL,
            "shutdown" => Self::SHUTDOWN,
            "killed" => Self::KILLED,
            "noproc" => Self::NOPROC,
            _ => {
                let end = text.floor_char_boundary(REASON_BYTES_MAX);
                Self(Repr::Said(text.get(..end).unwrap_or_default().into()))
            }
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Repr::Known(text) => text,
            Repr::Said(text) => text,
        }
    }

    /// Whether it counts as a crash: everything but "normal" and "shutdown", as in OTP.
    #[must_use]
    pub fn is_abnormal(&self) -> bool {
        !matches!(self.as_str(), "normal" | "shutdown")
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// What made a behaviour fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// It returned an error: `init`, `load`, `replay` or `save` said no.
    Returned,
    /// It trapped.
    Trap,
    /// Its fuel ran out.
    Fuel,
    /// Its time was over.
    Deadline,
    /// Its memory was used up, and it did not survive that.
    Memory,
    /// Code of the host panicked.
    Panicked,
    /// An operator, or a process that it is linked to, cut it off.
    Killed,
    /// The host could not run it now: no instance was free. It is not to blame, so this counts against no budget, and what can
    /// be tried again is: a wake-up and an upgrade are, a message that was in hand is not.
    Host,
}

/// A behaviour failed. Its instance is not used again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Crash {
    /// What made it fail.
    pub fault: Fault,
    /// The same for people; it becomes the reason of callers and monitors.
    pub reason: Reason,
}

impl Crash {
    /// A crash, in words.
    #[must_use]
    pub fn new(fault: Fault, reason: &str) -> Self {
        Self { fault, reason: Reason::new(reason) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_normal_and_shutdown_are_no_crashes() {
        assert!(!Reason::new("normal").is_abnormal() && !Reason::SHUTDOWN.is_abnormal());
        assert!(Reason::new("Normal").is_abnormal() && Reason::KILLED.is_abnormal() && Reason::new("").is_abnormal());
        assert_eq!(Reason::new("normal"), Reason::NORMAL);
    }

    #[test]
    fn a_long_reason_is_cut_between_letters() {
        let cut = Reason::new(&"ä".repeat(1000));
        assert_eq!(cut.as_str(), "ä".repeat(512));
    }
}
