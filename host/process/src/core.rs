//! What all parts of the engine share.

use std::future::{Future as _, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::task::Poll;

use parking_lot::MutexGuard;
use skep_types::Clock;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::alarms::Alarms;
use crate::cell::{Cell, Stage, State, Wishes};
use crate::keeper::Keeper;
use crate::observe::Happened;
use crate::options::Options;
use crate::places::Places;
use crate::registry::Registry;
use crate::time::{Tick, Time};
use crate::turn;

/// What a turn on its caller's task costs of the 128 things that tokio lets a task do in one poll.
const TURN_COSTS: usize = 8;

pub(crate) struct Core {
    pub(crate) time: Time,
    pub(crate) options: Options,
    pub(crate) keeper: Option<Arc<dyn Keeper>>,
    pub(crate) runtime: Handle,
    pub(crate) registry: Registry,
    pub(crate) alarms: Alarms,
    pub(crate) places: Places,
    /// Turns under way, and those who drive them.
    pub(crate) turns: TaskTracker,
    pub(crate) chores: TaskTracker,
    /// Nothing is taken any more.
    pub(crate) stopping: CancellationToken,
    /// Nobody waits any more.
    pub(crate) stopped: CancellationToken,
    /// Bytes of states of those who sleep.
    pub(crate) state_bytes: AtomicU64,
    /// Messages that were handled, and crashes, of all.
    pub(crate) handled: AtomicU64,
    pub(crate) crashed: AtomicU64,
    /// Wakes who moves processes to new revisions, and who reads mail.
    pub(crate) mail: tokio::sync::Notify,
    /// When the store is looked at next, by the wall clock.
    pub(crate) look_at: AtomicU64,
    pub(crate) wants_handled: bool,
    next_number: AtomicU64,
    next_call: AtomicU64,
    next_revision: AtomicU64,
    phase: AtomicU8,
}

impl Core {
    pub(crate) fn new(
        clock: Arc<dyn Clock>,
        keeper: Option<Arc<dyn Keeper>>,
        options: Options,
        runtime: Handle,
    ) -> Self {
        let time = Time::new(clock);
        let limits = &options.limits;
        // A host starts less than 2^20 processes in each millisecond of its life, so none after it begins where it was.
        let first = time.wall() << 20 | u64::from(fastrand::u8(..));
        Self {
            places: Places::new(limits.live_max, limits.unsaved_max, limits.waking_max),
            wants_handled: options.observer.wants_handled(),
            time,
            options,
            keeper,
            runtime,
            registry: Registry::new(),
            alarms: Alarms::default(),
            turns: TaskTracker::new(),
            chores: TaskTracker::new(),
            stopping: CancellationToken::new(),
            stopped: CancellationToken::new(),
            state_bytes: AtomicU64::new(0),
            handled: AtomicU64::new(0),
            crashed: AtomicU64::new(0),
            mail: tokio::sync::Notify::new(),
            look_at: AtomicU64::new(u64::MAX),
            next_number: AtomicU64::new(first),
            next_call: AtomicU64::new(1),
            next_revision: AtomicU64::new(1),
            phase: AtomicU8::new(0),
        }
    }

    pub(crate) fn number(&self) -> crate::Number {
        crate::Number(self.next_number.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) fn call_ref(&self) -> crate::CallRef {
        crate::CallRef(self.next_call.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) fn revision_id(&self) -> u64 {
        self.next_revision.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.phase.load(Ordering::Relaxed) != 0
    }

    pub(crate) fn enter_stopping(&self) {
        self.phase.store(1, Ordering::Relaxed);
    }

    pub(crate) fn tell(&self, cell: &Cell, what: &Happened) {
        self.options.observer.happened(&cell.pid(), what);
    }

    /// Lets a process do what there is to do, if no turn of it is under way. Called with its lock, which it gives back.
    pub(crate) fn kick(self: &Arc<Self>, cell: &Arc<Cell>, mut state: MutexGuard<'_, State>) {
        let Some(stage) = Self::begin(&mut state) else { return };
        drop(state);
        self.run(cell, stage);
    }

    /// A turn, on a task of its own.
    pub(crate) fn run(self: &Arc<Self>, cell: &Arc<Cell>, stage: Stage) {
        let turn = turn::run(Arc::clone(self), Arc::clone(cell), stage);
        self.turns.spawn_on(turn, &self.runtime);
    }

    /// Before a turn on the task of its caller, which has nothing in hand yet and may be given up here: so many of them, one
    /// behind or inside of the other, hold a worker for a few slices of fuel and no longer.
    pub(crate) async fn pay_for_turn() {
        for _ in 0..TURN_COSTS {
            tokio::task::coop::consume_budget().await;
        }
    }

    /// The first part of a turn, on the task of the one who waits for what comes of it: as far as it gets without having to
    /// wait, and one message at most. That is nearly always all of it, and no other thread has to be woken. What is left goes
    /// on by itself.
    pub(crate) async fn run_here(self: &Arc<Self>, cell: &Arc<Cell>, stage: Stage) {
        let turn = turn::run_for_caller(Arc::clone(self), Arc::clone(cell), stage);
        let mut turn = Box::pin(self.turns.track_future(turn));
        // A panic of the engine is not the caller's: as on a task of its own, it ends the turn.
        let began = poll_fn(|cx| Poll::Ready(catch_unwind(AssertUnwindSafe(|| turn.as_mut().poll(cx))))).await;
        if let Ok(Poll::Pending) = began {
            self.runtime.spawn(turn);
        }
    }

    /// Adds a wish and lets the process see to it.
    pub(crate) fn wish(self: &Arc<Self>, cell: &Arc<Cell>, wish: Wishes) {
        let mut state = cell.lock();
        if !matches!(state.stage, Stage::Ended) {
            state.wishes.add(wish);
            self.kick(cell, state);
        }
    }

    /// Takes the stage for a turn, if there is something to do and none is under way.
    pub(crate) fn begin(state: &mut State) -> Option<Stage> {
        let ready = match &state.stage {
            Stage::Working | Stage::Ended => false,
            // Nothing but an end, or somebody's word, changes these.
            Stage::BackingOff | Stage::GaveUp | Stage::Quarantined => {
                state.wishes.has(Wishes::END) || state.wishes.has(Wishes::AGAIN)
            }
            Stage::Unborn | Stage::Live(_) | Stage::Asleep(_) | Stage::Stored => {
                !state.mailbox.is_empty() || !state.wishes.is_empty()
            }
        };
        ready.then(|| std::mem::replace(&mut state.stage, Stage::Working))
    }

    /// The one that has been idle for longest goes to sleep, so that another gets its place.
    pub(crate) fn make_room(self: &Arc<Self>) {
        let kinds: Vec<_> = self.registry.kinds();
        // An entry may be out of date, and comes back then with the right time; each does so once.
        for _ in 0..self.options.limits.live_max.saturating_add(1) {
            let oldest = kinds.iter().filter_map(|kind| Some((kind.idle.first()?, kind))).min_by_key(|(at, _)| *at);
            let Some((at, kind)) = oldest else { return };
            let Some((at, cell)) = kind.idle.pop(at) else { continue };
            if self.tire(at, &cell, self.time.now()) {
                return;
            }
        }
    }

    /// An entry of the index was popped: the process goes to sleep if it has been idle since before `until`, or else the
    /// entry comes back.
    pub(crate) fn tire(self: &Arc<Self>, at: Tick, cell: &Arc<Cell>, until: Tick) -> bool {
        let mut state = cell.lock();
        if state.indexed != at {
            return false;
        }
        let idle = matches!(state.stage, Stage::Live(_));
        if idle && state.idle_since <= until && state.idle_since <= at {
            state.indexed = 0;
            state.wishes.add(Wishes::SLEEP);
            self.kick(cell, state);
            return true;
        }
        let since = if idle { state.idle_since } else { self.time.now() };
        // Never the same again, so that a loop over the index ends.
        state.indexed = since.max(at + 1);
        let at = state.indexed;
        drop(state);
        cell.kind.idle.insert(at, cell);
        false
    }
}
