//! Cron expressions, in a time zone.
//!
//! The pattern is croner's; what it says of local times becomes moments in `zone`.

mod pattern;
mod zone;

use std::fmt;
use std::sync::Arc;

use jiff::tz::TimeZone;
use skep_store::Timestamp;

/// When something happens, again and again.
///
/// Five fields: minute, hour, day of the month, month, day of the week (0 to 7, where both 0 and 7 are Sunday), each `*`, a
/// number, a range `a-b`, any of them with a step `/n`, or a list of these; months and days also by the first three letters of
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

/// An expression or a time zone makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CronError {
    /// What is wrong with the expression.
    #[error("`{0}` is not a cron expression: {1}")]
    Expression(String, String),
    /// There is no such day, such as the 30th of February.
    #[error("`{0}` never happens")]
    Never(String),
    /// The time zone is not in the database.
    #[error("`{0}` is not a time zone; names are such as `Europe/Berlin`")]
    Zone(String),
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
    pub fn next_after(&self, time: Timestamp) -> Option<Timestamp> {
        let time = zone::moment(time)?;
        let tick = if self.every_hour { self.next_passing(time) } else { self.next_local(time) };
        tick.and_then(|tick| u64::try_from(tick.as_millisecond()).ok())
    }

    /// The last tick until this time, including it; none before 1970.
    #[must_use]
    pub fn last_until(&self, time: Timestamp) -> Option<Timestamp> {
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
