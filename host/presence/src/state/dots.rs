//! Sets of clock numbers, as ranges.

use std::collections::BTreeMap;

/// A set of numbers of one replica's clock. Numbers are seen mostly in order, so ranges keep it at a few words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dots {
    /// First and last of each range; no two touch.
    ranges: BTreeMap<u64, u64>,
}

impl Dots {
    /// All numbers from 1 to `last`.
    #[must_use]
    pub fn up_to(last: u64) -> Self {
        let mut dots = Self::default();
        dots.insert(1, last);
        dots
    }

    /// Whether the number is one of them.
    #[must_use]
    pub fn contains(&self, dot: u64) -> bool {
        self.covers(dot, dot)
    }

    /// Whether all numbers from `first` to `last` are among them.
    #[must_use]
    pub fn covers(&self, first: u64, last: u64) -> bool {
        first > last || self.ranges.range(..=first).next_back().is_some_and(|(_, end)| *end >= last)
    }

    /// Adds the numbers from `first` to `last`.
    pub fn insert(&mut self, first: u64, last: u64) {
        if first > last {
            return;
        }
        let (mut first, mut last) = (first, last);
        // Ranges that overlap or touch become one with it; each is looked at once in its life.
        while let Some((start, end)) = self.ranges.range(..=last.saturating_add(1)).next_back() {
            if end.saturating_add(1) < first {
                break;
            }
            (first, last) = (first.min(*start), last.max(*end));
            let start = *start;
            self.ranges.remove(&start);
        }
        self.ranges.insert(first, last);
    }

    /// Adds all of another set.
    pub fn extend(&mut self, other: &Self) {
        for (first, last) in other.ranges() {
            self.insert(first, last);
        }
    }

    /// First and last of each range, in order.
    pub fn ranges(&self) -> impl Iterator<Item = (u64, u64)> {
        self.ranges.iter().map(|(first, last)| (*first, *last))
    }

    /// The numbers from 1 to `last` that are not among them.
    #[must_use]
    pub fn missing(&self, last: u64) -> Self {
        let mut missing = Self::default();
        let mut next = 1;
        for (start, end) in self.ranges() {
            missing.insert(next, start.saturating_sub(1).min(last));
            next = end.saturating_add(1);
        }
        missing.insert(next, last);
        missing
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ranges_behave_as_a_set() {
        let mut random = fastrand::Rng::with_seed(3);
        for _ in 0..300 {
            let (mut dots, mut set) = (Dots::default(), BTreeSet::new());
            for _ in 0..20 {
                let first = random.u64(1..60);
                let last = first + random.u64(0..6);
                dots.insert(first, last);
                set.extend(first..=last);
                assert!((1..70).all(|n| dots.contains(n) == set.contains(&n)));
                let missing = dots.missing(50);
                assert!((1..70).all(|n| missing.contains(n) == (n <= 50 && !set.contains(&n))));
                let ranges: Vec<_> = dots.ranges().collect();
                assert!(ranges.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0), "{ranges:?}");
            }
        }
    }
}
