//! Waiting by the injected clock.

use std::sync::Arc;
use std::time::{Duration, Instant};

use skep_store::Timestamp;
use skep_types::Clock;
use tokio::sync::watch;

/// The shortest sleep. A manual clock may say that something is due in no time, again and again.
const SLEEP_MIN: Duration = Duration::from_millis(1);

/// The clock, and a way to make all who wait look at it.
#[derive(Clone)]
pub(crate) struct Time {
    clock: Arc<dyn Clock>,
    look: Arc<watch::Sender<()>>,
}

impl Time {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, look: Arc::new(watch::Sender::new(())) }
    }

    pub(crate) fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Wall time, in milliseconds since 1970.
    pub(crate) fn wall(&self) -> Timestamp {
        let passed = self.clock.wall().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        u64::try_from(passed.as_millis()).unwrap_or(u64::MAX)
    }

    /// A clock that was set forward by hand is looked at.
    pub(crate) fn look(&self) {
        self.look.send_replace(());
    }

    /// Returns when the clock says so; at once if it does already.
    pub(crate) async fn sleep(&self, time: Duration) {
        match self.now().checked_add(time) {
            Some(at) => self.sleep_until(at).await,
            None => std::future::pending().await,
        }
    }

    /// As [`sleep`](Self::sleep).
    pub(crate) async fn sleep_until(&self, at: Instant) {
        let mut looked = self.look.subscribe();
        loop {
            let left = at.saturating_duration_since(self.now());
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

    /// From now until this wall time.
    pub(crate) fn until(&self, wall: Timestamp) -> Duration {
        Duration::from_millis(wall.saturating_sub(self.wall()))
    }
}

/// A time in milliseconds, as timestamps are.
pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
