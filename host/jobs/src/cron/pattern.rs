//! What an expression says of local times.

use croner::Direction;
use croner::parser::{CronParser, Seconds, Year};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::CronError;

/// The longest expression, in bytes: all minutes, hours and days as lists fit in.
const EXPRESSION_BYTES_MAX: usize = 1024;
const NAMES: [&str; 19] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec", "sun", "mon", "tue", "wed",
    "thu", "fri", "sat",
];

/// The pattern, and whether it says something of every hour.
pub(super) fn parse(expression: &str) -> Result<(croner::Cron, bool), CronError> {
    let refused = |why: &str| CronError::Expression(short(expression), why.to_owned());
    if expression.len() > EXPRESSION_BYTES_MAX {
        return Err(refused(&format!("it is longer than {EXPRESSION_BYTES_MAX} bytes")));
    }
    let written = expression.trim().to_ascii_lowercase();
    let fields = nickname(&written).map_err(refused)?;
    let parts: Vec<&str> = fields.split_whitespace().collect();
    let [minute, hour, day, month, weekday] = parts.as_slice() else {
        return Err(refused("it needs five fields: minute, hour, day of the month, month, day of the week"));
    };
    for (field, names) in [(minute, &[][..]), (hour, &[]), (day, &[]), (month, &NAMES[..12]), (weekday, &NAMES[12..])] {
        check(field, names).map_err(|why| refused(&why))?;
    }
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
    let pattern = parser.parse(&fields).map_err(|error| refused(&error.to_string()))?;
    if !happens(day, month, weekday) {
        return Err(CronError::Never(short(expression)));
    }
    Ok((pattern, matches!(*hour, "*" | "*/1" | "0-23")))
}

/// A text that a message may show.
pub(super) fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(80).collect()
}

fn nickname(written: &str) -> Result<String, &'static str> {
    let fields = match written {
        "@hourly" => "0 * * * *",
        "@daily" | "@midnight" => "0 0 * * *",
        "@weekly" => "0 0 * * 0",
        "@monthly" => "0 0 1 * *",
        "@yearly" | "@annually" => "0 0 1 1 *",
        "@reboot" => return Err("`@reboot` is no time"),
        other if other.starts_with('@') => {
            return Err("use @hourly, @daily, @midnight, @weekly, @monthly, @yearly, or @annually");
        }
        other => other,
    };
    Ok(fields.to_owned())
}

/// croner also knows signs of other dialects, such as `L`, `W` and `#`; this is the common one.
fn check(field: &str, names: &[&str]) -> Result<(), String> {
    for word in field.split([',', '-', '/']) {
        let number = !word.is_empty() && word.len() <= 4 && word.bytes().all(|b| b.is_ascii_digit());
        if !(number || word == "*" || names.contains(&word)) {
            return Err(format!("`{field}` is not understood"));
        }
    }
    Ok(())
}

/// Whether there is such a day. Of the 29th of February there is one, and any weekday comes in any month.
fn happens(day: &str, month: &str, weekday: &str) -> bool {
    const LENGTHS: [u8; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    if day == "*" || weekday != "*" {
        return true;
    }
    // What cannot be read here is refused by the parser.
    let first = |item: &str| item.split(['-', '/']).next().and_then(|day| day.parse::<u8>().ok());
    let Some(earliest) = day.split(',').map(|item| first(item).unwrap_or(1)).min() else { return true };
    LENGTHS.iter().zip(1u8..).any(|(length, at)| *length >= earliest && in_month_field(month, at))
}

fn in_month_field(field: &str, month: u8) -> bool {
    let number = |text: &str| {
        let named = NAMES.iter().take(12).position(|name| *name == text).and_then(|at| u8::try_from(at + 1).ok());
        named.or_else(|| text.parse().ok())
    };
    field.split(',').any(|item| {
        let (range, step) = item.split_once('/').map_or((item, 1), |(range, step)| (range, step.parse().unwrap_or(1)));
        let bounds = match range.split_once('-') {
            _ if range == "*" => Some((1, 12)),
            Some((from, to)) => number(from).zip(number(to)),
            None => number(range).map(|at| (at, if step > 1 { 12 } else { at })),
        };
        // As above.
        bounds.is_none_or(|(from, to)| (from..=to).contains(&month) && (month - from).is_multiple_of(step.max(1)))
    })
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
