//! Whether a process that crashed is started again, and when. The rules are those of a supervisor's rounds.

use std::collections::VecDeque;
use std::time::Duration;

use skep_supervision::{Backoff, Intensity};

use crate::time::{NEVER, Tick, nanos};

/// The crashes of a process of late.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    /// When the last restarts were, the oldest first; never more than the intensity allows, and one.
    restarts: VecDeque<Tick>,
    /// Failed rounds in a row.
    pub(crate) rounds: u32,
}

/// What follows a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Again,
    Later { round: u32, delay: Duration },
    GiveUp { rounds: u32 },
}

impl Budget {
    /// A crash. `random` is uniform in 0..1. As in OTP, a restart that is exactly a period old still counts.
    pub(crate) fn crashed(&mut self, now: Tick, intensity: Intensity, backoff: &Backoff, random: f64) -> Verdict {
        self.restarts.push_back(now);
        let period = nanos(intensity.period);
        while self.restarts.front().is_some_and(|at| now.saturating_sub(*at) > period) {
            self.restarts.pop_front();
        }
        if self.restarts.len() <= intensity.restarts as usize {
            return Verdict::Again;
        }
        self.restarts.clear();
        if self.rounds >= backoff.rounds {
            return Verdict::GiveUp { rounds: self.rounds };
        }
        self.rounds += 1;
        Verdict::Later { round: self.rounds, delay: backoff.delay(self.rounds, random) }
    }

    /// When it has been well for long enough to forget the failed rounds; never, if there are none.
    pub(crate) fn heals_at(&self, now: Tick, backoff: &Backoff) -> Tick {
        if self.rounds == 0 { NEVER } else { now.saturating_add(nanos(backoff.healthy)) }
    }

    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Tick = 1_000_000_000;

    #[test]
    fn three_in_five_seconds_are_bad_luck_and_ten_rounds_are_enough() {
        let (intensity, backoff) = (Intensity::default(), Backoff { jitter: 0.0, ..Backoff::default() });
        let mut budget = Budget::default();
        let mut crash = |at| budget.crashed(at, intensity, &backoff, 0.5);
        for at in [0, SECOND, 2 * SECOND] {
            assert_eq!(crash(at), Verdict::Again);
        }
        assert_eq!(crash(5 * SECOND), Verdict::Later { round: 1, delay: Duration::from_secs(1) });
        let mut now = 6 * SECOND;
        for round in 2..=10 {
            (0..3).for_each(|_| assert_eq!(crash(now), Verdict::Again));
            let Verdict::Later { round: found, delay } = crash(now) else { panic!("round {round}") };
            assert_eq!(found, round);
            now += nanos(delay);
        }
        (0..3).for_each(|_| assert_eq!(crash(now), Verdict::Again));
        assert_eq!(crash(now), Verdict::GiveUp { rounds: 10 });
    }

    #[test]
    fn a_slow_crasher_is_started_again_for_ever() {
        let mut budget = Budget::default();
        for at in 0..100 {
            let verdict = budget.crashed(at * 2 * SECOND, Intensity::default(), &Backoff::default(), 0.5);
            assert_eq!(verdict, Verdict::Again);
        }
    }
}
