//! How often jobs of a queue may begin.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

/// In how many steps a window is kept: what was begun in one of them counts as begun at its end, so that memory is bounded and
/// the limit is never passed. A window that is always full loses at most a thousandth.
const STEPS: u32 = 1000;
/// The shortest period, so that a step is no shorter than a clock can tell.
pub const PERIOD_MIN: Duration = Duration::from_millis(1);

/// At most so many attempts begin in any stretch of time of this length, on this host. It is kept in memory: a restart begins
/// anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// How many.
    pub count: NonZeroU32,
    /// In which time; a shorter one than [`PERIOD_MIN`] counts as that.
    pub period: Duration,
}

/// What began lately.
#[derive(Clone, Debug)]
pub(crate) struct Rate {
    limit: RateLimit,
    step: Duration,
    /// The end of a step and how many began in it, the oldest first: at most [`STEPS`] + 1.
    begun: VecDeque<(Instant, u32)>,
    in_window: u32,
    /// Where steps begin.
    origin: Instant,
}

impl Rate {
    pub(crate) fn new(limit: RateLimit, now: Instant) -> Self {
        let period = limit.period.max(PERIOD_MIN);
        let limit = RateLimit { period, ..limit };
        let step = (period / STEPS).max(Duration::from_nanos(1));
        Self { limit, step, begun: VecDeque::new(), in_window: 0, origin: now }
    }

    pub(crate) fn limit(&self) -> RateLimit {
        self.limit
    }

    /// How many may begin now.
    pub(crate) fn available(&mut self, now: Instant) -> u32 {
        while let Some((end, count)) = self.begun.front().copied()
            && now.saturating_duration_since(end) >= self.limit.period
        {
            self.begun.pop_front();
            self.in_window = self.in_window.saturating_sub(count);
        }
        self.limit.count.get().saturating_sub(self.in_window)
    }

    /// So many begin now; they were [`available`](Self::available).
    pub(crate) fn take(&mut self, count: u32, now: Instant) {
        if count == 0 {
            return;
        }
        let end = self.end_of_step(now);
        match self.begun.back_mut() {
            Some((last, begun)) if *last >= end => *begun = begun.saturating_add(count),
            _ => self.begun.push_back((end, count)),
        }
        self.in_window = self.in_window.saturating_add(count);
    }

    /// When another one may begin, if none may now.
    pub(crate) fn next(&mut self, now: Instant) -> Option<Instant> {
        if self.available(now) > 0 {
            return None;
        }
        self.begun.front().and_then(|(end, _)| end.checked_add(self.limit.period))
    }

    fn end_of_step(&self, now: Instant) -> Instant {
        let passed = now.saturating_duration_since(self.origin).as_nanos();
        let steps = passed.div_ceil(self.step.as_nanos());
        let end = u64::try_from(steps.saturating_mul(self.step.as_nanos())).map(Duration::from_nanos);
        // Beyond 584 years the moment itself will do.
        end.ok().and_then(|end| self.origin.checked_add(end)).unwrap_or(now)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_window_has_more_and_nothing_waits_for_longer_than_a_period(
            count in 1u32..20, period_ms in 1u64..10_000, steps in proptest::collection::vec((0u64..3_000, 0u32..30), 1..200),
        ) {
            #[expect(clippy::disallowed_methods, reason = "any moment will do")]
            let start = Instant::now();
            let period = Duration::from_millis(period_ms);
            let mut rate = Rate::new(RateLimit { count: NonZeroU32::new(count).unwrap(), period }, start);
            let mut now = start;
            let mut begun: Vec<Instant> = Vec::new();
            for (wait, wanted) in steps {
                now += Duration::from_millis(wait);
                let some = rate.available(now).min(wanted);
                rate.take(some, now);
                begun.extend((0..some).map(|_| now));
                // Any window of the length of the period, which is open at its end, ends somewhere behind its last one.
                let in_window = begun.iter().filter(|at| now.duration_since(**at) < period).count();
                prop_assert!(in_window <= count as usize);
                prop_assert!(rate.begun.len() <= STEPS as usize + 1);
                // It is never more careful than by two steps.
                let careful = period + 2 * (period / STEPS);
                let must = begun.iter().filter(|at| now.duration_since(**at) < careful).count();
                prop_assert!(rate.available(now) as usize >= (count as usize).saturating_sub(must));
                if let Some(next) = rate.next(now) {
                    prop_assert!(next > now && next <= now + careful);
                    prop_assert!(rate.clone().available(next) > 0);
                } else {
                    prop_assert!(rate.available(now) > 0);
                }
            }
        }
    }
}
