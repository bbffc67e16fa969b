//! Wall time, as the host has it: milliseconds since the Unix epoch.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Now; in native tests a time that stands still until the test moves it.
#[allow(clippy::disallowed_methods, reason = "a guest's clock is the host's to give")]
pub(crate) fn now() -> SystemTime {
    #[cfg(target_arch = "wasm32")]
    {
        SystemTime::now()
    }
    #[cfg(not(target_arch = "wasm32"))]
    crate::double::wall()
}

/// Rounded up: what is short is not nothing.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

/// A moment as the host has it; what was before the epoch is at it.
pub(crate) fn timestamp(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).map_or(0, millis)
}

/// The moment that is so far from now.
pub(crate) fn timestamp_in(duration: Duration) -> u64 {
    timestamp(now()).saturating_add(millis(duration))
}

/// A moment of the host's.
pub(crate) fn moment(timestamp_ms: u64) -> SystemTime {
    UNIX_EPOCH.checked_add(Duration::from_millis(timestamp_ms)).unwrap_or(UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_rounded_up_to_milliseconds() {
        assert_eq!(
            [Duration::ZERO, Duration::from_nanos(1), Duration::from_millis(7), Duration::MAX].map(millis),
            [0, 1, 7, u64::MAX]
        );
    }

    #[test]
    fn moments_return_as_they_were() {
        assert_eq!(timestamp(moment(1_700_000_000_001)), 1_700_000_000_001);
        assert_eq!(timestamp(UNIX_EPOCH - Duration::from_secs(1)), 0);
        assert_eq!(timestamp_in(Duration::MAX), u64::MAX);
    }
}
