//! Dynamic children: OTP's `start_child`, `terminate_child`, `restart_child` and `delete_child`.

use std::time::Instant;

use super::children::{Place, Process};
use super::work::{Purpose, Then};
use super::{Action, ChildId, ChildSpec, Phase, SpecError, Tree};
use crate::exit::ExitReason;

/// Which answer belongs to which command; numbers of the driver's choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ticket(pub u64);

/// What may be asked of a supervisor while it runs.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Add a child after the others and start it. If it does not start it is not added.
    Start(ChildSpec),
    /// Stop a child. Its spec is kept, unless it is temporary.
    Terminate(ChildId),
    /// Start a child that is down.
    Restart(ChildId),
    /// Forget a child that is down.
    Delete(ChildId),
}

/// A command was not carried out, and changed nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// There is no such child.
    #[error("there is no child `{0}`")]
    NotFound(ChildId),
    /// The name is taken by a child that runs (OTP's `already_started`).
    #[error("child `{0}` is already started")]
    AlreadyStarted(ChildId),
    /// The name is taken by a child that does not run.
    #[error("there is already a child `{0}`, which does not run")]
    AlreadyPresent(ChildId),
    /// The child runs.
    #[error("child `{0}` is running")]
    Running(ChildId),
    /// The child is between two starts.
    #[error("child `{0}` is restarting")]
    Restarting(ChildId),
    /// The child did not start.
    #[error("the child did not start: {0}")]
    StartFailed(ExitReason),
    /// The spec contradicts itself.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// The supervisor backs off or has given up; no child runs until it tries again.
    #[error("the supervisor waits for its next round")]
    Waiting,
    /// Too many commands are waiting to be handled.
    #[error("the supervisor has too many commands waiting")]
    Busy,
    /// The supervisor is over.
    #[error("the supervisor has ended")]
    Ended,
}

impl Tree {
    pub(super) fn command(&mut self, now: Instant, ticket: Ticket, command: Command) {
        let done = match self.phase {
            Phase::Ended => Err(Refused::Ended),
            _ => match command {
                Command::Start(spec) => self.start_child(now, ticket, spec),
                Command::Terminate(id) => self.terminate_child(ticket, id),
                Command::Restart(id) => self.restart_child(ticket, id),
                Command::Delete(id) => self.delete_child(id),
            },
        };
        match done {
            Ok(Progress::Done) => self.actions.push(Action::Reply(ticket, Ok(()))),
            Ok(Progress::Begun) => {}
            Err(refused) => self.actions.push(Action::Reply(ticket, Err(refused))),
        }
    }

    fn start_child(&mut self, now: Instant, ticket: Ticket, spec: ChildSpec) -> Result<Progress, Refused> {
        spec.check(&self.spec)?;
        if let Some(member) = self.children.place(&spec.id).and_then(|place| self.children.get(place)) {
            return Err(match member.process {
                Process::Live(_) => Refused::AlreadyStarted(spec.id),
                Process::Down | Process::Restarting => Refused::AlreadyPresent(spec.id),
            });
        }
        self.check_running()?;
        let place = self.children.push(spec, now);
        self.begin_start([place].into(), Purpose::New(ticket));
        Ok(Progress::Begun)
    }

    fn terminate_child(&mut self, ticket: Ticket, id: ChildId) -> Result<Progress, Refused> {
        let (place, _) = self.find(id)?;
        if let Some(member) = self.children.get_mut(place) {
            member.wanted = false;
        }
        self.begin_stop(vec![place], Then::Reply(ticket));
        Ok(Progress::Begun)
    }

    fn restart_child(&mut self, ticket: Ticket, id: ChildId) -> Result<Progress, Refused> {
        let place = self.find_down(id)?;
        self.check_running()?;
        self.begin_start([place].into(), Purpose::Again(ticket));
        Ok(Progress::Begun)
    }

    fn delete_child(&mut self, id: ChildId) -> Result<Progress, Refused> {
        let place = self.find_down(id)?;
        self.children.remove(place);
        Ok(Progress::Done)
    }

    fn find(&self, id: ChildId) -> Result<(Place, Process), Refused> {
        let found = self.children.place(&id).and_then(|place| Some((place, self.children.get(place)?.process)));
        found.ok_or(Refused::NotFound(id))
    }

    fn find_down(&self, id: ChildId) -> Result<Place, Refused> {
        match self.find(id.clone())? {
            (place, Process::Down) => Ok(place),
            (_, Process::Restarting) => Err(Refused::Restarting(id)),
            (_, Process::Live(_)) => Err(Refused::Running(id)),
        }
    }

    fn check_running(&self) -> Result<(), Refused> {
        if self.phase == Phase::Running { Ok(()) } else { Err(Refused::Waiting) }
    }
}

enum Progress {
    Done,
    /// The reply comes when the work is done.
    Begun,
}
