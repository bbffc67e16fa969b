//! Who listens to one topic or prefix.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::message::Message;
use crate::queue::Queue;
use crate::subscription::SubscriptionId;

/// The listeners. A publisher takes a snapshot and lets go of the lock, so that nobody waits for ten thousand deliveries.
///
/// The list is changed in place while nobody publishes, and copied at most once for each message that is on its way, so
/// many subscriptions in a row do not cost their square.
#[derive(Default)]
pub(crate) struct Members(Arc<Vec<Arc<Queue>>>);

impl Members {
    pub(crate) fn insert(&mut self, queue: Arc<Queue>) {
        let all = Arc::make_mut(&mut self.0);
        queue.at.store(all.len(), Relaxed);
        all.push(queue);
    }

    /// Removes a listener, if it is one.
    pub(crate) fn remove(&mut self, queue: &Arc<Queue>) {
        let at = queue.at.load(Relaxed);
        if !self.0.get(at).is_some_and(|found| Arc::ptr_eq(found, queue)) {
            return;
        }
        let all = Arc::make_mut(&mut self.0);
        all.swap_remove(at);
        if let Some(moved) = all.get(at) {
            moved.at.store(at, Relaxed);
        }
        if all.len() < all.capacity() / 4 {
            all.shrink_to(all.len() * 2);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn snapshot(&self) -> Arc<Vec<Arc<Queue>>> {
        Arc::clone(&self.0)
    }
}

/// What became of a message.
#[derive(Clone, Copy, Default)]
pub(crate) struct Tally {
    pub(crate) queued: usize,
    pub(crate) dropped: usize,
}

impl Tally {
    /// Puts the message into the queue of everyone but its author.
    pub(crate) fn fan_out(&mut self, members: &[Arc<Queue>], message: &Arc<Message>, author: Option<SubscriptionId>) {
        for queue in members {
            if author == Some(queue.id) {
                continue;
            }
            let pushed = queue.push(message);
            self.queued += usize::from(pushed.queued);
            self.dropped += pushed.dropped;
        }
    }
}
