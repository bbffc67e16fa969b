//! How long a job that failed waits for its next attempt: Oban's curve.

use std::time::Duration;

/// What the longest curve is stretched or cut to: whatever `max_attempts` is, its last attempt waits no longer than this one.
const ATTEMPTS_OF_CURVE: u16 = 20;
/// What every wait begins with.
const BASE_MS: u64 = 15_000;
/// The most that is added so that jobs which failed together do not come back together.
const JITTER: f64 = 0.1;

/// The wait after this attempt (the first one is 1) of so many: 15 s + 2^attempt s, and up to 10 % more. `random` is from 0 to
/// below 1. As `Oban.Worker.backoff`: with more than 20 attempts the curve is stretched, so that it ends where that of 20 does,
/// 12 days and 3 hours.
#[must_use]
pub fn after(attempt: u16, max_attempts: u16, random: f64) -> Duration {
    let power = u32::from(on_curve(attempt, max_attempts));
    let wait = BASE_MS + 1000 * (1 << power);
    Duration::from_millis(wait + add(wait, random))
}

/// Where an attempt is on the curve of 20.
fn on_curve(attempt: u16, max_attempts: u16) -> u16 {
    if max_attempts <= ATTEMPTS_OF_CURVE {
        return attempt.min(ATTEMPTS_OF_CURVE);
    }
    let (attempt, max) = (u32::from(attempt.min(max_attempts)), u32::from(max_attempts));
    // Rounded to the nearest, in whole numbers.
    let scaled = (2 * attempt * u32::from(ATTEMPTS_OF_CURVE) + max) / (2 * max);
    u16::try_from(scaled).unwrap_or(ATTEMPTS_OF_CURVE)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "bounded by clamp"
)]
fn add(wait: u64, random: f64) -> u64 {
    (wait as f64 * JITTER * random.clamp(0.0, 1.0)) as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn it_is_obans_curve() {
        let seconds = |attempt, max| after(attempt, max, 0.0).as_secs();
        assert_eq!([1, 2, 3, 10, 19, 20].map(|at| seconds(at, 20)), [17, 19, 23, 1039, 524_303, 1_048_591]);
        // Fewer attempts take the beginning of the curve, more are spread over the whole of it.
        assert_eq!([1, 5].map(|at| seconds(at, 5)), [17, 47]);
        assert_eq!([1, 5, 50, 100].map(|at| seconds(at, 100)), [16, 17, 1039, 1_048_591]);
        assert_eq!(after(1, 20, 0.999_999), Duration::from_millis(18_699));
    }

    proptest! {
        #[test]
        fn it_grows_and_ends(attempt in 1u16.., max in 1u16.., random in 0.0..1.0f64) {
            let at = attempt.min(max);
            let (least, wait) = (after(at, max, 0.0), after(at, max, random));
            prop_assert!(wait >= least && wait.as_millis() * 10 <= least.as_millis() * 11);
            prop_assert!(least >= after(at.saturating_sub(1), max, 0.0));
            prop_assert!(wait <= after(20, 20, 1.0));
            // An attempt beyond the last, as after an operator's retry, waits as the last one.
            prop_assert!(after(u16::MAX, max, random) <= after(20, 20, 1.0));
        }
    }
}
