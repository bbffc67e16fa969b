//! A store under test: it fails when it is told to, and knows when all that was asked of it has been answered.

use std::collections::VecDeque;
use std::future::ready;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use skep_jobs::Ear;
use skep_store::*;
use skep_types::{HandlerName, PluginName};
use tempfile::TempDir;
use tokio::sync::Notify;

use crate::memory::Memory;

/// What happens to the next write.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// Nothing is written.
    Unavailable,
    /// It is not known what was written, and it was.
    UnknownWritten,
    /// It is not known what was written, and nothing was.
    UnknownLost,
    /// As `Unavailable`, for the next write that settles something.
    SettleUnavailable,
    /// What is settled is refused, by the next write that settles something.
    SettleTooLarge,
}

/// What a lease kept to, and what it gave.
#[derive(Clone, Debug)]
pub struct Given {
    pub queue: QueueRef,
    pub worker: String,
    pub caps: Caps,
    pub now: Timestamp,
    pub fences: Vec<Fence>,
}

pub struct Ground {
    store: Arc<dyn Store>,
    hub: Arc<Hub>,
    /// One for each write, from the front.
    pub faults: Mutex<VecDeque<Fault>>,
    /// Every lease that was asked for, also where the host does not know what came of it.
    pub given: Arc<Mutex<Vec<Given>>>,
    /// Whoever has this keeps rounds from being answered that are carried out meanwhile.
    pub answers: Arc<tokio::sync::Mutex<()>>,
    under_way: Arc<UnderWay>,
    _folder: Option<TempDir>,
}

/// Hands changes on to each host on the store.
#[derive(Default)]
struct Hub {
    observers: Mutex<Vec<Arc<dyn Observer>>>,
    deaf: Mutex<bool>,
}

impl Observer for Hub {
    fn changed(&self, changes: Changes) {
        let observers = if *self.deaf.lock() { Vec::new() } else { self.observers.lock().clone() };
        for observer in observers {
            observer.changed(changes.clone());
        }
    }
}

#[derive(Default)]
struct UnderWay {
    count: AtomicUsize,
    answered: Notify,
}

struct Asked(Arc<UnderWay>);

impl Drop for Asked {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Ordering::SeqCst);
        self.0.answered.notify_waiters();
    }
}

impl Ground {
    /// One in memory, which says what the port says, as plainly as can be.
    pub fn memory() -> Arc<Self> {
        let hub: Arc<Hub> = Arc::default();
        Arc::new(Self::over(Arc::new(Memory::new(hub.clone())), hub, None))
    }

    /// The one that hosts use; without waiting for the disk.
    pub fn sqlite() -> Arc<Self> {
        let hub: Arc<Hub> = Arc::default();
        let folder = TempDir::new().unwrap();
        let options = SqliteOptions { durability: Durability::Off, ..SqliteOptions::new(folder.path().join("store")) };
        let store = SqliteStore::open(options, hub.clone()).unwrap();
        Arc::new(Self::over(Arc::new(store), hub, Some(folder)))
    }

    fn over(store: Arc<dyn Store>, hub: Arc<Hub>, folder: Option<TempDir>) -> Self {
        Self {
            store,
            hub,
            faults: Mutex::default(),
            given: Arc::default(),
            answers: Arc::default(),
            under_way: Arc::default(),
            _folder: folder,
        }
    }

    pub fn observed_by(&self, observer: Arc<dyn Observer>) {
        self.hub.observers.lock().push(observer);
    }

    /// One that is dead.
    pub fn forget(&self, observer: &Arc<Ear>) {
        let gone: Arc<dyn Observer> = observer.clone();
        self.hub.observers.lock().retain(|other| !Arc::ptr_eq(other, &gone));
    }

    /// Whether nobody hears of changes.
    pub fn deaf(&self, deaf: bool) {
        *self.hub.deaf.lock() = deaf;
    }

    /// Lets everything happen that can without the clock, on a runtime of one thread: all tasks wait, and not for the store.
    pub async fn settle(&self) {
        let mut calm = 0;
        while calm < 3 {
            let answered = self.under_way.answered.notified();
            tokio::pin!(answered);
            answered.as_mut().enable();
            for _ in 0..40 {
                tokio::task::yield_now().await;
            }
            if self.under_way.count.load(Ordering::SeqCst) == 0 {
                calm += 1;
            } else {
                calm = 0;
                answered.await;
            }
        }
    }

    fn asked<T: Send + 'static, E: Send + 'static>(&self, answer: StoreFuture<T, E>) -> StoreFuture<T, E> {
        self.under_way.count.fetch_add(1, Ordering::SeqCst);
        let asked = Asked(Arc::clone(&self.under_way));
        Box::pin(async move {
            let _asked = asked;
            answer.await
        })
    }

    fn write<T: Send + 'static, E: From<Error> + Send + 'static>(
        &self,
        settles: usize,
        write: impl FnOnce(&dyn Store) -> StoreFuture<T, E>,
    ) -> StoreFuture<T, E> {
        let fault = {
            let mut faults = self.faults.lock();
            let settling = matches!(faults.front(), Some(Fault::SettleUnavailable | Fault::SettleTooLarge));
            if settling && settles == 0 { None } else { faults.pop_front() }
        };
        let refused = |error: Error| -> StoreFuture<T, E> { Box::pin(ready(Err(error.into()))) };
        match fault {
            Some(Fault::Unavailable | Fault::SettleUnavailable) => refused(Error::Unavailable("told to".to_owned())),
            Some(Fault::SettleTooLarge) => refused(Error::TooLarge(1)),
            Some(Fault::UnknownLost) => refused(Error::OutcomeUnknown),
            None => self.asked(write(&*self.store)),
            Some(Fault::UnknownWritten) => {
                let written = write(&*self.store);
                self.asked(Box::pin(async move {
                    let _ = written.await;
                    Err(Error::OutcomeUnknown.into())
                }))
            }
        }
    }

    fn read<T: Send + 'static>(&self, read: impl FnOnce(&dyn Store) -> StoreFuture<T>) -> StoreFuture<T> {
        self.asked(read(&*self.store))
    }
}

impl Store for Ground {
    fn get(&self, space: PluginName, keys: Vec<String>, now: Timestamp) -> StoreFuture<Vec<Option<Item>>> {
        self.read(|store| store.get(space, keys, now))
    }

    fn list(&self, request: ListRequest) -> StoreFuture<Page> {
        self.read(|store| store.list(request))
    }

    fn commit(&self, commit: Commit) -> StoreFuture<Committed, CommitError> {
        self.write(0, |store| store.commit(commit))
    }

    fn settle_and_lease(&self, settle: Vec<Settle>, lease: Option<LeaseRequest>) -> StoreFuture<Round> {
        let (given, answers) = (Arc::clone(&self.given), Arc::clone(&self.answers));
        self.write(settle.len(), move |store| {
            let asked = lease.clone();
            let answer = store.settle_and_lease(settle, lease);
            Box::pin(async move {
                let round = answer.await?;
                if let Some(LeaseRequest { queue, worker, caps, now, .. }) = asked {
                    let fences = round.1.jobs.iter().filter_map(|job| Some(job.lease.as_ref()?.fence)).collect();
                    given.lock().push(Given { queue, worker, caps, now, fences });
                }
                drop(answers.lock().await);
                Ok(round)
            })
        })
    }

    fn heartbeat(&self, leases: Vec<(JobId, Fence)>, now: Timestamp, until: Timestamp) -> StoreFuture<Vec<Lost>> {
        self.write(0, |store| store.heartbeat(leases, now, until))
    }

    fn stage(&self, now: Timestamp, limit: usize) -> StoreFuture<(u64, Option<Timestamp>)> {
        self.write(0, |store| store.stage(now, limit))
    }

    fn reclaim(&self, now: Timestamp, limit: usize) -> StoreFuture<(Vec<JobId>, Option<Timestamp>)> {
        self.write(0, |store| store.reclaim(now, limit))
    }

    fn reclaim_others(&self, worker: String, now: Timestamp) -> StoreFuture<u64> {
        self.write(0, |store| store.reclaim_others(worker, now))
    }

    fn resume(&self, plugin: PluginName, names: Vec<HandlerName>, now: Timestamp) -> StoreFuture<u64> {
        self.write(0, |store| store.resume(plugin, names, now))
    }

    fn prune(&self, state: JobState, before: Timestamp, limit: usize) -> StoreFuture<u64> {
        self.write(0, |store| store.prune(state, before, limit))
    }

    fn expire(&self, now: Timestamp, limit: usize) -> StoreFuture<u64> {
        self.write(0, |store| store.expire(now, limit))
    }

    fn job(&self, id: JobId) -> StoreFuture<(Job, Vec<Attempt>)> {
        self.read(|store| store.job(id))
    }

    fn jobs(&self, filter: JobFilter, before: Option<JobId>, limit: usize) -> StoreFuture<JobPage> {
        self.read(|store| store.jobs(filter, before, limit))
    }

    fn operate(&self, filter: JobFilter, op: Op, before: Option<JobId>, now: Timestamp) -> StoreFuture<OpReport> {
        self.write(0, |store| store.operate(filter, op, before, now))
    }

    fn queue_counts(&self) -> StoreFuture<Vec<QueueCounts>> {
        self.read(|store| store.queue_counts())
    }

    fn queue_states(&self) -> StoreFuture<Vec<(QueueRef, QueueState)>> {
        self.read(|store| store.queue_states())
    }

    fn set_queue_state(&self, queue: QueueRef, state: QueueState) -> StoreFuture<()> {
        self.write(0, |store| store.set_queue_state(queue, state))
    }

    fn ticks(&self, plugin: PluginName) -> StoreFuture<Vec<(String, Timestamp)>> {
        self.read(|store| store.ticks(plugin))
    }

    fn usage(&self) -> StoreFuture<Vec<PluginUsage>> {
        self.read(|store| store.usage())
    }

    fn set_quota(&self, plugin: PluginName, bytes: u64) {
        self.store.set_quota(plugin, bytes);
    }

    fn backup(&self, to: PathBuf) -> StoreFuture<u64> {
        self.read(|store| store.backup(to))
    }

    fn close(&self) -> StoreFuture<()> {
        self.read(|store| store.close())
    }
}
