//! What a plugin's revision brings: its queues, its jobs and its schedules.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU32;
use std::time::Duration;

use bytes::Bytes;
use skep_cron::{Cron, CronError};
use skep_store::{Caps, RateCap};
use skep_types::HandlerName;

use crate::error::Error;
use crate::missed::Missed;
use crate::time::millis;

/// Queues of a plugin; one more is refused.
pub const QUEUES_MAX: usize = 64;
/// Names of jobs of a plugin; one more is refused.
pub const DEFINITIONS_MAX: usize = 1000;
/// Schedules of a plugin; one more is refused.
pub const SCHEDULES_MAX: usize = 256;
/// Attempts of a queue at once, on a host or on all; more are refused.
pub const CONCURRENCY_MAX: u32 = 10_000;
/// The least urgent priority.
pub const PRIORITY_MAX: u8 = 9;
/// How often a job is tried whose name is not known and whose author does not say: as Oban's.
pub const MAX_ATTEMPTS: u16 = 20;
/// The queue of a job whose name is not known and whose author does not say.
pub const DEFAULT_QUEUE: &str = "default";

/// What a plugin's revision brings.
#[derive(Clone, Debug, Default)]
pub struct PluginJobs {
    /// How its queues work. One that is missing here works with the defaults: one of a definition, `default`, and any in which
    /// the store still has jobs of the plugin.
    pub queues: BTreeMap<HandlerName, QueueOptions>,
    /// The jobs that it can do.
    pub definitions: Vec<Definition>,
    /// What it does at certain times. Names are the plugin's own.
    pub schedules: BTreeMap<HandlerName, Schedule>,
}

/// How a queue works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueOptions {
    /// Attempts at once on this host, at most [`CONCURRENCY_MAX`]. Default: 10. An operator can scale it.
    pub concurrency: NonZeroU32,
    /// Attempts at once over all hosts of the store, at most [`CONCURRENCY_MAX`]. Default: as many as the hosts' own. Nothing is
    /// promised about which host has them.
    pub global_concurrency: Option<NonZeroU32>,
    /// How often they begin, over all hosts of the store. Default: as often as they can.
    pub rate: Option<RateLimit>,
    /// Nothing begins, whatever an operator says. Default: false.
    pub paused: bool,
}

impl Default for QueueOptions {
    fn default() -> Self {
        Self {
            concurrency: NonZeroU32::new(10).unwrap_or(NonZeroU32::MIN),
            global_concurrency: None,
            rate: None,
            paused: false,
        }
    }
}

impl QueueOptions {
    /// What leases keep to, whatever host they are of.
    pub(crate) fn caps(&self) -> Caps {
        let rate =
            |RateLimit { count, period }: RateLimit| RateCap { count, period_ms: millis(period.max(PERIOD_MIN)) };
        Caps { running_max: self.global_concurrency, rate: self.rate.map(rate) }
    }
}

/// The shortest period: the store knows no shorter time.
pub const PERIOD_MIN: Duration = Duration::from_millis(1);

/// At most so many attempts begin in any stretch of time of this length, over all hosts of the store and over restarts: see
/// [`RateCap`], which says how exact that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// How many.
    pub count: NonZeroU32,
    /// In which time, in whole milliseconds; a shorter one than [`PERIOD_MIN`] counts as that.
    pub period: Duration,
}

/// A job that a revision can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// Tells the plugin's jobs apart.
    pub name: HandlerName,
    /// Where it is put, unless its author says otherwise.
    pub queue: HandlerName,
    /// 0 to 9, low ones first, unless its author says otherwise.
    pub priority: u8,
    /// At least 1, unless its author says otherwise.
    pub max_attempts: u16,
    /// The wall time of an attempt: passed on to the performer.
    pub timeout: Option<Duration>,
}

/// What happens at certain times.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// When.
    pub when: When,
    /// Which job is inserted.
    pub job: HandlerName,
    /// What it is given. It has `cron` and `tick` (RFC 3339) in its meta besides.
    pub args: Bytes,
    /// Another queue than its definition's.
    pub queue: Option<HandlerName>,
    /// Another priority than its definition's.
    pub priority: Option<u8>,
    /// What becomes of ticks at which no host ran.
    pub missed: Missed,
}

/// When something happens.
#[derive(Clone, Debug, PartialEq)]
pub enum When {
    /// At the ticks of an expression.
    Cron(Cron),
    /// Once after each start of a host, when the plugin is first configured: `@reboot`.
    Reboot,
}

impl When {
    /// Reads an expression or `@reboot`, for a zone of the IANA database; none: UTC.
    ///
    /// # Errors
    /// Says what is wrong.
    pub fn new(expression: &str, zone: Option<&str>) -> Result<Self, CronError> {
        if expression.trim().eq_ignore_ascii_case("@reboot") {
            return Ok(Self::Reboot);
        }
        Cron::new(expression, zone).map(Self::Cron)
    }
}

impl PluginJobs {
    /// Whether the service would take it.
    ///
    /// # Errors
    /// [`Error::Invalid`] names what breaks a rule, [`Error::TooLarge`] the limit that is passed.
    pub fn check(&self) -> Result<(), Error> {
        let bounds = [
            (self.all_queues().len(), QUEUES_MAX),
            (self.definitions.len(), DEFINITIONS_MAX),
            (self.schedules.len(), SCHEDULES_MAX),
        ];
        if let Some((_, most)) = bounds.into_iter().find(|(count, most)| count > most) {
            return Err(Error::TooLarge(most as u64));
        }
        for (name, options) in &self.queues {
            if options.concurrency.get() > CONCURRENCY_MAX {
                return Err(invalid(format!("queue `{name}` has a concurrency over {CONCURRENCY_MAX}")));
            }
            if options.global_concurrency.is_some_and(|most| most.get() > CONCURRENCY_MAX) {
                return Err(invalid(format!("queue `{name}` has a global concurrency over {CONCURRENCY_MAX}")));
            }
        }
        let mut names = std::collections::HashSet::new();
        for Definition { name, priority, max_attempts, .. } in &self.definitions {
            if !names.insert(name) {
                return Err(invalid(format!("job `{name}` is defined twice")));
            }
            if *priority > PRIORITY_MAX {
                return Err(invalid(format!("job `{name}` has a priority over {PRIORITY_MAX}")));
            }
            if *max_attempts == 0 {
                return Err(invalid(format!("job `{name}` is never tried: max_attempts is 0")));
            }
        }
        for (name, schedule) in &self.schedules {
            if schedule.priority.is_some_and(|priority| priority > PRIORITY_MAX) {
                return Err(invalid(format!("schedule `{name}` has a priority over {PRIORITY_MAX}")));
            }
        }
        Ok(())
    }

    /// Its queues, those with the defaults included.
    #[must_use]
    pub fn all_queues(&self) -> BTreeMap<HandlerName, QueueOptions> {
        let mut queues = self.queues.clone();
        for definition in &self.definitions {
            queues.entry(definition.queue.clone()).or_default();
        }
        for queue in self.schedules.values().filter_map(|schedule| schedule.queue.as_ref()) {
            queues.entry(queue.clone()).or_default();
        }
        if let Ok(default) = HandlerName::new(DEFAULT_QUEUE) {
            queues.entry(default).or_default();
        }
        queues
    }
}

fn invalid(what: String) -> Error {
    Error::Invalid(what)
}

/// Definitions by their names.
#[derive(Clone, Debug, Default)]
pub(crate) struct Definitions(HashMap<HandlerName, Definition>);

impl Definitions {
    pub(crate) fn new(definitions: Vec<Definition>) -> Self {
        Self(definitions.into_iter().map(|definition| (definition.name.clone(), definition)).collect())
    }

    pub(crate) fn get(&self, name: &HandlerName) -> Option<&Definition> {
        self.0.get(name)
    }

    pub(crate) fn names(&self) -> Vec<HandlerName> {
        self.0.keys().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> HandlerName {
        HandlerName::new(name).unwrap()
    }

    fn definition(priority: u8, max_attempts: u16) -> Definition {
        Definition { name: name("a"), queue: name("mail"), priority, max_attempts, timeout: None }
    }

    #[test]
    fn what_breaks_a_rule_is_named() {
        let with = |definitions: Vec<Definition>| PluginJobs { definitions, ..PluginJobs::default() };
        with(vec![definition(9, 1)]).check().unwrap();
        for bad in [vec![definition(10, 1)], vec![definition(0, 0)], vec![definition(0, 1); 2]] {
            assert!(matches!(with(bad).check(), Err(Error::Invalid(_))));
        }
        let many = NonZeroU32::new(CONCURRENCY_MAX + 1).unwrap();
        for options in [
            QueueOptions { concurrency: many, ..QueueOptions::default() },
            QueueOptions { global_concurrency: Some(many), ..QueueOptions::default() },
        ] {
            let queues = BTreeMap::from([(name("q"), options)]);
            assert!(matches!(PluginJobs { queues, ..PluginJobs::default() }.check(), Err(Error::Invalid(_))));
        }
        let queues = (0..QUEUES_MAX).map(|at| (name(&format!("q{at}")), QueueOptions::default())).collect();
        assert_eq!(PluginJobs { queues, ..PluginJobs::default() }.check(), Err(Error::TooLarge(64)), "and `default`");
    }

    #[test]
    fn every_queue_that_is_named_works() {
        let jobs = PluginJobs { definitions: vec![definition(0, 1)], ..PluginJobs::default() };
        let queues: Vec<_> = jobs.all_queues().into_keys().collect();
        assert_eq!(queues, [name("default"), name("mail")]);
    }
}
