//! What is behind a socket's lock.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

use bytes::Bytes;
use skep_pubsub::{Message, SubscriptionId};
use skep_types::TopicName;

use super::Close;
use crate::options::{SlowClient, SocketOptions};
use crate::port::{ChannelHandler, Crash};
use crate::wire::{Body, Frame, Ref};

/// What a frame counts as beside its bytes.
const FRAME_OVERHEAD: u64 = 64;
/// Room for so many frames stays while nothing waits: most sockets are idle.
const IDLE_CAPACITY: usize = 4;

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

/// A channel.
pub(crate) struct Record {
    /// Never used twice on a socket.
    pub(crate) serial: u32,
    pub(crate) topic: TopicName,
    pub(crate) join_ref: Ref,
    /// Of the mount's current table. None on raw sockets, whose only channel is the socket itself.
    pub(crate) handler: Option<Arc<dyn ChannelHandler>>,
    pub(crate) assigns: Bytes,
    pub(crate) phase: Phase,
    /// By which its broadcasts can leave it out.
    pub(crate) heard_as: Option<SubscriptionId>,
    /// A call is in flight.
    pub(crate) busy: bool,
    /// The client was told of its end.
    pub(crate) told: bool,
    /// The channel of the same topic that must have ended before this one joins.
    pub(crate) after: Option<u32>,
    /// A second join takes its place.
    pub(crate) replaced: bool,
    /// The ref of the channel that this one took the place of, whose `phx_close` follows this one's reply.
    pub(crate) close_behind: Option<Ref>,
    pub(crate) mail: VecDeque<Mail>,
    /// The reply to the join, from before its call is over.
    pub(crate) early: Option<Box<Early>>,
    /// Messages of the client in `mail`.
    pub(crate) pushes: usize,
    /// Messages of pubsub, and what was said too early, in `mail`.
    pub(crate) infos: usize,
}

/// A reply to a join that waits until its call is over.
pub(crate) struct Early {
    pub(crate) frame: Frame,
    /// It refuses the client.
    pub(crate) refuses: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Joining,
    Joined,
    Ending,
}

/// What waits for a channel's handler.
pub(crate) enum Mail {
    Join {
        reference: Ref,
        params: Body,
    },
    Push {
        reference: Ref,
        event: String,
        body: Body,
    },
    Raw(Frame),
    Leave {
        reference: Ref,
    },
    /// A second join takes its place.
    Close,
    /// Nobody handles its topic any more.
    Gone,
    /// It is stopped from outside, for this reason.
    Stop(String),
    /// What was said to the client before the reply to the join.
    Said(Frame),
    /// A broadcast that came before the reply to the join.
    Held(Arc<Message>),
    /// A broadcast that is intercepted.
    Out(Arc<Message>),
    Info(Arc<Message>),
}

impl Mail {
    fn is_info(&self) -> bool {
        matches!(self, Self::Held(_) | Self::Said(_) | Self::Out(_) | Self::Info(_))
    }

    fn is_push(&self) -> bool {
        matches!(self, Self::Push { .. } | Self::Raw(_) | Self::Leave { .. })
    }
}

impl Record {
    pub(crate) fn new(serial: u32, topic: TopicName, join_ref: Ref, handler: Option<Arc<dyn ChannelHandler>>) -> Self {
        Self {
            serial,
            topic,
            join_ref,
            handler,
            assigns: Bytes::new(),
            phase: Phase::Joining,
            heard_as: None,
            busy: false,
            told: false,
            after: None,
            replaced: false,
            close_behind: None,
            mail: VecDeque::new(),
            early: None,
            pushes: 0,
            infos: 0,
        }
    }

    /// A message of its client. The transport has asked whether there is room.
    pub(crate) fn push_mail(&mut self, mail: Mail) {
        self.pushes += usize::from(mail.is_push());
        self.mail.push_back(mail);
    }

    /// A message of pubsub; returns whether none was dropped for it.
    pub(crate) fn push_info(&mut self, mail: Mail, max: usize) -> bool {
        let full = self.infos >= max.max(1);
        if full {
            let oldest = self.mail.iter().position(|mail| mail.is_info() && !matches!(mail, Mail::Said(_)));
            let Some(at) = oldest else { return false };
            self.mail.remove(at);
            self.infos -= 1;
        }
        self.infos += 1;
        self.mail.push_back(mail);
        !full
    }

    /// Something for the client that has to wait for the reply to its join: refused where too much waits.
    pub(crate) fn say_later(&mut self, frame: Frame, max: usize) -> Result<(), Crash> {
        if self.infos >= max.max(1) {
            return Err(Crash::new(format!("{max} messages wait for the reply to the join")));
        }
        self.infos += 1;
        self.mail.push_back(Mail::Said(frame));
        Ok(())
    }

    pub(crate) fn pop_mail(&mut self) -> Option<Mail> {
        let mail = self.mail.pop_front()?;
        self.pushes -= usize::from(mail.is_push());
        self.infos -= usize::from(mail.is_info());
        if self.mail.is_empty() && self.mail.capacity() > IDLE_CAPACITY {
            self.mail = VecDeque::new();
        }
        Some(mail)
    }

    /// Whether its client may be told something: it has joined, or its join is in hand.
    pub(crate) fn hears(&self) -> bool {
        self.phase == Phase::Joined || (self.phase == Phase::Joining && self.busy)
    }

    /// Whether its end has not begun.
    pub(crate) fn lives(&self) -> bool {
        self.phase != Phase::Ending
    }
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
