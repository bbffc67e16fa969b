//! What interrupts a statement: its time, its memory, and whoever has gone away.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use skep_types::clock::Clock;

use crate::error::Error;

/// How many steps of SQLite's machine are between two looks: some ten microseconds.
const STEPS: i32 = 1_000;
const NEVER: u64 = u64::MAX;

/// Shared by a connection's thread, which is interrupted, and whoever holds the connection.
pub(super) struct Watch {
    clock: Arc<dyn Clock>,
    since: Instant,
    /// Nanoseconds behind `since`.
    until: AtomicU64,
    /// Which holder's work is being done, and whose nobody waits for any more.
    holder: AtomicU64,
    stopped: AtomicU64,
    memory_max: i64,
    memory_before: AtomicI64,
    cause: AtomicU8,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Cause {
    Time = 1,
    Memory = 2,
}

impl Watch {
    pub(super) fn new(clock: Arc<dyn Clock>, memory_max: u64) -> Self {
        Self {
            since: clock.now(),
            clock,
            until: AtomicU64::new(NEVER),
            holder: AtomicU64::new(0),
            stopped: AtomicU64::new(0),
            memory_max: i64::try_from(memory_max).unwrap_or(i64::MAX),
            memory_before: AtomicI64::new(0),
            cause: AtomicU8::new(0),
        }
    }

    /// Makes a connection look here from time to time.
    pub(super) fn attach(self: &Arc<Self>, connection: &mut Connection) -> rusqlite::Result<()> {
        let watch = Arc::clone(self);
        connection.progress_handler(STEPS, Some(move || watch.is_over()))
    }

    /// From now on a statement works, until this at the latest.
    pub(super) fn arm(&self, until: Instant) {
        let nanos = until.saturating_duration_since(self.since).as_nanos();
        self.cause.store(0, Relaxed);
        self.memory_before.store(memory_used(), Relaxed);
        self.until.store(u64::try_from(nanos).unwrap_or(NEVER), Relaxed);
    }

    /// What the host does by itself is not interrupted.
    pub(super) fn disarm(&self) {
        self.until.store(NEVER, Relaxed);
    }

    pub(super) fn is_late(&self) -> bool {
        let until = self.until.load(Relaxed);
        until != NEVER && self.clock.now().saturating_duration_since(self.since) >= Duration::from_nanos(until)
    }

    /// From now on the work of this holder is done.
    pub(super) fn works_for(&self, holder: u64) {
        self.holder.store(holder, Relaxed);
    }

    /// Nobody waits for this holder's work any more. That of the next one goes on.
    pub(super) fn stop(&self, holder: u64) {
        self.stopped.store(holder, Relaxed);
    }

    /// Why a statement was interrupted.
    pub(super) fn why(&self) -> Error {
        if self.cause.load(Relaxed) == Cause::Memory as u8 {
            Error::TooLarge(self.memory_max.unsigned_abs())
        } else {
            Error::Timeout
        }
    }

    fn is_over(&self) -> bool {
        let until = self.until.load(Relaxed);
        if until == NEVER {
            return false;
        }
        if self.stopped.load(Relaxed) == self.holder.load(Relaxed) || self.is_late() {
            self.cause.store(Cause::Time as u8, Relaxed);
            return true;
        }
        if memory_used() - self.memory_before.load(Relaxed) > self.memory_max {
            self.cause.store(Cause::Memory as u8, Relaxed);
            return true;
        }
        false
    }
}

/// Bytes that SQLite has allocated in this process.
#[allow(unsafe_code, reason = "a call of C without arguments that reads a counter under SQLite's own lock")]
fn memory_used() -> i64 {
    unsafe { rusqlite::ffi::sqlite3_memory_used() }
}
