//! What all parts of the service share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use skep_store::{QueueRef, QueueState, Store, Timestamp};
use skep_types::{HandlerName, PluginName};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::held::Held;
use crate::options::Options;
use crate::queue::{Queue, Setup, Worker};
use crate::registry::Registry;
use crate::time::{Time, millis};
use crate::waiters::Waiters;

/// How far the service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It works.
    Running,
    /// Nothing new begins.
    Draining,
    /// What is in hand now is left to other hosts.
    Abandoned,
}

/// What all parts of the service share. Each lock is held for a moment, over no await, and never together with another.
pub(crate) struct Core {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) time: Time,
    pub(crate) options: Options,
    /// The name in leases: of this start of this node.
    pub(crate) worker: String,
    pub(crate) held: Held,
    pub(crate) waiters: Waiters,
    pub(crate) registry: Mutex<Registry>,
    pub(crate) wakes: Wakes,
    /// Held while an operator's word goes to the store and comes into force, and while such words are read.
    pub(crate) operating: tokio::sync::Mutex<()>,
    /// The loops of the queues.
    pub(crate) workers: TaskTracker,
    /// The other loops.
    pub(crate) chores: TaskTracker,
    /// Cancelled when the service begins to stop, and when its workers have ended.
    pub(crate) stopping: CancellationToken,
    pub(crate) stopped: CancellationToken,
    phase: AtomicU8,
    runtime: Handle,
}

/// What wakes the loops up before their time.
#[derive(Default)]
pub(crate) struct Wakes {
    pub(crate) upkeep: Notify,
    pub(crate) staging: Notify,
    pub(crate) schedules: Notify,
    /// The earliest time of a job that was put off, since the stager looked last.
    pub(crate) due: Mutex<Option<Timestamp>>,
}

impl Core {
    pub(crate) fn new(store: Arc<dyn Store>, time: Time, options: Options, runtime: Handle) -> Self {
        // Two starts in the same millisecond still differ.
        let worker = format!("{}@{}-{:04x}", options.node, time.wall(), fastrand::u16(..));
        Self {
            store,
            worker,
            held: Held::default(),
            waiters: Waiters::new(options.limits.waiters_max),
            registry: Mutex::default(),
            wakes: Wakes::default(),
            operating: tokio::sync::Mutex::default(),
            workers: TaskTracker::new(),
            chores: TaskTracker::new(),
            stopping: CancellationToken::new(),
            stopped: CancellationToken::new(),
            phase: AtomicU8::new(0),
            runtime,
            time,
            options,
        }
    }

    pub(crate) fn lease_ms(&self) -> u64 {
        millis(self.options.lease)
    }

    pub(crate) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Running,
            1 => Phase::Draining,
            _ => Phase::Abandoned,
        }
    }

    /// Goes on to a later phase, and tells all workers.
    pub(crate) fn enter(&self, phase: Phase) {
        let number = match phase {
            Phase::Running => 0,
            Phase::Draining => 1,
            Phase::Abandoned => 2,
        };
        self.phase.fetch_max(number, Ordering::AcqRel);
        self.wake_all();
    }

    /// Whether jobs may be leased: the service works, and knows which queues are paused.
    pub(crate) fn may_lease(&self) -> bool {
        self.phase() == Phase::Running && self.registry.lock().is_ready()
    }

    pub(crate) fn wake_all(&self) {
        for queue in self.registry.lock().queues.values() {
            queue.wake();
        }
    }

    /// Brings up a queue, or gives it a new setup. `registry` is the caller's own guard on the registry's contents.
    pub(crate) fn open(self: &Arc<Self>, registry: &mut Registry, id: QueueRef, setup: Arc<Setup>) {
        if registry.queues.get(&id).is_some_and(|queue| queue.set_up(Arc::clone(&setup))) {
            return;
        }
        let queue = Arc::new(Queue::new(id.clone(), setup, registry.operator(&id)));
        registry.queues.insert(id, Arc::clone(&queue));
        let core = Arc::clone(self);
        let work = async move {
            Worker::new(Arc::clone(&core), Arc::clone(&queue)).run().await;
            core.forget(&queue);
        };
        self.workers.spawn_on(work, &self.runtime);
    }

    /// A worker has ended; the queue may have a new one already.
    fn forget(&self, queue: &Arc<Queue>) {
        let mut registry = self.registry.lock();
        if registry.queues.get(&queue.id).is_some_and(|known| Arc::ptr_eq(known, queue)) {
            registry.queues.remove(&queue.id);
        }
    }

    /// Jobs of these names were set aside as unknown: if the plugin knows one of them now, they are brought back.
    pub(crate) fn resume_known(&self, plugin: &PluginName, names: &[HandlerName]) {
        let mut registry = self.registry.lock();
        let knows = registry
            .plugins
            .get(plugin)
            .is_some_and(|plugin| names.iter().any(|name| plugin.definitions.get(name).is_some()));
        if knows {
            registry.to_resume.insert(plugin.clone());
            self.wakes.upkeep.notify_one();
        }
    }

    pub(crate) fn operate(&self, queue: &QueueRef, state: QueueState) {
        let mut registry = self.registry.lock();
        registry.set_operator(queue.clone(), state);
        if let Some(queue) = registry.queues.get(queue) {
            queue.operate(state);
        }
    }

    /// Returns when the clock says so, at `None` never.
    pub(crate) async fn sleep_until(&self, at: Option<Instant>) {
        match at {
            Some(at) => self.time.sleep_until(at).await,
            None => std::future::pending().await,
        }
    }

    /// A loop's pause: until its time, its wake-up, or the end, which is false.
    pub(crate) async fn pause(&self, time: Duration, wake: &Notify, end: &CancellationToken) -> bool {
        tokio::select! {
            biased;
            () = end.cancelled() => false,
            () = wake.notified() => true,
            () = self.time.sleep(time) => true,
        }
    }

    /// As [`pause`](Self::pause), with no wake-up, until the service begins to stop.
    pub(crate) async fn rest(&self, time: Duration) -> bool {
        tokio::select! {
            biased;
            () = self.stopping.cancelled() => false,
            () = self.time.sleep(time) => true,
        }
    }
}
