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
use crate::per_thread::PerThread;
use crate::resting::Shelf;
use crate::revision::Revision;
use crate::unwind::caught;

/// The idle instances of a revision.
pub(crate) struct Warm {
    /// Those that have served calls, where they served the last one, the last used first: what that thread's processor has of them in
    /// its caches is worth more than what it would save to make one.
    used: PerThread<Vec<Live>>,
    /// Instantiated while there was time, for the next process that starts or wakes.
    ready: Mutex<Option<Live>>,
    closed: AtomicBool,
    budget: Arc<WarmBudget>,
    rested: Shelf,
    preparing: AtomicBool,
}

/// How many idle instances all plugins together may leave in the pool. One more is dropped instead of kept.
///
/// One that works keeps its place for when it is idle again, as long as half of all places are free: to give it back and to get it
/// again is dearer than the rest of what is done with it.
pub(crate) struct WarmBudget {
    places: Arc<Semaphore>,
    total: usize,
}

impl WarmBudget {
    pub(crate) fn new(instances: usize) -> Arc<Self> {
        Arc::new(Self { places: Arc::new(Semaphore::new(instances)), total: instances })
    }

    fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    fn is_scarce(&self) -> bool {
        self.places.available_permits() < self.total / 2
    }
}

impl Warm {
    pub(crate) fn new(budget: Arc<WarmBudget>, rested: Shelf) -> Self {
        Self {
            used: PerThread::default(),
            ready: Mutex::default(),
            closed: AtomicBool::new(false),
            budget,
            rested,
            preparing: AtomicBool::new(false),
        }
    }

    /// One that has served calls: here, or elsewhere if there is none.
    pub(crate) fn take(&self) -> Option<Live> {
        let own = self.used.own().lock().pop();
        let mut live = own.or_else(|| self.used.all().find_map(|used| used.lock().pop()))?;
        if self.budget.is_scarce() {
            live.place = None;
        }
        Some(live)
    }

    pub(crate) fn give_back(&self, mut live: Live, uses_max: u32) {
        if live.uses >= uses_max {
            return;
        }
        live.place = live.place.take().or_else(|| self.budget.place());
        if live.place.is_none() {
            return;
        }
        let mut used = self.used.own().lock();
        // Who closes says so first, and then looks here.
        if self.is_closed() {
            drop(used);
            drop(live);
        } else {
            used.push(live);
        }
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// For a process that starts or wakes: a place, and the instance in it if another process has left one there. None if all
    /// places are lived in.
    pub(crate) fn place(&self) -> Option<(OwnedSemaphorePermit, Option<Live>)> {
        let (place, rested) = self.rested.place()?;
        Some((place, rested.map(|live| Live { uses: live.uses + 1, ..live })))
    }

    /// One that nobody has used.
    pub(crate) fn take_ready(&self) -> Option<Live> {
        let live = self.ready.lock().take()?;
        Some(Live { place: None, ..live })
    }

    /// One that a process has left, whose state was saved, and its place.
    pub(crate) fn rest(&self, live: Live, place: OwnedSemaphorePermit, uses_max: u32) {
        if live.uses < uses_max && !self.is_closed() {
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
        self.closed.store(true, Ordering::SeqCst);
        for used in self.used.all() {
            let used = std::mem::take(&mut *used.lock());
            drop(used);
        }
        let ready = self.ready.lock().take();
        drop(ready);
        self.rested.clear();
    }

    /// Whether to make one ready now: it is the only one who does, until [`prepared`](Self::prepared).
    fn begin(&self) -> bool {
        let wanted = !self.is_closed() && self.ready.lock().is_none();
        wanted && !self.rested.has_some() && !self.preparing.swap(true, Ordering::AcqRel)
    }

    fn prepared(&self, mut live: Live) {
        live.place = self.budget.place();
        if live.place.is_none() {
            return;
        }
        let mut ready = self.ready.lock();
        if !self.is_closed() && ready.is_none() {
            *ready = Some(live);
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
