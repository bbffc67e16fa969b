//! The bounded queue in front of the writer.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use super::operation::Operation;
use crate::error::Error;

/// The most operations of a group: it bounds how long the first of them waits for the last.
const GROUP_MAX: usize = 1_024;
/// The most bytes of a group, but for one operation that is larger.
const GROUP_BYTES_MAX: usize = 8 << 20;

type Closer = oneshot::Sender<Result<(), Error>>;

/// What waits for the writer, the oldest first.
pub(super) struct Queue {
    inner: Mutex<Inner>,
    filled: Condvar,
    len_max: usize,
    bytes_max: usize,
}

#[derive(Default)]
struct Inner {
    waiting: VecDeque<Box<dyn Operation>>,
    bytes: usize,
    closed: bool,
    closers: Vec<Closer>,
    /// The writer has gone.
    over: bool,
}

/// What the writer is to do.
pub(super) enum Taken {
    /// These, in one group.
    Group(Vec<Box<dyn Operation>>),
    /// Nothing came in that time.
    Idle,
    /// Nothing will come any more.
    Closed,
}

impl Queue {
    pub(super) fn new(len_max: usize, bytes_max: usize) -> Self {
        Self { inner: Mutex::default(), filled: Condvar::new(), len_max, bytes_max }
    }

    /// Overload policy: what is over the bounds is refused at once.
    pub(super) fn push(&self, operation: Box<dyn Operation>) -> Result<(), Error> {
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
        }
        Ok(())
    }

    /// Puts operations in front that are not done yet.
    pub(super) fn put_back(&self, operations: Vec<Box<dyn Operation>>) {
        let mut inner = self.inner.lock();
        for operation in operations.into_iter().rev() {
            inner.bytes += operation.bytes();
            inner.waiting.push_front(operation);
        }
    }

    /// All that waits, as far as it fits one group. Waits for so long; for as long as it takes, if nothing is said.
    pub(super) fn take(&self, idle: Option<Duration>) -> Taken {
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
        let (mut len, mut bytes) = (0, 0);
        for operation in &inner.waiting {
            if len > 0 && (len >= GROUP_MAX || bytes + operation.bytes() > GROUP_BYTES_MAX) {
                break;
            }
            len += 1;
            bytes += operation.bytes();
        }
        inner.bytes -= bytes;
        Taken::Group(inner.waiting.drain(..len).collect())
    }

    /// Takes no more. The writer goes when it has done what is there, and then tells.
    pub(super) fn close(&self, tell: Option<Closer>) {
        let mut inner = self.inner.lock();
        inner.closed = true;
        match tell {
            Some(tell) if inner.over => _ = tell.send(Ok(())),
            tell => inner.closers.extend(tell),
        }
        self.filled.notify_all();
    }

    /// The writer has gone, and all files are let go.
    pub(super) fn over(&self) {
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

/// What is answered from when the store closes.
pub(super) fn closed() -> Error {
    Error::Unavailable("the store is closed".to_owned())
}
