//! The messages of a topic that stay for a while.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use crate::message::Message;
use crate::options::Retain;

/// A log. Its ids begin with the clock at its creation, so that they are greater than those of every log before it, those
/// of former lives of the host among them, and grow by one: what is missing can be told from the ids alone.
pub(crate) struct Log {
    pub(crate) retain: Retain,
    /// The id that its first message had or will have.
    base: u64,
    next: u64,
    messages: VecDeque<(Instant, Arc<Message>)>,
    bytes: u64,
}

/// The part of a log behind an id.
pub(crate) struct Behind {
    pub(crate) messages: Vec<Arc<Message>>,
    pub(crate) complete: bool,
}

impl Log {
    pub(crate) fn new(retain: Retain, base: u64) -> Self {
        Self { retain, base, next: base, messages: VecDeque::new(), bytes: 0 }
    }

    /// The id of the next message.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Appends the message that was given the next id.
    pub(crate) fn push(&mut self, message: Arc<Message>, now: Instant) {
        self.next += 1;
        self.bytes += message.bytes();
        self.messages.push_back((now, message));
        self.trim(now);
    }

    /// Drops what its bounds do not allow; returns how many messages.
    pub(crate) fn trim(&mut self, now: Instant) -> usize {
        let before = self.messages.len();
        while let Some((at, _)) = self.messages.front()
            && (self.messages.len() > self.retain.messages.get()
                || self.bytes > self.retain.bytes.0
                || now.saturating_duration_since(*at) >= self.retain.age)
        {
            self.evict();
        }
        if self.messages.len() < self.messages.capacity() / 4 {
            self.messages.shrink_to(self.messages.len() * 2);
        }
        before - self.messages.len()
    }

    /// Drops the oldest message; returns what it counted as.
    pub(crate) fn evict(&mut self) -> u64 {
        let bytes = self.messages.pop_front().map_or(0, |(_, message)| message.bytes());
        self.bytes -= bytes;
        bytes
    }

    /// The messages behind an id. An id that is not of this log, older or younger, tells nothing about what was seen: all
    /// of the log follows, and it is not complete.
    pub(crate) fn behind(&self, after: Option<u64>, limit: usize) -> Behind {
        let first = self.next - self.messages.len() as u64;
        let known = after.filter(|id| (self.base..self.next).contains(id));
        let complete = match after {
            None => first == self.base,
            Some(_) => known.is_some_and(|id| id + 1 >= first),
        };
        let skip = known.map_or(0, |id| (id + 1).saturating_sub(first));
        let rest = self.messages.iter().skip(usize::try_from(skip).unwrap_or(usize::MAX)).take(limit);
        Behind { messages: rest.map(|(_, message)| Arc::clone(message)).collect(), complete }
    }
}
