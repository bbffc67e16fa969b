//! The one source of time. Engines take `now` from it, so that tests set the clock instead of sleeping.

#![expect(clippy::disallowed_methods, reason = "the one place that asks the system")]

use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime};

/// Monotonic and wall time.
pub trait Clock: Send + Sync + 'static {
    /// Monotonic time, for measuring and for deadlines.
    fn now(&self) -> Instant;
    /// Wall time, for people and for other machines.
    fn wall(&self) -> SystemTime;
}

/// The operating system's clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// A clock that stands still until a test moves it.
#[derive(Debug)]
pub struct ManualClock {
    started: (Instant, SystemTime),
    // A std Mutex: it is never held over an await.
    passed: Mutex<Duration>,
}

impl ManualClock {
    /// A clock that starts at the given wall time.
    #[must_use]
    pub fn at(wall: SystemTime) -> Self {
        Self { started: (Instant::now(), wall), passed: Mutex::new(Duration::ZERO) }
    }

    /// Moves both clocks forward.
    pub fn advance(&self, by: Duration) {
        *self.passed.lock().unwrap_or_else(std::sync::PoisonError::into_inner) += by;
    }

    fn passed(&self) -> Duration {
        *self.passed.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Instant {
        self.started.0 + self.passed()
    }

    fn wall(&self) -> SystemTime {
        self.started.1 + self.passed()
    }
}
