//! What waits for one listener, and the wake-up.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use crate::message::Message;
use crate::options::{Overflow, SubscribeOptions};
use crate::subscription::{CloseReason, Counts, Delivery, SubscriptionId};

/// Room for so many deliveries stays when a listener waits again; more is given back, since most listeners are idle.
const IDLE_CAPACITY: usize = 16;

pub(crate) struct Queue {
    pub(crate) id: SubscriptionId,
    /// Where it is among its fellows; only they read and write it, under their lock.
    pub(crate) at: AtomicUsize,
    messages_max: usize,
    bytes_max: u64,
    overflow: Overflow,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    /// What a resumed subscription reads first.
    backlog: VecDeque<Arc<Message>>,
    /// `Missed` stands in here only where the newest are dropped, each in front of a message.
    live: VecDeque<Delivery>,
    messages: usize,
    bytes: u64,
    /// Dropped and not told: in front of `live` where the oldest are dropped, behind it where the newest are.
    missed: u64,
    waker: Option<Waker>,
    closed: Option<CloseReason>,
    delivered: u64,
    dropped: u64,
}

/// What became of a message in a queue.
#[derive(Clone, Copy, Default)]
pub(crate) struct Pushed {
    pub(crate) queued: bool,
    pub(crate) dropped: usize,
}

impl Queue {
    pub(crate) fn new(id: SubscriptionId, options: &SubscribeOptions) -> Self {
        Self {
            id,
            at: AtomicUsize::new(0),
            messages_max: options.queue.get(),
            bytes_max: options.queue_bytes.0,
            overflow: options.overflow,
            waiting: Mutex::default(),
        }
    }

    /// Before anybody publishes to it.
    pub(crate) fn fill_backlog(&self, messages: Vec<Arc<Message>>) {
        self.waiting.lock().backlog = messages.into();
    }

    /// Never waits for the listener, and wakes it only if it waits.
    pub(crate) fn push(&self, message: &Arc<Message>) -> Pushed {
        let mut waiting = self.waiting.lock();
        let pushed = waiting.push(message, self);
        let waker = waiting.waker.take();
        // The woken listener may run on another core at once and would meet the lock.
        drop(waiting);
        if let Some(waker) = waker {
            waker.wake();
        }
        pushed
    }

    pub(crate) fn try_recv(&self) -> Option<Delivery> {
        self.waiting.lock().next(self.overflow)
    }

    pub(crate) fn take(&self, max: usize, into: &mut Vec<Delivery>) {
        let mut waiting = self.waiting.lock();
        while into.len() < max
            && let Some(delivery) = waiting.next(self.overflow)
        {
            into.push(delivery);
        }
    }

    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<Option<Delivery>> {
        let mut waiting = self.waiting.lock();
        if let Some(delivery) = waiting.next(self.overflow) {
            return Poll::Ready(Some(delivery));
        }
        if waiting.closed.is_some() {
            return Poll::Ready(None);
        }
        if waiting.live.capacity() > IDLE_CAPACITY {
            waiting.live = VecDeque::new();
        }
        match &mut waiting.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// The listener is gone: what waits for it is freed even while a publisher still knows the queue.
    pub(crate) fn abandon(&self) {
        let mut waiting = self.waiting.lock();
        let old = std::mem::take(&mut *waiting);
        waiting.closed = Some(CloseReason::Dropped);
        drop(waiting);
        drop(old);
    }

    pub(crate) fn close_reason(&self) -> Option<CloseReason> {
        self.waiting.lock().closed
    }

    pub(crate) fn counts(&self) -> Counts {
        let waiting = self.waiting.lock();
        Counts {
            delivered: waiting.delivered,
            dropped: waiting.dropped,
            queued: waiting.messages,
            queued_bytes: waiting.bytes,
            backlog: waiting.backlog.len(),
        }
    }
}

impl Waiting {
    fn push(&mut self, message: &Arc<Message>, queue: &Queue) -> Pushed {
        if self.closed.is_some() {
            return Pushed::default();
        }
        let bytes = message.bytes();
        let mut dropped = 0;
        while self.messages > 0 && (self.messages >= queue.messages_max || self.bytes + bytes > queue.bytes_max) {
            dropped += 1;
            self.dropped += 1;
            match queue.overflow {
                Overflow::DropOldest => {
                    self.missed += 1;
                    self.pop();
                }
                Overflow::DropNewest => {
                    self.missed += 1;
                    return Pushed { queued: false, dropped };
                }
                Overflow::Close => {
                    self.closed = Some(CloseReason::Overflow);
                    return Pushed { queued: false, dropped };
                }
            }
        }
        if queue.overflow == Overflow::DropNewest && self.missed > 0 {
            self.live.push_back(Delivery::Missed(std::mem::take(&mut self.missed)));
        }
        self.live.push_back(Delivery::Message(Arc::clone(message)));
        self.messages += 1;
        self.bytes += bytes;
        Pushed { queued: true, dropped }
    }

    fn next(&mut self, overflow: Overflow) -> Option<Delivery> {
        if let Some(message) = self.backlog.pop_front() {
            self.delivered += 1;
            if self.backlog.is_empty() {
                self.backlog = VecDeque::new();
            }
            return Some(Delivery::Message(message));
        }
        let told = overflow == Overflow::DropNewest;
        if self.missed > 0 && (!told || self.live.is_empty()) {
            return Some(Delivery::Missed(std::mem::take(&mut self.missed)));
        }
        let next = self.pop();
        if matches!(next, Some(Delivery::Message(_))) {
            self.delivered += 1;
        }
        next
    }

    fn pop(&mut self) -> Option<Delivery> {
        let next = self.live.pop_front();
        if let Some(Delivery::Message(message)) = &next {
            self.messages -= 1;
            self.bytes -= message.bytes();
        }
        next
    }
}
