//! The handle: publishing, and what the host calls now and then.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicU64, AtomicUsize};

use arc_swap::ArcSwap;
use bytes::Bytes;
use dashmap::DashMap;
use foldhash::fast::RandomState;
use parking_lot::Mutex;
use skep_types::{TopicId, TopicSelector};

use crate::counters::Counters;
use crate::error::Error;
use crate::logs::{Logs, wall_ms};
use crate::members::Tally;
use crate::message::{Broadcast, Message};
use crate::options::{EVENT_BYTES_MAX, Options, Retain};
use crate::prefixes::Prefixes;
use crate::retention::Retention;
use crate::subscription::SubscriptionId;
use crate::topic::Topic;

/// The engine. Clones are handles to the same one.
#[derive(Clone)]
pub struct PubSub(pub(crate) Arc<Hub>);

pub(crate) struct Hub {
    pub(crate) options: Options,
    pub(crate) topics: DashMap<TopicId, Arc<Topic>, RandomState>,
    /// How many there are; the map would lock all its parts to count.
    pub(crate) topics_len: AtomicUsize,
    pub(crate) prefixes: Prefixes,
    pub(crate) retention: ArcSwap<Retention>,
    reloading: Mutex<()>,
    pub(crate) logs: Logs,
    pub(crate) subscriptions: AtomicUsize,
    pub(crate) next_subscription: AtomicU64,
    pub(crate) counters: Counters,
}

/// A message to publish.
#[derive(Clone, Debug, Default)]
pub struct Publish {
    /// What happened: at most [`EVENT_BYTES_MAX`] bytes without line breaks.
    pub event: Option<Arc<str>>,
    /// What to say.
    pub data: Bytes,
    /// A subscription that does not get it (`broadcast_from` of Phoenix).
    pub from: Option<SubscriptionId>,
    /// Whether it stays on this node (`local_broadcast` of Phoenix).
    pub local: bool,
    /// What the data is, if this is a broadcast to the channels of the topic. Default: it is none.
    pub broadcast: Option<Broadcast>,
}

/// What publishing did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// Where the message is in the topic's log, if there is one.
    pub id: Option<u64>,
    /// Subscriptions of this node that have it in their queue.
    pub receivers: usize,
}

/// What a topic's log has.
#[derive(Clone, Debug)]
pub struct History {
    /// The oldest first.
    pub messages: Vec<Arc<Message>>,
    /// Whether nothing is missing in front of them: false if messages behind the given id have left the log already, or
    /// the log does not know the id. Without an id: whether the log has lost nothing since it began.
    pub complete: bool,
}

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Logs looked at.
    pub logs: usize,
    /// Messages dropped because of their age.
    pub messages: usize,
    /// Topics forgotten because nobody listens and their log is empty.
    pub topics: usize,
}

impl PubSub {
    /// An engine without topics.
    #[must_use]
    pub fn new(mut options: Options) -> Self {
        let retention = Retention::new(1, std::mem::take(&mut options.retain));
        Self(Arc::new(Hub {
            logs: Logs::new(options.limits.retained_bytes_max.0),
            options,
            topics: DashMap::default(),
            topics_len: AtomicUsize::new(0),
            prefixes: Prefixes::default(),
            retention: ArcSwap::from_pointee(retention),
            reloading: Mutex::default(),
            subscriptions: AtomicUsize::new(0),
            next_subscription: AtomicU64::new(1),
            counters: Counters::default(),
        }))
    }

    /// Puts the message into the queue of everyone who listens now, and into the topic's log, if there is one. It never
    /// waits for a listener, only for other publishes to the same topic.
    ///
    /// What one publisher publishes reaches each listener in this order; all listeners of a topic that is retained see its
    /// messages in the order of their ids.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Invalid`] for an event that breaks its rules, [`Error::Full`] if the topic is
    /// retained, unknown yet, and there are too many.
    pub fn publish(&self, topic: &TopicId, publish: Publish) -> Result<Published, Error> {
        self.check(publish.event.as_deref(), &publish.data)?;
        self.0.publish(topic, publish, None)
    }

    /// Whether a message could be published, for who publishes it later.
    ///
    /// # Errors
    /// [`Error::TooLarge`] and [`Error::Invalid`], as for [`Self::publish`].
    pub fn check(&self, event: Option<&str>, data: &[u8]) -> Result<(), Error> {
        let limit = self.0.options.limits.message_bytes_max.0;
        if data.len() as u64 > limit {
            return Err(Error::TooLarge(limit));
        }
        if event.is_some_and(|event| event.len() > EVENT_BYTES_MAX || event.contains(['\n', '\r'])) {
            return Err(Error::Invalid("an event has at most 255 bytes and no line breaks"));
        }
        Ok(())
    }

    /// Delivers a message that was published on another node, to this node only. Where the topic is retained here, it has
    /// the next id of the log that is here: ids are a node's own.
    ///
    /// # Errors
    /// As for [`Self::publish`].
    pub fn deliver_remote(&self, message: &Message) -> Result<Published, Error> {
        let (event, data) = (message.event.clone(), message.data.clone());
        let publish = Publish { event, data, from: None, local: true, broadcast: message.broadcast };
        self.0.publish(&message.topic, publish, Some(message.published))
    }

    /// What the topic's log has behind the message of this id, or from its beginning; at most `limit` messages.
    ///
    /// # Errors
    /// [`Error::NotRetained`] if the topic has no log.
    pub fn since(&self, topic: &TopicId, after: Option<u64>, limit: usize) -> Result<History, Error> {
        let hub = &*self.0;
        let table = hub.retention.load();
        if table.of(topic).is_none() {
            return Err(Error::NotRetained);
        }
        let nothing = History { messages: Vec::new(), complete: after.is_none() };
        let Some(found) = hub.find(topic) else { return Ok(nothing) };
        let clock = &*hub.options.clock;
        let mut state = found.state.lock();
        found.follow(&mut state, &table, &hub.logs, clock);
        let Some(log) = &mut state.log else { return Ok(nothing) };
        log.trim(clock.now());
        let behind = log.behind(after, limit);
        found.account(&state, &hub.logs);
        Ok(History { messages: behind.messages, complete: behind.complete })
    }

    /// Another table of what is retained, as [`Options::retain`]. Logs of topics that it does not name are gone; others
    /// keep what the new bounds allow.
    pub fn set_retention(&self, table: Vec<(TopicSelector, Retain)>) {
        let hub = &*self.0;
        // One reload at a time, so that the greater generation is the one in place.
        let reloading = hub.reloading.lock();
        let generation = hub.retention.load().generation + 1;
        let table = Arc::new(Retention::new(generation, table));
        hub.retention.store(Arc::clone(&table));
        drop(reloading);
        // Nothing is locked in the map while a topic is: its order might be held by a long publish.
        let topics: Vec<_> = hub.topics.iter().map(|entry| Arc::clone(entry.value())).collect();
        for topic in topics {
            topic.follow(&mut topic.state.lock(), &table, &hub.logs, &*hub.options.clock);
            hub.forget(&topic);
        }
    }

    /// Drops messages that are too old, and forgets topics that have nothing left; looks at no more than `max_logs` logs,
    /// and the next sweep goes on where this one stopped. To be called every few seconds.
    pub fn sweep(&self, max_logs: usize) -> Swept {
        let hub = &*self.0;
        let mut swept = Swept::default();
        for topic in hub.logs.turn(max_logs) {
            swept.logs += 1;
            swept.messages += topic.expire(&hub.logs, &*hub.options.clock);
            swept.topics += usize::from(hub.forget(&topic));
        }
        // A map keeps the room of its best days.
        let (room, len) = (hub.topics.capacity(), hub.topics_len.load(Relaxed));
        if room > 4 * len + 4096 {
            hub.topics.shrink_to_fit();
        }
        swept
    }
}

impl Hub {
    fn publish(&self, id: &TopicId, publish: Publish, at: Option<u64>) -> Result<Published, Error> {
        let table = self.retention.load();
        let tally_and_id = loop {
            let topic = match self.find(id) {
                None if table.of(id).is_some() => self.find_or_open(id)?,
                Some(topic) => topic,
                None => break (self.publish_unknown(id, publish, at), None),
            };
            if let Some(done) = self.publish_in(&topic, &publish, at, &table) {
                break done;
            }
        };
        let (tally, id) = tally_and_id;
        self.counters.published(tally);
        if id.is_some() {
            self.logs.fit();
        }
        Ok(Published { id, receivers: tally.queued })
    }

    /// To a topic that only prefixes may hear. Nothing of it stays.
    fn publish_unknown(&self, id: &TopicId, publish: Publish, at: Option<u64>) -> Tally {
        let mut tally = Tally::default();
        let groups = self.prefixes.matching(id);
        let fabric = self.options.fabric.as_ref().filter(|_| !publish.local);
        if groups.is_empty() && fabric.is_none() {
            return tally;
        }
        let (published, author) = (at.unwrap_or_else(|| wall_ms(&*self.options.clock)), publish.from);
        let message = Arc::new(Message::new(id.clone(), None, published, publish));
        for group in groups {
            tally.fan_out(&group.snapshot(), &message, author);
        }
        if let Some(fabric) = fabric {
            fabric.published(&message);
        }
        tally
    }

    /// None if the topic was forgotten meanwhile.
    fn publish_in(
        &self,
        topic: &Arc<Topic>,
        publish: &Publish,
        at: Option<u64>,
        table: &Retention,
    ) -> Option<(Tally, Option<u64>)> {
        let clock = &*self.options.clock;
        let mut order = topic.order.lock();
        let published = at.unwrap_or_else(|| wall_ms(clock));
        let (message, members) = {
            let mut state = topic.state.lock();
            if state.forgotten {
                return None;
            }
            topic.follow(&mut state, table, &self.logs, clock);
            let id = state.log.as_ref().map(crate::log::Log::next);
            let message = Arc::new(Message::new(topic.id.clone(), id, published, publish.clone()));
            if let Some(log) = &mut state.log {
                log.push(Arc::clone(&message), clock.now());
                topic.account(&state, &self.logs);
            }
            (message, state.members.snapshot())
        };
        order.published += 1;
        let mut tally = Tally::default();
        tally.fan_out(&members, &message, publish.from);
        for group in order.groups(&topic.id, &self.prefixes) {
            tally.fan_out(&group.snapshot(), &message, publish.from);
        }
        if let Some(fabric) = self.options.fabric.as_ref().filter(|_| !publish.local) {
            fabric.published(&message);
        }
        drop(order);
        // A topic with neither was opened for a log that a reload took away meanwhile.
        let needless = members.is_empty() && message.id.is_none();
        if needless || (topic.orphan.load(SeqCst) && topic.orphan.swap(false, SeqCst)) {
            self.forget(topic);
        }
        Some((tally, message.id))
    }

    pub(crate) fn find(&self, id: &TopicId) -> Option<Arc<Topic>> {
        self.topics.get(id).map(|entry| Arc::clone(entry.value()))
    }

    pub(crate) fn find_or_open(&self, id: &TopicId) -> Result<Arc<Topic>, Error> {
        if let Some(topic) = self.find(id) {
            return Ok(topic);
        }
        match self.topics.entry(id.clone()) {
            dashmap::Entry::Occupied(entry) => Ok(Arc::clone(entry.get())),
            dashmap::Entry::Vacant(entry) => {
                count_up(&self.topics_len, self.options.limits.topics_max, "too many topics")?;
                Ok(Arc::clone(&entry.insert(Topic::new(id.clone()))))
            }
        }
    }

    /// Forgets a topic that nobody listens to and that has no messages; returns whether it did.
    pub(crate) fn forget(&self, topic: &Arc<Topic>) -> bool {
        if !topic.idle() {
            return false;
        }
        let retire = |known: &Arc<Topic>| {
            // A publish that is on its way goes on with this topic; one to its successor must not overtake it.
            let unordered = |topic: &Topic| topic.order.try_lock().map(|_order| topic.retire(&self.logs));
            if !Arc::ptr_eq(known, topic) {
                return false;
            }
            unordered(topic).unwrap_or_else(|| {
                // The publish looks at this when it is over; it may be over by now.
                topic.orphan.store(true, SeqCst);
                unordered(topic).unwrap_or(false)
            })
        };
        let forgotten = self.topics.remove_if(&topic.id, |_, known| retire(known)).is_some();
        if forgotten {
            self.topics_len.fetch_sub(1, Relaxed);
        }
        forgotten
    }
}

/// Counts one more, unless there are too many.
pub(crate) fn count_up(count: &AtomicUsize, max: usize, full: &'static str) -> Result<(), Error> {
    let more = count.fetch_update(Relaxed, Relaxed, |count| (count < max).then_some(count + 1));
    more.map(drop).map_err(|_| Error::Full(full))
}

impl fmt::Debug for PubSub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PubSub").field(&self.stats()).finish()
    }
}
