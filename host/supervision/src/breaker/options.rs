//! When a breaker opens, and for how long.

use std::time::Duration;

use crate::clients::CLIENTS_MAX;

/// The longest cool-down that can be set: a day.
const COOL_DOWN_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// When a breaker opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BreakerOptions {
    /// Failures per call from which on it opens, above 0 and up to 1. Default: 0.5.
    pub ratio: f64,
    /// The least calls in the window to judge by. At least 1. Default: 20.
    pub calls: u64,
    /// How far back it looks, 10 ms to an hour. Kept in ten parts, so it may look up to a tenth less far back.
    /// Default: 10 s.
    pub window: Duration,
    /// From how many clients the failures must come, 1 to 16. Default: 2.
    pub clients: usize,
    /// How long it stays open the first time. Default: 5 s.
    pub cool_down: Duration,
    /// Each probe that fails doubles the cool-down up to this, at least `cool_down` and at most a day. Default: 60 s.
    pub cool_down_max: Duration,
}

impl Default for BreakerOptions {
    fn default() -> Self {
        Self {
            ratio: 0.5,
            calls: 20,
            window: Duration::from_secs(10),
            clients: 2,
            cool_down: Duration::from_secs(5),
            cool_down_max: Duration::from_secs(60),
        }
    }
}

impl BreakerOptions {
    /// The same within the documented bounds.
    #[must_use]
    pub fn bounded(self) -> Self {
        let cool_down = self.cool_down.min(COOL_DOWN_MAX);
        Self {
            ratio: if self.ratio.is_nan() { 0.5 } else { self.ratio.clamp(f64::EPSILON, 1.0) },
            calls: self.calls.max(1),
            window: self.window.clamp(Duration::from_millis(10), Duration::from_secs(3600)),
            clients: self.clients.clamp(1, CLIENTS_MAX),
            cool_down,
            cool_down_max: self.cool_down_max.clamp(cool_down, COOL_DOWN_MAX),
        }
    }
}
