//! Processes, over the wire. Times are spans from now, so that no two clocks must agree.

use serde::{Deserialize, Serialize};

use super::words::words;

words! {
    /// What a process is doing.
    ProcessState, "a process has no state" {
        /// Its `init` runs, for the first time or after a crash.
        Starting = "starting",
        /// It lives and has nothing to do.
        Idle = "idle",
        /// It lives and works, or is about to.
        Busy = "busy",
        /// Its state is in memory, and it has no instance.
        Asleep = "asleep",
        /// Its state is in the store only.
        Stored = "stored",
        /// It crashed too often, and is tried again later.
        BackingOff = "backing-off",
        /// It is not tried again until an operator or a new revision says so.
        GaveUp = "gave-up",
        /// What is kept of it does not load.
        Quarantined = "quarantined",
    }
}

words! {
    /// How processes are sorted. Of the same, the one that was started first comes first.
    #[derive(Default)]
    ProcessSort, "processes cannot be sorted by" {
        /// By name, those without one behind the others, by pid.
        #[default]
        Name = "name",
        /// By messages that wait, the most first.
        Mailbox = "mailbox",
        /// By bytes, the most first.
        Memory = "memory",
        /// By messages that were handled, the most first.
        Messages = "messages",
        /// By crashes, the most first.
        Crashes = "crashes",
    }
}

/// Which processes. An absent part says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessFilter {
    /// Whose.
    pub plugin: Option<String>,
    /// Of which kind.
    pub kind: Option<String>,
    /// Those whose names begin so; those without a name never do.
    pub prefix: Option<String>,
    /// In which state.
    pub state: Option<ProcessState>,
}

/// A process in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessStatus {
    /// Who it is, as `shop/cart/0c9k3v8d4m000`; never used again.
    pub pid: String,
    /// Whose.
    pub plugin: String,
    /// Of which kind.
    pub kind: String,
    /// Its name there, if it has one: it is reached as `PLUGIN/NAME`, too.
    pub name: Option<String>,
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
    /// Why it crashed last, gave up or is quarantined, for people.
    pub trouble: Option<String>,
}

/// Processes, in the order that was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessPage {
    /// The processes.
    pub processes: Vec<ProcessStatus>,
    /// How many pass, on all pages.
    pub total: u64,
    /// Where to go on; none at the end. Processes come, go and change their places in between.
    pub cursor: Option<String>,
}

/// A timer of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimerStatus {
    /// Its number.
    pub id: u64,
    /// In how many milliseconds it is due; 0: it is.
    pub due_in_ms: u64,
}

/// Somebody whose end a process wants to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MonitorStatus {
    /// The monitor's number.
    pub reference: u64,
    /// Who it is.
    pub pid: String,
}

/// All that is known of a process. Its lists are as long as a process may have of each: 1,000 timers, 1,000 monitors and
/// links together, 100 topics.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessDetail {
    /// The process.
    #[serde(flatten)]
    pub process: ProcessStatus,
    /// What of it survives what: `none`, `snapshot`, `durable` or `event-log`.
    pub persistence: String,
    /// The version of its state.
    pub version: u32,
    /// Why it goes on with an older revision, if it does: the new one failed.
    pub upgrade_failed: Option<String>,
    /// Whether the state before the last upgrade is there still, for a rollback.
    pub keeps_before: bool,
    /// For how many milliseconds it has had nothing to do.
    pub idle_ms: u64,
    /// In how many milliseconds it is tried again, if it backs off.
    pub again_in_ms: Option<u64>,
    /// Its timers.
    pub timers: Vec<TimerStatus>,
    /// Whom it monitors.
    pub monitors: Vec<MonitorStatus>,
    /// How many monitor it.
    pub watchers: u64,
    /// Whom it is linked to.
    pub links: Vec<String>,
    /// Whether the ends of those come as messages.
    pub traps_exits: bool,
    /// Topics that it listens to.
    pub subscriptions: Vec<String>,
    /// Calls that it has taken and not answered yet.
    pub late: u64,
    /// Whose answer it waits for.
    pub waits_for: Option<String>,
}

/// What is done with a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessOp {
    /// It is cut off in the middle of whatever it does: a crash, after which it is started again if its kind says so.
    Kill,
    /// As kill, and it is started again whatever its kind and its budget say; one that backs off, gave up or is quarantined is
    /// tried again, too.
    Restart,
    /// It ends in order, for good, with the reason `shutdown`; what is kept of it is deleted. It is killed if it takes too long.
    Stop,
}

impl ProcessOp {
    /// Its word, which stands in the URL.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Restart => "restart",
            Self::Stop => "stop",
        }
    }
}

/// A process that something was done with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessDone {
    /// Who it is, or was.
    pub pid: String,
    /// Its name.
    pub name: Option<String>,
}

/// Processes by their state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ProcessCounts {
    /// Their `init` runs.
    pub starting: u64,
    /// They live and have nothing to do.
    pub idle: u64,
    /// They live and work.
    pub busy: u64,
    /// Their states are in memory.
    pub asleep: u64,
    /// Their states are in the store only. Those that nobody has asked for since the host started are not counted.
    pub stored: u64,
    /// They are tried again later.
    pub backing_off: u64,
    /// They are not tried again.
    pub gave_up: u64,
    /// What is kept of them does not load.
    pub quarantined: u64,
}

impl ProcessCounts {
    /// From counts in the order of [`ProcessState::ALL`].
    #[must_use]
    pub const fn of(counts: [u64; 8]) -> Self {
        let [starting, idle, busy, asleep, stored, backing_off, gave_up, quarantined] = counts;
        Self { starting, idle, busy, asleep, stored, backing_off, gave_up, quarantined }
    }

    /// How many are in a state.
    #[must_use]
    pub const fn get(&self, state: ProcessState) -> u64 {
        match state {
            ProcessState::Starting => self.starting,
            ProcessState::Idle => self.idle,
            ProcessState::Busy => self.busy,
            ProcessState::Asleep => self.asleep,
            ProcessState::Stored => self.stored,
            ProcessState::BackingOff => self.backing_off,
            ProcessState::GaveUp => self.gave_up,
            ProcessState::Quarantined => self.quarantined,
        }
    }

    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        ProcessState::ALL.into_iter().fold(0, |sum, state| sum.saturating_add(self.get(state)))
    }
}

/// A kind of processes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KindStatus {
    /// Whose.
    pub plugin: String,
    /// Its name there.
    pub kind: String,
    /// What of its processes survives what: `none`, `snapshot`, `durable` or `event-log`.
    pub persistence: String,
    /// How many there are.
    pub counts: ProcessCounts,
    /// How many there may be.
    pub max: u64,
}

/// The processes of a node together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessTotals {
    /// Those in memory, awake or asleep.
    pub processes: u64,
    /// How many there may be.
    pub processes_max: u64,
    /// Those that have an instance.
    pub live: u64,
    /// How many may have one.
    pub live_max: u64,
    /// Instances that those who went to sleep have left, for those who wake.
    #[serde(default)]
    pub resting: u64,
    /// Bytes of the states in memory.
    pub state_bytes: u64,
    /// The most of them.
    pub state_bytes_max: u64,
    /// Those that wait for a place to wake up in.
    pub waking: u64,
    /// Their timers.
    pub timers: u64,
    /// Messages that were handled since the node started.
    pub messages: u64,
    /// Crashes since the node started.
    pub crashes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_and_sorts_are_written_and_read_as_one_word() {
        for state in ProcessState::ALL {
            assert_eq!(serde_json::to_string(&state).unwrap(), format!("\"{state}\""));
            assert_eq!(state.as_str().parse(), Ok(state));
        }
        for sort in ProcessSort::ALL {
            assert_eq!(serde_json::to_string(&sort).unwrap(), format!("\"{sort}\""));
            assert_eq!(sort.as_str().parse(), Ok(sort));
        }
        let error = "sleeping".parse::<ProcessState>().unwrap_err().to_string();
        assert_eq!(
            error,
            "a process has no state `sleeping`; there are: starting, idle, busy, asleep, stored, backing-off, gave-up, quarantined"
        );
        let error = "cpu".parse::<ProcessSort>().unwrap_err().to_string();
        assert_eq!(error, "processes cannot be sorted by `cpu`; there are: name, mailbox, memory, messages, crashes");
    }

    #[test]
    fn counts_are_in_the_order_of_the_states() {
        let counts = ProcessCounts::of([0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(ProcessState::ALL.map(|state| counts.get(state)), [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(counts.total(), 28);
        let written = serde_json::to_value(counts).unwrap();
        for state in ProcessState::ALL {
            assert_eq!(written[state.as_str()], counts.get(state), "a count is called as its state is");
        }
    }
}
