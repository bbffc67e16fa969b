//! Cron expressions, in a time zone: read by the manifest, which says what is wrong with them, and by the jobs engine, which
//! asks them when.
//!
//! The pattern is croner's; what it says of local times becomes moments in `zone`. Times are milliseconds since the Unix epoch.

mod pattern;
mod zone;

use std::fmt;
use std::sync::Arc;

use jiff::tz::TimeZone;

pub use pattern::NAMES;

/// When something happens, again and again.
///
/// Five fields: minute, hour, day of the month, month, day of the week (0 to 7, where both 0 and 7 are Sunday), each `*`, a
/// number, a range `a-b`, `*` or a range with a step `/n`, or a list of these; months and days also by the first three letters of
/// their English names. Where both days are given, either will do. Or one of `@hourly`, `@daily` (`@midnight`), `@weekly`,
/// `@monthly`, `@yearly` (`@annually`).
///
/// Where a time zone puts its clocks forward, a local time that does not exist is taken at the first moment after; where it puts
/// them back, one that comes twice is taken the first time. But what happens every hour goes by the time that passes: it neither
/// doubles at the one nor pauses at the other. So does Vixie's cron.
#[derive(Clone)]
pub struct Cron {
    text: String,
    pattern: Arc<croner::Cron>,
    every_hour: bool,
    zone: TimeZone,
}

/// An expression or a time zone makes no sense. The text goes on from the expression: "`61 3 * * *` is not a schedule: …".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CronError {
    /// It has more bytes than this.
    #[error("is longer than {0} bytes")]
    TooLong(usize),
    /// It has so many fields, and not five.
    #[error("is not a schedule: it has {}; {HOW}", counted(*.0))]
    Fields(usize),
    /// It begins with `@`, and is none of [`NAMES`].
    #[error("is not a schedule: the names are {}", NAMES.join(", "))]
    Name,
    /// One of its fields cannot be read.
    #[error(
        "is not a schedule: `{written}` is no {name}: write {values}, `*`, or several as in \"1,2\", \"1-5\", \"*/2\""
    )]
    Field {
        /// What stands there, in small letters.
        written: String,
        /// Which field it is.
        name: &'static str,
        /// What may stand there.
        values: &'static str,
    },
    /// Something else is wrong with it.
    #[error("is not a schedule: {0}")]
    Pattern(String),
    /// There is no such day, such as the 30th of February.
    #[error("never happens: no year has such a day")]
    Never,
    /// The time zone is not in the database.
    #[error("is in `{0}`, which is not a time zone; names are such as `Europe/Berlin`")]
    Zone(String),
}

const HOW: &str =
    "write minute, hour, day, month and day of the week, such as \"0 3 * * *\", or a name such as \"@daily\"";

fn counted(fields: usize) -> String {
    if fields == 1 { "one field".to_owned() } else { format!("{fields} fields") }
}

/// What a schedule is, for messages of whoever has none.
#[must_use]
pub const fn how() -> &'static str {
    HOW
}

impl Cron {
    /// Reads an expression, for a zone of the IANA database; none: UTC.
    ///
    /// # Errors
    /// Says what is wrong with the one or the other.
    pub fn new(expression: &str, zone: Option<&str>) -> Result<Self, CronError> {
        let (pattern, every_hour) = pattern::parse(expression)?;
        let zone = match zone {
            None => TimeZone::UTC,
            Some(name) => TimeZone::get(name).map_err(|_| CronError::Zone(pattern::short(name)))?,
        };
        Ok(Self { text: expression.trim().to_owned(), pattern: Arc::new(pattern), every_hour, zone })
    }

    /// The first tick after this time.
    ///
    /// None where the calendar ends, in the year 5000.
    #[must_use]
    pub fn next_after(&self, time: u64) -> Option<u64> {
        let time = zone::moment(time)?;
        let tick = if self.every_hour { self.next_passing(time) } else { self.next_local(time) };
        tick.and_then(|tick| u64::try_from(tick.as_millisecond()).ok())
    }

    /// The last tick until this time, including it; none before 1970.
    #[must_use]
    pub fn last_until(&self, time: u64) -> Option<u64> {
        let time = zone::moment(time)?;
        let tick = if self.every_hour { self.last_passing(time) } else { self.last_local(time) };
        tick.and_then(|tick| u64::try_from(tick.as_millisecond()).ok())
    }

    /// The name of its time zone.
    #[must_use]
    pub fn zone(&self) -> &str {
        self.zone.iana_name().unwrap_or("UTC")
    }
}

/// As it was written.
impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cron({:?}, {:?})", self.text, self.zone())
    }
}

impl PartialEq for Cron {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text && self.zone == other.zone
    }
}

#[cfg(test)]
mod tests;
