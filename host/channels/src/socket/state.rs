//! What is behind a socket's lock.

use std::collections::VecDeque;
use std::task::Waker;

use super::Close;
use super::record::Record;
use crate::options::{SlowClient, SocketOptions};
use crate::wire::Frame;

/// What a frame counts as beside its bytes.
const FRAME_OVERHEAD: u64 = 64;
/// Room for so many frames, or mails of a channel, stays while nothing waits: most sockets are idle.
pub(super) const IDLE_CAPACITY: usize = 4;

/// A socket's outbound queue and its channels.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) waker: Option<Waker>,
    /// The change that was made asks for the driver.
    pub(crate) wake: bool,
    /// Something was put into the outbound queue.
    pub(crate) flush: bool,
    /// A flusher has been told of that and has not come yet.
    pub(crate) flushing: bool,
    out: VecDeque<Queued>,
    out_bytes: u64,
    pub(crate) closing: Option<Close>,
    /// In the order of their joins. There are few, so they are walked.
    pub(crate) channels: Vec<Record>,
    pub(crate) next_serial: u32,
    /// Some channel may have something to do.
    pub(crate) runnable: bool,
    /// The mount's handlers were swapped.
    pub(crate) recheck: bool,
    /// A raw socket's plugin has let it in, and so is told of its end.
    pub(crate) opened: bool,
    pub(crate) received: u64,
    pub(crate) sent: u64,
    pub(crate) dropped: u64,
}

struct Queued {
    frame: Frame,
    droppable: bool,
}

impl State {
    pub(crate) fn record(&mut self, serial: u32) -> Option<&mut Record> {
        self.channels.iter_mut().find(|record| record.serial == serial)
    }

    /// The channel of the topic that a client's message is for: the last that joined.
    pub(crate) fn of_topic(&mut self, topic: &str) -> Option<&mut Record> {
        self.channels.iter_mut().rfind(|record| record.topic.as_str() == topic && !record.told)
    }

    /// Something changed that the driver must look at.
    pub(crate) fn run(&mut self) {
        self.runnable = true;
        self.wake = true;
    }

    /// Leaves the waker behind, if there is nothing left for the driver to do; whether that is so.
    pub(crate) fn settle(&mut self, waker: &Waker) -> bool {
        let settled = self.closing.is_some() || !(self.runnable || self.recheck);
        if settled {
            self.waker = Some(waker.clone());
        }
        settled
    }

    /// The first reason counts.
    pub(crate) fn close(&mut self, close: Close) {
        if self.closing.is_none() {
            self.closing = Some(close);
            self.wake = true;
        }
    }

    /// Puts a frame into the outbound queue; returns whether it is in there and nothing was lost for it.
    pub(crate) fn send(&mut self, options: &SocketOptions, frame: Frame, droppable: bool) -> bool {
        if self.closing.is_some() {
            return false;
        }
        let bytes = frame.bytes().len() as u64 + FRAME_OVERHEAD;
        let mut kept_all = true;
        while self.is_full(options, bytes) {
            kept_all = false;
            if !self.make_room(options.slow_client) {
                self.dropped += self.out.len() as u64 + 1;
                (self.out, self.out_bytes) = (VecDeque::new(), 0);
                self.close(Close::SLOW);
                return false;
            }
        }
        self.out.push_back(Queued { frame, droppable });
        self.out_bytes += bytes;
        self.flush = true;
        kept_all
    }

    fn is_full(&self, options: &SocketOptions, more: u64) -> bool {
        !self.out.is_empty() && (self.out.len() >= options.queue || self.out_bytes + more > options.queue_bytes.0)
    }

    fn make_room(&mut self, policy: SlowClient) -> bool {
        if policy == SlowClient::Close {
            return false;
        }
        let oldest = self.out.iter().position(|queued| queued.droppable);
        let Some(queued) = oldest.and_then(|at| self.out.remove(at)) else { return false };
        self.out_bytes -= queued.frame.bytes().len() as u64 + FRAME_OVERHEAD;
        self.dropped += 1;
        true
    }

    /// Takes frames for the client: at least one if there is one, and then up to so many bytes.
    pub(crate) fn take(&mut self, bytes_max: usize, mut into: impl FnMut(Frame)) {
        let mut bytes = 0;
        while bytes < bytes_max
            && let Some(frame) = self.pop_frame()
        {
            bytes += frame.bytes().len();
            into(frame);
        }
    }

    fn pop_frame(&mut self) -> Option<Frame> {
        let Queued { frame, .. } = self.out.pop_front()?;
        self.out_bytes -= frame.bytes().len() as u64 + FRAME_OVERHEAD;
        self.sent += 1;
        if self.out.is_empty() && self.out.capacity() > IDLE_CAPACITY {
            self.out = VecDeque::new();
        }
        Some(frame)
    }

    pub(crate) fn queued(&self) -> usize {
        self.out.len()
    }

    pub(crate) fn queued_bytes(&self) -> u64 {
        self.out_bytes
    }

    /// Whether there is room for what another message of the client brings.
    pub(crate) fn has_room(&self, options: &SocketOptions) -> bool {
        let half = self.out.len() < options.queue.div_ceil(2) && self.out_bytes <= options.queue_bytes.0 / 2;
        let few = self.channels.len() < options.channels_max.saturating_mul(2).saturating_add(2);
        half && few && self.channels.iter().all(|record| record.pushes < options.mailbox.max(1))
    }
}
