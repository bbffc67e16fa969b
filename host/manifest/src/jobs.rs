//! `[host.jobs]`, `[plugins.NAME.jobs]` and `[plugins.NAME.queues.QUEUE]`: how durable work is done, and how much at once.

use std::collections::BTreeMap;
use std::time::Duration;

use skep_types::HandlerName;
use toml::Value;

use crate::read::{Item, Read, Section, join};

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
/// An attempt that takes longer than a day is a process, not a job.
const DAY: Duration = Duration::from_secs(24 * 3600);
const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
/// Queues of a plugin, as the jobs engine has them at most: each has a loop of its own.
const QUEUES_MAX: usize = 64;

/// `[host.jobs]`: the jobs of all plugins. A change takes effect when the node is restarted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostJobsConfig {
    /// How long a job that completed is kept, for who awaits or looks at it. Default 60 s (as Oban's pruner), 1 s to a year.
    pub keep_completed: Duration,
    /// How long a job is kept that was cancelled or failed for the last time. Default 168 h, 1 s to a year.
    pub keep_failed: Duration,
    /// How long a job stays with a worker that gives no sign of life; a live one extends it, however long the job takes.
    /// Default 6 s, 1 s to 1 h.
    pub lease: Duration,
    /// How long jobs may go on at a shutdown; what is unfinished then is returned, and the attempt does not count. Default
    /// 15 s (as Oban), at most 1 h.
    pub shutdown_grace: Duration,
}

/// `[plugins.NAME.jobs]`: all jobs of a plugin. Fuel, memory and the rest are the plugin's `limits`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobsConfig {
    /// The wall time of one attempt, where the component says none for the job. Default 5 m (Oban's is infinite), 1 ms to a
    /// day.
    pub timeout: Duration,
}

/// One queue of a plugin. A queue that the manifest does not name has the defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueConfig {
    /// Jobs of the queue that may be at work at once on this host, each in an instance of its own. Default 10, 1 to 10,000.
    pub concurrency: u32,
    /// Jobs of the queue that may be at work at once on all hosts of the store. Default: as many as the hosts' own, 1 to 10,000.
    pub global_concurrency: Option<u32>,
    /// How often jobs of the queue may begin, on all hosts of the store. Default: as often as they are let by how many may be
    /// at work.
    pub rate_limit: Option<QueueRate>,
    /// Whether it begins no jobs; those that are inserted wait. Default false.
    pub paused: bool,
}

/// At most so many jobs in any stretch of time of this length: `{ jobs = 100, per = "1m" }`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct QueueRate {
    /// Jobs that may begin, attempts after a failure included. Required, 1 to 1,000,000.
    pub jobs: u32,
    /// The length of the time. Required, 1 ms to 24 h.
    pub per: Duration,
}

impl Default for HostJobsConfig {
    fn default() -> Self {
        Self {
            keep_completed: Duration::from_secs(60),
            keep_failed: 7 * DAY,
            lease: Duration::from_secs(6),
            shutdown_grace: Duration::from_secs(15),
        }
    }
}

impl Default for JobsConfig {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(300) }
    }
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self { concurrency: 10, global_concurrency: None, rate_limit: None, paused: false }
    }
}

impl HostJobsConfig {
    /// Reads the table over the defaults. Gives its keys too, for suggestions a level higher.
    pub(crate) fn read(mut table: Section<'_>) -> (Self, Vec<&'static str>) {
        let mut jobs = Self::default();
        // Not zero: who awaits a job must find it when it has ended.
        table.bounded("keep_completed", &mut jobs.keep_completed, SECOND..=YEAR);
        table.bounded("keep_failed", &mut jobs.keep_failed, SECOND..=YEAR);
        table.bounded("lease", &mut jobs.lease, SECOND..=HOUR);
        // Zero is legitimate here: jobs at work are returned at once.
        table.bounded("shutdown_grace", &mut jobs.shutdown_grace, Duration::ZERO..=HOUR);
        (jobs, table.finish())
    }
}

impl JobsConfig {
    /// Reads the table over the defaults. Gives its keys too, for suggestions a level higher.
    pub(crate) fn read(mut table: Section<'_>) -> (Self, Vec<&'static str>) {
        let mut jobs = Self::default();
        table.bounded("timeout", &mut jobs.timeout, MILLISECOND..=DAY);
        (jobs, table.finish())
    }
}

/// Reads the settings of a plugin's queues.
pub(crate) fn read_queues(item: &Item<'_>) -> Option<BTreeMap<HandlerName, QueueConfig>> {
    by_name(item, "a table for each queue, `[plugins.NAME.queues.QUEUE]`", "a queue", QUEUES_MAX)
}

/// A table whose keys are names of something that jobs have, of which there are not more than `most`.
pub(crate) fn by_name<V: Read>(
    item: &Item<'_>,
    what: &str,
    whose: &str,
    most: usize,
) -> Option<BTreeMap<HandlerName, V>> {
    by_name_with(item, what, whose, most, V::read)
}

/// The same, where values are read by more than what stands there.
pub(crate) fn by_name_with<V>(
    item: &Item<'_>,
    what: &str,
    whose: &str,
    most: usize,
    read: impl Fn(&Item<'_>) -> Option<V>,
) -> Option<BTreeMap<HandlerName, V>> {
    let Value::Table(table) = item.value else { return item.expected(what) };
    if table.len() > most {
        return item.fail(format!("has {} entries; a plugin has at most {most}", table.len()));
    }
    let mut named = BTreeMap::new();
    for (key, value) in table {
        let entry = item.child(join(&item.path, key), value);
        let name = checked_name(&entry, key, whose);
        // The value is read either way, so that all its problems are told.
        let value = read(&entry);
        if let (Some(name), Some(value)) = (name, value) {
            named.insert(name, value);
        }
    }
    Some(named)
}

/// A value that is such a name.
pub(crate) fn name(item: &Item<'_>, whose: &str) -> Option<HandlerName> {
    let Value::String(text) = item.value else { return item.expected(&format!("{whose}'s name")) };
    checked_name(item, text, whose)
}

fn checked_name(item: &Item<'_>, text: &str, whose: &str) -> Option<HandlerName> {
    let name = HandlerName::new(text).ok();
    name.or_else(|| {
        let shown: String = text.chars().filter(|c| !c.is_control()).take(80).collect();
        item.fail(format!("`{shown}` is not {whose}'s name: use 1 to 64 lower-case letters, digits, `-` and `_`"))
    })
}

impl Read for QueueConfig {
    fn read(item: &Item<'_>) -> Option<Self> {
        let mut table = item.section()?;
        let mut queue = Self::default();
        table.bounded("concurrency", &mut queue.concurrency, 1..=10_000);
        if table.item("global_concurrency").is_some() {
            table.bounded("global_concurrency", queue.global_concurrency.insert(1), 1..=10_000);
        }
        queue.rate_limit = table.get("rate_limit");
        table.set("paused", &mut queue.paused);
        table.finish();
        Some(queue)
    }
}

impl Read for QueueRate {
    fn read(item: &Item<'_>) -> Option<Self> {
        const HOW: &str = "{ jobs = 100, per = \"1m\" }";
        if !item.value.is_table() {
            return item.expected(&format!("a table such as {HOW}"));
        }
        let mut table = item.section()?;
        let (has_jobs, has_per) = (table.item("jobs").is_some(), table.item("per").is_some());
        let mut rate = Self { jobs: 1, per: DAY };
        table.bounded("jobs", &mut rate.jobs, 1..=1_000_000);
        table.bounded("per", &mut rate.per, MILLISECOND..=DAY);
        table.finish();
        if !has_jobs {
            return item.fail(format!("has no `jobs`; write how many may begin, as in {HOW}"));
        }
        if !has_per {
            return item.fail(format!("has no `per`; write the time for that many jobs, as in {HOW}"));
        }
        Some(rate)
    }
}
