//! `[plugins.NAME.cron.ENTRY]`: jobs that are inserted by the calendar.
//!
//! Schedules are of the dialect that all crons have in common, as the jobs engine reads them; croner and jiff are what it
//! works with, too.

use std::collections::BTreeMap;

use croner::parser::{CronParser, Seconds, Year};
use jiff::civil::{DateTime, date};
use jiff::tz::TimeZone;
use skep_types::HandlerName;
use toml::Value;

use crate::jobs;
use crate::json;
use crate::read::{Item, Read, closest};

/// What a calendar says to a job is a reminder; more than this belongs into the store.
const ARGS_BYTES_MAX: usize = 64 << 10;
/// Schedules of a plugin, as the jobs engine has them at most.
const ENTRIES_MAX: usize = 256;
/// All minutes, hours and days as lists fit in.
const SCHEDULE_BYTES_MAX: usize = 1024;
const NICKNAMES: [&str; 8] =
    ["@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually", "@reboot"];

/// The fields of a schedule.
const FIELDS: [Field; 5] = [
    Field { name: "minute", values: "0 to 59", words: &[] },
    Field { name: "hour", values: "0 to 23", words: &[] },
    Field { name: "day of the month", values: "1 to 31", words: &[] },
    Field {
        name: "month",
        values: "1 to 12 or jan to dec",
        words: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    },
    Field {
        name: "day of the week",
        values: "0 to 7 or sun to sat",
        words: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
    },
];
const HOW: &str =
    "write minute, hour, day, month and day of the week, such as \"0 3 * * *\", or a name such as \"@daily\"";

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
        let schedule: Option<Schedule> = table.require("schedule", &format!("missing; {HOW}"));
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
        if written.len() > SCHEDULE_BYTES_MAX {
            return item.fail(format!("is longer than {SCHEDULE_BYTES_MAX} bytes"));
        }
        match check(&written.to_ascii_lowercase()) {
            Err(why) => item.fail(format!("`{written}` {why}")),
            Ok(()) => Some(Self(written.to_owned())),
        }
    }
}

/// One of the five.
struct Field {
    name: &'static str,
    /// What it may be, for people.
    values: &'static str,
    /// What may stand for numbers.
    words: &'static [&'static str],
}

impl Field {
    /// Whether it is of the common dialect. croner also knows signs of others, such as `L`, `W` and `#`.
    fn knows_words_of(&self, field: &str) -> bool {
        field.split([',', '-', '/']).all(|word| {
            let number = (1..=4).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_digit());
            number || word == "*" || self.words.contains(&word)
        })
    }
}

/// Checks a schedule in small letters.
fn check(text: &str) -> Result<(), String> {
    if text.starts_with('@') {
        if NICKNAMES.contains(&text) {
            return Ok(());
        }
        let hint = closest(text, NICKNAMES).map(|near| format!("did you mean `{near}`?"));
        let hint = hint.unwrap_or_else(|| format!("the names are {}", NICKNAMES.join(", ")));
        return Err(format!("is not a schedule: {hint}"));
    }
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
    let fields: Vec<_> = text.split_whitespace().collect();
    if fields.len() != FIELDS.len() {
        let number = if fields.len() == 1 { "one field".to_owned() } else { format!("{} fields", fields.len()) };
        return Err(format!("is not a schedule: it has {number}; {HOW}"));
    }
    for (at, (written, field)) in fields.iter().zip(&FIELDS).enumerate() {
        // Each field alone, because croner says what is wrong, but not where.
        let alone: Vec<_> = (0..FIELDS.len()).map(|other| if other == at { written } else { "*" }).collect();
        if !field.knows_words_of(written) || parser.parse(&alone.join(" ")).is_err() {
            let Field { name, values, words: _ } = field;
            return Err(format!(
                "is not a schedule: `{written}` is no {name}: write {values}, `*`, or several as in \"1,2\", \"1-5\", \"*/2\""
            ));
        }
    }
    let cron = parser.parse(text).map_err(|error| format!("is not a schedule: {error}"))?;
    // Any time does to begin from, since no schedule has years.
    let begin: DateTime = date(2000, 1, 1).at(0, 0, 0, 0);
    match cron.find_next_occurrence(&begin, true) {
        Ok(_) => Ok(()),
        Err(_) => Err("never happens: no year has such a day".to_owned()),
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
