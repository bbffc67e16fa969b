//! `[plugins.NAME.supervision]`, `.breaker` and `.probation`: when a plugin's failures have consequences, and which.

use std::time::Duration;

use toml::Value;

use crate::read::{Item, Quantity, Read, Section};

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Below this, one failure of a hundred calls would count.
const RATIO_MIN: Ratio = Ratio(0.01);
const RATIO_MAX: Ratio = Ratio(1.0);

/// `[plugins.NAME.supervision]`: how often the plugin's children are started again. The intensity is OTP's; the rounds
/// are what comes in place of dying upward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SupervisionConfig {
    /// Restarts that may happen within `within`; one more ends the round. Default 3, at most 1,000.
    pub restarts: u32,
    /// The time that restarts are counted over. Default 5 s, 1 ms to 1 h.
    pub within: Duration,
    /// The pause after the first round that ended; it doubles with each, with jitter. Default 1 s, 1 ms to 1 h.
    pub backoff: Duration,
    /// The longest pause. Default 60 s or `backoff`, whichever is more; at most 1 h.
    pub backoff_max: Duration,
    /// How long a round must last to count as healthy and give the budget back. Default 60 s, 1 ms to a day.
    pub healthy: Duration,
    /// Rounds that may fail; then the supervisor has given up until an operator or a new revision comes. Default 10, 1
    /// to 1,000.
    pub rounds: u32,
}

/// `[plugins.NAME.breaker]`: when one of the plugin's stateless handlers (a route, a subscription) is left alone for a
/// while. Each handler has a breaker of its own; all have these settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerConfig {
    /// Whether there are breakers. Default true.
    pub enabled: bool,
    /// The part of the calls that must have failed. Default 0.5, 0.01 to 1.
    pub ratio: Ratio,
    /// The calls that must have ended within `window` before the ratio means anything. Default 20, 1 to 1,000,000.
    pub calls: u32,
    /// The time that calls are counted over. Default 10 s, 1 s to 1 h.
    pub window: Duration,
    /// The clients that failures must have come to, so that one with poisonous requests cannot switch a handler off.
    /// Default 2, 1 to 16: more tell no more, and each failure would cost as many comparisons.
    pub clients: u32,
    /// How long an open breaker stays open before it lets a probe through; it doubles with each probe that fails. Default
    /// 5 s, 1 ms to 1 h.
    pub cool_down: Duration,
    /// The longest time that it stays open. Default 60 s or `cool_down`, whichever is more; at most 1 h.
    pub cool_down_max: Duration,
}

/// `[plugins.NAME.probation]`: when a new revision is rolled back by the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbationConfig {
    /// Whether a new revision is on probation. Default true.
    pub enabled: bool,
    /// How long. Default 60 s, 1 s to a day.
    pub time: Duration,
    /// The calls that must have ended before its failures are compared with its predecessor's. Default 20, 1 to
    /// 1,000,000.
    pub calls: u32,
}

/// A part of a whole, from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Ratio(f64);

// It is never NaN, so it equals itself.
impl Eq for Ratio {}

impl Ratio {
    /// Checks a number; `None` unless it is from 0 to 1.
    #[must_use]
    pub fn new(ratio: f64) -> Option<Self> {
        (0.0..=1.0).contains(&ratio).then_some(Self(ratio))
    }

    /// The number, from 0 to 1.
    #[must_use]
    pub fn get(self) -> f64 {
        self.0
    }
}

impl Default for SupervisionConfig {
    fn default() -> Self {
        Self {
            restarts: 3,
            within: Duration::from_secs(5),
            backoff: SECOND,
            backoff_max: Duration::from_secs(60),
            healthy: Duration::from_secs(60),
            rounds: 10,
        }
    }
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            ratio: Ratio(0.5),
            calls: 20,
            window: Duration::from_secs(10),
            clients: 2,
            cool_down: Duration::from_secs(5),
            cool_down_max: Duration::from_secs(60),
        }
    }
}

impl Default for ProbationConfig {
    fn default() -> Self {
        Self { enabled: true, time: Duration::from_secs(60), calls: 20 }
    }
}

impl SupervisionConfig {
    /// Reads the table over the defaults. Gives its keys too, for suggestions a level higher.
    pub(crate) fn read(table: Section<'_>) -> (Self, Vec<&'static str>) {
        Self::read_over(table, Self::default())
    }

    /// The same, over what else was said.
    pub(crate) fn read_over(mut table: Section<'_>, mut supervision: Self) -> (Self, Vec<&'static str>) {
        // Zero is legitimate here: every crash ends the round.
        table.bounded("restarts", &mut supervision.restarts, 0..=1000);
        table.bounded("within", &mut supervision.within, MILLISECOND..=HOUR);
        table.bounded("backoff", &mut supervision.backoff, MILLISECOND..=HOUR);
        supervision.backoff_max = supervision.backoff_max.max(supervision.backoff);
        table.bounded("backoff_max", &mut supervision.backoff_max, supervision.backoff..=HOUR);
        table.bounded("healthy", &mut supervision.healthy, MILLISECOND..=DAY);
        table.bounded("rounds", &mut supervision.rounds, 1..=1000);
        (supervision, table.finish())
    }
}

impl BreakerConfig {
    /// Reads the table over the defaults. Gives its keys too, for suggestions a level higher.
    pub(crate) fn read(mut table: Section<'_>) -> (Self, Vec<&'static str>) {
        let mut breaker = Self::default();
        table.set("enabled", &mut breaker.enabled);
        table.bounded("ratio", &mut breaker.ratio, RATIO_MIN..=RATIO_MAX);
        table.bounded("calls", &mut breaker.calls, 1..=1_000_000);
        table.bounded("window", &mut breaker.window, SECOND..=HOUR);
        table.bounded("clients", &mut breaker.clients, 1..=16);
        table.bounded("cool_down", &mut breaker.cool_down, MILLISECOND..=HOUR);
        breaker.cool_down_max = breaker.cool_down_max.max(breaker.cool_down);
        table.bounded("cool_down_max", &mut breaker.cool_down_max, breaker.cool_down..=HOUR);
        (breaker, table.finish())
    }
}

impl ProbationConfig {
    /// Reads the table over the defaults. Gives its keys too, for suggestions a level higher.
    pub(crate) fn read(mut table: Section<'_>) -> (Self, Vec<&'static str>) {
        let mut probation = Self::default();
        table.set("enabled", &mut probation.enabled);
        table.bounded("time", &mut probation.time, SECOND..=DAY);
        table.bounded("calls", &mut probation.calls, 1..=1_000_000);
        (probation, table.finish())
    }
}

impl Read for Ratio {
    fn read(item: &Item<'_>) -> Option<Self> {
        let number = match item.value {
            Value::Float(number) => *number,
            Value::Integer(0) => 0.0,
            Value::Integer(1) => 1.0,
            Value::Integer(number) => return item.fail(format!("{number} is not a part of a whole, such as 0.5")),
            _ => return item.expected("a part of a whole, such as 0.5"),
        };
        Self::new(number).or_else(|| item.fail(format!("{number} is not a part of a whole, such as 0.5")))
    }
}

impl Quantity for Ratio {
    fn show(self) -> String {
        self.0.to_string()
    }
}
