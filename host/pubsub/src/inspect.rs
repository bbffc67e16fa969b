//! What an operator sees.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;

use skep_types::TopicId;

use crate::hub::PubSub;

/// A live topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicInfo {
    /// Which one.
    pub topic: TopicId,
    /// Subscriptions that hear it, those by prefix among them.
    pub subscribers: usize,
    /// Messages in its log.
    pub retained_messages: usize,
    /// What they count as, in bytes.
    pub retained_bytes: u64,
    /// Messages published since it has been live, that is, since somebody listens or it has a log.
    pub published: u64,
}

/// Counts of the host. The first three only grow, the others say what is so now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Messages published, those that nobody heard among them.
    pub published: u64,
    /// Messages put into queues.
    pub delivered: u64,
    /// Messages dropped because a queue was full.
    pub dropped: u64,
    /// Subscriptions.
    pub subscriptions: usize,
    /// Topics that somebody listens to, other than by prefix, or that have a log.
    pub topics: usize,
    /// Topics that have a log.
    pub logs: usize,
    /// What all logs hold, in bytes.
    pub retained_bytes: u64,
}

impl PubSub {
    /// Live topics whose printed id (`owner/name`) begins so, in order, from behind the cursor on; at most `limit`. It
    /// looks at every topic of the host, so it is for people, not for requests.
    #[must_use]
    pub fn topics(&self, prefix: &str, cursor: Option<&TopicId>, limit: usize) -> Vec<TopicInfo> {
        let hub = &*self.0;
        let begins = |id: &TopicId| match prefix.split_once('/') {
            Some((owner, name)) => id.owner.as_str() == owner && id.name.as_str().starts_with(name),
            None => id.owner.as_str().starts_with(prefix),
        };
        let mut first = BTreeMap::new();
        for entry in &hub.topics {
            let id = entry.key();
            if limit == 0 || !begins(id) || cursor.is_some_and(|cursor| id <= cursor) {
                continue;
            }
            if first.len() >= limit && first.last_key_value().is_some_and(|(last, _)| id > last) {
                continue;
            }
            first.insert(id.clone(), std::sync::Arc::clone(entry.value()));
            if first.len() > limit {
                first.pop_last();
            }
        }
        let info = |(id, topic): (TopicId, std::sync::Arc<crate::topic::Topic>)| {
            let by_prefix: usize = hub.prefixes.matching(&id).iter().map(|group| group.len()).sum();
            let published = topic.order.lock().published;
            let state = topic.state.lock();
            TopicInfo {
                topic: id,
                subscribers: state.members.len() + by_prefix,
                retained_messages: state.log.as_ref().map_or(0, crate::log::Log::len),
                retained_bytes: state.log.as_ref().map_or(0, crate::log::Log::bytes),
                published,
            }
        };
        first.into_iter().map(info).collect()
    }

    /// The counts of the host.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let hub = &*self.0;
        let (published, delivered, dropped) = hub.counters.read();
        Stats {
            published,
            delivered,
            dropped,
            subscriptions: hub.subscriptions.load(Relaxed),
            topics: hub.topics_len.load(Relaxed),
            logs: hub.logs.len(),
            retained_bytes: hub.logs.bytes.load(Relaxed),
        }
    }
}
