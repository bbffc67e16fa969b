//! What the engine is told when it starts, and what a plugin says of a kind.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use skep_supervision::{Backoff, Intensity, Restart};
use skep_types::ByteSize;

use crate::observe::{ProcessObserver, Silent};
use crate::topics::{Nowhere, Topics};

/// What the engine is told when it starts.
#[derive(Clone)]
pub struct Options {
    /// What bounds it.
    pub limits: Limits,
    /// How long a call waits that names no timeout. Default: 5 s, as GenServer's.
    pub call_timeout: Duration,
    /// How long a stop waits that names no timeout, before the process is killed. Default: 5 s.
    pub stop_timeout: Duration,
    /// How often kept processes are looked at that may have something to do, in case a word was missed. Default: 5 s.
    pub poll: Duration,
    /// How long processes at work may work on when the engine stops. Default: 5 s.
    pub grace: Duration,
    /// Who is told of what happens. Default: nobody.
    pub observer: Arc<dyn ProcessObserver>,
    /// Where processes subscribe. Default: nowhere, which refuses.
    pub topics: Arc<dyn Topics>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            call_timeout: Duration::from_secs(5),
            stop_timeout: Duration::from_secs(5),
            poll: Duration::from_secs(5),
            grace: Duration::from_secs(5),
            observer: Arc::new(Silent),
            topics: Arc::new(Nowhere),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// What bounds the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Instances that live at once, of all kinds that can sleep. Where it is reached the one that has been idle for longest goes
    /// to sleep; if all are at work, wake-ups wait in their order. Default: 10,000.
    pub live_max: usize,
    /// Wake-ups that may wait for that; one more fails with `unavailable`. Default: 100,000.
    pub waking_max: usize,
    /// Processes in memory, awake or asleep. One more that is started is refused as full; one that comes back from the store is
    /// not. Default: 2,000,000.
    pub processes_max: usize,
    /// Processes that live all the time because they cannot be saved. One more is refused as full. Default: 1,000.
    pub unsaved_max: usize,
    /// What all states in memory together may take. Over it, kept ones leave the memory, those that slept for longest first;
    /// where that does not help, starting more is refused as full. Default: 4 GiB.
    pub state_bytes_max: ByteSize,
    /// The longest state, message or argument of one process. Default: 1 MiB.
    pub message_bytes_max: ByteSize,
    /// Timers of one process. One more is refused as full. Default: 1,000.
    pub timers_max: usize,
    /// Monitors and links of one process. One more is refused as full. Those that others have on it do not count here, but
    /// there. Default: 1,000.
    pub links_max: usize,
    /// Subscriptions of one process. One more is refused as full. Default: 100.
    pub subscriptions_max: usize,
    /// Calls that one process may answer later. One more crashes it. Default: 10,000.
    pub late_max: usize,
    /// Processes that move to a new revision at once, while nobody asks for them. Default: 16.
    pub upgrading_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            live_max: 10_000,
            waking_max: 100_000,
            processes_max: 2_000_000,
            unsaved_max: 1000,
            state_bytes_max: ByteSize(4 << 30),
            message_bytes_max: ByteSize::mib(1),
            timers_max: 1000,
            links_max: 1000,
            subscriptions_max: 100,
            late_max: 10_000,
            upgrading_max: 16,
        }
    }
}

/// What a plugin says of one of its kinds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KindOptions {
    /// When a process that crashed is started again. Default: transient, which here is the same as permanent: a process that
    /// ends in order has ended; if it is to be there always, its supervisor starts it. Temporary: never.
    pub restart: Restart,
    /// How many restarts of one process are taken as bad luck. Default: 3 in 5 s.
    pub intensity: Intensity,
    /// What follows when they are more. Default: again after 1, 2, 4 .. 60 s, ten times; then it has given up.
    pub backoff: Backoff,
    /// What survives what.
    pub persistence: Persistence,
    /// When an idle process goes to sleep; none: only to make room for others. Default: 10 s. A wake-up costs some ten
    /// microseconds, so one in ten seconds is a millionth of the time, while an instance is memory that others may want.
    pub hibernate_after: Option<Duration>,
    /// Messages that wait for one process. One more is refused as full; see [`Processes`](crate::Processes) for those that are
    /// not. Default: 1,000.
    pub mailbox: NonZeroU32,
    /// Processes of the kind. One more is refused as full. Default: 100,000.
    pub max: usize,
    /// How long a message may take, which the behaviour has to keep. The engine itself drops it after twice that.
    /// Default: 10 s.
    pub deadline: Duration,
}

impl Default for KindOptions {
    fn default() -> Self {
        Self {
            restart: Restart::Transient,
            intensity: Intensity::default(),
            backoff: Backoff::default(),
            persistence: Persistence::None,
            hibernate_after: Some(Duration::from_secs(10)),
            mailbox: NonZeroU32::new(1000).unwrap_or(NonZeroU32::MIN),
            max: 100_000,
            deadline: Duration::from_secs(10),
        }
    }
}

/// What of a process survives what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Persistence {
    /// Nothing survives a crash: it begins with `init` again. Sleep and upgrades it survives.
    #[default]
    None,
    /// State and timers are written behind. A crash of the process or the host loses at most what the last `every_messages`
    /// messages did, and nothing that is older than `every` and the time that one write takes.
    Snapshot {
        /// After so many messages.
        every_messages: NonZeroU32,
        /// So long after the first message that is not written.
        every: Duration,
    },
    /// State and effects of each message are committed before its answer leaves.
    Durable,
    /// What a message appended is committed before its answer leaves, and replayed at the next start.
    EventLog {
        /// After so many events the state is saved, and the events before are deleted.
        snapshot_every: NonZeroU32,
    },
}

impl Persistence {
    /// Whether it survives the host.
    #[must_use]
    pub const fn is_kept(self) -> bool {
        !matches!(self, Self::None)
    }

    /// Whether each message is committed before its answer leaves.
    #[must_use]
    pub const fn commits(self) -> bool {
        matches!(self, Self::Durable | Self::EventLog { .. })
    }
}
