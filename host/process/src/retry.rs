//! How long to wait until what failed is tried again.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(100);
const MAX: Duration = Duration::from_secs(5);

/// Failures in a row.
#[derive(Default)]
pub(crate) struct Retry(u32);

impl Retry {
    /// Another one: the time until it is worth another try.
    pub(crate) fn failed(&mut self) -> Duration {
        self.0 = self.0.saturating_add(1);
        Self::after(self.0)
    }

    /// After so many: 100 ms, doubled up to 5 s, a tenth more or less.
    pub(crate) fn after(failures: u32) -> Duration {
        let time = FIRST.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(MAX);
        time.mul_f64(0.9 + 0.2 * fastrand::f64())
    }
}
