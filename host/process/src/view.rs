//! What operators see.

use std::sync::Arc;
use std::time::Duration;

use skep_types::PluginName;

use crate::address::Pid;
use crate::behaviour::{MonitorRef, TimerId};
use crate::options::Persistence;
use crate::reason::Reason;

/// What a process is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ProcessState {
    /// Its `init` runs, for the first time or after a crash.
    Starting,
    /// It lives and has nothing to do.
    Idle,
    /// It lives and works, or is about to.
    Busy,
    /// Its state is in memory, it has no instance.
    Asleep,
    /// Its state is in the store only.
    Stored,
    /// It crashed too often and is tried again later.
    BackingOff,
    /// It is not tried again until an operator or a new revision says so.
    GaveUp,
    /// What is kept of it does not load.
    Quarantined,
}

impl ProcessState {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Starting,
        Self::Idle,
        Self::Busy,
        Self::Asleep,
        Self::Stored,
        Self::BackingOff,
        Self::GaveUp,
        Self::Quarantined,
    ];

    /// As it is shown.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Idle => "idle",
            Self::Busy => "busy",
            Self::Asleep => "asleep",
            Self::Stored => "stored",
            Self::BackingOff => "backing-off",
            Self::GaveUp => "gave-up",
            Self::Quarantined => "quarantined",
        }
    }
}

/// A process in a list.
#[derive(Clone, Debug, PartialEq)]
pub struct ProcessView {
    /// Who it is.
    pub pid: Pid,
    /// Its name.
    pub name: Option<Arc<str>>,
    /// What it is doing.
    pub state: ProcessState,
    /// Messages that wait.
    pub mailbox: u64,
    /// Bytes of its instance, or of its state while it sleeps.
    pub memory: u64,
    /// Messages that it handled.
    pub messages: u64,
    /// How often it crashed.
    pub crashes: u64,
    /// Why it crashed last, gave up, or is quarantined.
    pub trouble: Option<Reason>,
}

/// All about one process.
#[derive(Clone, Debug, PartialEq)]
pub struct Inspection {
    /// As in a list.
    pub view: ProcessView,
    /// What survives what.
    pub persistence: Persistence,
    /// The version of its behaviour.
    pub version: u32,
    /// Whether it goes on with an older revision, because the new one failed: why.
    pub upgrade_failed: Option<Reason>,
    /// Whether the state before an upgrade is kept, for a rollback.
    pub keeps_before: bool,
    /// How long it has had nothing to do.
    pub idle: Duration,
    /// When it is tried again, if it backs off.
    pub again_in: Option<Duration>,
    /// Its timers, and when they are due.
    pub timers: Vec<(TimerId, Duration)>,
    /// Whom it monitors.
    pub monitors: Vec<(MonitorRef, Pid)>,
    /// How many monitor it.
    pub watchers: usize,
    /// Whom it is linked to.
    pub links: Vec<Pid>,
    /// Whether the ends of those come as messages.
    pub traps_exits: bool,
    /// Topics that it listens to.
    pub subscriptions: Vec<Arc<str>>,
    /// Calls that it has not answered yet.
    pub late: usize,
    /// Whose answer it waits for.
    pub waits_for: Option<Pid>,
}

/// How a list of processes is sorted; what is most comes first, and of the same, what was started first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// By name, those without a name by pid, behind them.
    #[default]
    Name,
    /// By messages that wait.
    Mailbox,
    /// By bytes.
    Memory,
    /// By messages handled.
    Messages,
    /// By crashes.
    Crashes,
}

/// Which processes are listed.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Of this plugin.
    pub plugin: Option<PluginName>,
    /// Of this kind.
    pub kind: Option<Arc<str>>,
    /// Whose names begin so.
    pub prefix: Option<String>,
    /// That do this.
    pub state: Option<ProcessState>,
    /// In this order.
    pub sort: Sort,
    /// So many of the first are left out: where the page before ended.
    pub skip: usize,
    /// At most so many, and at most 1,000; 0: 1,000.
    pub limit: usize,
}

/// A part of a list for operators.
#[derive(Clone, Debug, PartialEq)]
pub struct ViewPage {
    /// In the order that was asked for.
    pub processes: Vec<ProcessView>,
    /// How many match, on all pages.
    pub total: usize,
}

/// How many processes of a kind do what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KindCounts {
    /// Whose.
    pub plugin: PluginName,
    /// Of which kind.
    pub kind: Arc<str>,
    /// In the order of [`ProcessState::ALL`]. Kept ones that nobody asked for since the host started are not in it.
    pub states: [usize; 8],
}

/// What the engine holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Processes in memory.
    pub processes: usize,
    /// Instances that live.
    pub live: usize,
    /// Bytes of states in memory.
    pub state_bytes: u64,
    /// Wake-ups that wait for a place.
    pub waking: usize,
    /// Timers.
    pub timers: usize,
    /// Messages that were handled since it was opened.
    pub messages: u64,
    /// Crashes since it was opened.
    pub crashes: u64,
}
