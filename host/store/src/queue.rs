//! The bounded queue in front of the writer.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio::sync::{Notify, oneshot};

use crate::error::Error;

/// The most operations of a group: it bounds how long the first of them waits for the last.
const GROUP_MAX: usize = 1_024;
/// The most bytes of a group, but for one operation that is larger.
const GROUP_BYTES_MAX: usize = 8 << 20;

/// What waits.
pub(crate) trait Waiting {
    /// Bytes that it brings.
    fn bytes(&self) -> usize;
}

type Closer = oneshot::Sender<Result<(), Error>>;

/// What waits for the writer, the oldest first.
pub(crate) struct Queue<O> {
    inner: Mutex<Inner<O>>,
    /// For a writer that is a thread.
    filled: Condvar,
    /// For a writer that is a task.
    told: Notify,
    len_max: usize,
    bytes_max: usize,
}

struct Inner<O> {
    waiting: VecDeque<O>,
    bytes: usize,
    closed: bool,
    closers: Vec<Closer>,
    /// The writer is to look around, though nothing waits.
    nudged: bool,
    /// The writer has gone.
    over: bool,
}

/// What the writer is to do.
pub(crate) enum Taken<O> {
    /// These, in one group.
    Group(Vec<O>),
    /// Nothing came in that time.
    Idle,
    /// Nothing will come any more.
    Closed,
}

impl<O: Waiting> Queue<O> {
    pub(crate) fn new(len_max: usize, bytes_max: usize) -> Self {
        let inner = Inner {
            waiting: VecDeque::new(),
            bytes: 0,
            closed: false,
            closers: Vec::new(),
            nudged: false,
            over: false,
        };
        Self { inner: Mutex::new(inner), filled: Condvar::new(), told: Notify::new(), len_max, bytes_max }
    }

    /// Overload policy: what is over the bounds is refused at once.
    pub(crate) fn push(&self, operation: O) -> Result<(), Error> {
        let mut inner = self.inner.lock();
        if inner.closed {
            return Err(closed());
        }
        let bytes = inner.bytes + operation.bytes();
        if inner.waiting.len() >= self.len_max || (bytes > self.bytes_max && !inner.waiting.is_empty()) {
            return Err(Error::Busy);
        }
        inner.bytes = bytes;
        inner.waiting.push_back(operation);
        if inner.waiting.len() == 1 {
            self.filled.notify_one();
            self.told.notify_one();
        }
        Ok(())
    }

    /// Puts operations in front that are not done yet.
    pub(crate) fn put_back(&self, operations: Vec<O>) {
        let mut inner = self.inner.lock();
        for operation in operations.into_iter().rev() {
            inner.bytes += operation.bytes();
            inner.waiting.push_front(operation);
        }
    }

    /// All that waits, as far as it fits one group. Waits for so long; for as long as it takes, if nothing is said.
    pub(crate) fn take(&self, idle: Option<Duration>) -> Taken<O> {
        let mut inner = self.inner.lock();
        while inner.waiting.is_empty() {
            if inner.closed {
                return Taken::Closed;
            }
            match idle {
                None => self.filled.wait(&mut inner),
                Some(idle) => {
                    if self.filled.wait_for(&mut inner, idle).timed_out() && inner.waiting.is_empty() && !inner.closed {
                        return Taken::Idle;
                    }
                }
            }
        }
        Taken::Group(inner.group())
    }

    /// The same, for a task, which may be [`nudged`](Self::nudge). Whoever drops it has taken nothing.
    pub(crate) async fn taken(&self, idle: Option<Duration>) -> Taken<O> {
        loop {
            {
                let mut inner = self.inner.lock();
                let nudged = std::mem::take(&mut inner.nudged);
                if !inner.waiting.is_empty() {
                    return Taken::Group(inner.group());
                }
                if inner.closed {
                    return Taken::Closed;
                }
                if nudged {
                    return Taken::Idle;
                }
            }
            // It keeps one call that comes before it is asked.
            let told = self.told.notified();
            match idle {
                None => told.await,
                Some(idle) => {
                    if tokio::time::timeout(idle, told).await.is_err() && self.is_idle() {
                        return Taken::Idle;
                    }
                }
            }
        }
    }

    fn is_idle(&self) -> bool {
        let inner = self.inner.lock();
        inner.waiting.is_empty() && !inner.closed
    }

    /// A writer that is a task looks around, whether anything waits or not.
    pub(crate) fn nudge(&self) {
        self.inner.lock().nudged = true;
        self.told.notify_one();
    }

    /// Takes no more. The writer goes when it has done what is there, and then tells.
    pub(crate) fn close(&self, tell: Option<Closer>) {
        let mut inner = self.inner.lock();
        inner.closed = true;
        match tell {
            Some(tell) if inner.over => _ = tell.send(Ok(())),
            tell => inner.closers.extend(tell),
        }
        self.filled.notify_all();
        self.told.notify_one();
    }

    /// The writer has gone, and all files are let go.
    pub(crate) fn over(&self) {
        let mut inner = self.inner.lock();
        inner.closed = true;
        inner.over = true;
        // Dropped operations tell whoever waits that nobody knows.
        inner.waiting.clear();
        for tell in inner.closers.drain(..) {
            _ = tell.send(Ok(()));
        }
    }
}

impl<O: Waiting> Inner<O> {
    /// What fits one group.
    fn group(&mut self) -> Vec<O> {
        let (mut len, mut bytes) = (0, 0);
        for operation in &self.waiting {
            if len > 0 && (len >= GROUP_MAX || bytes + operation.bytes() > GROUP_BYTES_MAX) {
                break;
            }
            len += 1;
            bytes += operation.bytes();
        }
        self.bytes -= bytes;
        self.waiting.drain(..len).collect()
    }
}

/// What is answered from when the store closes.
pub(crate) fn closed() -> Error {
    Error::Unavailable("the store is closed".to_owned())
}
