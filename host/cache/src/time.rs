//! The bucket's own count of time: nanoseconds in a `u64`, so that a deadline costs eight bytes and one comparison.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use skep_types::Clock;

/// The deadline of what never ends.
pub(crate) const NEVER: u64 = u64::MAX;

/// Where the count starts. Not at zero: an entry restored from a file may have been read last before this process
/// started, and 146 years on either side are enough.
const ORIGIN: u64 = 1 << 62;

/// Reads the injected clock as nanoseconds.
pub(crate) struct Timeline {
    clock: Arc<dyn Clock>,
    base: Instant,
}

impl Timeline {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        let base = clock.now();
        Self { clock, base }
    }

    pub(crate) fn now(&self) -> u64 {
        ORIGIN + nanos(self.clock.now().saturating_duration_since(self.base)).min(ORIGIN)
    }

    /// Both clocks in one reading, to translate between them.
    pub(crate) fn wall(&self) -> WallReading {
        WallReading { now: self.now(), wall: unix_nanos(self.clock.wall()) }
    }

    pub(crate) fn wall_micros(&self) -> u64 {
        unix_nanos(self.clock.wall()) / 1000
    }

    pub(crate) fn wall_secs(&self) -> u64 {
        unix_nanos(self.clock.wall()) / 1_000_000_000
    }
}

/// One moment on both clocks.
#[derive(Clone, Copy)]
pub(crate) struct WallReading {
    pub(crate) now: u64,
    wall: u64,
}

impl WallReading {
    /// A moment of the bucket's count as nanoseconds since the Unix epoch; never stays never.
    pub(crate) fn to_unix(self, at: u64) -> u64 {
        if at == NEVER {
            return NEVER;
        }
        if at >= self.now {
            self.wall.saturating_add(at - self.now).min(NEVER - 1)
        } else {
            self.wall.saturating_sub(self.now - at)
        }
    }

    /// The way back.
    pub(crate) fn at_unix(self, unix: u64) -> u64 {
        if unix == NEVER {
            return NEVER;
        }
        if unix >= self.wall {
            self.now.saturating_add(unix - self.wall).min(NEVER - 1)
        } else {
            self.now.saturating_sub(self.wall - unix)
        }
    }
}

/// A duration in nanoseconds; one of more than 584 years is the longest there is.
pub(crate) fn nanos(duration: Duration) -> u64 {
    // In 64 bits: the arithmetic of `as_nanos` is a measurable part of reading the clock.
    duration.as_secs().saturating_mul(1_000_000_000).saturating_add(u64::from(duration.subsec_nanos()))
}

fn unix_nanos(wall: SystemTime) -> u64 {
    nanos(wall.duration_since(UNIX_EPOCH).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_translate_both_ways() {
        let reading = WallReading { now: ORIGIN, wall: 1_000 };
        for at in [ORIGIN - 1_000, ORIGIN - 1, ORIGIN, ORIGIN + 5, NEVER] {
            assert_eq!(reading.at_unix(reading.to_unix(at)), at);
        }
        assert_eq!(reading.to_unix(NEVER - 1), 1_000 + (NEVER - 1 - ORIGIN));
    }
}
