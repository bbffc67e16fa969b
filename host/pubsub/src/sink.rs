//! Listeners that take messages at once, in place of a queue that is read later.
//!
//! A socket with many subscriptions has one outbound queue, and what it sees is in the order in which it was published:
//! a message is in that queue before `publish` returns.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use crate::message::Message;
use crate::queue::Pushed;
use crate::subscribe::Place;
use crate::subscription::SubscriptionId;

/// Takes messages at once.
pub trait Sink: Send + Sync + 'static {
    /// A message for the subscription of this tag; returns whether it was taken. What is not taken counts as dropped.
    ///
    /// It runs under the topic's lock, in the order of the topic's messages, so it must not wait, publish or subscribe: it
    /// puts the message into a bounded queue and says how that went.
    fn deliver(&self, tag: u64, message: &Arc<Message>) -> bool;
}

/// A subscription that feeds a [`Sink`], which ends when this is dropped. A message that is on its way then may still come.
pub struct SinkSubscription {
    pub(crate) listener: Arc<Listener>,
    pub(crate) place: Place,
}

/// A sink among the members of a topic.
pub(crate) struct Listener {
    pub(crate) id: SubscriptionId,
    /// As [`Queue::at`](crate::queue::Queue).
    pub(crate) at: AtomicUsize,
    pub(crate) tag: u64,
    pub(crate) sink: Arc<dyn Sink>,
}

impl Listener {
    pub(crate) fn push(&self, message: &Arc<Message>) -> Pushed {
        let queued = self.sink.deliver(self.tag, message);
        Pushed { queued, dropped: usize::from(!queued) }
    }
}

impl SinkSubscription {
    /// Its id, for [`Publish::from`](crate::Publish::from).
    #[must_use]
    pub fn id(&self) -> SubscriptionId {
        self.listener.id
    }
}

impl Drop for SinkSubscription {
    fn drop(&mut self) {
        self.place.leave_sink(&self.listener);
    }
}

impl fmt::Debug for SinkSubscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SinkSubscription")
            .field("id", &self.listener.id)
            .field("tag", &self.listener.tag)
            .finish_non_exhaustive()
    }
}
