//! Metrics and log lines of calls: one counter by outcome, and how long, how much fuel and how much memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use metrics::{Counter, Histogram, Label};
use skep_types::{Call, CallObserver, Failure, FailureKind, PluginName, Usage};
use thread_local::ThreadLocal;

/// The name of the counter of ended calls, by plugin and outcome (`ok` or a failure's code).
pub const CALLS: &str = "skep_calls_total";
/// The name of the histogram of call times, in seconds, by plugin.
pub const SECONDS: &str = "skep_call_seconds";
/// The name of the histogram of fuel burnt, by plugin.
pub const FUEL: &str = "skep_call_fuel";
/// The name of the histogram of peak memory, in bytes, by plugin.
pub const MEMORY: &str = "skep_call_memory_bytes";

/// Says what the metrics mean; told to the recorder once.
pub fn describe() {
    metrics::describe_counter!(CALLS, "Calls that ended, by plugin and outcome");
    metrics::describe_histogram!(SECONDS, metrics::Unit::Seconds, "Time from admission to the end of a call");
    metrics::describe_histogram!(FUEL, "Fuel burnt by a call");
    metrics::describe_histogram!(MEMORY, metrics::Unit::Bytes, "Most memory that a call's instance held");
}

/// The meter of one plugin. Its handles are looked up once: a look-up by name on every call would cost as much as a
/// small guest.
pub struct Meter {
    plugin: PluginName,
    log_calls: bool,
    ok: Counter,
    failed: [Counter; FailureKind::ALL.len()],
    seconds: Histogram,
    fuel: Histogram,
    memory: Histogram,
    // The same for who asks this process and not its metrics.
    threads: ThreadLocal<Share>,
}

/// What the calls that ended on one thread add up to; nobody else writes it. It does not share a cache line with another's.
#[derive(Default)]
#[repr(align(128))]
struct Share {
    calls: AtomicU64,
    failures: AtomicU64,
    fuel: AtomicU64,
}

/// How calls went so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) calls: u64,
    pub(crate) failures: u64,
    pub(crate) fuel: u64,
}

impl Meter {
    /// A meter for a plugin. `log_calls` writes a line for every call, not only for failures.
    #[must_use]
    pub fn new(plugin: PluginName, log_calls: bool) -> Arc<Self> {
        let labels = |outcome: Option<&'static str>| {
            let mut labels = vec![Label::new("plugin", plugin.to_string())];
            labels.extend(outcome.map(|outcome| Label::new("outcome", outcome)));
            labels
        };
        Arc::new(Self {
            ok: metrics::counter!(CALLS, labels(Some("ok"))),
            failed: FailureKind::ALL.map(|kind| metrics::counter!(CALLS, labels(Some(kind.code())))),
            seconds: metrics::histogram!(SECONDS, labels(None)),
            fuel: metrics::histogram!(FUEL, labels(None)),
            memory: metrics::histogram!(MEMORY, labels(None)),
            threads: ThreadLocal::new(),
            log_calls,
            plugin,
        })
    }

    pub(crate) fn tally(&self) -> Tally {
        let mut all = Tally::default();
        for share in &self.threads {
            all.calls += share.calls.load(Ordering::Relaxed);
            all.failures += share.failures.load(Ordering::Relaxed);
            all.fuel += share.fuel.load(Ordering::Relaxed);
        }
        all
    }

    fn add(&self, outcome: Result<u16, &Failure>, fuel: u64) {
        let share = self.threads.get_or_default();
        // Loads and stores are enough for what only this thread writes.
        let add = |to: &AtomicU64, more| to.store(to.load(Ordering::Relaxed) + more, Ordering::Relaxed);
        add(&share.calls, 1);
        add(&share.failures, u64::from(outcome.is_err()));
        add(&share.fuel, fuel);
    }

    fn count(&self, outcome: Result<u16, &Failure>) {
        match outcome {
            Ok(_) => self.ok.increment(1),
            Err(failure) => {
                let at = FailureKind::ALL.iter().position(|kind| *kind == failure.kind);
                if let Some(counter) = at.and_then(|at| self.failed.get(at)) {
                    counter.increment(1);
                }
            }
        }
    }
}

impl CallObserver for Meter {
    fn ended(&self, call: &Call, outcome: Result<u16, &Failure>, usage: Usage) {
        self.count(outcome);
        self.add(outcome, usage.fuel);
        self.seconds.record(usage.wall.as_secs_f64());
        #[allow(clippy::cast_precision_loss)] // A histogram's buckets are far coarser.
        {
            self.fuel.record(usage.fuel as f64);
            self.memory.record(usage.memory as f64);
        }
        let micros = u64::try_from(usage.wall.as_micros()).unwrap_or(u64::MAX);
        match outcome {
            Ok(status) if self.log_calls => tracing::info!(
                target: "call",
                plugin = %self.plugin, request_id = %call.id, status, fuel = usage.fuel, memory = usage.memory, micros,
                "call"
            ),
            Ok(_) => {}
            // Clients come and go: no news in production.
            Err(failure) if failure.kind == FailureKind::ClientGone => tracing::debug!(
                target: "call",
                plugin = %self.plugin, request_id = %call.id, phase = failure.phase.as_str(), micros,
                "the client left"
            ),
            Err(failure) => tracing::warn!(
                target: "call",
                plugin = %self.plugin,
                request_id = %call.id,
                outcome = failure.kind.code(),
                limit = failure.kind.limit(),
                phase = failure.phase.as_str(),
                function = failure.function.as_deref(),
                fuel = usage.fuel,
                memory = usage.memory,
                micros,
                "call failed: {}",
                failure.detail
            ),
        }
    }
}
