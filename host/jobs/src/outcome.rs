//! What came of an attempt, and what becomes of its job: all transitions out of `executing`, in one place.

use std::time::Duration;

use bytes::Bytes;
use skep_store::{Settled, Timestamp};

use crate::backoff;

/// The longest error that is kept of an attempt, in bytes; the rest is cut off. It is for people to read.
pub const ERROR_BYTES_MAX: usize = 4 * 1024;
/// The longest time for which a job can put itself off; a longer one is cut to it.
pub const DELAY_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is done; whoever awaits it can read this.
    Done(Option<Bytes>),
    /// It failed, for a reason that people can read. It is tried again after [`backoff`], if it has attempts left.
    Failed(String),
    /// As [`Failed`](Self::Failed), but after this long, at most [`DELAY_MAX`].
    FailedRetryIn(String, Duration),
    /// Not now: again after this long, at most [`DELAY_MAX`]. The attempt does not count.
    Snooze(Duration),
    /// It should not be done, for a reason that people can read.
    Cancel(String),
    /// It did not come to an end by itself: a trap, a limit, a panic. As [`Failed`](Self::Failed), but counted apart.
    Crashed(String),
    /// It was cut short through no fault of its own. It is available again at once, and the attempt does not count.
    Returned,
}

/// The kind of an [`Outcome`], for counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OutcomeKind {
    /// Done.
    Completed,
    /// Failed or crashed, with attempts left.
    Retryable,
    /// Failed or crashed for the last time.
    Discarded,
    /// Put off by itself.
    Snoozed,
    /// It said that it should not be done.
    Cancelled,
    /// Not finished, through no fault of its own.
    Returned,
    /// Its name is not known.
    Unknown,
    /// An operator cancelled it while it ran, or its lease was lost: what came of it was not kept.
    Lost,
}

impl OutcomeKind {
    /// One word, for labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Retryable => "retryable",
            Self::Discarded => "discarded",
            Self::Snoozed => "snoozed",
            Self::Cancelled => "cancelled",
            Self::Returned => "returned",
            Self::Unknown => "unknown",
            Self::Lost => "lost",
        }
    }
}

impl From<&Settled> for OutcomeKind {
    fn from(settled: &Settled) -> Self {
        match settled {
            Settled::Completed { .. } => Self::Completed,
            Settled::Retryable { .. } => Self::Retryable,
            Settled::Discarded { .. } => Self::Discarded,
            Settled::Snoozed { .. } => Self::Snoozed,
            Settled::Cancelled { .. } => Self::Cancelled,
            Settled::Returned => Self::Returned,
            Settled::Unknown => Self::Unknown,
        }
    }
}

/// Which attempt ended, when, and what is needed to say what follows.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    /// Which one, from 1.
    pub attempt: u16,
    /// How many there may be.
    pub max_attempts: u16,
    /// Wall time.
    pub now: Timestamp,
    /// From 0 to below 1, for the jitter.
    pub random: f64,
    /// The longest output that is kept, in bytes.
    pub output_bytes_max: u64,
}

/// What becomes of the job. An output that is too long discards it at once, since another attempt would only repeat what it
/// did; its error says so.
#[must_use]
pub fn settle(outcome: Outcome, ended: &Ended) -> Settled {
    match outcome {
        Outcome::Done(Some(output)) if output.len() as u64 > ended.output_bytes_max => Settled::Discarded {
            error: format!(
                "it is done, but its output of {} bytes passes the limit of {}",
                output.len(),
                ended.output_bytes_max
            ),
        },
        Outcome::Done(output) => Settled::Completed { output },
        Outcome::Failed(error) | Outcome::Crashed(error) => {
            let wait = backoff::after(ended.attempt, ended.max_attempts, ended.random);
            failed(error, wait, ended)
        }
        Outcome::FailedRetryIn(error, wait) => failed(error, wait, ended),
        Outcome::Snooze(wait) => Settled::Snoozed { run_at: later(ended.now, wait) },
        Outcome::Cancel(reason) => Settled::Cancelled { reason: cut(reason) },
        Outcome::Returned => Settled::Returned,
    }
}

fn failed(error: String, wait: Duration, ended: &Ended) -> Settled {
    let error = cut(error);
    if ended.attempt >= ended.max_attempts {
        Settled::Discarded { error }
    } else {
        Settled::Retryable { error, run_at: later(ended.now, wait) }
    }
}

fn later(now: Timestamp, wait: Duration) -> Timestamp {
    let wait = u64::try_from(wait.min(DELAY_MAX).as_millis()).unwrap_or(u64::MAX);
    now.saturating_add(wait)
}

/// Cuts a text for people to [`ERROR_BYTES_MAX`].
fn cut(mut text: String) -> String {
    if text.len() > ERROR_BYTES_MAX {
        let end = (0..=ERROR_BYTES_MAX).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn outcome() -> impl Strategy<Value = Outcome> {
        let text = || "[aä€]{0,4000}";
        let wait = || any::<u64>().prop_map(Duration::from_millis);
        prop_oneof![
            proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40))
                .prop_map(|o| Outcome::Done(o.map(Bytes::from))),
            text().prop_map(Outcome::Failed),
            (text(), wait()).prop_map(|(text, wait)| Outcome::FailedRetryIn(text, wait)),
            wait().prop_map(Outcome::Snooze),
            text().prop_map(Outcome::Cancel),
            text().prop_map(Outcome::Crashed),
            Just(Outcome::Returned),
        ]
    }

    proptest! {
        #[test]
        fn a_job_is_given_up_exactly_when_its_attempts_are_used_up(
            outcome in outcome(), attempt in 1u16..40, max_attempts in 1u16..40, now: u64, random in 0.0..1.0f64,
        ) {
            let ended = Ended { attempt, max_attempts, now, random, output_bytes_max: 20 };
            let settled = settle(outcome.clone(), &ended);
            let last = attempt >= max_attempts;
            match (&outcome, &settled) {
                (Outcome::Done(output), Settled::Completed { output: kept }) => {
                    prop_assert_eq!(output, kept);
                    prop_assert!(output.as_ref().is_none_or(|output| output.len() <= 20));
                }
                (Outcome::Done(Some(output)), Settled::Discarded { .. }) => prop_assert!(output.len() > 20),
                (Outcome::Failed(was) | Outcome::Crashed(was), Settled::Retryable { error, run_at }) => {
                    prop_assert!(!last && was.starts_with(error.as_str()) && error.len() <= ERROR_BYTES_MAX);
                    prop_assert!(*run_at >= now.saturating_add(16_000));
                }
                (Outcome::FailedRetryIn(_, wait), Settled::Retryable { run_at, .. }) => {
                    prop_assert!(!last);
                    prop_assert_eq!(*run_at, later(now, *wait));
                }
                (Outcome::Failed(_) | Outcome::Crashed(_) | Outcome::FailedRetryIn(..), Settled::Discarded { error }) => {
                    prop_assert!(last && error.len() <= ERROR_BYTES_MAX);
                }
                (Outcome::Snooze(wait), Settled::Snoozed { run_at }) => prop_assert_eq!(*run_at, later(now, *wait)),
                (Outcome::Cancel(_), Settled::Cancelled { .. }) | (Outcome::Returned, Settled::Returned) => {}
                (_, settled) => prop_assert!(false, "{outcome:?} became {settled:?}"),
            }
        }
    }

    #[test]
    fn no_delay_passes_a_year() {
        assert_eq!(later(5, Duration::MAX), 5 + 31_536_000_000);
    }
}
