//! The children of a supervisor in start order, found by name or by run.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use super::{ChildId, ChildSpec, Restart, Run};
use crate::exit::ExitReason;

/// The place of a child in the start order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place(u64);

/// What a child is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Process {
    Down,
    /// Starting, running or stopping.
    Live(Run),
    /// Its last start failed and another is due (OTP's `restarting`).
    Restarting,
}

#[derive(Debug)]
pub(super) struct Member {
    pub(super) spec: ChildSpec,
    pub(super) process: Process,
    /// The reason of a live run that has ended already, while its supervisor was busy with something else.
    pub(super) ended: Option<ExitReason>,
    /// Whether it should run: not after a normal end, nor once somebody terminated it. A new round leaves those alone.
    pub(super) wanted: bool,
    pub(super) restarts: u64,
    pub(super) since: Instant,
    pub(super) last_exit: Option<ExitReason>,
}

// A map ordered by place rather than a `Vec`: a supervisor of many dynamic children forgets one in O(log n).
#[derive(Debug, Default)]
pub(super) struct Children {
    members: BTreeMap<Place, Member>,
    by_id: HashMap<ChildId, Place>,
    by_run: HashMap<Run, Place>,
    next: u64,
}

impl Children {
    /// Adds a child at the end of the start order. Its name must be free.
    pub(super) fn push(&mut self, spec: ChildSpec, now: Instant) -> Place {
        let place = Place(self.next);
        self.next += 1;
        self.by_id.insert(spec.id.clone(), place);
        let member = Member {
            spec,
            process: Process::Down,
            ended: None,
            wanted: true,
            restarts: 0,
            since: now,
            last_exit: None,
        };
        self.members.insert(place, member);
        place
    }

    pub(super) fn place(&self, id: &ChildId) -> Option<Place> {
        self.by_id.get(id).copied()
    }

    pub(super) fn running(&self, run: Run) -> Option<Place> {
        self.by_run.get(&run).copied()
    }

    pub(super) fn get(&self, place: Place) -> Option<&Member> {
        self.members.get(&place)
    }

    pub(super) fn get_mut(&mut self, place: Place) -> Option<&mut Member> {
        self.members.get_mut(&place)
    }

    /// A child goes live.
    pub(super) fn live(&mut self, place: Place, run: Run, now: Instant) {
        if let Some(member) = self.members.get_mut(&place) {
            member.process = Process::Live(run);
            member.ended = None;
            member.wanted = true;
            member.since = now;
            self.by_run.insert(run, place);
        }
    }

    /// A child is not live any more. Its run is forgotten, so that whatever is still said of it is ignored.
    pub(super) fn down(&mut self, place: Place, process: Process, now: Instant) {
        if let Some(member) = self.members.get_mut(&place) {
            if let Process::Live(run) = member.process {
                self.by_run.remove(&run);
            }
            member.process = process;
            member.ended = None;
            member.since = now;
        }
    }

    /// A temporary child is forgotten when it is down, any other is kept (OTP's `del_child`).
    pub(super) fn settle(&mut self, place: Place, now: Instant) {
        self.down(place, Process::Down, now);
        if self.members.get(&place).is_some_and(|member| member.spec.restart == Restart::Temporary) {
            self.remove(place);
        }
    }

    pub(super) fn remove(&mut self, place: Place) -> Option<Member> {
        let member = self.members.remove(&place)?;
        self.by_id.remove(&member.spec.id);
        if let Process::Live(run) = member.process {
            self.by_run.remove(&run);
        }
        Some(member)
    }

    /// From a place on, in start order.
    pub(super) fn from(&self, first: Place) -> impl DoubleEndedIterator<Item = (Place, &Member)> {
        self.members.range(first..).map(|(place, member)| (*place, member))
    }

    /// All, in start order.
    pub(super) fn all(&self) -> impl DoubleEndedIterator<Item = (Place, &Member)> {
        self.members.iter().map(|(place, member)| (*place, member))
    }
}

/// The place of the child that is first in every order.
pub(super) const FIRST: Place = Place(0);
