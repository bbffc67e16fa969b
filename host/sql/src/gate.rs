//! Places, and a bounded line of those who wait for one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::Error;

/// So many connections, handed out in the order in which they were asked for.
pub(crate) struct Gate {
    places: Arc<Semaphore>,
    places_max: usize,
    waiting: AtomicUsize,
    waiting_max: usize,
}

/// A place. Its drop gives it back.
pub(crate) type Place = OwnedSemaphorePermit;

struct Waiting<'a>(&'a AtomicUsize);

impl Gate {
    pub(crate) fn new(places: usize, waiting_max: usize) -> Self {
        let places_max = places.min(Semaphore::MAX_PERMITS);
        Self { places: Arc::new(Semaphore::new(places_max)), places_max, waiting: AtomicUsize::new(0), waiting_max }
    }

    /// A line of its own before one place that others have lines before, too.
    pub(crate) fn before(place: Arc<Semaphore>, waiting_max: usize) -> Self {
        Self { places: place, places_max: 1, waiting: AtomicUsize::new(0), waiting_max }
    }

    /// Waits for a place. Whoever finds the line full, or waits for longer than this, is turned away.
    pub(crate) async fn enter(&self, wait: Duration) -> Result<Place, Error> {
        // Nobody is overtaken: as long as somebody waits, a place that becomes free is theirs.
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok(place);
        }
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        if before >= self.waiting_max {
            return Err(Error::Busy);
        }
        match tokio::time::timeout(wait, Arc::clone(&self.places).acquire_owned()).await {
            Ok(Ok(place)) => Ok(place),
            // It is never closed.
            Ok(Err(_)) | Err(_) => Err(Error::Busy),
        }
    }

    pub(crate) fn in_use(&self) -> u64 {
        (self.places_max - self.places.available_permits().min(self.places_max)) as u64
    }

    pub(crate) fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed) as u64
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
