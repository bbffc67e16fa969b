//! At most one job of a kind.

use std::time::Duration;

use super::{
    State,
    host::{self, Parts, Replace, States},
};
use crate::clock::millis;

/// What makes a job unique: there is at most one of its name with the same arguments, or the same key, however many
/// callers enqueue it at once.
///
/// [`NewJob::unique_for`](super::NewJob::unique_for) and [`NewJob::unique_by`](super::NewJob::unique_by) are short for most of it.
///
/// ```
/// use std::time::Duration;
/// use skep_sdk::{jobs::Unique, prelude::*};
///
/// #[skep::job]
/// fn index(page: String) -> JobResult {
///     Ok(())
/// }
///
/// // A page that changes all the time is indexed when it has been quiet for a minute.
/// let quiet = Unique::by_args().replace_run_at();
/// let first = index::job(&"home".to_owned()).in_(Duration::from_secs(60)).unique(quiet.clone()).enqueue()?;
/// let second = index::job(&"home".to_owned()).in_(Duration::from_secs(60)).unique(quiet).enqueue()?;
/// assert!(second.was_there && second.id == first.id);
/// # Ok::<_, Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "`NewJob::unique` takes it"]
pub struct Unique {
    pub(super) period: Option<Duration>,
    by: Parts,
    key: Option<String>,
    states: Option<States>,
    replace: Replace,
    replace_in: States,
    refuse: bool,
}

/// States of jobs that have not ended.
const UNFINISHED: [State; 5] =
    [State::Suspended, State::Scheduled, State::Available, State::Executing, State::Retryable];

impl Unique {
    fn by(by: Parts, key: Option<String>) -> Self {
        let replace_in = flags([State::Suspended, State::Scheduled, State::Available, State::Retryable]);
        Self { period: None, by, key, states: None, replace: Replace::empty(), replace_in, refuse: false }
    }

    /// One job of its name with the same arguments.
    pub fn by_args() -> Self {
        Self::by(Parts::ARGS, None)
    }

    /// One job of its name with the same key, whatever its arguments.
    pub fn by_key(key: impl Into<String>) -> Self {
        Self::by(Parts::KEY, Some(key.into()))
    }

    /// One job of its name.
    pub fn by_name() -> Self {
        Self::by(Parts::empty(), None)
    }

    /// Jobs in different queues do not keep each other out.
    pub fn in_queue(mut self) -> Self {
        self.by = self.by | Parts::QUEUE;
        self
    }

    /// A job keeps others out for so long after it was enqueued, even when it is done. By default it does until it has
    /// ended.
    pub fn for_(mut self, period: Duration) -> Self {
        self.period = Some(period);
        self
    }

    /// In which states a job keeps others out. By default in all that are not final; with [`for_`](Self::for_) also when it
    /// is completed.
    pub fn in_states(mut self, states: impl IntoIterator<Item = State>) -> Self {
        self.states = Some(flags(states));
        self
    }

    /// The job that is there gets the arguments of the new one.
    pub fn replace_args(self) -> Self {
        self.replace(Replace::ARGS)
    }

    /// The job that is there gets the time of the new one.
    pub fn replace_run_at(self) -> Self {
        self.replace(Replace::RUN_AT)
    }

    /// The job that is there gets the priority of the new one.
    pub fn replace_priority(self) -> Self {
        self.replace(Replace::PRIORITY)
    }

    /// The job that is there gets the number of attempts of the new one.
    pub fn replace_max_attempts(self) -> Self {
        self.replace(Replace::MAX_ATTEMPTS)
    }

    /// In which states the job that is there is changed; by default in all but executing and the final ones, in which none
    /// ever is.
    pub fn replace_in(mut self, states: impl IntoIterator<Item = State>) -> Self {
        self.replace_in = flags(states);
        self
    }

    /// That there is one is a [`Conflict`](crate::CapabilityError::Conflict), and nothing is enqueued or committed. By default
    /// the one that is there is answered.
    pub fn or_refuse(mut self) -> Self {
        self.refuse = true;
        self
    }

    fn replace(mut self, what: Replace) -> Self {
        self.replace = self.replace | what;
        self
    }

    pub(super) fn key(mut self, key: String) -> Self {
        // The key stands in place of the arguments.
        self.by = if self.by & Parts::QUEUE == Parts::QUEUE { Parts::QUEUE | Parts::KEY } else { Parts::KEY };
        self.key = Some(key);
        self
    }

    pub(super) fn into_wit(self) -> host::Unique {
        let Self { period, by, key, states, replace, replace_in, refuse } = self;
        let unfinished = || flags(UNFINISHED);
        let states = states.unwrap_or_else(|| match period {
            None => unfinished(),
            Some(_) => unfinished() | States::COMPLETED,
        });
        let replace_in = if replace == Replace::empty() { States::empty() } else { replace_in };
        host::Unique { period: period.map(millis), by, key, states, replace_in, replace, refuse }
    }
}

fn flags(states: impl IntoIterator<Item = State>) -> States {
    states.into_iter().fold(States::empty(), |all, state| all | state.flag())
}
