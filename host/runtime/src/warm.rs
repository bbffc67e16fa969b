//! Idle instances: those that serve another call, those of processes that sleep, and one that nobody has used yet.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use skep_types::Call;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::fair::Fair;
use crate::instance::{Live, Running};
use crate::linked::Role;
use crate::resting::Shelf;
use crate::revision::Revision;
use crate::unwind::caught;

/// The idle instances of a revision.
pub(crate) struct Warm {
    idle: Mutex<Idle>,
    budget: Arc<WarmBudget>,
    rested: Shelf,
    preparing: AtomicBool,
}

#[derive(Default)]
struct Idle {
    /// Last used first.
    used: Vec<Live>,
    /// Instantiated while there was time, for the next process that starts or wakes.
    ready: Option<Live>,
    closed: bool,
}

/// How many idle instances all plugins together may leave in the pool. One more is dropped instead of kept.
pub(crate) struct WarmBudget(Semaphore);

impl WarmBudget {
    pub(crate) fn new(instances: usize) -> Arc<Self> {
        Arc::new(Self(Semaphore::new(instances)))
    }

    /// Takes a place, if one is free.
    fn take(&self) -> bool {
        self.0.try_acquire().map(tokio::sync::SemaphorePermit::forget).is_ok()
    }

    fn give_back(&self, places: usize) {
        self.0.add_permits(places);
    }
}

impl Warm {
    pub(crate) fn new(budget: Arc<WarmBudget>, rested: Shelf) -> Self {
        Self { idle: Mutex::default(), budget, rested, preparing: AtomicBool::new(false) }
    }

    /// One that has served calls.
    pub(crate) fn take(&self) -> Option<Live> {
        let live = self.idle.lock().used.pop()?;
        self.budget.give_back(1);
        Some(live)
    }

    pub(crate) fn give_back(&self, live: Live, uses_max: u32) {
        let mut idle = self.idle.lock();
        if !idle.closed && live.uses < uses_max && self.budget.take() {
            idle.used.push(live);
        }
    }

    /// For a process that starts or wakes: a place, and the instance in it if another process has left one there. None if all
    /// places are lived in.
    pub(crate) fn place(&self) -> Option<(OwnedSemaphorePermit, Option<Live>)> {
        let (place, rested) = self.rested.place()?;
        Some((place, rested.map(|live| Live { uses: live.uses + 1, ..live })))
    }

    /// One that nobody has used.
    pub(crate) fn take_ready(&self) -> Option<Live> {
        let live = self.idle.lock().ready.take()?;
        self.budget.give_back(1);
        Some(live)
    }

    /// One that a process has left, whose state was saved, and its place.
    pub(crate) fn rest(&self, live: Live, place: OwnedSemaphorePermit, uses_max: u32) {
        if live.uses < uses_max && !self.idle.lock().closed {
            // In a revision that is closed meanwhile it does not rest for long.
            self.rested.put(live, place);
        } else {
            // In this order: the pool has no slot beside.
            drop(live);
            drop(place);
        }
    }

    /// Drops the idle instances and keeps no more.
    pub(crate) fn close(&self) {
        let mut idle = self.idle.lock();
        let Idle { used, ready, .. } = std::mem::replace(&mut *idle, Idle { closed: true, ..Idle::default() });
        drop(idle);
        let places = used.len() + usize::from(ready.is_some());
        drop((used, ready));
        self.budget.give_back(places);
        self.rested.clear();
    }

    /// Whether to make one ready now: it is the only one who does, until [`prepared`](Self::prepared).
    fn begin(&self) -> bool {
        let idle = self.idle.lock();
        let wanted = !idle.closed && idle.ready.is_none();
        drop(idle);
        wanted && !self.rested.has_some() && !self.preparing.swap(true, Ordering::AcqRel)
    }

    fn prepared(&self, live: Live) {
        let mut idle = self.idle.lock();
        if !idle.closed && idle.ready.is_none() && self.budget.take() {
            idle.ready = Some(live);
        }
    }
}

impl Drop for Warm {
    fn drop(&mut self) {
        self.close();
    }
}

/// Has an instance ready for the next process that starts or wakes, which then does not wait for it to be made. It is made
/// under the limits of a call; what keeps it from starting is told to the one who needs it, who makes its own.
pub(crate) fn prepare(revision: &Arc<Revision>, call: impl FnOnce() -> Call, role: Role) {
    if !revision.warm().begin() {
        return;
    }
    let preparing = Preparing(Arc::clone(revision));
    let stats = revision.stats_within(call(), None, revision.limits().deadline);
    revision.home().handle().spawn(async move {
        let revision = &preparing.0;
        let start = pin!(async {
            let start = Running::start_with(revision, &stats, revision.limits().fuel, 0, role);
            Fair::new(pin!(start), Arc::clone(revision.fair()), revision.party(), Arc::clone(&stats)).await
        });
        let started = tokio::time::timeout_at(tokio::time::Instant::from_std(stats.deadline), caught(&stats, start));
        if let Ok(Ok(running)) = started.await
            && let Some(live) = running.keep()
        {
            revision.warm().prepared(live);
        }
    });
}

/// The flag goes down however it ends.
struct Preparing(Arc<Revision>);

impl Drop for Preparing {
    fn drop(&mut self) {
        self.0.warm().preparing.store(false, Ordering::Release);
    }
}
