//! A supervisor as a state machine: inputs with the time they came at go in, actions in their order come out.
//!
//! It has no clock and starts no task, so every rule can be tested by feeding it. Strategies, restart types, the
//! intensity window, the order of starts and stops and the dynamic children are those of OTP's `supervisor` (stdlib 4),
//! and `tests/otp` holds it to that. Three things differ:
//!
//! - when the intensity is exceeded it can back off instead of ending ([`Beyond`]);
//! - it is never blocked: a shutdown that comes while a child is starting stops that child too, where OTP would wait;
//! - a child whose start fails outside of a restart is part of a failed round, if there are rounds.
//!
//! Like the process that OTP's supervisor is, it does one thing at a time: while it starts or stops children, other
//! exits and commands wait in their order.

mod backoff;
mod children;
mod command;
mod intensity;
mod spec;
mod view;
mod work;

use std::collections::VecDeque;
use std::time::Instant;

use children::{Children, FIRST, Place, Process};
use intensity::Restarts;
use work::{Purpose, Then, Work};

use crate::events::EventKind;
use crate::exit::ExitReason;
pub use command::{Command, Refused, Ticket};
pub use spec::{
    AutoShutdown, Backoff, Beyond, ChildId, ChildKind, ChildSpec, Intensity, Restart, Shutdown, Spec, SpecError,
    Strategy,
};
pub use view::{ChildState, ChildView, TreeState};

/// One life of a child, from a start to its end. Never used twice in a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Run(u64);

/// What a supervisor is told.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// Start the children. Once, and first.
    Boot,
    /// A run that was to be started has.
    Started(Run),
    /// A run that was to be started has not, and is over.
    StartFailed(Run, ExitReason),
    /// A run is over, for whatever reason; this also acknowledges a stop. Exactly once per started run.
    Exited(Run, ExitReason),
    /// Somebody asks for something; the answer comes as [`Action::Reply`] with this ticket.
    Command(Ticket, Command),
    /// Stop all children and end.
    Shutdown,
    /// Start again now, with a fresh budget, if it backs off or has given up.
    Resume,
    /// Time has passed; see [`Tree::next_wake`].
    Tick,
}

/// What is to be done, in this order.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Start a child; answered by `Started` or `StartFailed`.
    Start {
        /// Which.
        child: ChildId,
        /// The run that begins.
        run: Run,
        /// The command that adds this child, if it is new.
        added_by: Option<Ticket>,
    },
    /// Tell a run to stop; answered by `Exited`. Its time limit is kept by the tree.
    Stop(Run),
    /// Cut a run off; answered by `Exited`.
    Kill(Run),
    /// Answer a command.
    Reply(Ticket, Result<(), Refused>),
    /// Something happened, to a child or to the supervisor itself.
    Event(Option<ChildId>, EventKind),
    /// The supervisor is over; all children are.
    Ended(ExitReason),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Phase {
    New,
    Running,
    BackingOff { until: Instant },
    GaveUp,
    Ended,
}

/// What waits until the work in hand is done.
#[derive(Debug)]
enum Pending {
    Exit(Run),
    TryAgain(Place),
    Command(Ticket, Command),
    Resume,
}

/// A supervisor.
#[derive(Debug)]
pub struct Tree {
    spec: Spec,
    children: Children,
    phase: Phase,
    phase_since: Instant,
    work: Option<Work>,
    // Bounded by the children (an exit and a retry each) and by what the driver lets through of commands.
    inbox: VecDeque<Pending>,
    restarts: Restarts,
    /// Failed rounds in a row.
    rounds: u32,
    /// Since when no child was restarted.
    calm_since: Instant,
    shutting_down: bool,
    next_run: u64,
    random: fastrand::Rng,
    actions: Vec<Action>,
}

impl Tree {
    /// A supervisor of these children, to be started in this order by [`Input::Boot`].
    ///
    /// `random` decides the jitter of the backoff, and nothing else.
    pub fn new(spec: Spec, children: Vec<ChildSpec>, random: fastrand::Rng, now: Instant) -> Result<Self, SpecError> {
        let mut members = Children::default();
        for child in children {
            child.check(&spec)?;
            if members.place(&child.id).is_some() {
                return Err(SpecError::Duplicate(child.id));
            }
            members.push(child, now);
        }
        Ok(Self {
            spec,
            children: members,
            phase: Phase::New,
            phase_since: now,
            work: None,
            inbox: VecDeque::new(),
            restarts: Restarts::default(),
            rounds: 0,
            calm_since: now,
            shutting_down: false,
            next_run: 0,
            random,
            actions: Vec::new(),
        })
    }

    /// Takes an input and says what is to be done about it. `now` must not go backwards.
    pub fn handle(&mut self, now: Instant, input: Input) -> Vec<Action> {
        let phase = self.phase;
        match input {
            Input::Boot if self.phase == Phase::New => {
                self.phase = Phase::Running;
                self.start_round(Purpose::Round);
            }
            Input::Boot | Input::Tick => {}
            Input::Started(run) => self.started(run),
            Input::StartFailed(run, reason) | Input::Exited(run, reason) => self.over(now, run, reason),
            Input::Command(ticket, command) => self.inbox.push_back(Pending::Command(ticket, command)),
            Input::Shutdown => self.shutting_down = true,
            Input::Resume => self.inbox.push_back(Pending::Resume),
        }
        self.keep_time(now);
        self.advance(now);
        if self.phase != phase {
            self.phase_since = now;
        }
        std::mem::take(&mut self.actions)
    }

    /// Works until it has to wait for an input.
    fn advance(&mut self, now: Instant) {
        loop {
            if self.shutting_down {
                self.begin_end();
            }
            if self.step(now) {
                return;
            }
            // A step that left no work may have ended the tree or begun a backoff.
            if self.work.is_some() {
                continue;
            }
            match self.inbox.pop_front() {
                Some(Pending::Exit(run)) => self.exited(now, run),
                Some(Pending::TryAgain(place)) => self.try_again(now, place),
                Some(Pending::Command(ticket, command)) => self.command(now, ticket, command),
                Some(Pending::Resume) => self.resume(),
                None => return,
            }
        }
    }

    /// A live child has ended by itself (OTP's `do_restart`).
    fn exited(&mut self, now: Instant, run: Run) {
        // Not found: it was stopped in the meantime, which took note of its end.
        let Some(place) = self.children.running(run) else { return };
        let Some(member) = self.children.get_mut(place) else { return };
        let reason = member.ended.take().unwrap_or(ExitReason::NoProcess);
        let (restart, significant) = (member.spec.restart, member.spec.significant);
        member.last_exit = Some(reason.clone());
        let id = member.spec.id.clone();
        self.event(Some(id), EventKind::Exited { reason: reason.clone() });
        self.children.down(place, Process::Down, now);
        let again = match restart {
            Restart::Permanent => true,
            Restart::Transient => reason.is_abnormal(),
            Restart::Temporary => false,
        };
        if again {
            return self.restart(now, place);
        }
        if let Some(member) = self.children.get_mut(place) {
            member.wanted = false;
        }
        self.children.settle(place, now);
        if significant && self.ends_itself() {
            self.shutting_down = true;
        }
    }

    /// Whether the end of a significant child ends the supervisor (OTP's `do_auto_shutdown`).
    fn ends_itself(&self) -> bool {
        match self.spec.auto_shutdown {
            AutoShutdown::Never => false,
            AutoShutdown::AnySignificant => true,
            AutoShutdown::AllSignificant => {
                !self.children.all().any(|(_, member)| member.spec.significant && member.process != Process::Down)
            }
        }
    }

    fn try_again(&mut self, now: Instant, place: Place) {
        // Otherwise somebody terminated it in the meantime.
        if self.children.get(place).is_some_and(|member| member.process == Process::Restarting) {
            self.restart(now, place);
        }
    }

    fn restart(&mut self, now: Instant, place: Place) {
        self.calm_since = now;
        if !self.restarts.add(now, self.spec.intensity) {
            return self.exceeded(now, place);
        }
        let Some(member) = self.children.get_mut(place) else { return };
        member.restarts += 1;
        let id = member.spec.id.clone();
        self.event(Some(id), EventKind::Restarting);
        match self.spec.strategy {
            Strategy::OneForOne => self.begin_start([place].into(), Purpose::Restart),
            Strategy::OneForAll => self.restart_from(now, place, FIRST),
            Strategy::RestForOne => self.restart_from(now, place, place),
        }
    }

    fn restart_from(&mut self, now: Instant, failed: Place, first: Place) {
        self.children.down(failed, Process::Down, now);
        let stop = self.children.from(first).map(|(place, _)| place).collect();
        self.begin_stop(stop, Then::StartFrom(first));
    }

    fn exceeded(&mut self, now: Instant, place: Place) {
        self.event(None, EventKind::IntensityExceeded);
        // It stays wanted: a new round starts it again.
        self.children.settle(place, now);
        match self.spec.beyond {
            Beyond::Escalate => self.shutting_down = true,
            Beyond::Backoff(_) => self.begin_stop_all(Then::BackOff),
        }
    }

    fn event(&mut self, child: Option<ChildId>, kind: EventKind) {
        self.actions.push(Action::Event(child, kind));
    }
}
