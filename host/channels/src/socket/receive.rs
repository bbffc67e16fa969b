//! What a client's message does, as `Phoenix.Socket.__in__/2` of 1.8.

use skep_types::TopicName;

use super::record::{Mail, Phase, Record};
use super::state::State;
use super::{Close, Shared, Speaks};
use crate::wire::{Frame, Incoming, PHOENIX, Ref, events};

/// The response to whoever speaks to a channel that is not joined, or wants to join what nobody handles.
const UNMATCHED: &str = "{\"reason\":\"unmatched topic\"}";
const TOO_MANY: &str = "{\"reason\":\"too many channels joined\"}";

/// What came in, for the rates.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Received {
    Join,
    Other,
}

impl Shared {
    /// Takes a frame of the client.
    pub(super) fn receive(&self, frame: Frame) -> Received {
        if self.speaks == Speaks::Raw {
            self.update(|state| {
                state.received += 1;
                state.waker = None;
                if let Some(record) = state.channels.first_mut() {
                    record.push_mail(Mail::Raw(frame));
                    state.runnable = true;
                }
            });
            return Received::Other;
        }
        let incoming = match self.version().decode(&frame) {
            Ok(incoming) => incoming,
            Err(error) => {
                tracing::debug!(socket = %self.id, %error, "a client's frame cannot be read");
                self.close(Close::MALFORMED);
                return Received::Other;
            }
        };
        let join = incoming.event == events::JOIN;
        self.update(|state| {
            state.received += 1;
            // Whoever hands in a frame polls next.
            state.waker = None;
            match incoming.event.as_str() {
                events::HEARTBEAT if incoming.topic == PHOENIX => {
                    self.reply(state, &Ref::NULL, &incoming, "ok", "{}");
                }
                events::JOIN => self.join(state, incoming),
                events::LEAVE => self.leave(state, incoming),
                _ => self.push(state, incoming),
            }
        });
        if join { Received::Join } else { Received::Other }
    }

    fn reply(&self, state: &mut State, join_ref: &Ref, to: &Incoming, status: &str, response: &str) {
        let frame = self.version().reply_text(join_ref, &to.reference, &to.topic, status, response);
        state.send(&self.options, frame, false);
    }

    fn join(&self, state: &mut State, incoming: Incoming) {
        let topic = TopicName::new(&incoming.topic).ok();
        let found = topic.and_then(|topic| self.mount.find(&topic).map(|handler| (topic, handler)));
        let Some((topic, handler)) = found else {
            return self.reply(state, &Ref::NULL, &incoming, "error", UNMATCHED);
        };
        let joined = state.channels.iter().filter(|record| record.lives() && !record.replaced).count();
        let before = state.channels.iter_mut().rfind(|record| record.topic == topic);
        let takes_place = before.as_ref().is_some_and(|record| record.lives());
        if !takes_place && joined >= self.options.channels_max {
            return self.reply(state, &incoming.join_ref, &incoming, "error", TOO_MANY);
        }
        let after = before.map(|record| {
            if record.lives() {
                record.replaced = true;
                record.push_mail(Mail::Close);
            }
            record.serial
        });
        let serial = state.next_serial;
        state.next_serial += 1;
        let mut record = Record::new(serial, topic, incoming.join_ref, Some(handler));
        record.after = after;
        record.assigns = self.assigns.clone();
        record.push_mail(Mail::Join { reference: incoming.reference, params: incoming.body });
        // Most sockets have one or two channels: no room for four.
        state.channels.reserve_exact(usize::from(state.channels.len() < 4));
        state.channels.push(record);
        state.runnable = true;
    }

    fn leave(&self, state: &mut State, incoming: Incoming) {
        let Some(record) = state.of_topic(&incoming.topic) else {
            return self.reply(state, &incoming.join_ref, &incoming, "ok", "{}");
        };
        // With another ref, the client has raced with the end of an older channel of the topic, which it was told of.
        if accepts(record, &incoming.join_ref) && record.phase != Phase::Ending {
            record.push_mail(Mail::Leave { reference: incoming.reference });
            state.runnable = true;
        }
    }

    fn push(&self, state: &mut State, incoming: Incoming) {
        let Some(record) = state.of_topic(&incoming.topic) else {
            return self.reply(state, &Ref::NULL, &incoming, "error", UNMATCHED);
        };
        if accepts(record, &incoming.join_ref) && record.phase != Phase::Ending {
            let Incoming { reference, event, body, .. } = incoming;
            record.push_mail(Mail::Push { reference, event, body });
            state.runnable = true;
        }
    }

    /// Answers a join whose topic nobody handles any more, now that it has its turn.
    pub(super) fn unmatched(&self, state: &mut State, at: usize, reference: &Ref) {
        let Some(record) = state.channels.get(at) else { return };
        let (serial, topic) = (record.serial, record.topic.as_str());
        let reply = self.version().reply_text(&Ref::NULL, reference, topic, "error", UNMATCHED);
        self.refused(state, serial, reply);
    }

    /// What came behind a join that was refused is answered as if it came now.
    pub(super) fn answer_unjoined(&self, state: &mut State, topic: &TopicName, join_ref: &Ref, mail: Mail) {
        let (join_ref, reference, status, response) = match mail {
            Mail::Push { reference, .. } => (&Ref::NULL, reference, "error", UNMATCHED),
            Mail::Leave { reference } => (join_ref, reference, "ok", "{}"),
            _ => return,
        };
        let frame = self.version().reply_text(join_ref, &reference, topic.as_str(), status, response);
        state.send(&self.options, frame, false);
    }
}

/// A channel that was joined without a ref takes any.
fn accepts(record: &Record, join_ref: &Ref) -> bool {
    record.join_ref.is_null() || record.join_ref == *join_ref
}
