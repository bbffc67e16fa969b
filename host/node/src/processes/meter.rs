//! What happens to processes, counted and told: metrics by kind, events for operators, log lines.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use metrics::{Counter, Histogram};
use parking_lot::RwLock;
use skep_process::{Happened, Pid, ProcessObserver, ProcessState, Processes};
use skep_supervision::{Bus, EventKind, ExitReason};
use skep_types::{Clock, PluginName};

use crate::guard::plugin_path;

/// The counter of what happened to processes, by plugin, kind and event.
const EVENTS: &str = "skep_process_events_total";
/// How long waking took, in seconds, by plugin and kind.
const WAKE: &str = "skep_process_wake_seconds";
/// Processes in memory, by plugin, kind and state.
const PROCESSES: &str = "skep_processes";
/// Bytes of the states of processes that sleep.
const STATE_BYTES: &str = "skep_process_state_bytes";
/// Instances that are processes.
const LIVE: &str = "skep_process_instances";
/// Instances that processes have left.
const RESTING: &str = "skep_process_instances_resting";

/// Says what the metrics mean; told to the recorder once.
pub(crate) fn describe() {
    metrics::describe_counter!(EVENTS, "What happened to processes, by kind and event");
    metrics::describe_histogram!(
        WAKE,
        metrics::Unit::Seconds,
        "Time from the wish to wake a process to its first message"
    );
    metrics::describe_gauge!(PROCESSES, "Processes in memory, by kind and state");
    metrics::describe_gauge!(STATE_BYTES, metrics::Unit::Bytes, "Bytes of the states of all processes that sleep");
    metrics::describe_gauge!(LIVE, "Instances that are processes, of all plugins");
    metrics::describe_gauge!(RESTING, "Instances that processes which sleep have left, for those which wake");
}

/// The engine's observer.
pub(super) struct Told {
    bus: Bus,
    clock: Arc<dyn Clock>,
    kinds: RwLock<HashMap<KindName, Arc<Handles>>>,
}

/// A plugin, and the name of its kind.
type KindName = (PluginName, Arc<str>);

/// The handles of a kind, looked up once.
struct Handles {
    path: Arc<str>,
    wake: Histogram,
    counters: [Counter; EVENT_NAMES.len()],
}

/// The events that are counted, as the label says.
const EVENT_NAMES: [&str; 17] = [
    "started",
    "returned",
    "ended",
    "crashed",
    "restarted",
    "backing-off",
    "healed",
    "gave-up",
    "hibernated",
    "woke",
    "left-memory",
    "upgraded",
    "upgrade-failed",
    "rolled-back",
    "quarantined",
    "refused",
    "not-committed",
];

/// The name of what happened. Whatever made a message come to nothing is one of two: its mailbox, or the store.
const fn name(what: &Happened) -> &'static str {
    match what {
        Happened::Started => "started",
        Happened::Returned => "returned",
        Happened::Ended(_) => "ended",
        Happened::Crashed(_) => "crashed",
        Happened::Restarted => "restarted",
        Happened::BackingOff { .. } => "backing-off",
        Happened::Healed => "healed",
        Happened::GaveUp { .. } => "gave-up",
        Happened::Hibernated { .. } => "hibernated",
        Happened::Woke { .. } => "woke",
        Happened::LeftMemory => "left-memory",
        Happened::Upgraded { .. } => "upgraded",
        Happened::UpgradeFailed(_) => "upgrade-failed",
        Happened::RolledBack => "rolled-back",
        Happened::Quarantined(_) => "quarantined",
        Happened::Conflict | Happened::NotCommitted(_) => "not-committed",
        _ => "refused",
    }
}

impl Told {
    pub(super) fn new(bus: Bus, clock: Arc<dyn Clock>) -> Self {
        Self { bus, clock, kinds: RwLock::default() }
    }

    fn handles(&self, pid: &Pid) -> Arc<Handles> {
        let key = (pid.plugin.clone(), Arc::clone(&pid.kind));
        if let Some(known) = self.kinds.read().get(&key) {
            return Arc::clone(known);
        }
        let labels = |event: &'static str| {
            [("plugin", pid.plugin.to_string()), ("kind", pid.kind.to_string()), ("event", event.to_owned())]
        };
        let handles = Handles {
            path: format!("{}/processes/{}", plugin_path(&pid.plugin), pid.kind).into(),
            wake: metrics::histogram!(WAKE, "plugin" => pid.plugin.to_string(), "kind" => pid.kind.to_string()),
            counters: EVENT_NAMES.map(|event| metrics::counter!(EVENTS, &labels(event))),
        };
        Arc::clone(self.kinds.write().entry(key).or_insert_with(|| Arc::new(handles)))
    }

    fn tell(&self, handles: &Handles, pid: &Pid, event: EventKind) {
        let path = format!("{}/{}", handles.path, pid.number);
        self.bus.publish(self.clock.wall(), path.into(), event);
    }
}

impl ProcessObserver for Told {
    fn happened(&self, pid: &Pid, what: &Happened) {
        let handles = self.handles(pid);
        let event = name(what);
        if let Some(at) = EVENT_NAMES.iter().position(|known| *known == event)
            && let Some(counter) = handles.counters.get(at)
        {
            counter.increment(1);
        }
        match what {
            Happened::Woke { took } => handles.wake.record(*took),
            Happened::Crashed(crash) => {
                let reason = ExitReason::failed(crash.reason.as_str().to_owned());
                self.tell(&handles, pid, EventKind::Exited { reason });
            }
            Happened::Restarted => self.tell(&handles, pid, EventKind::Restarting),
            Happened::BackingOff { round, delay } => {
                self.tell(&handles, pid, EventKind::BackingOff { round: *round, delay: *delay });
            }
            Happened::Healed => self.tell(&handles, pid, EventKind::Healed),
            Happened::GaveUp { rounds } => self.tell(&handles, pid, EventKind::GaveUp { rounds: *rounds }),
            Happened::UpgradeFailed(crash) => {
                tracing::warn!(process = %pid, "it goes on with the revision before: {crash}");
            }
            Happened::RolledBack => tracing::info!(process = %pid, "it is back at what it was before the upgrade"),
            Happened::Quarantined(why) => {
                tracing::error!(process = %pid, "what is kept of the process does not load, and stays in the store: {why}");
            }
            Happened::MessageFailed(why) => tracing::warn!(process = %pid, "a message failed: {why}"),
            Happened::NotCommitted(error) => {
                tracing::warn!(process = %pid, %error, "what a message did was not committed");
            }
            _ => {}
        }
    }
}

/// Brings the gauges up to date, before they are read.
pub(super) fn measure(processes: &Processes, resting: usize) {
    for counts in processes.counts() {
        for (state, count) in ProcessState::ALL.into_iter().zip(counts.states) {
            let labels = [
                ("plugin", counts.plugin.to_string()),
                ("kind", counts.kind.to_string()),
                ("state", state.as_str().to_owned()),
            ];
            metrics::gauge!(PROCESSES, &labels).set(count as f64);
        }
    }
    let totals = processes.totals();
    metrics::gauge!(STATE_BYTES).set(totals.state_bytes as f64);
    metrics::gauge!(LIVE).set(totals.live as f64);
    metrics::gauge!(RESTING).set(resting as f64);
}

/// How long a process that is told to stop has, before it is cut off.
pub(super) const STOP: Duration = Duration::from_secs(5);
