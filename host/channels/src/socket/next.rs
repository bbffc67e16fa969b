//! Which call of a guest is next, and how channels end.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use skep_pubsub::Message;
use skep_types::TopicName;

use super::record::{Mail, Phase, Record};
use super::state::State;
use super::{Close, Shared, Speaks};
use crate::port::ChannelHandler;
use crate::wire::{Body, Frame, Ref, events};

/// A call that can begin.
pub(super) struct Next {
    pub(super) serial: u32,
    pub(super) topic: TopicName,
    pub(super) assigns: Bytes,
    /// None on raw sockets.
    pub(super) handler: Option<Arc<dyn ChannelHandler>>,
    pub(super) call: Call,
}

pub(super) enum Call {
    Join { reference: Ref, params: Body },
    Push { reference: Ref, event: String, body: Body },
    Raw(Frame),
    Out(Arc<Message>),
    Info(Arc<Message>),
    End(String),
}

impl Shared {
    /// The next call, whose channel is busy from now on.
    pub(super) fn next(&self, state: &mut State) -> Option<Next> {
        if state.closing.is_some() || !state.runnable {
            return None;
        }
        let mut at = 0;
        while let Some(record) = state.channels.get(at) {
            let waits = record.after.is_some_and(|serial| state.channels.iter().any(|other| other.serial == serial));
            if record.busy || (record.phase == Phase::Joining && waits) {
                at += 1;
                continue;
            }
            let Some(mail) = state.channels.get_mut(at).and_then(Record::pop_mail) else {
                at += 1;
                continue;
            };
            if let Some(next) = self.open(state, at, mail) {
                return Some(next);
            }
        }
        state.runnable = false;
        None
    }

    /// What a mail asks for.
    fn open(&self, state: &mut State, at: usize, mail: Mail) -> Option<Next> {
        let record = state.channels.get_mut(at)?;
        let mut answer = None;
        let call = match mail {
            Mail::Join { reference, .. } if record.handler.is_none() => {
                // Nobody handles its topic any more.
                self.unmatched(state, at, &reference);
                return None;
            }
            Mail::Join { reference, params } => Call::Join { reference, params },
            Mail::Push { reference, event, body } => Call::Push { reference, event, body },
            Mail::Raw(frame) => Call::Raw(frame),
            Mail::Out(message) => Call::Out(message),
            Mail::Info(message) => Call::Info(message),
            // Only before the reply to a join, and released with it.
            Mail::Held(_) | Mail::Said(_) => return None,
            Mail::Leave { reference } => {
                let topic = record.topic.as_str();
                answer = Some(self.version().reply_text(&record.join_ref, &reference, topic, "ok", "{}"));
                record.end();
                Call::End("left".to_owned())
            }
            Mail::Close => {
                record.end();
                Call::End("closed".to_owned())
            }
            Mail::Gone => {
                answer = Some(record.fail(self));
                Call::End("gone".to_owned())
            }
            Mail::Stop(reason) => {
                if in_order(&reason) {
                    record.end();
                } else {
                    answer = Some(record.fail(self));
                }
                Call::End(reason)
            }
        };
        record.busy = true;
        let (serial, topic) = (record.serial, record.topic.clone());
        let (assigns, handler) = (record.assigns.clone(), record.handler.clone());
        if let Some(frame) = answer {
            state.send(&self.options, frame, false);
        }
        Some(Next { serial, topic, assigns, handler, call })
    }

    /// The channel's end is over.
    pub(super) fn ended(&self, state: &mut State, serial: u32) {
        let Some(at) = state.channels.iter().position(|record| record.serial == serial) else { return };
        let record = state.channels.remove(at);
        state.runnable = true;
        if state.channels.is_empty() {
            state.channels = Vec::new();
        }
        if record.told || self.speaks == Speaks::Raw {
            return;
        }
        // The one that takes its place is answered first.
        if let Some(successor) = state.channels.iter_mut().find(|other| other.after == Some(serial)) {
            successor.close_behind = Some(record.join_ref);
            return;
        }
        let frame = self.version().ended(&record.join_ref, record.topic.as_str(), events::CLOSE);
        state.send(&self.options, frame, false);
    }

    /// The join is answered: what waited for that follows.
    pub(super) fn close_behind(&self, state: &mut State, topic: &TopicName, join_ref: Option<Ref>) {
        if let Some(join_ref) = join_ref {
            let frame = self.version().ended(&join_ref, topic.as_str(), events::CLOSE);
            state.send(&self.options, frame, false);
        }
    }

    /// The join came to nothing.
    pub(super) fn refused(&self, state: &mut State, serial: u32, reply: Frame) {
        let Some(at) = state.channels.iter().position(|record| record.serial == serial) else { return };
        let record = state.channels.remove(at);
        state.runnable = true;
        state.send(&self.options, reply, false);
        self.close_behind(state, &record.topic, record.close_behind);
        for mail in record.mail {
            self.answer_unjoined(state, &record.topic, &record.join_ref, mail);
        }
    }

    /// The channel fails: its client is told, and comes back by itself. Whether it was there.
    pub(super) fn failed(&self, state: &mut State, serial: u32) -> bool {
        if self.speaks == Speaks::Raw {
            state.close(Close::CRASHED);
            return false;
        }
        let Some(record) = state.record(serial).filter(|record| record.lives()) else { return false };
        record.busy = true;
        let frame = record.fail(self);
        state.send(&self.options, frame, false);
        true
    }

    /// Follows the mount's current table: joined channels go on with the handlers that are there now. What nobody handles any
    /// more, or another plugin, fails; its client asks to join again. Joins that wait for their turn are for whoever is there then.
    pub(super) fn recheck(&self, state: &mut State) {
        state.recheck = false;
        state.runnable = true;
        if self.speaks == Speaks::Raw {
            return;
        }
        for record in state.channels.iter_mut().filter(|record| record.lives()) {
            let new = self.mount.find(&record.topic);
            match (&record.handler, new) {
                (_, new) if record.waits() => record.handler = new,
                (Some(old), Some(new)) if new.owner() == old.owner() && new.keeps() == old.keeps() => {
                    record.handler = Some(new);
                }
                _ => record.mail.push_front(Mail::Gone),
            }
        }
    }
}

/// Whether a channel that stops for this reason has ended in order.
pub(super) fn in_order(reason: &str) -> bool {
    reason == "normal" || reason == "shutdown" || reason.starts_with("shutdown:")
}

impl Record {
    /// Its end begins. What still waits for its handler is dropped, as the mailbox of a process that ends.
    pub(super) fn end(&mut self) {
        self.phase = Phase::Ending;
        self.mail = VecDeque::new();
        (self.pushes, self.infos) = (0, 0);
    }

    fn fail(&mut self, shared: &Shared) -> Frame {
        self.end();
        self.told = true;
        shared.version().ended(&self.join_ref, self.topic.as_str(), events::ERROR)
    }
}
