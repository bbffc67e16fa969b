//! What follows when the intensity is exceeded: rounds, healing, and giving up. Not in OTP.

use std::time::Instant;

use super::work::{Purpose, Work};
use super::{Beyond, Phase, Tree};
use crate::events::EventKind;

impl Tree {
    /// All children are stopped after a failure: wait, or give up.
    pub(super) fn back_off(&mut self, now: Instant) {
        let Beyond::Backoff(backoff) = self.spec.beyond else { return };
        if self.rounds >= backoff.rounds {
            self.phase = Phase::GaveUp;
            return self.event(None, EventKind::GaveUp { rounds: self.rounds });
        }
        self.rounds += 1;
        let delay = backoff.delay(self.rounds, self.random.f64());
        // A moment that no clock can reach is as good as never; only a `max` of centuries gets there.
        self.phase = now.checked_add(delay).map_or(Phase::GaveUp, |until| Phase::BackingOff { until });
        self.event(None, EventKind::BackingOff { round: self.rounds, delay });
    }

    pub(super) fn resume(&mut self) {
        if matches!(self.phase, Phase::BackingOff { .. } | Phase::GaveUp) {
            self.rounds = 0;
            self.event(None, EventKind::Resumed);
            self.begin_round();
        }
    }

    fn begin_round(&mut self) {
        self.phase = Phase::Running;
        self.restarts.forget();
        self.start_round(Purpose::Round);
    }

    /// Does what is due by now.
    pub(super) fn keep_time(&mut self, now: Instant) {
        self.kill_if_due(now);
        match self.phase {
            Phase::BackingOff { until } if until <= now && !self.shutting_down => self.begin_round(),
            Phase::Running if self.heals_at().is_some_and(|at| at <= now) => {
                self.rounds = 0;
                self.restarts.forget();
                self.event(None, EventKind::Healed);
            }
            _ => {}
        }
    }

    fn heals_at(&self) -> Option<Instant> {
        match self.spec.beyond {
            Beyond::Backoff(backoff) if self.phase == Phase::Running && self.work.is_none() && self.rounds > 0 => {
                self.calm_since.checked_add(backoff.healthy)
            }
            _ => None,
        }
    }

    /// When it wants a [`Tick`](super::Input::Tick), at the latest. Ask again after each input.
    #[must_use]
    pub fn next_wake(&self) -> Option<Instant> {
        let kill = match &self.work {
            Some(Work::Stopping { current: Some(stopping), .. }) => stopping.kill_at,
            _ => None,
        };
        let round = match self.phase {
            Phase::BackingOff { until } => Some(until),
            _ => None,
        };
        [kill, round, self.heals_at()].into_iter().flatten().min()
    }
}
