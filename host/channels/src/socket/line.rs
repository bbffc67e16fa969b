//! Frames that go out without a turn of the socket's own task. A broadcast to ten thousand sockets would wake as many tasks,
//! each of which looks at everything that it has; a few flushers walk the sockets instead and write what waits.
//!
//! A flusher writes only what a connection takes at once. What it does not take is left to the socket's task, as before.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::runtime::Handle;

use super::Shared;
use crate::wire::Frame;

/// Sockets that a flusher writes to before other tasks get their turn: some 150 us.
const SLICE: usize = 16;
/// Another flusher begins when so many sockets wait for each that is at work.
const BACKLOG: usize = 2 * SLICE;
/// Room for so many sockets stays while none waits.
const IDLE_CAPACITY: usize = 1024;

/// A socket's connection, for whoever has something for its client while the socket's task has nothing to do.
pub trait Line: Send + Sync + 'static {
    /// Writes what waits, as much as the connection takes at once; whether nothing is left to do. Otherwise the task that
    /// holds the [`Socket`](super::Socket) is woken, and goes on.
    ///
    /// It must not wait. Frames that are [taken](Outbound::take) must leave before those that the task takes later.
    fn flush(&self, outbound: &Outbound<'_>) -> bool;
}

/// What waits for a client.
pub struct Outbound<'a>(&'a Shared);

impl Outbound<'_> {
    /// Takes frames: at least one if there is one, and then up to so many bytes. Whether these are all.
    pub fn take(&self, bytes_max: usize, into: impl FnMut(Frame)) -> bool {
        self.0.update(|state| {
            state.flushing = false;
            state.take(bytes_max, into);
            state.queued() == 0
        })
    }
}

impl fmt::Debug for Outbound<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Outbound").field(&self.0.id).finish()
    }
}

impl Shared {
    fn flush(&self) {
        let flushed = self.line.get().is_some_and(|line| line.flush(&Outbound(self)));
        if !flushed {
            self.update(|state| (state.flushing, state.wake) = (false, true));
        }
    }
}

/// Writes for many sockets, in tasks that are there while one waits.
pub(crate) struct Flusher {
    runtime: Handle,
    /// At most as many as there are workers of the runtime.
    tasks_max: usize,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    /// Each socket once, so no more than there are.
    sockets: VecDeque<Arc<Shared>>,
    tasks: usize,
}

impl Flusher {
    /// None outside of a runtime, where nobody polls sockets either.
    pub(crate) fn new() -> Option<Arc<Self>> {
        let runtime = Handle::try_current().ok()?;
        let tasks_max = runtime.metrics().num_workers();
        Some(Arc::new(Self { runtime, tasks_max, waiting: Mutex::default() }))
    }

    /// Something waits for this socket's client.
    pub(crate) fn push(self: &Arc<Self>, shared: Arc<Shared>) {
        let mut waiting = self.waiting.lock();
        waiting.sockets.push_back(shared);
        let begins = waiting.tasks < self.tasks_max && waiting.sockets.len() > waiting.tasks * BACKLOG;
        waiting.tasks += usize::from(begins);
        drop(waiting);
        if begins {
            self.runtime.spawn(Turn { flusher: Arc::clone(self), is_over: false }.work());
        }
    }
}

/// A flusher at work; however it ends, another one may begin.
struct Turn {
    flusher: Arc<Flusher>,
    is_over: bool,
}

impl Turn {
    /// The next sockets. Where there are none it is over, for everybody who brings one from now on.
    fn next(&mut self, into: &mut Vec<Arc<Shared>>) -> bool {
        let mut waiting = self.flusher.waiting.lock();
        let count = waiting.sockets.len().min(SLICE);
        into.extend(waiting.sockets.drain(..count));
        if waiting.sockets.is_empty() && waiting.sockets.capacity() > IDLE_CAPACITY {
            waiting.sockets = VecDeque::new();
        }
        if count == 0 {
            waiting.tasks -= 1;
            self.is_over = true;
        }
        !self.is_over
    }

    async fn work(mut self) {
        let mut sockets = Vec::with_capacity(SLICE);
        while self.next(&mut sockets) {
            for shared in sockets.drain(..) {
                shared.flush();
            }
            tokio::task::yield_now().await;
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !self.is_over {
            self.flusher.waiting.lock().tasks -= 1;
        }
    }
}
