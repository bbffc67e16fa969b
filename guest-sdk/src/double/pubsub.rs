//! `skep:plugin/pubsub` with the functions that wit-bindgen generates, over memory. Nobody listens but processes, channels and WebSockets.

use std::collections::BTreeMap;

use super::{WORLD, World, channels, processes, websockets};
pub(crate) use crate::__private::bindings::imports::skep::plugin::pubsub::{Delivery, History, Message};
use crate::__private::bindings::imports::skep::plugin::types::Error;

/// As in the host.
const TOPIC_BYTES_MAX: usize = 255;
const EVENT_BYTES_MAX: usize = 255;
const HISTORY_MESSAGES_MAX: u32 = 1000;

#[derive(Default)]
pub(crate) struct Pubsub {
    published: Vec<(Message, Delivery)>,
    /// By topic, or by what a topic begins with and `*`; of several the longest holds.
    rules: BTreeMap<String, Rules>,
    last_ids: BTreeMap<String, u64>,
}

/// What the manifest would say of a topic.
#[derive(Clone, Copy, Default)]
pub(crate) struct Rules {
    pub(crate) retained: bool,
    pub(crate) denied: bool,
}

impl Pubsub {
    /// What holds for the topic, if it is one.
    pub(super) fn rules(&self, topic: &str) -> Result<Rules, Error> {
        if topic.is_empty() || topic.len() > TOPIC_BYTES_MAX {
            return Err(Error::Invalid(format!("a topic has 1 to {TOPIC_BYTES_MAX} bytes")));
        }
        if topic.contains(|c: char| c.is_control() || c == '*') {
            return Err(Error::Invalid("a topic has no control characters and no `*`".into()));
        }
        let matches = |pattern: &str| match pattern.strip_suffix('*') {
            Some(prefix) => topic.starts_with(prefix),
            None => topic == pattern,
        };
        let rules = self.rules.iter().filter(|(pattern, _)| matches(pattern)).max_by_key(|(pattern, _)| pattern.len());
        let rules = rules.map(|(_, rules)| *rules).unwrap_or_default();
        if rules.denied {
            return Err(Error::Denied(format!("the manifest does not grant the topic `{topic}`")));
        }
        Ok(rules)
    }
}

pub(crate) fn publish(topic: &str, event: Option<&str>, data: &[u8], delivery: Delivery) -> Result<Option<u64>, Error> {
    let id = WORLD.with_borrow_mut(|world| send(world, topic, event, data, delivery))?;
    processes::settle();
    Ok(id)
}

/// What may be published, apart from the data.
pub(super) fn check(pubsub: &Pubsub, topic: &str, event: Option<&str>) -> Result<Rules, Error> {
    if event.is_some_and(|event| event.len() > EVENT_BYTES_MAX || event.contains(['\r', '\n'])) {
        return Err(Error::Invalid(format!("an event has at most {EVENT_BYTES_MAX} bytes, without line breaks")));
    }
    pubsub.rules(topic)
}

pub(super) fn send(
    world: &mut World,
    topic: &str,
    event: Option<&str>,
    data: &[u8],
    delivery: Delivery,
) -> Result<Option<u64>, Error> {
    let message = record(world, topic, event, data, delivery)?;
    channels::heard(world, &message);
    Ok(message.id)
}

/// Publishes a message, of which channels are not told yet.
pub(super) fn record(
    world: &mut World,
    topic: &str,
    event: Option<&str>,
    data: &[u8],
    delivery: Delivery,
) -> Result<Message, Error> {
    let pubsub = &mut world.pubsub;
    let id = check(pubsub, topic, event)?.retained.then(|| {
        let last = pubsub.last_ids.entry(topic.to_owned()).or_default();
        *last += 1;
        *last
    });
    let message = Message { topic: topic.to_owned(), event: event.map(str::to_owned), id, data: data.to_owned() };
    pubsub.published.push((message.clone(), delivery));
    processes::heard(world, &message);
    websockets::heard(world, &message);
    Ok(message)
}

pub(crate) fn since(topic: &str, after: Option<u64>, limit: u32) -> Result<History, Error> {
    WORLD.with_borrow(|world| {
        if !world.pubsub.rules(topic)?.retained {
            return Err(Error::NotFound);
        }
        let published = world.pubsub.published.iter().map(|(message, _)| message);
        let log = published.filter(|message| message.topic == topic && message.id > after);
        let messages = log.take(limit.min(HISTORY_MESSAGES_MAX) as usize).cloned().collect();
        Ok(History { messages, complete: true })
    })
}

/// All messages, the first one first.
pub(crate) fn published() -> Vec<(Message, Delivery)> {
    WORLD.with_borrow(|world| world.pubsub.published.clone())
}

/// Changes what the manifest would say of topics.
pub(crate) fn configure(pattern: &str, change: impl FnOnce(&mut Rules)) {
    WORLD.with_borrow_mut(|world| change(world.pubsub.rules.entry(pattern.to_owned()).or_default()));
}
