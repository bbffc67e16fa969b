//! Counts of a whole engine.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// Counts of a whole engine. The first two say what is so now, the others only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Sockets that are open.
    pub sockets: u64,
    /// Longpoll sessions, whose sockets are among them.
    pub sessions: u64,
    /// Sockets that were ever opened.
    pub opened: u64,
    /// Sockets that were refused, by plugins or for want of room.
    pub refused: u64,
    /// Joins that went well.
    pub joins: u64,
    /// Joins and channels that crashed.
    pub crashes: u64,
    /// Frames of clients.
    pub received: u64,
    /// Frames to clients.
    pub sent: u64,
    /// Messages that were dropped because a queue was full.
    pub dropped: u64,
    /// Sockets that were closed because their client did not read.
    pub slow: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    opened: AtomicU64,
    refused: AtomicU64,
    joins: AtomicU64,
    crashes: AtomicU64,
    received: AtomicU64,
    sent: AtomicU64,
    dropped: AtomicU64,
    slow: AtomicU64,
}

impl Counters {
    pub(crate) fn opened(&self) {
        self.opened.fetch_add(1, Relaxed);
    }

    pub(crate) fn refused(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    pub(crate) fn joins(&self) {
        self.joins.fetch_add(1, Relaxed);
    }

    pub(crate) fn crashes(&self) {
        self.crashes.fetch_add(1, Relaxed);
    }

    /// A socket has ended: what it counted is kept.
    pub(crate) fn ended(&self, received: u64, sent: u64, dropped: u64, slow: bool) {
        self.received.fetch_add(received, Relaxed);
        self.sent.fetch_add(sent, Relaxed);
        self.dropped.fetch_add(dropped, Relaxed);
        self.slow.fetch_add(u64::from(slow), Relaxed);
    }

    /// The counts, those of frames without the sockets that are open.
    pub(crate) fn read(&self) -> Stats {
        Stats {
            opened: self.opened.load(Relaxed),
            refused: self.refused.load(Relaxed),
            joins: self.joins.load(Relaxed),
            crashes: self.crashes.load(Relaxed),
            received: self.received.load(Relaxed),
            sent: self.sent.load(Relaxed),
            dropped: self.dropped.load(Relaxed),
            slow: self.slow.load(Relaxed),
            ..Stats::default()
        }
    }
}
