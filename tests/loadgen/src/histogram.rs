//! Latencies in logarithmic buckets: constant size, constant time, less than one per cent of error.

/// Buckets in each doubling; a value is off by at most one in so many.
const PER_OCTAVE: usize = 128;
const PER_OCTAVE_BITS: u32 = PER_OCTAVE.trailing_zeros();
/// Values of 2^40 ns (18 minutes) and more share the last bucket; a run is shorter.
const VALUE_BITS: u32 = 40;
const BUCKETS: usize = (VALUE_BITS - PER_OCTAVE_BITS + 1) as usize * PER_OCTAVE;

/// Counts of values, in nanoseconds.
#[derive(Clone, Debug)]
pub struct Histogram {
    counts: Vec<u64>,
    count: u64,
    sum: u128,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS], count: 0, sum: 0, max: 0 }
    }
}

impl Histogram {
    /// Counts a value.
    pub fn record(&mut self, nanos: u64) {
        if let Some(count) = self.counts.get_mut(bucket(nanos)) {
            *count += 1;
        }
        self.count += 1;
        self.sum += u128::from(nanos);
        self.max = self.max.max(nanos);
    }

    /// Adds what another one counted.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        self.count += other.count;
        self.sum += other.sum;
        self.max = self.max.max(other.max);
    }

    /// Values that were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The largest value, exactly. 0 when nothing was counted.
    #[must_use]
    pub fn max(&self) -> u64 {
        self.max
    }

    /// The mean, exactly. 0 when nothing was counted.
    #[must_use]
    pub fn mean(&self) -> u64 {
        u64::try_from(self.sum / u128::from(self.count.max(1))).unwrap_or(u64::MAX)
    }

    /// The value that so many of 100,000 values do not exceed: 99,900 is the 99.9th percentile. 0 when nothing was
    /// counted.
    #[must_use]
    pub fn quantile(&self, per_100_000: u32) -> u64 {
        let rank = (u128::from(self.count) * u128::from(per_100_000)).div_ceil(100_000).max(1);
        let mut seen = 0_u128;
        for (index, count) in self.counts.iter().enumerate() {
            seen += u128::from(*count);
            if seen >= rank {
                return upper_bound(index).min(self.max);
            }
        }
        self.max
    }
}

/// Small values have a bucket each; above, each doubling has the same number of buckets.
fn bucket(nanos: u64) -> usize {
    let nanos = nanos.min((1 << VALUE_BITS) - 1);
    let bits = u64::BITS - nanos.leading_zeros();
    let shift = bits.saturating_sub(PER_OCTAVE_BITS + 1);
    let within = usize::try_from(nanos >> shift).unwrap_or(0);
    shift as usize * PER_OCTAVE + within
}

/// The largest value that falls into a bucket.
fn upper_bound(index: usize) -> u64 {
    if index < 2 * PER_OCTAVE {
        return index as u64;
    }
    let shift = index / PER_OCTAVE - 1;
    let within = index % PER_OCTAVE + PER_OCTAVE;
    ((within as u64 + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_in_order_and_tight() {
        let indices: Vec<_> = (0..100_000).map(bucket).collect();
        assert!(indices.windows(2).all(|pair| pair[1] == pair[0] || pair[1] == pair[0] + 1));
        let last = (1 << VALUE_BITS) - 1;
        for nanos in (0..100_000).chain((0..33).map(|bit| 0x55 << bit)).chain([last]) {
            let index = bucket(nanos);
            assert!(index < BUCKETS, "{nanos}");
            let bound = upper_bound(index);
            assert!(bound >= nanos && bound - nanos <= nanos / 100, "{nanos} {bound}");
            assert_eq!(bucket(bound), index, "{nanos}");
            assert!(bound == last || bucket(bound + 1) == index + 1, "{nanos}");
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn percentiles_are_ranks() {
        let mut histogram = Histogram::default();
        (1..=1000).for_each(|value| histogram.record(value * 1000));
        for (per_100_000, expected) in [(50_000, 500_000), (99_000, 990_000), (99_900, 999_000), (100_000, 1_000_000)] {
            let value = histogram.quantile(per_100_000);
            assert!(value >= expected && value - expected <= expected / 100, "{per_100_000}: {value}");
        }
        assert_eq!((histogram.max(), histogram.mean(), histogram.count()), (1_000_000, 500_500, 1000));
    }

    #[test]
    fn extremes_and_nothing_are_fine() {
        let mut histogram = Histogram::default();
        assert_eq!((histogram.quantile(50_000), histogram.max(), histogram.mean()), (0, 0, 0));
        histogram.record(u64::MAX);
        assert_eq!(histogram.max(), u64::MAX);
        let mut other = Histogram::default();
        other.record(7);
        other.merge(&histogram);
        assert_eq!((other.count(), other.quantile(1)), (2, 7));
    }
}
