//! What of a process survives what.

use std::num::NonZeroU32;
use std::time::Duration;

use toml::Value;

use crate::read::{Item, Read, Section};

const HOW: &str =
    "\"none\", \"snapshot\", \"durable\", \"event-log\", or a table such as { snapshot = { every = \"5s\" } }";
const EVERY_MIN: Duration = Duration::from_millis(10);
const EVERY_MAX: Duration = Duration::from_secs(3600);

/// What of a process survives what. Sleep and upgrades it always survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Persistence {
    /// Nothing survives a crash: it begins with `init` again.
    #[default]
    None,
    /// State and timers are written behind. A crash of the process or of the host loses no more than the last
    /// `every_messages` messages did, and nothing that is older than `every` and the time of one write.
    Snapshot {
        /// Messages after which it is written. Default 100, 1 to 1,000,000.
        every_messages: NonZeroU32,
        /// How long after the first message that is not written. Default 5 s, 10 ms to 1 h.
        every: Duration,
    },
    /// State and effects of each message are committed before its answer leaves.
    Durable,
    /// What a message appends is committed before its answer leaves, and replayed at the next start.
    EventLog {
        /// Events after which the state is saved and those before it are deleted. Default 1,000, 1 to 1,000,000.
        snapshot_every: NonZeroU32,
    },
}

impl Persistence {
    /// The word for it, as it stands in a manifest.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Snapshot { .. } => "snapshot",
            Self::Durable => "durable",
            Self::EventLog { .. } => "event-log",
        }
    }

    /// Write-behind with the documented defaults.
    fn snapshot() -> Self {
        Self::Snapshot { every_messages: number(100), every: Duration::from_secs(5) }
    }

    /// An event log with the documented defaults.
    fn event_log() -> Self {
        Self::EventLog { snapshot_every: number(1000) }
    }
}

fn number(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN)
}

impl Read for Persistence {
    fn read(item: &Item<'_>) -> Option<Self> {
        match item.value {
            Value::String(text) => match text.as_str() {
                "none" => Some(Self::None),
                "snapshot" => Some(Self::snapshot()),
                "durable" => Some(Self::Durable),
                "event-log" => Some(Self::event_log()),
                _ => item.fail(format!("`{text}` is not known here; write {HOW}")),
            },
            Value::Table(_) => read_table(item),
            _ => item.expected(HOW),
        }
    }
}

/// The persistence that has settings, under its word.
fn read_table(item: &Item<'_>) -> Option<Persistence> {
    let mut table = item.section()?;
    let snapshot = table.item("snapshot").map(|given| (given.section(), Persistence::snapshot()));
    let event_log = table.item("event-log").map(|given| (given.section(), Persistence::event_log()));
    table.finish();
    match (snapshot, event_log) {
        (Some((section, default)), None) | (None, Some((section, default))) => Some(read_settings(section?, default)),
        (None, None) => item.fail(format!("says nothing; write {HOW}")),
        (Some(_), Some(_)) => item.fail("is one of both: `snapshot` or `event-log`"),
    }
}

fn read_settings(mut table: Section<'_>, default: Persistence) -> Persistence {
    let mut bounded = |key, default: NonZeroU32| {
        let mut count = default.get();
        table.bounded(key, &mut count, 1..=1_000_000);
        number(count)
    };
    let read = match default {
        Persistence::Snapshot { every_messages, mut every } => {
            let every_messages = bounded("every_messages", every_messages);
            table.bounded("every", &mut every, EVERY_MIN..=EVERY_MAX);
            Persistence::Snapshot { every_messages, every }
        }
        Persistence::EventLog { snapshot_every } => {
            Persistence::EventLog { snapshot_every: bounded("snapshot_every", snapshot_every) }
        }
        Persistence::None | Persistence::Durable => default,
    };
    table.finish();
    read
}
