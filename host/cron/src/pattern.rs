//! What an expression says of local times.

use croner::Direction;
use croner::parser::{CronParser, Seconds, Year};
use jiff::civil::{DateTime, date};
use jiff::tz::TimeZone;

use super::CronError;

/// The longest expression, in bytes: all minutes, hours and days as lists fit in.
const EXPRESSION_BYTES_MAX: usize = 1024;
/// The names of schedules. `@reboot` is no time: who has a use for it reads it before.
pub const NAMES: [&str; 8] =
    ["@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually", "@reboot"];

/// One of the five.
struct Field {
    name: &'static str,
    /// What it may be, for people.
    values: &'static str,
    /// What may stand for numbers.
    words: &'static [&'static str],
}

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

impl Field {
    /// Whether it is of the dialect that all crons have in common. croner also knows signs of others, such as `L`, `W` and `#`.
    fn knows_words_of(&self, field: &str) -> bool {
        field.split([',', '-', '/']).all(|word| {
            let number = (1..=4).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_digit());
            number || word == "*" || self.words.contains(&word)
        })
    }
}

/// The pattern, and whether it says something of every hour.
pub(super) fn parse(expression: &str) -> Result<(croner::Cron, bool), CronError> {
    if expression.len() > EXPRESSION_BYTES_MAX {
        return Err(CronError::TooLong(EXPRESSION_BYTES_MAX));
    }
    let written = expression.trim().to_ascii_lowercase();
    let text = nickname(&written)?;
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
    let fields: Vec<_> = text.split_whitespace().collect();
    let [_, hour, ..] = fields.as_slice() else { return Err(CronError::Fields(fields.len())) };
    if fields.len() != FIELDS.len() {
        return Err(CronError::Fields(fields.len()));
    }
    for (at, (written, field)) in fields.iter().zip(&FIELDS).enumerate() {
        // Each field alone, because croner says what is wrong, but not where.
        let alone: Vec<_> = (0..FIELDS.len()).map(|other| if other == at { written } else { "*" }).collect();
        if !field.knows_words_of(written) || parser.parse(&alone.join(" ")).is_err() {
            let Field { name, values, words: _ } = field;
            return Err(CronError::Field { written: (*written).to_owned(), name, values });
        }
    }
    let pattern = parser.parse(text).map_err(|error| CronError::Pattern(error.to_string()))?;
    // Any time does to begin from, since no schedule has years.
    if next(&pattern, date(2000, 1, 1).at(0, 0, 0, 0), true).is_none() {
        return Err(CronError::Never);
    }
    Ok((pattern, matches!(*hour, "*" | "*/1" | "0-23")))
}

/// A text that a message may show.
pub(super) fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(80).collect()
}

fn nickname(written: &str) -> Result<&str, CronError> {
    match written {
        "@hourly" => Ok("0 * * * *"),
        "@daily" | "@midnight" => Ok("0 0 * * *"),
        "@weekly" => Ok("0 0 * * 0"),
        "@monthly" => Ok("0 0 1 * *"),
        "@yearly" | "@annually" => Ok("0 0 1 1 *"),
        other if other.starts_with('@') => Err(CronError::Name),
        other => Ok(other),
    }
}

/// The first local time that it names from this one on, or behind it.
pub(super) fn next(pattern: &croner::Cron, from: DateTime, inclusive: bool) -> Option<DateTime> {
    find(pattern, from, inclusive, Direction::Forward)
}

/// The last local time that it names until this one, including it.
pub(super) fn last(pattern: &croner::Cron, until: DateTime) -> Option<DateTime> {
    find(pattern, until, true, Direction::Backward)
}

/// A local time is handed over as if it were UTC, where none is missing and none comes twice.
fn find(pattern: &croner::Cron, at: DateTime, inclusive: bool, direction: Direction) -> Option<DateTime> {
    let at = at.to_zoned(TimeZone::UTC).ok()?;
    let found = match direction {
        Direction::Forward => pattern.find_next_occurrence(&at, inclusive),
        Direction::Backward => pattern.find_previous_occurrence(&at, inclusive),
    };
    found.ok().map(|found| found.datetime())
}
