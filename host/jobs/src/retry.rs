//! Pauses between attempts to reach a store that fails.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(50);
const LAST: Duration = Duration::from_secs(5);

/// How often something failed in a row.
#[derive(Debug, Default)]
pub(crate) struct Retry {
    failures: u32,
}

impl Retry {
    /// It failed: wait for so long. 50 ms, doubled up to 5 s, less up to a quarter, so that many do not come back together.
    pub(crate) fn failed(&mut self) -> Duration {
        let pause = FIRST.saturating_mul(1 << self.failures.min(10)).min(LAST);
        self.failures = self.failures.saturating_add(1);
        pause.mul_f64(1.0 - fastrand::f64() / 4.0)
    }

    pub(crate) fn succeeded(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_five_seconds() {
        let mut retry = Retry::default();
        let within = |pause: Duration, full: u64| (full * 3 / 4..=full).contains(&(pause.as_millis() as u64));
        for full in [50, 100, 200, 400, 800, 1600, 3200, 5000, 5000] {
            assert!(within(retry.failed(), full));
        }
        retry.succeeded();
        assert!(within(retry.failed(), 50));
    }
}
