//! Who may run: instances per plugin, a bounded queue behind them, and a share of the pool that no neighbour can take.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use skep_types::{Failure, FailureKind};
use skep_types::{Limits, Phase};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::runtime::PluginSpec;

/// The instances of one engine that may be live at once, divided between plugins.
#[derive(Debug)]
pub(crate) struct Pool {
    shared: Arc<Semaphore>,
    total: usize,
}

impl Pool {
    pub(crate) fn new(total: usize) -> Arc<Self> {
        Arc::new(Self { shared: Arc::new(Semaphore::new(total)), total })
    }

    /// Sets a share aside for a plugin: a 32nd of the pool, as long as that leaves at least half for everybody, and
    /// never more than the plugin may use.
    fn reserve(&self, concurrency: usize) -> usize {
        let wanted = (self.total / 32).clamp(1, concurrency);
        let spare = self.shared.available_permits().saturating_sub(self.total / 2);
        self.shared.forget_permits(wanted.min(spare))
    }
}

/// The door of one plugin.
#[derive(Debug)]
pub(crate) struct Admission {
    pool: Arc<Pool>,
    own: Arc<Semaphore>,
    reserved: Arc<Semaphore>,
    reserve: usize,
    waiting: AtomicUsize,
    concurrency: usize,
    queue: usize,
}

/// Calls of subscribers that may wait for an instance: all that any manifest can ask for at once.
const SUBSCRIBERS_WAITING: usize = 1_000_000;

/// The doors of one plugin: what works beside its requests has doors of its own, so that a request that waits for its
/// tasks does not wait for its own place.
#[derive(Debug)]
pub(crate) struct Doors {
    pub(crate) http: Arc<Admission>,
    pub(crate) subscribers: Arc<Admission>,
    pub(crate) tasks: Arc<Admission>,
}

impl Doors {
    /// Doors for a revision, which shares those of the previous one where they are the same.
    pub(crate) fn new(pool: &Arc<Pool>, spec: &PluginSpec, previous: Option<&Self>) -> Self {
        let door = |pick: fn(&Self) -> &Arc<Admission>, concurrency: usize, queue: usize| {
            let limits = Limits { concurrency, queue, ..Limits::default() };
            let same = previous.map(pick).filter(|previous| previous.fits(&limits));
            same.map_or_else(|| Admission::new(pool, &limits), Arc::clone)
        };
        Self {
            http: door(|doors| &doors.http, spec.limits.concurrency, spec.limits.queue),
            // Each subscription keeps to its own number; together they have as many as requests have.
            subscribers: door(|doors| &doors.subscribers, spec.limits.concurrency, SUBSCRIBERS_WAITING),
            tasks: door(|doors| &doors.tasks, spec.tasks.concurrency, spec.tasks.queue),
        }
    }
}

/// The right to have one live instance; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Admitted {
    _own: OwnedSemaphorePermit,
    _pool: OwnedSemaphorePermit,
}

impl Admission {
    pub(crate) fn new(pool: &Arc<Pool>, limits: &Limits) -> Arc<Self> {
        let reserve = pool.reserve(limits.concurrency);
        Arc::new(Self {
            pool: Arc::clone(pool),
            own: Arc::new(Semaphore::new(limits.concurrency)),
            reserved: Arc::new(Semaphore::new(reserve)),
            reserve,
            waiting: AtomicUsize::new(0),
            concurrency: limits.concurrency,
            queue: limits.queue,
        })
    }

    /// Whether these limits would build the same door, so that a new revision can share it.
    pub(crate) fn fits(&self, limits: &Limits) -> bool {
        self.concurrency == limits.concurrency && self.queue == limits.queue
    }

    /// Waits for an instance, in order of arrival. The wait is bounded by the caller's deadline; dropping the future
    /// leaves the queue.
    ///
    /// Overload policy: when `queue` calls wait already, the newest is refused.
    pub(crate) async fn enter(self: &Arc<Self>) -> Result<Admitted, Failure> {
        if let Ok(own) = Arc::clone(&self.own).try_acquire_owned()
            && let Some(pool) = self.try_pool()
        {
            return Ok(Admitted { _own: own, _pool: pool });
        }
        let _place = self.queue_up()?;
        let closed = |_| Failure::new(FailureKind::Internal, Phase::Queue, "the instance pool is closed");
        let own = Arc::clone(&self.own).acquire_owned().await.map_err(closed)?;
        let pool = match self.try_pool() {
            Some(permit) => permit,
            None => tokio::select! {
                permit = Arc::clone(&self.reserved).acquire_owned() => permit.map_err(closed)?,
                permit = Arc::clone(&self.pool.shared).acquire_owned() => permit.map_err(closed)?,
            },
        };
        Ok(Admitted { _own: own, _pool: pool })
    }

    fn try_pool(&self) -> Option<OwnedSemaphorePermit> {
        let reserved = Arc::clone(&self.reserved).try_acquire_owned();
        reserved.or_else(|_| Arc::clone(&self.pool.shared).try_acquire_owned()).ok()
    }

    fn queue_up(self: &Arc<Self>) -> Result<Place, Failure> {
        let place = Place(Arc::clone(self));
        if self.waiting.fetch_add(1, Ordering::Relaxed) < self.queue {
            return Ok(place);
        }
        let detail = format!("{} instances are busy and {} calls wait", self.concurrency, self.queue);
        Err(Failure::new(FailureKind::Overloaded, Phase::Queue, detail).retry_after(Duration::from_secs(1)))
    }

    /// Instances in use.
    pub(crate) fn running(&self) -> usize {
        self.concurrency.saturating_sub(self.own.available_permits())
    }

    /// Calls that wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.pool.shared.add_permits(self.reserve);
    }
}

/// A place in the queue.
struct Place(Arc<Admission>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn limits(concurrency: usize, queue: usize) -> Limits {
        Limits { concurrency, queue, ..Limits::default() }
    }

    #[test]
    fn the_queue_is_bounded_and_left_by_dropping() {
        let door = Admission::new(&Pool::new(100), &limits(1, 1));
        let first = door.enter().now_or_never().unwrap().unwrap();
        let mut second = Box::pin(door.enter());
        assert!(second.as_mut().now_or_never().is_none());
        let refused = door.enter().now_or_never().unwrap().unwrap_err();
        assert_eq!(refused.kind, FailureKind::Overloaded);
        assert!(refused.retry_after.is_some());
        drop(second);
        let mut third = Box::pin(door.enter());
        assert!(third.as_mut().now_or_never().is_none());
        drop(first);
        assert!(third.now_or_never().unwrap().is_ok());
        assert_eq!((door.running(), door.waiting()), (0, 0));
    }

    #[test]
    fn a_greedy_plugin_cannot_take_its_neighbours_reserve() {
        let pool = Pool::new(64);
        let greedy = Admission::new(&pool, &limits(1000, 1000));
        let modest = Admission::new(&pool, &limits(10, 10));
        let mut taken = Vec::new();
        while let Some(Ok(permit)) = greedy.enter().now_or_never() {
            taken.push(permit);
        }
        assert_eq!(taken.len(), 62, "all but the neighbour's reserve");
        assert!(modest.enter().now_or_never().unwrap().is_ok());
        drop((taken, greedy, modest));
        assert_eq!(pool.shared.available_permits(), 64, "reserves are given back");
    }
}
