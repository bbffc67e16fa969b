//! `[plugins.NAME.processes.KIND]`: stateful processes, what survives what, and how many there may be.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use skep_types::{HandlerName, Limits};

use crate::jobs;
use crate::read::{Item, Section, join};
use crate::supervision::SupervisionConfig;
pub use access::{ProcessAccess, ProcessSelector};
pub use host::{HostProcessesConfig, Machine};
pub use persistence::Persistence;
pub use start::{StaticProcess, Strategy};

pub(crate) mod access;
mod host;
mod persistence;
mod start;

const MILLISECOND: Duration = Duration::from_millis(1);
/// A message that takes longer than a day is a job, not a message.
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Kinds of a plugin: each is code of its own, so nobody has hundreds.
const KINDS_MAX: usize = 64;

/// One kind of a plugin's processes. A kind that the manifest does not name has the defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessConfig {
    /// What of a process survives what. Default: sleep and upgrades, but neither a crash nor a restart of the host.
    pub persistence: Persistence,
    /// When a process that ended is started again. Default: after a crash.
    pub restart: ProcessRestart,
    /// How often one process is started again, and what follows when that is not enough. Default, key by key: what the
    /// plugin's `supervision` says.
    pub supervision: SupervisionConfig,
    /// Messages that may wait for one process. Default 1,000, 1 to 1,000,000. One more is refused as `full`.
    pub mailbox: NonZeroU32,
    /// Processes of the kind, awake or asleep. Default 100,000, 1 to 100,000,000. One more is refused as `full`.
    pub max: u64,
    /// How long a process has nothing to do before it goes to sleep. Default 10 s, 1 ms to a day; none: it sleeps only when
    /// others need the room.
    pub hibernate_after: Option<Duration>,
    /// The wall time of one message. Default: `limits.deadline`, 1 ms to a day.
    pub deadline: Duration,
    /// The fuel of one message. Default: `limits.fuel`, at least 1.
    pub fuel: u64,
    /// Processes that are there whenever the plugin is, in the order in which they are started. Default: none, at most 1,000
    /// and `max`.
    pub start: Vec<StaticProcess>,
    /// Which of those are started again with one that fails. Default: it alone.
    pub strategy: Strategy,
}

/// When a process that ended is started again; the words are OTP's. Whatever it says, one that is started again in its
/// place keeps its name, its mailbox and its monitors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ProcessRestart {
    /// After a crash. One that stops in order has ended.
    #[default]
    Transient,
    /// As transient; and one of `start` is started again when it stops in order, too.
    Permanent,
    /// Never.
    Temporary,
}

impl ProcessConfig {
    /// What a kind has of which nothing is said, in a plugin with these settings.
    #[must_use]
    pub fn of(limits: &Limits, supervision: SupervisionConfig) -> Self {
        Self {
            persistence: Persistence::None,
            restart: ProcessRestart::default(),
            supervision,
            mailbox: NonZeroU32::new(1000).expect("it is not zero"),
            max: 100_000,
            hibernate_after: Some(Duration::from_secs(10)),
            deadline: limits.deadline,
            fuel: limits.fuel,
            start: Vec::new(),
            strategy: Strategy::default(),
        }
    }

    fn read(item: &Item<'_>, default: &Self) -> Option<Self> {
        let mut table = item.section()?;
        let mut kind = default.clone();
        table.set("persistence", &mut kind.persistence);
        if let Some(restart) = table.item("restart") {
            kind.restart = ProcessRestart::read(&restart).unwrap_or_default();
        }
        let (supervision, supervision_keys) =
            SupervisionConfig::read_over(table.section("supervision"), default.supervision);
        kind.supervision = supervision;
        let mut mailbox = kind.mailbox.get();
        table.bounded("mailbox", &mut mailbox, 1..=1_000_000);
        kind.mailbox = NonZeroU32::new(mailbox).unwrap_or(kind.mailbox);
        table.bounded("max", &mut kind.max, 1..=100_000_000);
        read_sleep(&mut table, &mut kind.hibernate_after);
        table.bounded("deadline", &mut kind.deadline, MILLISECOND..=DAY);
        table.bounded("fuel", &mut kind.fuel, 1..=u64::MAX);
        if let Some(children) = table.item("start") {
            kind.start = start::read(&children).unwrap_or_default();
            if u64::try_from(kind.start.len()).is_ok_and(|children| children > kind.max) {
                children.fail::<()>(format!("has {} processes; `max` allows {}", kind.start.len(), kind.max));
            }
        }
        table.set("strategy", &mut kind.strategy);
        table.finish_with(&[("supervision", supervision_keys)]);
        Some(kind)
    }
}

/// A duration, or `"never"`.
fn read_sleep(table: &mut Section<'_>, slot: &mut Option<Duration>) {
    const KEY: &str = "hibernate_after";
    let Some(item) = table.item(KEY) else { return };
    if item.value.as_str() == Some("never") {
        *slot = None;
        return;
    }
    let mut after = slot.unwrap_or(DAY);
    table.bounded(KEY, &mut after, MILLISECOND..=DAY);
    *slot = Some(after);
}

impl ProcessRestart {
    fn read(item: &Item<'_>) -> Option<Self> {
        item.word(&[("transient", Self::Transient), ("permanent", Self::Permanent), ("temporary", Self::Temporary)])
    }
}

/// Reads the kinds of a plugin, of which `default` has what is not said.
pub(crate) fn read(item: &Item<'_>, default: &ProcessConfig) -> Option<BTreeMap<HandlerName, ProcessConfig>> {
    let what = "a table for each kind, `[plugins.NAME.processes.KIND]`";
    let kinds = jobs::by_name_with(item, what, "a kind", KINDS_MAX, |kind| ProcessConfig::read(kind, default))?;
    check_names(item, &kinds);
    Some(kinds)
}

/// A name is one process of the plugin, whatever its kind.
fn check_names(item: &Item<'_>, kinds: &BTreeMap<HandlerName, ProcessConfig>) {
    let mut taken = BTreeMap::new();
    for (kind, config) in kinds {
        for (at, child) in config.start.iter().enumerate() {
            if let Some(other) = taken.insert(child.name.as_str(), kind) {
                let path = format!("{}[{at}]", join(&join(&item.path, kind.as_str()), "start"));
                let message = format!("the name `{}` is taken by a process of `{other}`", child.name);
                item.reading.report(&path, message);
            }
        }
    }
}
