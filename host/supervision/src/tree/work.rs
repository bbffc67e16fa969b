//! Starting children in order and stopping them in reverse, one at a time.

use std::collections::VecDeque;
use std::time::Instant;

use super::children::{Place, Process};
use super::{Action, Beyond, Pending, Phase, Refused, Run, Shutdown, Ticket, Tree};
use crate::events::EventKind;
use crate::exit::ExitReason;

/// What a supervisor is busy with.
#[derive(Debug)]
pub(super) enum Work {
    Starting {
        left: VecDeque<Place>,
        current: Option<(Place, Run)>,
        purpose: Purpose,
    },
    Stopping {
        /// In start order; taken from the back.
        left: Vec<Place>,
        current: Option<Stopping>,
        then: Then,
    },
}

#[derive(Debug)]
pub(super) struct Stopping {
    place: Place,
    run: Run,
    /// When it is killed. `None` once it was, and for a child that has all the time.
    pub(super) kill_at: Option<Instant>,
}

/// Why children are started, which decides what a failure means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// All that are wanted: the first time, or after a backoff.
    Round,
    /// After a failure.
    Restart,
    /// `start_child`; the child is new.
    New(Ticket),
    /// `restart_child`.
    Again(Ticket),
}

/// What follows when the children are stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Then {
    StartFrom(Place),
    BackOff,
    End(ExitReason),
    /// `terminate_child`.
    Reply(Ticket),
}

impl Tree {
    pub(super) fn begin_start(&mut self, left: VecDeque<Place>, purpose: Purpose) {
        self.work = Some(Work::Starting { left, current: None, purpose });
    }

    pub(super) fn begin_stop(&mut self, left: Vec<Place>, then: Then) {
        self.work = Some(Work::Stopping { left, current: None, then });
    }

    pub(super) fn begin_stop_all(&mut self, then: Then) {
        let all = self.children.all().map(|(place, _)| place).collect();
        self.begin_stop(all, then);
    }

    /// Starts every child that is wanted.
    pub(super) fn start_round(&mut self, purpose: Purpose) {
        let wanted = self.children.all().filter(|(_, member)| member.wanted).map(|(place, _)| place).collect();
        self.begin_start(wanted, purpose);
    }

    /// Turns to the end, unless it is on its way or a child is just stopping, which is waited for.
    pub(super) fn begin_end(&mut self) {
        match &self.work {
            _ if self.phase == Phase::Ended => return,
            Some(Work::Stopping { .. }) => return,
            Some(Work::Starting { purpose: Purpose::New(ticket) | Purpose::Again(ticket), .. }) => {
                self.actions.push(Action::Reply(*ticket, Err(Refused::Ended)));
            }
            Some(Work::Starting { .. }) | None => {}
        }
        self.begin_stop_all(Then::End(ExitReason::Shutdown));
    }

    /// Goes on with the work; true if it has to wait for an input.
    pub(super) fn step(&mut self, now: Instant) -> bool {
        match self.work.take() {
            None => false,
            Some(Work::Starting { left, current, purpose }) => self.step_start(now, left, current, purpose),
            Some(Work::Stopping { left, current, then }) => self.step_stop(now, left, current, then),
        }
    }

    fn step_start(
        &mut self,
        now: Instant,
        mut left: VecDeque<Place>,
        current: Option<(Place, Run)>,
        purpose: Purpose,
    ) -> bool {
        if current.is_some() {
            self.work = Some(Work::Starting { left, current, purpose });
            return true;
        }
        let Some(place) = left.pop_front() else {
            if let Purpose::New(ticket) | Purpose::Again(ticket) = purpose {
                self.actions.push(Action::Reply(ticket, Ok(())));
            }
            self.calm_since = now;
            return false;
        };
        let Some(child) = self.children.get(place).map(|member| member.spec.id.clone()) else {
            self.work = Some(Work::Starting { left, current: None, purpose });
            return false;
        };
        let run = Run(self.next_run);
        self.next_run += 1;
        self.children.live(place, run, now);
        let added_by = match purpose {
            Purpose::New(ticket) => Some(ticket),
            Purpose::Round | Purpose::Restart | Purpose::Again(_) => None,
        };
        self.actions.push(Action::Start { child, run, added_by });
        self.work = Some(Work::Starting { left, current: Some((place, run)), purpose });
        true
    }

    fn step_stop(&mut self, now: Instant, mut left: Vec<Place>, current: Option<Stopping>, then: Then) -> bool {
        if current.is_some() {
            self.work = Some(Work::Stopping { left, current, then });
            return true;
        }
        while let Some(place) = left.pop() {
            let Some(member) = self.children.get_mut(place) else { continue };
            let Process::Live(run) = member.process else {
                self.children.settle(place, now);
                continue;
            };
            if let Some(reason) = member.ended.take() {
                self.stopped(now, place, reason);
                continue;
            }
            let kill_at = match member.spec.shutdown {
                Shutdown::Timeout(limit) => now.checked_add(limit),
                Shutdown::BrutalKill | Shutdown::Infinity => None,
            };
            let brutal = member.spec.shutdown == Shutdown::BrutalKill;
            self.actions.push(if brutal { Action::Kill(run) } else { Action::Stop(run) });
            self.work = Some(Work::Stopping { left, current: Some(Stopping { place, run, kill_at }), then });
            return true;
        }
        self.after_stop(now, then);
        false
    }

    fn after_stop(&mut self, now: Instant, then: Then) {
        match then {
            Then::Reply(ticket) => self.actions.push(Action::Reply(ticket, Ok(()))),
            // The end that `advance` begins next would stop them again.
            Then::StartFrom(_) | Then::BackOff if self.shutting_down => {}
            Then::StartFrom(first) => {
                let all = self.children.from(first).map(|(place, _)| place).collect();
                self.begin_start(all, Purpose::Restart);
            }
            Then::BackOff => self.back_off(now),
            Then::End(reason) => {
                self.phase = Phase::Ended;
                self.event(None, EventKind::Stopped { reason: reason.clone() });
                self.actions.push(Action::Ended(reason));
            }
        }
    }

    /// A child that is being started has been.
    pub(super) fn started(&mut self, run: Run) {
        let Some(Work::Starting { current, .. }) = &mut self.work else { return };
        if let Some((place, _)) = current.take_if(|(_, starting)| *starting == run)
            && let Some(id) = self.children.get(place).map(|member| member.spec.id.clone())
        {
            self.event(Some(id), EventKind::Started);
        }
    }

    /// A run is over: its start failed, or it was being stopped, or it ended by itself.
    pub(super) fn over(&mut self, now: Instant, run: Run, reason: ExitReason) {
        match &mut self.work {
            Some(Work::Starting { current, .. }) => {
                if let Some((place, _)) = current.take_if(|(_, starting)| *starting == run) {
                    return self.start_failed(now, place, reason);
                }
            }
            Some(Work::Stopping { current, .. }) => {
                if let Some(stopping) = current.take_if(|stopping| stopping.run == run) {
                    return self.stopped(now, stopping.place, reason);
                }
            }
            None => {}
        }
        // In its turn, after whatever the supervisor is doing.
        if let Some(member) = self.children.running(run).and_then(|place| self.children.get_mut(place))
            && member.ended.is_none()
        {
            member.ended = Some(reason);
            self.inbox.push_back(Pending::Exit(run));
        }
    }

    fn stopped(&mut self, now: Instant, place: Place, reason: ExitReason) {
        if let Some(member) = self.children.get_mut(place) {
            member.last_exit = Some(reason.clone());
            let id = member.spec.id.clone();
            self.event(Some(id), EventKind::Stopped { reason });
        }
        self.children.settle(place, now);
    }

    fn start_failed(&mut self, now: Instant, place: Place, reason: ExitReason) {
        let Some(Work::Starting { purpose, .. }) = self.work.take() else { return };
        let Some(member) = self.children.get_mut(place) else { return };
        member.last_exit = Some(reason.clone());
        let id = member.spec.id.clone();
        self.event(Some(id.clone()), EventKind::StartFailed { reason: reason.clone() });
        self.children.down(place, Process::Down, now);
        match (purpose, self.spec.beyond) {
            (Purpose::Round, Beyond::Escalate) => {
                let what = format!("child `{id}` did not start: {reason}");
                self.begin_stop_all(Then::End(ExitReason::failed(what)));
            }
            (Purpose::Round, Beyond::Backoff(_)) => self.begin_stop_all(Then::BackOff),
            // As OTP's `try_again_restart`: what has come meanwhile has its turn first.
            (Purpose::Restart, _) => {
                self.children.down(place, Process::Restarting, now);
                self.inbox.push_back(Pending::TryAgain(place));
            }
            (Purpose::New(ticket), _) => {
                self.children.remove(place);
                self.actions.push(Action::Reply(ticket, Err(Refused::StartFailed(reason))));
            }
            (Purpose::Again(ticket), _) => {
                self.actions.push(Action::Reply(ticket, Err(Refused::StartFailed(reason))));
            }
        }
    }

    /// Kills the child that has not stopped in its time.
    pub(super) fn kill_if_due(&mut self, now: Instant) {
        if let Some(Work::Stopping { current: Some(stopping), .. }) = &mut self.work
            && stopping.kill_at.take_if(|at| *at <= now).is_some()
        {
            self.actions.push(Action::Kill(stopping.run));
        }
    }
}
