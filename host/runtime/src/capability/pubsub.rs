//! `skep:plugin/pubsub`: the guest's side of the topics in `skep-pubsub`.

use skep_bindings::pubsub::{self, Delivery, History, Message};
use skep_bindings::types::Error;
use skep_pubsub::Publish;

use super::topics::{Direction, as_written_by};
use crate::state::CallState;

/// The most messages that one look at a log returns.
const HISTORY_MAX: usize = 1_000;

impl pubsub::Host for CallState {
    fn publish(
        &mut self,
        topic: String,
        event: Option<String>,
        data: Vec<u8>,
        delivery: Delivery,
    ) -> Result<Option<u64>, Error> {
        self.stats.owe(data.len() + event.as_ref().map_or(0, String::len));
        let topic = self.topic(&topic, Direction::Publish)?;
        let publish = Publish {
            event: event.map(Into::into),
            data: data.into(),
            from: self.serving.filter(|_| delivery.contains(Delivery::SKIP_OWN)),
            local: delivery.contains(Delivery::LOCAL),
            broadcast: None,
        };
        let published = self.env.topics.pubsub.publish(&topic, publish).map_err(refused)?;
        Ok(published.id)
    }

    fn since(&mut self, topic: String, after: Option<u64>, limit: u32) -> Result<History, Error> {
        let topic = self.topic(&topic, Direction::Subscribe)?;
        let limit = (limit as usize).min(HISTORY_MAX);
        let history = self.env.topics.pubsub.since(&topic, after, limit).map_err(refused)?;
        let bytes: usize = history.messages.iter().map(|message| message.data.len()).sum();
        if bytes > self.env.answer_bytes_max {
            return Err(Error::TooLarge(self.env.answer_bytes_max as u64));
        }
        self.stats.owe(bytes);
        let topic = as_written_by(self.stats.plugin(), &topic);
        let messages = history.messages.iter().map(|message| Message {
            topic: topic.clone(),
            event: message.event.as_deref().map(str::to_owned),
            id: message.id,
            data: message.data.to_vec(),
        });
        Ok(History { messages: messages.collect(), complete: history.complete })
    }
}

/// What a guest is told of the engine's word.
pub(super) fn refused(error: skep_pubsub::Error) -> Error {
    match error {
        skep_pubsub::Error::TooLarge(limit) => Error::TooLarge(limit),
        skep_pubsub::Error::Full(_) => Error::Full,
        skep_pubsub::Error::Invalid(why) => Error::Invalid(why.to_owned()),
        skep_pubsub::Error::NotRetained => Error::NotFound,
        other => Error::Unavailable(other.to_string()),
    }
}
