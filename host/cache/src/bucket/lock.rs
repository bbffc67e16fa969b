//! Locks by name: exclusive, first come, first served, and free the moment their guard is dropped. They are no entries:
//! a key and a lock of one name have nothing to do with each other.

use std::collections::HashMap;
use std::collections::hash_map::Entry as MapEntry;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::sync::oneshot;

use super::Bucket;
use crate::error::Error;
use crate::line::Line;

/// The locks that are held.
#[derive(Default)]
pub(super) struct Locks {
    names: HashMap<Box<str>, Line<LockGuard>>,
}

impl Locks {
    pub(super) fn held(&self) -> usize {
        self.names.len()
    }
}

/// A lock, held until this is dropped.
#[must_use = "the lock is free again when its guard is dropped"]
pub struct LockGuard {
    bucket: Arc<Bucket>,
    name: Box<str>,
    fence: u64,
    done: bool,
}

enum Asked {
    Got(LockGuard),
    Wait(Place, oneshot::Receiver<LockGuard>),
}

struct Place {
    bucket: Arc<Bucket>,
    name: Box<str>,
    number: u64,
}

impl Bucket {
    /// Takes a lock, waiting for it at most so long. The wait is measured by tokio's timer and needs its runtime;
    /// dropping the future gives up the place in the line.
    ///
    /// # Errors
    /// [`Error::Timeout`] after `wait`; [`Error::Full`] if too many wait, or too many locks are held;
    /// [`Error::Invalid`] if the name is longer than a key may be.
    pub async fn lock(&self, name: &str, wait: Duration) -> Result<LockGuard, Error> {
        let (place, handed) = match self.ask(name, wait)? {
            Asked::Got(guard) => return Ok(guard),
            Asked::Wait(place, handed) => (place, handed),
        };
        let handed = tokio::time::timeout(wait, handed).await;
        drop(place);
        match handed {
            Ok(Ok(guard)) => Ok(guard),
            Ok(Err(_)) | Err(_) => Err(Error::Timeout),
        }
    }

    /// Takes a lock if it is free.
    ///
    /// # Errors
    /// [`Error::Timeout`] if somebody holds it; otherwise as [`lock`](Self::lock).
    pub fn try_lock(&self, name: &str) -> Result<LockGuard, Error> {
        match self.ask(name, Duration::ZERO)? {
            Asked::Got(guard) => Ok(guard),
            Asked::Wait(..) => Err(Error::Timeout),
        }
    }

    fn ask(&self, name: &str, wait: Duration) -> Result<Asked, Error> {
        Self::check_key(name)?;
        let mut locks = self.locks.lock();
        let held = locks.held();
        match locks.names.entry(name.into()) {
            MapEntry::Vacant(vacant) => {
                if held >= self.settings.holders() {
                    self.rejected.fetch_add(1, Relaxed);
                    return Err(Error::Full("too many locks are held in this bucket"));
                }
                let guard = self.guard(name);
                vacant.insert(Line::new(guard.fence));
                Ok(Asked::Got(guard))
            }
            MapEntry::Occupied(mut line) => {
                self.may_wait(line.get().len(), wait)?;
                let number = self.ticket();
                let handed = line.get_mut().join(number);
                Ok(Asked::Wait(Place { bucket: self.owned(), name: name.into(), number }, handed))
            }
        }
    }

    /// Only under the mutex of the locks, so that fences grow in the order in which locks are given.
    fn guard(&self, name: &str) -> LockGuard {
        let fence = self.fences.fetch_add(1, Relaxed);
        LockGuard { bucket: self.owned(), name: name.into(), fence, done: false }
    }

    fn unlock(&self, name: &str, mut fence: u64) {
        loop {
            let mut locks = self.locks.lock();
            let Some(line) = locks.names.get_mut(name).filter(|line| line.holder == fence) else { return };
            let Some(next) = line.next() else {
                locks.names.remove(name);
                return;
            };
            let guard = self.guard(name);
            fence = guard.fence;
            line.holder = fence;
            // Sending under the mutex could drop a guard under it, which would wait for itself.
            drop(locks);
            match next.send(guard) {
                Err(mut unwanted) => unwanted.done = true,
                Ok(()) => return,
            }
        }
    }
}

impl LockGuard {
    /// The lock's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A number greater than that of every holder before, of any lock in this bucket. Whoever writes under the lock
    /// can send it along, so that the receiver refuses a writer that lost the lock without knowing. It keeps growing
    /// over restarts as far as the wall clock does.
    #[must_use]
    pub fn fence(&self) -> u64 {
        self.fence
    }
}

impl Drop for LockGuard {
    fn drop(&mut self) {
        if !self.done {
            self.bucket.unlock(&self.name, self.fence);
        }
    }
}

impl std::fmt::Debug for LockGuard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LockGuard").field("name", &self.name).field("fence", &self.fence).finish_non_exhaustive()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(line) = self.bucket.locks.lock().names.get_mut(&self.name) {
            line.leave(self.number);
        }
        self.bucket.waiting.fetch_sub(1, Relaxed);
    }
}
