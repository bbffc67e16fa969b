//! What of a queue began lately, as it is kept in one small row.

use std::collections::VecDeque;

use crate::Timestamp;
use crate::caps::RateCap;

/// In how many steps a period is kept: the row that is written with each lease stays under 1.3 kB.
const STEPS: u64 = 100;
/// The most steps that are there at once: those of a period, and the one that has begun.
const STEPS_MAX: usize = 101;
/// How late a host may be with what it says is now, in milliseconds, beside a period.
const LATE_MS: u64 = 60_000;
/// A step in the row: when it ends, and how many began in it.
const STEP_BYTES: usize = 12;

/// What began lately.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Window {
    /// The end of a step and how many began in it, the oldest first.
    begun: VecDeque<(Timestamp, u32)>,
    changed: bool,
}

/// In milliseconds.
fn period(cap: RateCap) -> u64 {
    cap.period_ms.max(1)
}

fn end_of_step(cap: RateCap, now: Timestamp) -> Timestamp {
    let step = (period(cap) / STEPS).max(1);
    now.div_ceil(step).saturating_mul(step)
}

impl Window {
    /// From a row. What was never written counts for nothing.
    pub(crate) fn decode(row: &[u8]) -> Self {
        let (steps, _) = row.as_chunks::<STEP_BYTES>();
        let step = |step: &[u8; STEP_BYTES]| {
            let (end, count) = step.split_first_chunk::<8>()?;
            Some((u64::from_be_bytes(*end), u32::from_be_bytes(*count.first_chunk()?)))
        };
        Self { begun: steps.iter().filter_map(step).collect(), changed: false }
    }

    /// As a row.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let step = |(end, count): &(Timestamp, u32)| [&end.to_be_bytes()[..], &count.to_be_bytes()].concat();
        self.begun.iter().flat_map(step).collect()
    }

    /// Whether the row is to be written.
    pub(crate) const fn is_changed(&self) -> bool {
        self.changed
    }

    /// How many may begin now.
    pub(crate) fn available(&mut self, cap: RateCap, now: Timestamp) -> u32 {
        self.pull_back(cap, now);
        while self.begun.front().is_some_and(|(end, _)| end.saturating_add(period(cap)) <= now) {
            self.begun.pop_front();
        }
        cap.count.get().saturating_sub(self.sum())
    }

    fn sum(&self) -> u32 {
        self.begun.iter().fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    /// What is further ahead than a period, and than a host is late that was stopped for a while, is of a clock that was wrong: it
    /// counts as of now, so that nobody waits for it.
    fn pull_back(&mut self, cap: RateCap, now: Timestamp) {
        let end = end_of_step(cap, now);
        while let Some((ahead, count)) = self.begun.back().copied()
            && ahead > end.saturating_add(period(cap)).saturating_add(LATE_MS)
        {
            self.begun.pop_back();
            let at = self.begun.partition_point(|(before, _)| *before <= end);
            match at.checked_sub(1).and_then(|before| self.begun.get_mut(before)).filter(|(last, _)| *last == end) {
                Some((_, begun)) => *begun = begun.saturating_add(count),
                None => self.begun.insert(at, (end, count)),
            }
            self.changed = true;
        }
    }

    /// So many begin now; they were [`available`](Self::available).
    pub(crate) fn take(&mut self, cap: RateCap, count: u32, now: Timestamp) {
        if count == 0 {
            return;
        }
        self.changed = true;
        let end = end_of_step(cap, now);
        match self.begun.back_mut() {
            Some((last, begun)) if *last >= end => *begun = begun.saturating_add(count),
            _ => self.begun.push_back((end, count)),
        }
        // More than that are left by another cap only: they count from the later of their ends.
        while self.begun.len() > STEPS_MAX
            && let Some((_, count)) = self.begun.pop_front()
            && let Some((_, next)) = self.begun.front_mut()
        {
            *next = next.saturating_add(count);
        }
    }

    /// When another one may begin; now, if one may.
    pub(crate) fn again(&self, cap: RateCap, now: Timestamp) -> Timestamp {
        let mut left = self.sum();
        let mut again = now;
        for (end, count) in &self.begun {
            if left < cap.count.get() {
                break;
            }
            left = left.saturating_sub(*count);
            again = end.saturating_add(period(cap));
        }
        again
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = 1_700_000_000_123;

    fn cap(count: u32, period_ms: u64) -> RateCap {
        RateCap { count: NonZeroU32::new(count).unwrap(), period_ms }
    }

    proptest! {
        #[test]
        fn no_window_has_more_and_nothing_waits_for_longer_than_a_period(
            count in 1u32..20, period in 1u64..10_000, steps in prop::collection::vec((0u64..3_000, 0u32..30), 1..200),
        ) {
            let cap = cap(count, period);
            let mut window = Window::default();
            let mut now = NOW;
            let mut begun: Vec<Timestamp> = Vec::new();
            for (wait, wanted) in steps {
                now += wait;
                let some = window.available(cap, now).min(wanted);
                window.take(cap, some, now);
                begun.extend((0..some).map(|_| now));
                // Any window of the length of the period, which is open at its end, ends somewhere behind its last one.
                let in_window = begun.iter().filter(|at| now - **at < period).count();
                prop_assert!(in_window <= count as usize);
                prop_assert!(window.begun.len() <= STEPS_MAX);
                // A restart changes nothing.
                let row = window.encode();
                prop_assert!(row.len() <= STEPS_MAX * STEP_BYTES);
                window = Window::decode(&row);
                // It is never more careful than by a step.
                let careful = period + (period / STEPS).max(1);
                let must = begun.iter().filter(|at| now - **at < careful).count();
                let available = window.available(cap, now);
                prop_assert!(available as usize >= (count as usize).saturating_sub(must));
                let again = window.again(cap, now);
                prop_assert_eq!(again == now, available > 0);
                prop_assert!(again <= now + careful);
                prop_assert!(window.clone().available(cap, again) > 0);
                prop_assert!(available > 0 || window.clone().available(cap, again - 1) == 0);
            }
        }

        #[test]
        fn whatever_clocks_and_caps_say_it_is_bounded_and_nobody_waits_for_ever(
            steps in prop::collection::vec((0u64..500_000, 0usize..3, 0u32..30), 1..300),
        ) {
            let caps = [cap(1, 1), cap(9, 900), cap(20, 60_000)];
            let mut window = Window::default();
            for (at, which, wanted) in steps {
                let (cap, now) = (caps[which], NOW + at);
                let some = window.available(cap, now).min(wanted);
                window.take(cap, some, now);
                prop_assert!(window.begun.len() <= STEPS_MAX);
                prop_assert!(window.begun.iter().is_sorted_by_key(|(end, _)| *end));
                let again = window.again(cap, now);
                prop_assert!(again <= now + 2 * period(cap) + period(cap) / STEPS + 2 + LATE_MS);
                prop_assert!(window.clone().available(cap, again) > 0);
            }
        }
    }

    #[test]
    fn a_clock_that_was_ahead_holds_nobody_up_for_long() {
        let cap = cap(2, 1_000);
        let mut window = Window::default();
        window.take(cap, 2, NOW + 3_600_000);
        assert_eq!(window.available(cap, NOW), 0);
        assert!(window.is_changed(), "so that it grows old");
        assert!(window.again(cap, NOW) <= NOW + 1_010);
        // A little ahead is another host: its own time counts.
        let mut window = Window::default();
        window.take(cap, 2, NOW + 900);
        assert_eq!((window.available(cap, NOW), window.available(cap, NOW + 1_800)), (0, 0));
        assert_eq!(window.available(cap, NOW + 1_920), 2);
    }
}
