//! How many instances live at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::Error;

/// The right to have an instance.
pub(crate) struct Place(#[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

/// The places of a host: those of processes that can sleep, in which others can make room, and those that cannot.
pub(crate) struct Places {
    asleep_else: Arc<Semaphore>,
    always: Arc<Semaphore>,
    waking: AtomicUsize,
    waking_max: usize,
    max: usize,
}

impl Places {
    pub(crate) fn new(live_max: usize, unsaved_max: usize, waking_max: usize) -> Self {
        let semaphore = |max: usize| Arc::new(Semaphore::new(max.min(Semaphore::MAX_PERMITS)));
        Self {
            asleep_else: semaphore(live_max.max(1)),
            always: semaphore(unsaved_max),
            waking: AtomicUsize::new(0),
            waking_max,
            max: live_max.max(1) + unsaved_max,
        }
    }

    /// A place for one that cannot sleep.
    pub(crate) fn always(&self) -> Result<Place, Error> {
        let permit = Arc::clone(&self.always).try_acquire_owned();
        permit.map(Place).map_err(|_| Error::Full("processes that cannot sleep"))
    }

    /// A place, if one is free.
    pub(crate) fn try_take(&self) -> Option<Place> {
        Arc::clone(&self.asleep_else).try_acquire_owned().ok().map(Place)
    }

    /// Waits for a place, in the order of asking. Cancelling gives the turn to the next.
    pub(crate) async fn wait(&self) -> Result<Place, Error> {
        struct Waiting<'a>(&'a AtomicUsize);
        impl Drop for Waiting<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::Relaxed);
            }
        }
        let before = self.waking.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waking);
        if before >= self.waking_max {
            return Err(Error::Unavailable("too many processes wait for an instance".to_owned()));
        }
        let permit = Arc::clone(&self.asleep_else).acquire_owned().await;
        permit.map(Place).map_err(|_| Error::Stopping)
    }

    /// How many wait.
    pub(crate) fn waking(&self) -> usize {
        self.waking.load(Ordering::Relaxed)
    }

    /// How many are taken.
    pub(crate) fn taken(&self) -> usize {
        let free = self.asleep_else.available_permits() + self.always.available_permits();
        self.max.saturating_sub(free)
    }
}
