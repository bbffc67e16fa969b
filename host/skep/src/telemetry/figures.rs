//! Figures that each thread keeps for itself.
//!
//! The exporter keeps every sample of a histogram until somebody folds them into buckets, in a queue that all threads write to, as
//! they do to a counter; those of each call are a good part of what a short call takes. These histograms have fixed buckets, so a
//! sample is an addition, and each thread has numbers of its own, which are added up when they are asked for.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use metrics::{
    Counter, CounterFn, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};
use metrics_exporter_prometheus::formatting::{sanitize_description, sanitize_label_key, sanitize_label_value};
use thread_local::ThreadLocal;

/// Some figures by their names, and a recorder of everything else.
pub(super) struct WithFigures<R> {
    pub(super) others: R,
    pub(super) figures: Arc<Figures>,
}

/// Figures of a few names.
pub(super) struct Figures(Vec<Family>);

/// What a figure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Histogram,
}

/// All figures of one name.
struct Family {
    name: &'static str,
    kind: Kind,
    /// The upper bounds of a histogram's buckets, in their order; the last bucket has none. A counter has only that one.
    bounds: &'static [f64],
    description: OnceLock<SharedString>,
    // Taken when a figure is made, and when all are shown.
    series: Mutex<HashMap<Key, Arc<Series>>>,
}

/// A histogram or a counter.
struct Series {
    bounds: &'static [f64],
    threads: ThreadLocal<Share>,
}

/// What one thread has recorded; nobody else writes it. It shares no cache line with another's: the allocator gives each thread small
/// blocks of its own pages.
#[repr(align(128))]
struct Share {
    buckets: Box<[AtomicU64]>,
    /// The bits of a float.
    sum: AtomicU64,
}

impl Figures {
    /// Those of these names, with the upper bounds of a histogram's buckets in their order.
    pub(super) fn new(families: &[(&'static str, Kind, &'static [f64])]) -> Arc<Self> {
        let family = |(name, kind, bounds): &(&'static str, Kind, &'static [f64])| Family {
            name,
            kind: *kind,
            bounds,
            description: OnceLock::new(),
            series: Mutex::default(),
        };
        Arc::new(Self(families.iter().map(family).collect()))
    }

    fn family(&self, kind: Kind, name: &str) -> Option<&Family> {
        self.0.iter().find(|family| family.kind == kind && family.name == name)
    }

    /// All that was recorded, as Prometheus reads it.
    pub(super) fn render(&self) -> String {
        let mut text = String::new();
        for family in &self.0 {
            // Writing to a string does not fail.
            let _ = family.render(&mut text);
        }
        text
    }
}

impl Family {
    fn describe(&self, description: SharedString) {
        self.description.get_or_init(|| description);
    }

    fn series(&self, key: &Key) -> Arc<Series> {
        let mut series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        let made = || Arc::new(Series { bounds: self.bounds, threads: ThreadLocal::new() });
        Arc::clone(series.entry(key.clone()).or_insert_with(made))
    }

    fn render(&self, text: &mut String) -> std::fmt::Result {
        let series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        let mut series: Vec<_> =
            series.iter().map(|(key, series)| (labels(key), series.buckets(), series.sum())).collect();
        if series.is_empty() {
            return Ok(());
        }
        series.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        let name = self.name;
        if let Some(description) = self.description.get() {
            writeln!(text, "# HELP {name} {}", sanitize_description(description))?;
        }
        let kind = if self.kind == Kind::Counter { "counter" } else { "histogram" };
        writeln!(text, "# TYPE {name} {kind}")?;
        for (labels, buckets, sum) in series {
            let comma = if labels.is_empty() { "" } else { "," };
            let set = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
            if self.kind == Kind::Counter {
                writeln!(text, "{name}{set} {}", buckets.iter().sum::<u64>())?;
                continue;
            }
            let mut count = 0;
            for (at, bucket) in buckets.iter().enumerate() {
                count += bucket;
                match self.bounds.get(at) {
                    Some(bound) => writeln!(text, "{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {count}")?,
                    None => writeln!(text, "{name}_bucket{{{labels}{comma}le=\"+Inf\"}} {count}")?,
                }
            }
            writeln!(text, "{name}_sum{set} {sum}\n{name}_count{set} {count}")?;
        }
        text.push('\n');
        Ok(())
    }
}

fn labels(key: &Key) -> String {
    let label = |label: &metrics::Label| {
        format!("{}=\"{}\"", sanitize_label_key(label.key()), sanitize_label_value(label.value()))
    };
    key.labels().map(label).collect::<Vec<_>>().join(",")
}

impl Series {
    fn buckets(&self) -> Vec<u64> {
        let mut all = vec![0; self.bounds.len() + 1];
        for share in &self.threads {
            for (sum, bucket) in all.iter_mut().zip(&share.buckets) {
                *sum += bucket.load(Ordering::Relaxed);
            }
        }
        all
    }

    fn sum(&self) -> f64 {
        self.threads.iter().fold(0.0, |sum, share| sum + f64::from_bits(share.sum.load(Ordering::Relaxed)))
    }
}

impl Series {
    /// The calling thread's share.
    fn own(&self) -> &Share {
        self.threads.get_or(|| Share {
            buckets: (0..=self.bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            sum: AtomicU64::new(0),
        })
    }
}

impl Share {
    fn add(&self, bucket: usize, more: u64) {
        // Loads and stores are enough for what only this thread writes.
        if let Some(bucket) = self.buckets.get(bucket) {
            bucket.store(bucket.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
        }
    }
}

impl CounterFn for Series {
    fn increment(&self, value: u64) {
        self.own().add(0, value);
    }

    /// At least so many: what is missing is this thread's.
    fn absolute(&self, value: u64) {
        let missing = value.saturating_sub(self.buckets().iter().sum());
        self.own().add(0, missing);
    }
}

impl HistogramFn for Series {
    fn record(&self, value: f64) {
        let share = self.own();
        let at = self.bounds.iter().position(|bound| value <= *bound).unwrap_or(self.bounds.len());
        share.add(at, 1);
        let sum = f64::from_bits(share.sum.load(Ordering::Relaxed)) + value;
        share.sum.store(sum.to_bits(), Ordering::Relaxed);
    }
}

impl<R: Recorder> Recorder for WithFigures<R> {
    fn describe_counter(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        match self.figures.family(Kind::Counter, key.as_str()) {
            Some(family) => family.describe(description),
            None => self.others.describe_counter(key, unit, description),
        }
    }

    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.others.describe_gauge(key, unit, description);
    }

    fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        match self.figures.family(Kind::Histogram, key.as_str()) {
            Some(family) => family.describe(description),
            None => self.others.describe_histogram(key, unit, description),
        }
    }

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        match self.figures.family(Kind::Counter, key.name()) {
            Some(family) => Counter::from_arc(family.series(key)),
            None => self.others.register_counter(key, metadata),
        }
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        self.others.register_gauge(key, metadata)
    }

    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        match self.figures.family(Kind::Histogram, key.name()) {
            Some(family) => Histogram::from_arc(family.series(key)),
            None => self.others.register_histogram(key, metadata),
        }
    }
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    fn recorder() -> (WithFigures<impl Recorder>, impl Fn() -> String) {
        let figures = Figures::new(&[("ours", Kind::Histogram, &[1.0, 2.5]), ("our_count", Kind::Counter, &[])]);
        let others = PrometheusBuilder::new().build_recorder();
        let (handle, ours) = (others.handle(), Arc::clone(&figures));
        (WithFigures { others, figures }, move || handle.render() + &ours.render())
    }

    #[test]
    fn what_threads_count_is_added_up() {
        let (recorder, render) = recorder();
        metrics::with_local_recorder(&recorder, || {
            metrics::describe_counter!("our_count", "Is ours");
            let counter = metrics::counter!("our_count", "outcome" => "ok");
            metrics::counter!("our_count").absolute(5);
            let threads = std::sync::Barrier::new(2);
            std::thread::scope(|scope| {
                for more in [1, 2] {
                    let (counter, threads) = (&counter, &threads);
                    scope.spawn(move || {
                        counter.increment(more);
                        threads.wait();
                    });
                }
            });
            counter.absolute(2);
        });
        assert_eq!(
            render(),
            "# HELP our_count Is ours\n# TYPE our_count counter\nour_count 5\nour_count{outcome=\"ok\"} 3\n\n"
        );
    }

    #[test]
    fn what_threads_record_is_added_up_in_buckets() {
        let (recorder, render) = recorder();
        metrics::with_local_recorder(&recorder, || {
            metrics::describe_histogram!("ours", "Has a \\ in it");
            let histogram = metrics::histogram!("ours", "plugin" => "a\"b");
            let _nothing = metrics::histogram!("ours", "plugin" => "b");
            let threads = std::sync::Barrier::new(2);
            std::thread::scope(|scope| {
                for values in [[1.0, 1.5], [2.5, 2.6]] {
                    let (histogram, threads) = (histogram.clone(), &threads);
                    scope.spawn(move || {
                        values.into_iter().for_each(|value| histogram.record(value));
                        threads.wait();
                    });
                }
            });
        });
        assert_eq!(
            render(),
            "# HELP ours Has a \\\\ in it\n\
             # TYPE ours histogram\n\
             ours_bucket{plugin=\"a\\\"b\",le=\"1\"} 1\n\
             ours_bucket{plugin=\"a\\\"b\",le=\"2.5\"} 3\n\
             ours_bucket{plugin=\"a\\\"b\",le=\"+Inf\"} 4\n\
             ours_sum{plugin=\"a\\\"b\"} 7.6\n\
             ours_count{plugin=\"a\\\"b\"} 4\n\
             ours_bucket{plugin=\"b\",le=\"1\"} 0\n\
             ours_bucket{plugin=\"b\",le=\"2.5\"} 0\n\
             ours_bucket{plugin=\"b\",le=\"+Inf\"} 0\n\
             ours_sum{plugin=\"b\"} 0\n\
             ours_count{plugin=\"b\"} 0\n\n"
        );
    }

    #[test]
    fn the_same_name_and_labels_are_one_histogram() {
        let (recorder, render) = recorder();
        metrics::with_local_recorder(&recorder, || {
            for _ in 0..2 {
                metrics::histogram!("ours").record(1.0);
            }
        });
        assert!(render().contains("ours_count 2\n"), "{}", render());
    }

    #[test]
    fn everything_else_goes_to_the_other_recorder() {
        let (recorder, render) = recorder();
        metrics::with_local_recorder(&recorder, || {
            metrics::describe_counter!("counted", "Is counted");
            metrics::counter!("counted").increment(3);
            metrics::gauge!("measured").set(4.0);
            metrics::describe_histogram!("theirs", "Is theirs");
            metrics::histogram!("theirs").record(1.0);
        });
        let text = render();
        for line in
            ["# HELP counted Is counted", "counted 3", "measured 4", "# HELP theirs Is theirs", "theirs_count 1"]
        {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
        assert!(!text.contains("ours"), "{text}");
    }
}
