//! `[plugins.NAME.cron.ENTRY]`: jobs that are inserted by the calendar.
//!
//! Schedules are read by what the jobs engine reads them with.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use skep_cron::{Cron, CronError, NAMES};
use skep_types::HandlerName;
use toml::Value;

use crate::jobs;
use crate::json;
use crate::read::{Item, Read, closest};

/// What a calendar says to a job is a reminder; more than this belongs into the store.
const ARGS_BYTES_MAX: usize = 64 << 10;
/// Schedules of a plugin, as the jobs engine has them at most.
const ENTRIES_MAX: usize = 256;
/// A longer schedule is not said again in a message.
const SHOWN_BYTES_MAX: usize = 200;

/// One entry: a job that is inserted at each tick of a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CronConfig {
    /// When: minute, hour, day of the month, month and day of the week, or a name such as `@daily` (`@reboot`: once after
    /// each start of the host). It can be read, and it happens. Required.
    pub schedule: String,
    /// Whose clock the schedule is read by: a name of the IANA's database that is there. Default `UTC`.
    pub time_zone: String,
    /// Which of the plugin's jobs. Required.
    pub job: HandlerName,
    /// What the job is given, as JSON; at most 64 KiB. Default `{}`, as Oban.
    pub args: String,
    /// The queue that it goes to. Default: what the component says of the job.
    pub queue: Option<HandlerName>,
    /// What becomes of ticks at which no host was there.
    pub missed: Missed,
}

/// What becomes of ticks at which no host was there. The first tick of a new entry is the one that comes next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Missed {
    /// Nothing.
    Skip,
    /// One job for all of them, when a host is there again.
    #[default]
    Once,
    /// A job for each of them, but for no more than the jobs engine makes up for.
    All,
}

/// Reads the entries of a plugin.
pub(crate) fn read(item: &Item<'_>) -> Option<BTreeMap<HandlerName, CronConfig>> {
    jobs::by_name(item, "a table for each entry, `[plugins.NAME.cron.ENTRY]`", "a cron entry", ENTRIES_MAX)
}

impl Read for CronConfig {
    fn read(item: &Item<'_>) -> Option<Self> {
        let mut table = item.section()?;
        let schedule: Option<Schedule> = table.require("schedule", &format!("missing; {}", skep_cron::how()));
        let zone: Option<Zone> = table.get("time_zone");
        let Job(job) = table.require("job", "missing; write which of the plugin's jobs it is").unwrap_or_default();
        let args =
            table.item("args").map_or_else(|| Some("{}".to_owned()), |args| json::read(&args, ARGS_BYTES_MAX, "a job"));
        let queue = table.item("queue").and_then(|queue| jobs::name(&queue, "a queue"));
        let missed = table.get("missed").unwrap_or_default();
        table.finish();
        let time_zone = zone.map_or_else(|| "UTC".to_owned(), |Zone(name)| name);
        let Schedule(schedule) = schedule?;
        Some(Self { schedule, time_zone, job: job?, args: args?, queue, missed })
    }
}

impl Read for Missed {
    fn read(item: &Item<'_>) -> Option<Self> {
        item.word(&[("skip", Self::Skip), ("once", Self::Once), ("all", Self::All)])
    }
}

/// Which job, if that can be read.
#[derive(Default)]
struct Job(Option<HandlerName>);

impl Read for Job {
    fn read(item: &Item<'_>) -> Option<Self> {
        jobs::name(item, "a job").map(|name| Self(Some(name)))
    }
}

/// A schedule that can be read, and that happens.
struct Schedule(String);

impl Read for Schedule {
    fn read(item: &Item<'_>) -> Option<Self> {
        let text = String::read(item)?;
        let written = text.trim();
        match check(written) {
            Err(why) if written.len() > SHOWN_BYTES_MAX => item.fail(why),
            Err(why) => item.fail(format!("`{written}` {why}")),
            Ok(()) => Some(Self(written.to_owned())),
        }
    }
}

/// Checks a schedule.
fn check(text: &str) -> Result<(), String> {
    if text.eq_ignore_ascii_case("@reboot") {
        return Ok(());
    }
    match Cron::new(text, None) {
        Ok(_) => Ok(()),
        Err(CronError::Name) => match closest(&text.to_ascii_lowercase(), NAMES) {
            Some(near) => Err(format!("is not a schedule: did you mean `{near}`?")),
            None => Err(CronError::Name.to_string()),
        },
        Err(error) => Err(error.to_string()),
    }
}

/// A time zone's name, as the database spells it.
struct Zone(String);

impl Read for Zone {
    fn read(item: &Item<'_>) -> Option<Self> {
        let Value::String(text) = item.value else { return item.expected("a time zone such as \"Europe/Berlin\"") };
        if let Ok(zone) = TimeZone::get(text)
            && let Some(name) = zone.iana_name()
        {
            return Some(Self(name.to_owned()));
        }
        let known: Vec<_> = jiff::tz::db().available().map(|name| name.to_string()).collect();
        let hint = closest(text, known.iter().map(String::as_str));
        let hint = hint.map_or_else(
            || "write a name of the IANA's database, such as \"Europe/Berlin\"".to_owned(),
            |near| format!("did you mean `{near}`?"),
        );
        item.fail(format!("`{text}` is not a time zone; {hint}"))
    }
}
