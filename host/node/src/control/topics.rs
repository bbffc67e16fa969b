//! The admin listener's view of topics and of who is there.

use std::num::NonZeroUsize;
use std::str::FromStr;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use skep_admin::api::{
    Line, MemberCount, MemberPage, MemberStatus, MessageStatus, MetaStatus, Published, TopicPage, TopicStatus,
    ValueText,
};
use skep_admin::{ControlError, Lines, TopicControl};
use skep_presence::{Member, PAGE_MEMBERS_MAX};
use skep_pubsub::{Delivery, Message, Overflow, Publish, SubscribeOptions, Subscription, TopicInfo};
use skep_types::{ByteSize, InvalidTopic, TopicId, TopicSelector};

use super::NodeControl;

/// Topics that are given at once.
const PAGE_TOPICS_MAX: usize = 1000;
/// Messages that wait for one who follows. Overload policy: the oldest make room, and the follower is told how many.
const TAIL_QUEUE: NonZeroUsize = NonZeroUsize::new(1000).expect("it is not zero");
/// Bytes that wait for one who follows.
const TAIL_QUEUE_BYTES: ByteSize = ByteSize::mib(8);

impl NodeControl {
    /// A topic or topics of a plugin of this node. Topics are not declared: whoever publishes makes one, so what can be
    /// wrong is the plugin, or the letters.
    pub(super) fn topic<T: FromStr<Err = InvalidTopic>>(&self, text: &str) -> Result<T, ControlError> {
        self.plugin(text.split_once('/').map_or(text, |(owner, _)| owner))?;
        text.parse().map_err(|error: InvalidTopic| ControlError::Refused(error.to_string()))
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

fn topic_status(info: &TopicInfo) -> TopicStatus {
    TopicStatus {
        topic: info.topic.to_string(),
        subscribers: count(info.subscribers),
        retained_messages: count(info.retained_messages),
        retained_bytes: info.retained_bytes,
        published: info.published,
    }
}

fn member_status(member: &Member) -> MemberStatus {
    let metas = member.metas.iter().map(|meta| MetaStatus {
        name: meta.id().to_string(),
        owner: meta.owner().to_owned(),
        // The engine took nothing but JSON objects.
        data: serde_json::from_str(meta.data()).unwrap_or_default(),
    });
    MemberStatus { key: member.key.to_string(), metas: metas.collect() }
}

fn message_status(message: &Message) -> MessageStatus {
    MessageStatus {
        topic: message.topic.to_string(),
        id: message.id,
        event: message.event.as_deref().map(str::to_owned),
        at_ms: message.published,
        data: ValueText::of(&message.data),
    }
}

fn lines(subscription: Subscription, after: Option<u64>) -> Lines<MessageStatus> {
    let complete = subscription.resumed().is_none_or(|resumed| resumed.complete);
    let gap = after.filter(|_| !complete).map(|gap_after| Line::Gap { gap_after });
    let live = stream::unfold(subscription, |mut subscription| async move {
        let line = match subscription.recv().await? {
            Delivery::Message(message) => Line::Item(message_status(&message)),
            Delivery::Missed(missed) => Line::Missed { missed },
        };
        Some((line, subscription))
    });
    Box::pin(stream::iter(gap).chain(live))
}

impl TopicControl for NodeControl {
    fn topics(&self, prefix: &str, cursor: Option<&str>, limit: usize) -> Result<TopicPage, ControlError> {
        let cursor = cursor.map(str::parse::<TopicId>).transpose();
        let cursor = cursor.map_err(|error| ControlError::Refused(format!("this is no cursor: {error}")))?;
        let limit = limit.clamp(1, PAGE_TOPICS_MAX);
        let found = self.0.topics.pubsub.topics(prefix, cursor.as_ref(), limit);
        let cursor = found.last().filter(|_| found.len() == limit).map(|last| last.topic.to_string());
        Ok(TopicPage { topics: found.iter().map(topic_status).collect(), cursor })
    }

    fn members(&self, topic: &str, cursor: Option<&str>, limit: usize) -> Result<MemberPage, ControlError> {
        let topic: TopicId = self.topic(topic)?;
        let page = self.0.topics.presence.list(&topic, cursor, limit.clamp(1, PAGE_MEMBERS_MAX));
        Ok(MemberPage { members: page.members.iter().map(member_status).collect(), cursor: page.cursor })
    }

    fn member_count(&self, topic: &str) -> Result<MemberCount, ControlError> {
        let topic: TopicId = self.topic(topic)?;
        Ok(MemberCount { count: self.0.topics.presence.count(&topic) })
    }

    fn publish(&self, topic: &str, event: Option<&str>, data: Bytes) -> Result<Published, ControlError> {
        let topic: TopicId = self.topic(topic)?;
        let publish = Publish { event: event.map(Into::into), data, ..Publish::default() };
        let published = self.0.topics.pubsub.publish(&topic, publish);
        let published = published.map_err(|error| ControlError::Refused(error.to_string()))?;
        tracing::info!(%topic, receivers = published.receivers, "a message was published by command");
        Ok(Published { id: published.id, receivers: count(published.receivers) })
    }

    fn tail(&self, topics: &str, after: Option<u64>) -> Result<Lines<MessageStatus>, ControlError> {
        let selector: TopicSelector = self.topic(topics)?;
        let options = SubscribeOptions {
            queue: TAIL_QUEUE,
            queue_bytes: TAIL_QUEUE_BYTES,
            overflow: Overflow::DropOldest,
            after,
        };
        let subscription = self.0.topics.pubsub.subscribe(selector, &options);
        let subscription = subscription.map_err(|error| ControlError::Refused(error.to_string()))?;
        Ok(lines(subscription, after))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use skep_pubsub::{Options, PubSub, Retain};
    use skep_types::SystemClock;

    use super::*;

    #[tokio::test]
    async fn a_slow_follower_is_told_what_it_missed_and_what_is_gone() {
        let retain = Retain { messages: NonZeroUsize::MIN, ..Retain::default() };
        let options = Options::new(Arc::new(SystemClock));
        let pubsub = PubSub::new(Options { retain: vec![("a/t".parse().unwrap(), retain)], ..options });
        let publish = |data: &'static str| {
            let publish = Publish { data: data.into(), ..Publish::default() };
            pubsub.publish(&"a/t".parse().unwrap(), publish).unwrap().id
        };
        let (lost, kept) = (publish("0"), publish("1"));
        let options = SubscribeOptions { queue: NonZeroUsize::MIN, after: lost.map(|id| id - 1), ..Default::default() };
        let mut lines = lines(pubsub.subscribe("a/t".parse().unwrap(), &options).unwrap(), options.after);
        publish("2");
        publish("3");
        let last = publish("4");
        let mut seen = Vec::new();
        for _ in 0..4 {
            seen.push(match lines.next().await.unwrap() {
                Line::Gap { gap_after } => format!("gap {gap_after}"),
                Line::Missed { missed } => format!("missed {missed}"),
                Line::Item(message) => format!("{:?} {:?}", message.id, message.data),
            });
        }
        let item = |id: Option<u64>, data: &str| format!("{id:?} {:?}", ValueText::Text(data.to_owned()));
        let gap = format!("gap {}", options.after.unwrap());
        assert_eq!(seen, [gap, item(kept, "1"), "missed 2".to_owned(), item(last, "4")]);
        drop(lines);
        assert_eq!(pubsub.stats().subscriptions, 0);
    }
}
