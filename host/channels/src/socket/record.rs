//! A channel, and what waits for its handler.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use skep_pubsub::{Message, SubscriptionId};
use skep_types::TopicName;

use super::state::IDLE_CAPACITY;
use crate::port::{ChannelHandler, Crash};
use crate::wire::{Body, Frame, Ref};

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

    /// Whether its handler was not asked for the join yet.
    pub(crate) fn waits(&self) -> bool {
        self.phase == Phase::Joining && !self.busy
    }

    /// Whether its end has not begun.
    pub(crate) fn lives(&self) -> bool {
        self.phase != Phase::Ending
    }
}
