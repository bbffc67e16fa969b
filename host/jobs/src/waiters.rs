//! Those who wait for the ends of jobs.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use skep_store::{JobId, JobState};
use tokio::sync::Notify;

/// Who waits for what. At most so many wait; one more is refused.
pub(crate) struct Waiters {
    most: usize,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    by_job: HashMap<JobId, Vec<Arc<Notify>>>,
    count: usize,
}

/// One who waits; dropped when not any more.
pub(crate) struct Waiter<'a> {
    waiters: &'a Waiters,
    id: JobId,
    notify: Arc<Notify>,
}

impl Waiters {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, waiting: Mutex::default() }
    }

    /// None if too many wait.
    pub(crate) fn wait(&self, id: JobId) -> Option<Waiter<'_>> {
        let notify = Arc::new(Notify::new());
        let mut waiting = self.waiting.lock();
        if waiting.count >= self.most {
            return None;
        }
        waiting.count += 1;
        waiting.by_job.entry(id).or_default().push(Arc::clone(&notify));
        Some(Waiter { waiters: self, id, notify })
    }

    pub(crate) fn ended(&self, jobs: &[(JobId, JobState)]) {
        let waiting = self.waiting.lock();
        if waiting.count == 0 {
            return;
        }
        for notify in jobs.iter().filter_map(|(id, _)| waiting.by_job.get(id)).flatten() {
            // It keeps the word for one that is on its way to wait.
            notify.notify_one();
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.lock().count
    }
}

impl Waiter<'_> {
    /// Resolves when the job has ended since the last call, or since it was made.
    pub(crate) async fn ended(&self) {
        self.notify.notified().await;
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let mut waiting = self.waiters.waiting.lock();
        waiting.count = waiting.count.saturating_sub(1);
        if let Some(those) = waiting.by_job.get_mut(&self.id) {
            those.retain(|notify| !Arc::ptr_eq(notify, &self.notify));
            if those.is_empty() {
                waiting.by_job.remove(&self.id);
            }
        }
    }
}
