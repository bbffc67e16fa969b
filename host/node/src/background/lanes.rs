//! Messages of one subscription that wait for their handler: one lane for each topic, so that the messages of a topic keep
//! their order and those of several topics go side by side.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use skep_pubsub::Message;
use skep_types::TopicId;

/// How many lanes may be at work, and what may wait in all of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) concurrency: usize,
    pub(crate) batch: usize,
    pub(crate) waiting: usize,
}

#[derive(Default)]
struct Lane {
    waiting: VecDeque<Arc<Message>>,
    busy: bool,
}

/// The lanes of one subscription.
pub(crate) struct Lanes {
    bounds: Bounds,
    lanes: HashMap<TopicId, Lane>,
    /// Topics that have something to do and nobody at it, the longest waiting first.
    ready: VecDeque<TopicId>,
    waiting: usize,
    busy: usize,
}

impl Lanes {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self { bounds, lanes: HashMap::new(), ready: VecDeque::new(), waiting: 0, busy: 0 }
    }

    /// Whether another message may come in. A slow topic can fill the lanes; the subscription's own queue follows, and
    /// then its overflow policy.
    pub(crate) fn has_room(&self) -> bool {
        self.waiting < self.bounds.waiting
    }

    /// Takes a message in.
    pub(crate) fn push(&mut self, message: Arc<Message>) {
        let topic = message.topic.clone();
        let lane = self.lanes.entry(topic.clone()).or_default();
        if !lane.busy && lane.waiting.is_empty() {
            self.ready.push_back(topic);
        }
        lane.waiting.push_back(message);
        self.waiting += 1;
    }

    /// The next messages to handle, all of one topic, if there are some and a place for them. The topic's other messages
    /// wait until it is [`done`](Self::done).
    pub(crate) fn next(&mut self) -> Option<(TopicId, Vec<Arc<Message>>)> {
        if self.busy >= self.bounds.concurrency {
            return None;
        }
        let topic = self.ready.pop_front()?;
        let lane = self.lanes.get_mut(&topic)?;
        lane.busy = true;
        let batch: Vec<_> = lane.waiting.drain(..self.bounds.batch.min(lane.waiting.len())).collect();
        self.waiting -= batch.len();
        self.busy += 1;
        Some((topic, batch))
    }

    /// The handler is through with what it was given of this topic.
    pub(crate) fn done(&mut self, topic: &TopicId) {
        let Some(lane) = self.lanes.get_mut(topic) else { return };
        self.busy -= usize::from(std::mem::replace(&mut lane.busy, false));
        if lane.waiting.is_empty() {
            self.lanes.remove(topic);
        } else {
            self.ready.push_back(topic.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use skep_pubsub::{PubSub, Publish, SubscribeOptions};
    use skep_types::SystemClock;

    use super::*;

    /// Messages `topic text`, as an engine makes them.
    fn messages(texts: &[&str]) -> Vec<Arc<Message>> {
        let pubsub = PubSub::new(skep_pubsub::Options::new(Arc::new(SystemClock)));
        let mut all = pubsub.subscribe("shop/*".parse().unwrap(), &SubscribeOptions::default()).unwrap();
        for text in texts {
            let (topic, data) = text.split_once(' ').unwrap();
            let topic = format!("shop/{topic}").parse().unwrap();
            pubsub.publish(&topic, Publish { data: data.to_owned().into(), ..Publish::default() }).unwrap();
        }
        std::iter::from_fn(|| match all.try_recv()? {
            skep_pubsub::Delivery::Message(message) => Some(message),
            skep_pubsub::Delivery::Missed(_) => None,
        })
        .collect()
    }

    fn shown(batch: Option<(TopicId, Vec<Arc<Message>>)>) -> String {
        let text =
            |message: &Arc<Message>| format!("{} {}", message.topic.name, String::from_utf8_lossy(&message.data));
        batch.map_or_else(|| "-".to_owned(), |(_, batch)| batch.iter().map(text).collect::<Vec<_>>().join(", "))
    }

    #[test]
    fn a_topic_keeps_its_order_and_topics_go_side_by_side() {
        let mut lanes = Lanes::new(Bounds { concurrency: 2, batch: 2, waiting: 10 });
        for message in messages(&["a 1", "a 2", "b 1", "a 3", "c 1"]) {
            lanes.push(message);
        }
        assert_eq!(shown(lanes.next()), "a 1, a 2");
        assert_eq!(shown(lanes.next()), "b 1");
        assert_eq!(shown(lanes.next()), "-", "two are at work");
        lanes.done(&"shop/b".parse().unwrap());
        assert_eq!(shown(lanes.next()), "c 1", "a is at work still");
        lanes.done(&"shop/a".parse().unwrap());
        assert_eq!(shown(lanes.next()), "a 3");
        lanes.done(&"shop/a".parse().unwrap());
        lanes.done(&"shop/c".parse().unwrap());
        assert!(lanes.lanes.is_empty() && lanes.busy == 0 && lanes.waiting == 0, "nothing is left behind");
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut lanes = Lanes::new(Bounds { concurrency: 1, batch: 1, waiting: 2 });
        for message in messages(&["a 1", "b 1"]) {
            assert!(lanes.has_room());
            lanes.push(message);
        }
        assert!(!lanes.has_room());
        lanes.next();
        assert!(lanes.has_room());
    }
}
