//! Locks: one holder at a time, over all instances of a plugin.

use std::time::Duration;

use super::{Bucket, host};
use crate::{__private::bindings::imports::skep::plugin::types as wit, Result, clock::millis};

/// A lock, held until this is dropped or the call ends, whichever way: a panic and a deadline free it too.
#[derive(Debug)]
#[must_use = "the lock is free again when its guard is dropped; `let _ =` drops it at once"]
pub struct LockGuard {
    lock: host::Lock,
}

impl LockGuard {
    /// A number that grows from holder to holder: a store that remembers the highest one can refuse a holder that was
    /// cut off and does not know it.
    #[must_use]
    pub fn fence(&self) -> u64 {
        self.lock.fence()
    }
}

impl Bucket {
    /// Takes the lock of that name, and waits for whoever holds it for so long at most, first come, first served. Locks
    /// are no entries: a key of the same name has nothing to do with it.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use skep_sdk::{cache, prelude::*};
    /// # let board = cache::bucket("board")?;
    /// let _printing = board.lock("printer", Duration::from_secs(2))?;
    /// // Nobody else prints until the guard goes out of scope.
    /// # Ok::<_, Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Timeout`](crate::CapabilityError::Timeout) after `wait`; [`Full`](crate::CapabilityError::Full) if too many
    /// wait, or too many locks are held.
    pub fn lock(&self, name: &str, wait: Duration) -> Result<LockGuard> {
        match self.handle().lock(name, millis(wait)) {
            Ok(lock) => Ok(LockGuard { lock }),
            Err(error) => Err(self.refused("locking", name, error)),
        }
    }

    /// Takes the lock of that name if it is free; `None` if somebody holds it.
    ///
    /// # Errors
    /// As [`lock`](Self::lock), but for the timeout.
    pub fn try_lock(&self, name: &str) -> Result<Option<LockGuard>> {
        match self.handle().lock(name, 0) {
            Ok(lock) => Ok(Some(LockGuard { lock })),
            Err(wit::Error::Timeout) => Ok(None),
            Err(error) => Err(self.refused("locking", name, error)),
        }
    }
}
