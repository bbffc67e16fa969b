//! A process failed: who is told, and what follows.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Turn;
use super::end::tell_order;
use crate::alarms::Alarm;
use crate::behaviour::CallRef;
use crate::budget::Verdict;
use crate::cell::{Stage, Wishes};
use crate::error::{Error, Failure, StartFailure};
use crate::letter::Answer;
use crate::observe::Happened;
use crate::reason::{Crash, Fault, Reason};
use crate::time::nanos;
use skep_supervision::Restart;

/// What a crash leaves.
struct Fallen {
    begun: bool,
    again: bool,
    supervised: bool,
    /// It is to end for good.
    doom: Option<Reason>,
    late: BTreeMap<CallRef, Answer>,
}

impl Turn {
    /// The message in hand is lost, and what was to be answered later; the rest is there when it is started again.
    pub(super) async fn crash(&mut self, crash: Crash) {
        self.lose_instance();
        let options = self.cell.kind.setup.load().options;
        let now = self.core.time.now();
        let failure = Failure::Crashed(crash.reason.clone());
        let Fallen { begun, again, supervised, doom, late } = self.fall(&crash.reason);
        self.answer_hand(&failure);
        for (_, answer) in late {
            answer.give(Err(failure.clone()));
        }
        self.core.crashed.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.tell(&Happened::Crashed(crash.clone()));
        if let Some(doom) = doom {
            return self.end_for_good(doom).await;
        }
        if !begun {
            return self.unborn(crash).await;
        }
        if supervised && !again {
            // Whoever started it sees to what follows; what is kept of it is there then.
            let order = self.take_order();
            self.finish(&crash.reason);
            return tell_order(order, &Ok(()));
        }
        if options.restart == Restart::Temporary && !again {
            return self.end_for_good(crash.reason).await;
        }
        if crash.fault == Fault::Host {
            return self.pause(Error::Unavailable(crash.reason.to_string())).await;
        }
        let verdict = {
            let mut state = self.cell.lock();
            let random = fastrand::f64();
            state.rare().budget.crashed(now, options.intensity, &options.backoff, random)
        };
        match verdict {
            Verdict::Again => {
                self.cell.lock().wishes.add(Wishes::BEGIN);
                self.tell(&Happened::Restarted);
                self.restore().await;
            }
            Verdict::Later { round, delay } => {
                let at = now.saturating_add(nanos(delay));
                self.cell.lock().rare().again_at = at;
                self.at = Stage::BackingOff;
                self.core.alarms.set(at, &self.cell, Alarm::Again);
                self.tell(&Happened::BackingOff { round, delay });
            }
            Verdict::GiveUp { rounds } => self.give_up(&crash.reason, rounds),
        }
    }

    fn fall(&mut self, reason: &Reason) -> Fallen {
        let mut state = self.cell.lock();
        self.cell.cut.store(false, std::sync::atomic::Ordering::Release);
        state.wishes.take(Wishes::DIE);
        let again = state.wishes.take(Wishes::AGAIN);
        let begun = state.begun;
        state.crashes = state.crashes.saturating_add(1);
        self.at = state.revived();
        let rare = state.rare();
        rare.trouble = Some(reason.clone());
        if again {
            rare.budget.forget();
        }
        let doom = rare.doom.take().or_else(|| rare.stop.as_ref().map(|_| Reason::KILLED));
        let late = std::mem::take(&mut rare.late);
        Fallen { begun, again, supervised: state.supervised, doom, late }
    }

    /// It crashed before its `init` had ever returned: it never was.
    async fn unborn(&mut self, crash: Crash) {
        let failure = match crash.fault {
            Fault::Returned => StartFailure::Failed(crash.reason.to_string()),
            Fault::Host => StartFailure::Other(Error::Unavailable(crash.reason.to_string())),
            _ => StartFailure::Crashed(crash.reason.clone()),
        };
        self.end_unborn(failure, crash.reason).await;
    }

    /// It stays, with its name and what is kept of it; but for everybody else it has ended.
    fn give_up(&mut self, reason: &Reason, rounds: u32) {
        self.at = Stage::GaveUp;
        let why = Reason::new(&format!("gave up after {rounds} failed rounds: {reason}"));
        let refused = {
            let mut state = self.cell.lock();
            state.rare().trouble = Some(why.clone());
            state.refuse_calls(&Failure::Crashed(why))
        };
        for (answer, failure) in refused {
            answer.give(Err(failure));
        }
        self.tell(&Happened::GaveUp { rounds });
        self.core.tell_of_end(&self.cell, reason);
    }

    /// The store, or the host, cannot do it now. Calls are told so, everything else waits; it is tried again by the policy, and
    /// whenever somebody calls.
    pub(super) async fn pause(&mut self, why: Error) {
        let (time, refused) = {
            let mut state = self.cell.lock();
            (Self::pause_time(&mut state), state.refuse_calls(&Failure::Other(why)))
        };
        for (answer, failure) in refused {
            answer.give(Err(failure));
        }
        let at = self.core.time.after(time);
        self.core.alarms.set(at, &self.cell, Alarm::Again);
        let now = self.core.time.now();
        let cell = Arc::clone(&self.cell);
        self.rest(cell.lock(), now);
    }

    /// The engine itself failed in the middle of a turn, or its runtime ends: see [`Drop`].
    pub(super) fn broke_off(&mut self) {
        self.rested = true;
        self.lose_instance();
        let reason = Reason::new("the host panicked");
        self.core.end(&self.cell, &reason);
    }
}
