//! Who listens to one topic or prefix.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use crate::message::Message;
use crate::queue::{Pushed, Queue};
use crate::sink::Listener;
use crate::subscription::SubscriptionId;

/// One who listens.
#[derive(Clone)]
pub(crate) enum Member {
    Queue(Arc<Queue>),
    Sink(Arc<Listener>),
}

impl Member {
    fn id(&self) -> SubscriptionId {
        match self {
            Self::Queue(queue) => queue.id,
            Self::Sink(listener) => listener.id,
        }
    }

    fn at(&self) -> &AtomicUsize {
        match self {
            Self::Queue(queue) => &queue.at,
            Self::Sink(listener) => &listener.at,
        }
    }

    fn push(&self, message: &Arc<Message>) -> Pushed {
        match self {
            Self::Queue(queue) => queue.push(message),
            Self::Sink(listener) => listener.push(message),
        }
    }
}

/// The listeners. A publisher takes a snapshot and lets go of the lock, so that nobody waits for ten thousand deliveries.
///
/// The list is changed in place while nobody publishes, and copied at most once for each message that is on its way, so
/// many subscriptions in a row do not cost their square.
#[derive(Default)]
pub(crate) struct Members(Arc<Vec<Member>>);

impl Members {
    pub(crate) fn insert(&mut self, member: Member) {
        let all = Arc::make_mut(&mut self.0);
        member.at().store(all.len(), Relaxed);
        all.push(member);
    }

    /// Removes a listener, if it is one.
    pub(crate) fn remove(&mut self, member: &Member) {
        let at = member.at().load(Relaxed);
        // No id is used twice.
        if self.0.get(at).is_none_or(|found| found.id() != member.id()) {
            return;
        }
        let all = Arc::make_mut(&mut self.0);
        all.swap_remove(at);
        if let Some(moved) = all.get(at) {
            moved.at().store(at, Relaxed);
        }
        if all.len() < all.capacity() / 4 {
            all.shrink_to(all.len() * 2);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn snapshot(&self) -> Arc<Vec<Member>> {
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
    /// Hands the message to everyone but its author.
    pub(crate) fn fan_out(&mut self, members: &[Member], message: &Arc<Message>, author: Option<SubscriptionId>) {
        for member in members {
            if author == Some(member.id()) {
                continue;
            }
            let pushed = member.push(message);
            self.queued += usize::from(pushed.queued);
            self.dropped += pushed.dropped;
        }
    }
}
