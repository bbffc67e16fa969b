//! Metrics of second tiers, read off their own counts with those of their buckets.

use std::sync::{Arc, Weak};

use metrics::{Counter, Gauge, Label};
use skep_second::{Stats, Tiered};
use skep_types::BucketId;

/// Gauges: what is so now, by plugin and bucket.
const UP: &str = "skep_cache_l2_up";
const OWED: &str = "skep_cache_l2_owed";
/// Counters, by plugin and bucket.
const HITS: &str = "skep_cache_l2_hits_total";
const MISSES: &str = "skep_cache_l2_misses_total";
const FOREIGN: &str = "skep_cache_l2_foreign_total";
const WRITES: &str = "skep_cache_l2_writes_total";
const ERRORS: &str = "skep_cache_l2_errors_total";
const SKIPPED: &str = "skep_cache_l2_skipped_total";
const TOLD: &str = "skep_cache_l2_told_total";

/// Says what the metrics mean; told to the recorder once.
pub(crate) fn describe() {
    metrics::describe_gauge!(UP, "1 while a bucket's second tier answers; 0 while its breaker is open");
    metrics::describe_gauge!(OWED, "Keys whose last change may not have reached the bucket's second tier");
    metrics::describe_counter!(HITS, "Lookups in a bucket's second tier that found an entry");
    metrics::describe_counter!(MISSES, "Lookups in a bucket's second tier that found none");
    metrics::describe_counter!(FOREIGN, "Lookups in a bucket's second tier that found something that is no entry");
    metrics::describe_counter!(WRITES, "Changes that a bucket's second tier took");
    metrics::describe_counter!(ERRORS, "Questions that a bucket's second tier refused or did not answer in time");
    metrics::describe_counter!(
        SKIPPED,
        "Operations on a bucket that were done in memory without asking its second tier"
    );
    metrics::describe_counter!(TOLD, "Changes of other hosts that a bucket's second tier told");
}

/// A counter, and what of the statistics it counts.
type Counted = (Counter, fn(&Stats) -> u64);

/// The meter of the second tier of one bucket's name. The one behind it may change; counters go on from where they were.
pub(crate) struct SecondMeter {
    of: Weak<Tiered>,
    last: Stats,
    up: Gauge,
    owed: Gauge,
    counters: [Counted; 7],
}

impl SecondMeter {
    pub(crate) fn new(id: &BucketId) -> Self {
        let labels = || vec![Label::new("plugin", id.owner.to_string()), Label::new("bucket", id.name.to_string())];
        Self {
            of: Weak::new(),
            last: Stats::default(),
            up: metrics::gauge!(UP, labels()),
            owed: metrics::gauge!(OWED, labels()),
            counters: [
                (metrics::counter!(HITS, labels()), |stats| stats.hits),
                (metrics::counter!(MISSES, labels()), |stats| stats.misses),
                (metrics::counter!(FOREIGN, labels()), |stats| stats.foreign),
                (metrics::counter!(WRITES, labels()), |stats| stats.writes),
                (metrics::counter!(ERRORS, labels()), |stats| stats.errors),
                (metrics::counter!(SKIPPED, labels()), |stats| stats.skipped),
                (metrics::counter!(TOLD, labels()), |stats| stats.told),
            ],
        }
    }

    /// Adds what happened since the last time.
    pub(crate) fn measure(&mut self, tiered: &Arc<Tiered>) {
        if !std::ptr::eq(self.of.as_ptr(), Arc::as_ptr(tiered)) {
            // Another one under the same name counts from zero.
            (self.of, self.last) = (Arc::downgrade(tiered), Stats::default());
        }
        let stats = tiered.stats();
        for (counter, read) in &self.counters {
            counter.increment(read(&stats).saturating_sub(read(&self.last)));
        }
        self.show(&stats);
        self.last = stats;
    }

    /// The bucket has none any more.
    pub(crate) fn gone(&self) {
        self.show(&Stats::default());
    }

    #[allow(clippy::cast_precision_loss)] // A gauge is a float; so many keys are never owed.
    fn show(&self, stats: &Stats) {
        self.up.set(if stats.up { 1.0 } else { 0.0 });
        self.owed.set(stats.owed as f64);
    }
}
