//! A supervisor as operators see it.

use std::time::Instant;

use super::children::Process;
use super::work::Work;
use super::{ChildId, ChildKind, Phase, Strategy, Tree};
use crate::exit::ExitReason;

/// What a supervisor is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TreeState {
    /// It starts children.
    Starting,
    /// It watches its children.
    Running,
    /// It stops children.
    Stopping,
    /// Its children failed too often; it tries again then.
    BackingOff {
        /// When.
        until: Instant,
        /// Which failed round this is, from 1.
        round: u32,
    },
    /// It does not try any more until an operator resumes it.
    GaveUp,
    /// It is over.
    Ended,
}

/// What a child is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChildState {
    /// It does not run.
    Down,
    /// It runs.
    Running,
    /// Its last start failed and another is due.
    Restarting,
}

/// A child as operators see it.
#[derive(Debug, Clone, PartialEq)]
pub struct ChildView {
    /// Its name.
    pub id: ChildId,
    /// Worker or supervisor.
    pub kind: ChildKind,
    /// What it is doing.
    pub state: ChildState,
    /// Since when.
    pub since: Instant,
    /// How often it was started again after a failure of its own.
    pub restarts: u64,
    /// How it ended last.
    pub last_exit: Option<ExitReason>,
}

impl Tree {
    /// What the supervisor is doing.
    #[must_use]
    pub fn state(&self) -> TreeState {
        match (self.phase, &self.work) {
            (Phase::Ended, _) => TreeState::Ended,
            (_, Some(Work::Stopping { .. })) => TreeState::Stopping,
            (_, Some(Work::Starting { .. })) | (Phase::New, None) => TreeState::Starting,
            (Phase::Running, None) => TreeState::Running,
            (Phase::BackingOff { until }, None) => TreeState::BackingOff { until, round: self.rounds },
            (Phase::GaveUp, None) => TreeState::GaveUp,
        }
    }

    /// Since when it watches its children, backs off, has given up or is over.
    #[must_use]
    pub fn since(&self) -> Instant {
        self.phase_since
    }

    /// Who else is started again with a child that is.
    #[must_use]
    pub fn strategy(&self) -> Strategy {
        self.spec.strategy
    }

    /// Whether there is a child of that name, running or not.
    #[must_use]
    pub fn contains(&self, id: &ChildId) -> bool {
        self.children.place(id).is_some()
    }

    /// The children in start order.
    pub fn children(&self) -> impl Iterator<Item = ChildView> {
        self.children.all().map(|(_, member)| ChildView {
            id: member.spec.id.clone(),
            kind: member.spec.kind,
            state: match member.process {
                Process::Live(_) => ChildState::Running,
                Process::Down => ChildState::Down,
                Process::Restarting => ChildState::Restarting,
            },
            since: member.since,
            restarts: member.restarts,
            last_exit: member.last_exit.clone(),
        })
    }
}
