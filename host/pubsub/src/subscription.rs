//! What a listener holds.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::task::coop::poll_proceed;

use crate::message::Message;
use crate::queue::Queue;
use crate::subscribe::Place;

/// Tells the subscriptions of a host apart; none is used twice while the host runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubscriptionId(pub(crate) u64);

/// What a listener reads.
#[derive(Clone, Debug)]
pub enum Delivery {
    /// A message.
    Message(Arc<Message>),
    /// Here so many messages were dropped, because the queue was full. It is told once, where they would have been.
    Missed(u64),
}

/// Why there will be no more deliveries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// The queue was full, and its policy is [`Overflow::Close`](crate::Overflow::Close).
    Overflow,
    /// The subscription was dropped.
    Dropped,
}

/// How resuming went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resumed {
    /// Whether nothing is missing: false if messages behind the id have left the log already, and if the log does not
    /// know the id, being younger than it.
    pub complete: bool,
}

/// What a subscription counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages that were read.
    pub delivered: u64,
    /// Messages that were dropped because the queue was full.
    pub dropped: u64,
    /// Messages that wait now, without the backlog.
    pub queued: usize,
    /// What they count as, in bytes.
    pub queued_bytes: u64,
    /// Messages of the log that a resumed subscription has not read yet.
    pub backlog: usize,
}

/// A subscription, which ends when this is dropped. What was not read then is gone.
///
/// Waiting may be given up at any time without losing a delivery.
pub struct Subscription {
    pub(crate) queue: Arc<Queue>,
    pub(crate) resumed: Option<Resumed>,
    pub(crate) place: Place,
}

impl Subscription {
    /// Its id, for [`Publish::from`](crate::Publish::from).
    #[must_use]
    pub fn id(&self) -> SubscriptionId {
        self.queue.id
    }

    /// How resuming went, if that was asked for.
    #[must_use]
    pub fn resumed(&self) -> Option<Resumed> {
        self.resumed
    }

    /// The next delivery; none once the subscription is closed and everything is read.
    pub async fn recv(&mut self) -> Option<Delivery> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// Waits for a delivery, and takes up to `max` that are there; at least one, none once the subscription is closed and
    /// everything is read.
    pub async fn recv_many(&mut self, max: usize) -> Vec<Delivery> {
        let mut all = Vec::new();
        if let Some(first) = self.recv().await {
            all.push(first);
            self.queue.take(max, &mut all);
        }
        all
    }

    /// The next delivery, if there is one now.
    pub fn try_recv(&mut self) -> Option<Delivery> {
        self.queue.try_recv()
    }

    /// As [`Self::recv`], for those who are polled themselves. Only the last task that polled is woken. A task that always
    /// finds something lets others run now and then, as with tokio's own channels.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Delivery>> {
        let turn = ready!(poll_proceed(cx));
        let polled = self.queue.poll(cx);
        if polled.is_ready() {
            turn.made_progress();
        }
        polled
    }

    /// Why it is closed, if it is; what is in the queue can still be read.
    #[must_use]
    pub fn close_reason(&self) -> Option<CloseReason> {
        self.queue.close_reason()
    }

    /// What it counted.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.queue.counts()
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.place.leave(&self.queue);
        self.queue.abandon();
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("id", &self.queue.id)
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}
