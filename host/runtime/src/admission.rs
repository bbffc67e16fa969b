//! Who may run: instances per plugin, a bounded queue behind them, and a share of the pool that no neighbour can take.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use skep_types::{Failure, FailureKind};
use skep_types::{Limits, Phase};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::per_thread::PerThread;
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

    /// A plugin's share: a 32nd of the pool, but never more than the plugin may use.
    fn share(&self, concurrency: usize) -> usize {
        (self.total / 32).clamp(1, concurrency)
    }

    /// Sets so much aside for a plugin, as long as that leaves at least half for everybody.
    fn reserve(&self, wanted: usize) -> usize {
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
    /// Places that calls have left, for the next ones on their threads: to give one back and to get it again is dearer than the
    /// rest of a short call's way.
    left: PerThread<Option<Admitted>>,
    waiting: AtomicUsize,
    concurrency: usize,
    queue: usize,
}

/// Calls of subscribers that may wait for an instance: all that any manifest can ask for at once.
const SUBSCRIBERS_WAITING: usize = 1_000_000;
/// Jobs that may wait for an instance: as many as the queues of any manifest can have at work.
const JOBS_WAITING: usize = 1_000_000;
/// Calls of channels and raw WebSockets that may wait for an instance: one for each channel of all sockets that a host may have.
const CHANNELS_WAITING: usize = 10_000_000;
/// How deep tasks can wait for tasks: a request for its tasks, those for theirs, and once more.
pub(crate) const TASK_LEVELS: usize = 3;

/// The doors of one plugin: what works beside its requests has doors of its own, so that a request that waits for its
/// tasks does not wait for its own place, nor a task that waits for tasks of its own.
#[derive(Debug)]
pub(crate) struct Doors {
    pub(crate) http: Arc<Admission>,
    /// A call waits here as long as its deadline lets it: a client that waits for a reply is better served late than by an error.
    pub(crate) channels: Arc<Admission>,
    pub(crate) subscribers: Arc<Admission>,
    pub(crate) jobs: Arc<Admission>,
    /// By how many tasks wait for the one that enters.
    pub(crate) tasks: [Arc<Admission>; TASK_LEVELS],
}

impl Doors {
    /// Doors for a revision, which shares those of the previous one where they are the same.
    pub(crate) fn new(pool: &Arc<Pool>, spec: &PluginSpec, previous: Option<&Self>) -> Self {
        let door = |before: Option<&Arc<Admission>>, concurrency: usize, queue: usize, share: usize| {
            let limits = Limits { concurrency, queue, ..Limits::default() };
            let same = before.filter(|before| before.fits(&limits));
            same.map_or_else(|| Admission::with_share(pool, &limits, share), Arc::clone)
        };
        let (http, tasks) = (&spec.limits, &spec.tasks);
        Self {
            http: door(previous.map(|doors| &doors.http), http.concurrency, http.queue, pool.share(http.concurrency)),
            channels: door(
                previous.map(|doors| &doors.channels),
                http.concurrency,
                CHANNELS_WAITING,
                pool.share(http.concurrency),
            ),
            // Each subscription keeps to its own number; together they have as many as requests have.
            subscribers: door(
                previous.map(|doors| &doors.subscribers),
                http.concurrency,
                SUBSCRIBERS_WAITING,
                pool.share(http.concurrency),
            ),
            // Each queue keeps to its own number, as subscriptions do.
            jobs: door(previous.map(|doors| &doors.jobs), http.concurrency, JOBS_WAITING, pool.share(http.concurrency)),
            tasks: std::array::from_fn(|level| {
                // What goes on behind the first door is what the first is for; a single place keeps it going.
                let share = if level == 0 { pool.share(tasks.concurrency) } else { 1 };
                let before = previous.and_then(|doors| doors.tasks.get(level));
                door(before, tasks.concurrency, tasks.queue, share)
            }),
        }
    }
}

/// The right to have one live instance. It is given back when it is dropped, or [left](Admission::leave) for the next call.
#[derive(Debug)]
pub(crate) struct Admitted {
    _own: OwnedSemaphorePermit,
    pool: OwnedSemaphorePermit,
}

impl Admission {
    #[cfg(test)]
    fn new(pool: &Arc<Pool>, limits: &Limits) -> Arc<Self> {
        Self::with_share(pool, limits, pool.share(limits.concurrency))
    }

    fn with_share(pool: &Arc<Pool>, limits: &Limits, share: usize) -> Arc<Self> {
        let reserve = pool.reserve(share);
        Arc::new(Self {
            pool: Arc::clone(pool),
            own: Arc::new(Semaphore::new(limits.concurrency)),
            reserved: Arc::new(Semaphore::new(reserve)),
            reserve,
            left: PerThread::default(),
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
        let left = self.left.own().lock().take();
        if let Some(admitted) = left.or_else(|| self.try_enter()) {
            return Ok(admitted);
        }
        let (_place, before) = self.queue_up();
        // Whoever leaves from here on gives back; who did before did not know that somebody waits.
        while let Some(left) = self.take_left() {
            drop(left);
        }
        if before >= self.queue {
            return self.try_enter().ok_or_else(|| self.overloaded());
        }
        let closed = |_| Failure::new(FailureKind::Internal, Phase::Queue, "the instance pool is closed");
        let own = Arc::clone(&self.own).acquire_owned().await.map_err(closed)?;
        let pool = match self.try_pool() {
            Some(permit) => permit,
            None => tokio::select! {
                permit = Arc::clone(&self.reserved).acquire_owned() => permit.map_err(closed)?,
                permit = Arc::clone(&self.pool.shared).acquire_owned() => permit.map_err(closed)?,
            },
        };
        Ok(Admitted { _own: own, pool })
    }

    /// The end of a call that ended by itself. Its place is for the next one on this thread, unless somebody waits for one, or the
    /// pool's part of it may be another plugin's.
    pub(crate) fn leave(&self, admitted: Admitted) {
        if !Arc::ptr_eq(admitted.pool.semaphore(), &self.reserved) {
            return;
        }
        let own = self.left.own();
        let another = own.lock().replace(admitted);
        drop(another);
        // After that, so that whoever begins to wait meanwhile finds it there or is seen here.
        if self.waiting.load(Ordering::SeqCst) > 0 {
            let left = own.lock().take();
            drop(left);
        }
    }

    /// A place that nobody has: of the plugin's own share of the pool, left by a call, or of what all share.
    fn try_enter(&self) -> Option<Admitted> {
        let own = || Arc::clone(&self.own).try_acquire_owned().ok();
        let reserved = || Some(Admitted { _own: own()?, pool: Arc::clone(&self.reserved).try_acquire_owned().ok()? });
        let shared = || Some(Admitted { _own: own()?, pool: Arc::clone(&self.pool.shared).try_acquire_owned().ok()? });
        reserved().or_else(|| self.take_left()).or_else(shared)
    }

    /// A place that a call has left on any thread.
    fn take_left(&self) -> Option<Admitted> {
        self.left.all().find_map(|left| left.lock().take())
    }

    fn try_pool(&self) -> Option<OwnedSemaphorePermit> {
        let reserved = Arc::clone(&self.reserved).try_acquire_owned();
        reserved.or_else(|_| Arc::clone(&self.pool.shared).try_acquire_owned()).ok()
    }

    /// A place in the queue, and how many were there before.
    fn queue_up(self: &Arc<Self>) -> (Place, usize) {
        let before = self.waiting.fetch_add(1, Ordering::SeqCst);
        (Place(Arc::clone(self)), before)
    }

    fn overloaded(&self) -> Failure {
        let detail = format!("{} instances are busy and {} calls wait", self.concurrency, self.queue);
        Failure::new(FailureKind::Overloaded, Phase::Queue, detail).retry_after(Duration::from_secs(1))
    }

    /// Instances in use; while calls come and go, about so many.
    pub(crate) fn running(&self) -> usize {
        let left = self.left.all().filter(|left| left.lock().is_some()).count();
        self.concurrency.saturating_sub(self.own.available_permits() + left)
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
    fn a_place_that_was_left_is_for_whoever_comes_or_waits() {
        let door = Admission::new(&Pool::new(100), &limits(1, 1));
        let enter = || door.enter().now_or_never();
        door.leave(enter().unwrap().unwrap());
        assert_eq!((door.running(), door.own.available_permits()), (0, 0), "it is left, and nobody runs");
        // On another thread, and back here.
        std::thread::scope(|scope| {
            scope.spawn(|| door.leave(enter().unwrap().unwrap()));
        });
        let first = enter().unwrap().unwrap();
        assert_eq!(door.running(), 1);
        let mut second = Box::pin(door.enter());
        assert!(second.as_mut().now_or_never().is_none());
        door.leave(first);
        let third = enter().unwrap().map(drop).map_err(|failure| failure.kind);
        assert_eq!(third, Err(FailureKind::Overloaded), "who waits is before who comes");
        assert!(second.now_or_never().unwrap().is_ok());
    }

    #[test]
    fn a_place_of_the_pool_that_is_nobodys_own_is_not_left() {
        let pool = Pool::new(4);
        let door = Admission::new(&pool, &limits(4, 4));
        let all: Vec<_> = (0..4).map(|_| door.enter().now_or_never().unwrap().unwrap()).collect();
        assert_eq!((door.reserve, pool.shared.available_permits()), (1, 0));
        for admitted in all {
            door.leave(admitted);
        }
        assert_eq!((door.running(), pool.shared.available_permits()), (0, 3));
    }

    #[test]
    fn what_was_left_is_taken_before_what_all_share() {
        let pool = Pool::new(4);
        let door = Admission::new(&pool, &limits(4, 4));
        door.leave(door.enter().now_or_never().unwrap().unwrap());
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let _admitted = door.enter().now_or_never().unwrap().unwrap();
                assert_eq!(pool.shared.available_permits(), 3);
            });
        });
    }

    #[test]
    fn nobody_waits_for_a_place_that_was_left_meanwhile() {
        let door = Admission::new(&Pool::new(100), &limits(1, 2));
        let calls = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            runtime.block_on(async {
                for _ in 0..20_000 {
                    let admitted = tokio::time::timeout(Duration::from_secs(30), door.enter()).await;
                    door.leave(admitted.expect("it was left, and nobody has it").unwrap());
                }
            });
        };
        std::thread::scope(|scope| {
            scope.spawn(calls);
            scope.spawn(calls);
        });
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
