//! What a message of pubsub does: a broadcast goes straight into the outbound queue, encoded once for all sockets; the
//! rest is told to the channel's handler.

use std::sync::Arc;

use bytes::Bytes;
use skep_pubsub::{Broadcast, Message, Sink, Slot};

use super::record::{Mail, Phase, Record};
use super::state::State;
use super::{Close, Shared};
use crate::wire::{Body, Frame, Ref, Version, events};

/// Which of a socket's subscriptions a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    /// The socket's own name.
    Name,
    /// The topic of the channel.
    Channel(u32),
    /// A further topic of the channel.
    Further(u32),
}

impl Tag {
    pub(super) fn number(self) -> u64 {
        match self {
            Self::Name => 0,
            Self::Channel(serial) => u64::from(serial) << 2 | 1,
            Self::Further(serial) => u64::from(serial) << 2 | 2,
        }
    }

    fn of(number: u64) -> Self {
        let serial = u32::try_from(number >> 2).unwrap_or(u32::MAX);
        match number & 3 {
            0 => Self::Name,
            1 => Self::Channel(serial),
            _ => Self::Further(serial),
        }
    }
}

impl Sink for Shared {
    fn deliver(&self, tag: u64, message: &Arc<Message>) -> bool {
        match Tag::of(tag) {
            Tag::Name => {
                if message.event.as_deref() == Some(events::DISCONNECT) {
                    self.close(Close::DISCONNECTED);
                }
                true
            }
            Tag::Channel(serial) if message.broadcast.is_some() => {
                // Made outside of the lock, by the first socket for all.
                let Some(frame) = frame(message, self.version()) else { return false };
                self.update(|state| self.broadcast(state, serial, message, frame))
            }
            Tag::Channel(serial) | Tag::Further(serial) => self.update(|state| self.info(state, serial, message)),
        }
    }
}

impl Shared {
    fn broadcast(&self, state: &mut State, serial: u32, message: &Arc<Message>, frame: Frame) -> bool {
        let Some(record) = state.record(serial) else { return true };
        let kept = match record.phase {
            Phase::Ending => return true,
            Phase::Joined if !intercepts(record, message) => return state.send(&self.options, frame, true),
            Phase::Joined => record.push_info(Mail::Out(Arc::clone(message)), self.options.infos),
            Phase::Joining => record.push_info(Mail::Held(Arc::clone(message)), self.options.infos),
        };
        state.dropped += u64::from(!kept);
        state.run();
        kept
    }

    fn info(&self, state: &mut State, serial: u32, message: &Arc<Message>) -> bool {
        let Some(record) = state.record(serial).filter(|record| record.lives()) else { return true };
        let kept = record.push_info(Mail::Info(Arc::clone(message)), self.options.infos);
        state.dropped += u64::from(!kept);
        state.run();
        kept
    }

    /// Sends what was broadcast and said before the reply to the join.
    pub(super) fn release_held(&self, state: &mut State, serial: u32) {
        let Some(record) = state.record(serial) else { return };
        if record.infos == 0 {
            return;
        }
        let mail = std::mem::take(&mut record.mail);
        let mut out = Vec::new();
        for mail in mail {
            match mail {
                Mail::Held(message) if intercepts(record, &message) => record.mail.push_back(Mail::Out(message)),
                Mail::Held(message) => {
                    record.infos -= 1;
                    out.extend(frame(&message, self.version()).map(|frame| (frame, true)));
                }
                Mail::Said(frame) => {
                    record.infos -= 1;
                    out.push((frame, false));
                }
                other => record.mail.push_back(other),
            }
        }
        for (frame, droppable) in out {
            state.send(&self.options, frame, droppable);
        }
    }
}

fn intercepts(record: &Record, message: &Message) -> bool {
    let Some(handler) = &record.handler else { return false };
    let events = handler.intercepts();
    !events.is_empty() && events.iter().any(|event| Some(event.as_str()) == message.event.as_deref())
}

/// The frame of a broadcast, the same for all sockets of a version; none if the version cannot carry it.
pub(super) fn frame(message: &Message, version: Version) -> Option<Frame> {
    let (kind, event) = (message.broadcast?, message.event.as_deref()?);
    let slot = match version {
        Version::V1 => Slot::ChannelV1,
        Version::V2 => Slot::Channel,
    };
    let bytes = message.encoded(slot, |message| {
        let topic = message.topic.name.as_str();
        let frame = match kind {
            Broadcast::Json => {
                let json = std::str::from_utf8(&message.data).ok();
                json.map(|json| version.text(&Ref::NULL, &Ref::NULL, topic, event, json))
            }
            Broadcast::Binary => version.broadcast(topic, event, &Body::Binary(message.data.clone())).ok(),
        };
        frame.map_or_else(Bytes::new, |frame| frame.bytes().clone())
    });
    // No frame is empty: it stands for one that cannot be.
    let made = (!bytes.is_empty()).then(|| bytes.clone())?;
    Some(match kind {
        Broadcast::Json => Frame::Text(made),
        Broadcast::Binary => Frame::Binary(made),
    })
}
