//! Metrics of buckets, read off the engine's own counts every few seconds and at every scrape.

use std::sync::{Arc, Weak};

use metrics::{Counter, Gauge, Label};
use skep_cache::{Bucket, Stats};
use skep_second::Tiered;
use skep_types::BucketId;

use crate::second_meter::SecondMeter;

/// Gauges: what is so now, by plugin and bucket.
const ENTRIES: &str = "skep_cache_entries";
const BYTES: &str = "skep_cache_bytes";
const WAITING: &str = "skep_cache_waiting";
const LOCKS: &str = "skep_cache_locks";
const DIRTY: &str = "skep_cache_dirty";
/// Counters, by plugin and bucket.
const HITS: &str = "skep_cache_hits_total";
const MISSES: &str = "skep_cache_misses_total";
const LOADS: &str = "skep_cache_loads_total";
const LOAD_FAILURES: &str = "skep_cache_load_failures_total";
/// By cause as well: `entries` or `bytes`.
const EVICTIONS: &str = "skep_cache_evictions_total";
const EXPIRED: &str = "skep_cache_expired_total";
const REJECTED: &str = "skep_cache_rejected_total";
const FLUSHED: &str = "skep_cache_flushed_total";
const FLUSH_FAILURES: &str = "skep_cache_flush_failures_total";

/// Says what the metrics mean; told to the recorder once.
pub(crate) fn describe() {
    metrics::describe_gauge!(ENTRIES, "Entries of a bucket");
    metrics::describe_gauge!(BYTES, metrics::Unit::Bytes, "Memory of a bucket, as its limit counts it");
    metrics::describe_gauge!(WAITING, "Callers that wait for a value or a lock of a bucket");
    metrics::describe_gauge!(LOCKS, "Locks of a bucket that are held");
    metrics::describe_gauge!(DIRTY, "Keys of a bucket that were changed and are not in the store yet");
    metrics::describe_counter!(FLUSHED, "Changed keys of a bucket that were written to the store");
    metrics::describe_counter!(FLUSH_FAILURES, "Attempts to write a bucket's changes to the store that failed");
    metrics::describe_counter!(HITS, "Reads of a bucket that found an entry");
    metrics::describe_counter!(MISSES, "Reads of a bucket that found none");
    metrics::describe_counter!(LOADS, "Leases to load a value that a bucket gave");
    metrics::describe_counter!(LOAD_FAILURES, "Leases that ended without a value");
    metrics::describe_counter!(EVICTIONS, "Entries that a bucket evicted, by the limit that they stood in the way of");
    metrics::describe_counter!(EXPIRED, "Entries of a bucket that ended by their time");
    metrics::describe_counter!(REJECTED, "Writes that a full bucket refused");
}

/// A counter, and what of the statistics it counts.
type Counted = (Counter, fn(&Stats) -> u64);

/// The meter of one bucket's name. The bucket behind it may change; counters go on from where they were.
pub(crate) struct BucketMeter {
    of: Weak<Bucket>,
    last: Stats,
    entries: Gauge,
    bytes: Gauge,
    waiting: Gauge,
    locks: Gauge,
    dirty: Gauge,
    counters: [Counted; 10],
    /// Of a bucket that has a second tier.
    second: Option<SecondMeter>,
}

impl BucketMeter {
    pub(crate) fn new(id: &BucketId) -> Self {
        let labels = |cause: Option<&'static str>| {
            let mut labels =
                vec![Label::new("plugin", id.owner.to_string()), Label::new("bucket", id.name.to_string())];
            labels.extend(cause.map(|cause| Label::new("cause", cause)));
            labels
        };
        let plain = || labels(None);
        Self {
            second: None,
            of: Weak::new(),
            last: Stats::default(),
            entries: metrics::gauge!(ENTRIES, plain()),
            bytes: metrics::gauge!(BYTES, plain()),
            waiting: metrics::gauge!(WAITING, plain()),
            locks: metrics::gauge!(LOCKS, plain()),
            dirty: metrics::gauge!(DIRTY, plain()),
            counters: [
                (metrics::counter!(HITS, plain()), |stats| stats.hits),
                (metrics::counter!(MISSES, plain()), |stats| stats.misses),
                (metrics::counter!(LOADS, plain()), |stats| stats.loads),
                (metrics::counter!(LOAD_FAILURES, plain()), |stats| stats.load_failures),
                (metrics::counter!(EVICTIONS, labels(Some("entries"))), |stats| stats.evicted_entries),
                (metrics::counter!(EVICTIONS, labels(Some("bytes"))), |stats| stats.evicted_bytes),
                (metrics::counter!(EXPIRED, plain()), |stats| stats.expired),
                (metrics::counter!(REJECTED, plain()), |stats| stats.rejected),
                (metrics::counter!(FLUSHED, plain()), |stats| stats.flushed),
                (metrics::counter!(FLUSH_FAILURES, plain()), |stats| stats.flush_failures),
            ],
        }
    }

    /// Adds what happened since the last time.
    pub(crate) fn measure(&mut self, id: &BucketId, bucket: &Arc<Bucket>, tiered: Option<&Arc<Tiered>>) {
        match tiered {
            Some(tiered) => self.second.get_or_insert_with(|| SecondMeter::new(id)).measure(tiered),
            None => self.second.iter().for_each(SecondMeter::gone),
        }
        if !std::ptr::eq(self.of.as_ptr(), Arc::as_ptr(bucket)) {
            // Another bucket under the same name counts from zero.
            (self.of, self.last) = (Arc::downgrade(bucket), Stats::default());
        }
        let stats = bucket.stats();
        for (counter, read) in &self.counters {
            counter.increment(read(&stats).saturating_sub(read(&self.last)));
        }
        self.show(&stats);
        self.last = stats;
    }

    /// The bucket is gone, and holds nothing.
    pub(crate) fn gone(&self) {
        self.show(&Stats::default());
        self.second.iter().for_each(SecondMeter::gone);
    }

    #[allow(clippy::cast_precision_loss)] // A gauge is a float; 2^53 entries are none that memory holds.
    fn show(&self, stats: &Stats) {
        self.entries.set(stats.entries as f64);
        self.bytes.set(stats.bytes as f64);
        self.waiting.set(stats.waiting as f64);
        self.locks.set(stats.locks as f64);
        self.dirty.set(stats.dirty as f64);
    }
}
