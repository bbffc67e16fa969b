//! Waiting by the injected clock, in nanoseconds since the engine began: half of what an `Instant` takes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use skep_store::Timestamp;
use skep_types::Clock;
use tokio::sync::watch;

/// The shortest sleep. A manual clock may say that something is due in no time, again and again.
const SLEEP_MIN: Duration = Duration::from_millis(1);

/// A moment, in nanoseconds since the engine began, from 1: 0 is none.
pub(crate) type Tick = u64;

/// No clock gets there.
pub(crate) const NEVER: Tick = u64::MAX;

/// The clock, and a way to make all who wait look at it.
pub(crate) struct Time {
    clock: Arc<dyn Clock>,
    began: Instant,
    look: watch::Sender<()>,
}

impl Time {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { began: clock.now(), clock, look: watch::Sender::new(()) }
    }

    pub(crate) fn now(&self) -> Tick {
        nanos(self.clock.now().saturating_duration_since(self.began)).saturating_add(1)
    }

    pub(crate) fn after(&self, time: Duration) -> Tick {
        self.now().saturating_add(nanos(time))
    }

    /// Wall time, in milliseconds since 1970.
    pub(crate) fn wall(&self) -> Timestamp {
        let passed = self.clock.wall().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        millis(passed)
    }

    /// A clock that was set forward by hand is looked at.
    pub(crate) fn look(&self) {
        self.look.send_replace(());
    }

    /// Returns when the clock says so; at once if it does already.
    pub(crate) async fn sleep_until(&self, at: Tick) {
        if at == NEVER {
            return std::future::pending().await;
        }
        let mut looked = self.look.subscribe();
        loop {
            let left = until(self.now(), at);
            if left.is_zero() {
                return;
            }
            tokio::select! {
                // The sender lives as long as this.
                _ = looked.changed() => {}
                () = tokio::time::sleep(left.max(SLEEP_MIN)) => {}
            }
        }
    }

    pub(crate) async fn sleep(&self, time: Duration) {
        self.sleep_until(self.after(time)).await;
    }

    /// The wall time of a moment.
    pub(crate) fn wall_of(&self, at: Tick) -> Timestamp {
        self.wall().saturating_add(millis(until(self.now(), at)))
    }

    /// The moment of a wall time; one that has passed is now.
    pub(crate) fn of_wall(&self, wall: Timestamp) -> Tick {
        self.after(Duration::from_millis(wall.saturating_sub(self.wall())))
    }
}

/// From one moment to another; nothing if that is before.
pub(crate) const fn until(now: Tick, at: Tick) -> Duration {
    Duration::from_nanos(at.saturating_sub(now))
}

/// A time in nanoseconds; some 500 years at most.
pub(crate) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// A time in milliseconds, as timestamps are.
pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
