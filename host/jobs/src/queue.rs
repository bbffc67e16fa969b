//! A queue of a plugin on this host: what is said of it, and what works on it.

mod hand;
mod round;
mod worker;

use std::sync::Arc;

use parking_lot::Mutex;
use skep_store::{Caps, QueueRef, QueueState};
use tokio::sync::Notify;

use crate::attempt::Performer;
use crate::definition::{CONCURRENCY_MAX, Definitions, QueueOptions};

pub(crate) use worker::Worker;

/// What a revision brings to a queue. Attempts keep the one that they began with.
pub(crate) struct Setup {
    pub(crate) options: QueueOptions,
    pub(crate) definitions: Arc<Definitions>,
    pub(crate) performer: Arc<dyn Performer>,
}

/// What is said of a queue, by its plugin and by operators; its worker reads it at each step.
pub(crate) struct Queue {
    pub(crate) id: QueueRef,
    state: Mutex<State>,
    /// Something was said, or jobs may be available.
    wake: Notify,
}

#[derive(Clone)]
struct State {
    /// None: its plugin is gone; what runs may end.
    setup: Option<Arc<Setup>>,
    operator: QueueState,
    /// Its worker has ended: nobody reads this any more.
    over: bool,
    at_work: AtWork,
}

/// What a worker has in hand.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AtWork {
    /// Attempts that run.
    pub(crate) running: usize,
    /// Jobs on lease that wait for room.
    pub(crate) prefetched: usize,
    /// Attempts that ended, and whose ends are not durable yet.
    pub(crate) settling: usize,
}

/// What holds for a queue now.
#[derive(Clone)]
pub(crate) struct Terms {
    pub(crate) setup: Option<Arc<Setup>>,
    pub(crate) paused: bool,
    pub(crate) concurrency: usize,
}

impl Terms {
    /// What leases keep to, whatever host they are of.
    pub(crate) fn caps(&self) -> Caps {
        self.setup.as_ref().map(|setup| setup.options.caps()).unwrap_or_default()
    }
}

impl Queue {
    pub(crate) fn new(id: QueueRef, setup: Arc<Setup>, operator: QueueState) -> Self {
        let state = State { setup: Some(setup), operator, over: false, at_work: AtWork::default() };
        Self { id, state: Mutex::new(state), wake: Notify::new() }
    }

    /// A revision takes over. False if the worker has ended meanwhile.
    pub(crate) fn set_up(&self, setup: Arc<Setup>) -> bool {
        let mut state = self.state.lock();
        if state.over {
            return false;
        }
        state.setup = Some(setup);
        drop(state);
        self.wake();
        true
    }

    /// The plugin is gone: nothing more begins.
    pub(crate) fn detach(&self) {
        self.state.lock().setup = None;
        self.wake();
    }

    pub(crate) fn operate(&self, operator: QueueState) {
        let before = std::mem::replace(&mut self.state.lock().operator, operator);
        if before != operator {
            self.wake();
        }
    }

    pub(crate) fn operator(&self) -> QueueState {
        self.state.lock().operator
    }

    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }

    pub(crate) fn terms(&self) -> Terms {
        let state = self.state.lock();
        let said = state.setup.as_ref().map_or(0, |setup| setup.options.concurrency.get());
        let concurrency = state.operator.concurrency.unwrap_or(said).min(CONCURRENCY_MAX) as usize;
        let paused = state.operator.paused || state.setup.as_ref().is_some_and(|setup| setup.options.paused);
        Terms { setup: state.setup.clone(), paused, concurrency }
    }

    pub(crate) fn at_work(&self) -> AtWork {
        self.state.lock().at_work
    }

    fn show(&self, at_work: AtWork) {
        self.state.lock().at_work = at_work;
    }

    /// Ends it if nobody set it up again, or in any case.
    fn end(&self, anyway: bool) -> bool {
        let mut state = self.state.lock();
        state.over = anyway || state.setup.is_none();
        state.over
    }
}
