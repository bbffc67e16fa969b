//! Token buckets, as GCRA: one moment is all that is kept.

use std::time::Duration;

use tokio::time::Instant;

use crate::options::Rate;

/// When the allowance is whole again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket(Instant);

impl Bucket {
    pub(super) fn full(now: Instant) -> Self {
        Self(now)
    }

    /// Takes one, also where there is none left: the debt is waited for before the next.
    pub(super) fn take(&mut self, rate: Rate, now: Instant) {
        self.0 = self.0.max(now) + interval(rate);
    }

    /// Until when nothing more may be taken.
    pub(super) fn empty_until(&self, rate: Rate, now: Instant) -> Option<Instant> {
        let room = interval(rate) * rate.burst.max(1).saturating_sub(1);
        self.0.checked_sub(room).filter(|at| *at > now)
    }
}

fn interval(rate: Rate) -> Duration {
    Duration::from_secs(1) / rate.per_second.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_goes_through_and_then_the_rate_counts() {
        let (rate, start) = (Rate { per_second: 10, burst: 3 }, Instant::now());
        let mut bucket = Bucket::full(start);
        for _ in 0..3 {
            assert_eq!(bucket.empty_until(rate, start), None);
            bucket.take(rate, start);
        }
        let until = bucket.empty_until(rate, start).unwrap();
        assert_eq!(until - start, Duration::from_millis(100));
        assert_eq!(bucket.empty_until(rate, until), None);
        // A debt is waited for as a whole.
        bucket.take(rate, start);
        bucket.take(rate, start);
        assert_eq!(bucket.empty_until(rate, start).unwrap() - start, Duration::from_millis(300));
    }
}
