//! What one holds of a running supervisor.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use skep_types::Clock;
use tokio::sync::{oneshot, watch};

use super::child::Child;
use super::inbox::{Down, Inbox, Letter};
use crate::events::Bus;
use crate::exit::ExitReason;
use crate::tree::{ChildId, ChildKind, ChildState, ChildView, Command, Refused, Strategy, Tree, TreeState};

/// What all supervisors of a host share.
#[derive(Clone)]
pub struct Environment {
    /// Decides what is due.
    pub clock: Arc<dyn Clock>,
    /// Where events go.
    pub bus: Bus,
}

/// A supervisor or a worker as operators see it.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Its name among its siblings.
    pub id: ChildId,
    /// Its names from the root.
    pub path: Arc<str>,
    /// Worker or supervisor.
    pub kind: ChildKind,
    /// What it is doing, as a child of its supervisor. A root runs until it has ended.
    pub state: ChildState,
    /// Since when it does; for a supervisor that runs: since when it watches its children, backs off or has given up.
    pub since: Instant,
    /// How often it was started again after a failure of its own.
    pub restarts: u64,
    /// How it ended last.
    pub last_exit: Option<ExitReason>,
    /// What it is doing as a supervisor: backing off until when, given up.
    pub supervisor: Option<TreeState>,
    /// Its strategy, if it is a supervisor that runs.
    pub strategy: Option<Strategy>,
    /// Its children in start order.
    pub children: Vec<Node>,
}

impl Node {
    /// When a supervisor that backs off tries again.
    #[must_use]
    pub fn next_retry(&self) -> Option<Instant> {
        match self.supervisor {
            Some(TreeState::BackingOff { until, .. }) => Some(until),
            _ => None,
        }
    }

    /// Whether it is a supervisor that has given up.
    #[must_use]
    pub fn gave_up(&self) -> bool {
        self.supervisor == Some(TreeState::GaveUp)
    }
}

pub(super) type Nested = Arc<Mutex<Option<Handle>>>;

/// What a driver and its handles share. Each lock is held for a moment and never together with another.
pub(super) struct Shared {
    pub(super) path: Arc<str>,
    pub(super) tree: Mutex<Tree>,
    /// Where children that run leave their handles, if they are supervisors.
    pub(super) nested: Mutex<HashMap<ChildId, Nested>>,
}

/// A running supervisor. Cheap to clone; dropping it stops nothing.
#[derive(Clone)]
pub struct Handle {
    pub(super) inbox: Arc<Inbox>,
    pub(super) shared: Arc<Shared>,
    pub(super) ended: watch::Receiver<Option<ExitReason>>,
}

impl Handle {
    /// Stops the children in reverse order and waits for the end. Cancelling the wait does not cancel the stop.
    pub async fn stop(&self) -> ExitReason {
        // Refused if it has ended already.
        let _ = self.inbox.post(Letter::Shutdown);
        self.ended().await
    }

    /// Waits for the end.
    pub async fn ended(&self) -> ExitReason {
        let mut ended = self.ended.clone();
        // The sender goes without a word only when the supervisor's own task was aborted.
        ended.wait_for(Option::is_some).await.ok().and_then(|reason| reason.clone()).unwrap_or(ExitReason::Killed)
    }

    /// The tree from here down.
    #[must_use]
    pub fn snapshot(&self) -> Node {
        let last_exit = self.ended.borrow().clone();
        let (supervisor, since, strategy, children) = {
            let tree = self.shared.tree.lock();
            (tree.state(), tree.since(), tree.strategy(), tree.children().collect::<Vec<_>>())
        };
        let path = &self.shared.path;
        Node {
            id: path.rsplit('/').next().unwrap_or(path).into(),
            path: Arc::clone(path),
            kind: ChildKind::Supervisor,
            state: if last_exit.is_some() { ChildState::Down } else { ChildState::Running },
            since,
            restarts: 0,
            last_exit,
            supervisor: Some(supervisor),
            strategy: Some(strategy),
            children: children.into_iter().map(|view| self.child_node(view)).collect(),
        }
    }

    fn child_node(&self, view: ChildView) -> Node {
        let below = (view.state == ChildState::Running).then(|| self.nested(&view.id)).flatten();
        let below = below.map(|handle| handle.snapshot());
        Node {
            path: format!("{}/{}", self.shared.path, view.id).into(),
            id: view.id,
            kind: view.kind,
            state: view.state,
            since: below.as_ref().map_or(view.since, |below| below.since),
            restarts: view.restarts,
            last_exit: view.last_exit,
            supervisor: below.as_ref().and_then(|below| below.supervisor),
            strategy: below.as_ref().and_then(|below| below.strategy),
            children: below.map(|below| below.children).unwrap_or_default(),
        }
    }

    /// The handle of a child that is a supervisor, while it runs.
    #[must_use]
    pub fn nested(&self, id: &ChildId) -> Option<Self> {
        let nested = self.shared.nested.lock().get(id).cloned()?;
        nested.lock().clone()
    }

    /// Adds a child after the others and starts it.
    pub async fn start_child(&self, child: Child) -> Result<(), Refused> {
        self.command(Command::Start(child.spec.clone()), Some(child)).await
    }

    /// Stops a child. Its spec is kept, unless it is temporary.
    pub async fn terminate_child(&self, id: impl Into<ChildId>) -> Result<(), Refused> {
        self.command(Command::Terminate(id.into()), None).await
    }

    /// Starts a child that is down.
    pub async fn restart_child(&self, id: impl Into<ChildId>) -> Result<(), Refused> {
        self.command(Command::Restart(id.into()), None).await
    }

    /// Forgets a child that is down.
    pub async fn delete_child(&self, id: impl Into<ChildId>) -> Result<(), Refused> {
        self.command(Command::Delete(id.into()), None).await
    }

    /// Has a supervisor that backs off or has given up try again now.
    pub fn resume(&self) -> Result<(), Refused> {
        self.inbox.post(Letter::Resume)
    }

    /// Makes the driver look at the clock; for tests that move it by hand.
    pub fn look(&self) -> Result<(), Refused> {
        self.inbox.post(Letter::Look)
    }

    /// Tells the end of the run of a child that is under way: DOWN. [`ExitReason::NoProcess`] if there is none.
    #[must_use]
    pub fn monitor(&self, id: impl Into<ChildId>) -> oneshot::Receiver<ExitReason> {
        let (down, told) = Down::new();
        // A refused letter is dropped, which tells.
        let _ = self.inbox.post(Letter::Monitor(id.into(), down));
        told
    }

    async fn command(&self, command: Command, child: Option<Child>) -> Result<(), Refused> {
        let (answer, answered) = oneshot::channel();
        self.inbox.post(Letter::Command(command, child, answer))?;
        answered.await.unwrap_or(Err(Refused::Ended))
    }
}
