//! How a subscription begins and ends.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use skep_types::{PluginName, TopicId, TopicPattern, TopicSelector};

use crate::error::Error;
use crate::hub::{Hub, PubSub, count_up};
use crate::members::Member;
use crate::options::SubscribeOptions;
use crate::queue::Queue;
use crate::sink::{Listener, Sink, SinkSubscription};
use crate::subscription::{Resumed, Subscription, SubscriptionId};
use crate::topic::Topic;

/// Where a subscription is known.
pub(crate) struct Place {
    hub: Arc<Hub>,
    at: At,
}

enum At {
    Topic(Arc<Topic>),
    Prefix(PluginName, Arc<str>),
}

impl Place {
    pub(crate) fn leave(&self, queue: &Arc<Queue>) {
        self.remove(&Member::Queue(Arc::clone(queue)));
    }

    pub(crate) fn leave_sink(&self, listener: &Arc<Listener>) {
        self.remove(&Member::Sink(Arc::clone(listener)));
    }

    fn remove(&self, member: &Member) {
        match &self.at {
            At::Topic(topic) => {
                topic.state.lock().members.remove(member);
                self.hub.forget(topic);
            }
            At::Prefix(owner, prefix) => self.hub.prefixes.leave(owner, prefix, member),
        }
        self.hub.subscriptions.fetch_sub(1, Relaxed);
    }
}

impl PubSub {
    /// Listens to what is published from now on, and before that, if the options say so, to what the topic's log has: in
    /// one step, so that nothing is missing or comes twice in between. Who subscribes twice gets everything twice.
    ///
    /// # Errors
    /// [`Error::Full`] if there are too many topics or subscriptions.
    pub fn subscribe(&self, selector: TopicSelector, options: &SubscribeOptions) -> Result<Subscription, Error> {
        let hub = &self.0;
        count_up(&hub.subscriptions, hub.options.limits.subscriptions_max, "too many subscriptions")?;
        let id = SubscriptionId(hub.next_subscription.fetch_add(1, Relaxed));
        let queue = Arc::new(Queue::new(id, options));
        let TopicSelector { owner, pattern } = selector;
        let (at, resumed) = match pattern {
            TopicPattern::Exact(name) => {
                let resume = options.after.map(|after| (after, &*queue));
                let joined = hub.join(&TopicId { owner, name }, &Member::Queue(Arc::clone(&queue)), resume);
                let (topic, resumed) = joined.inspect_err(|_| {
                    hub.subscriptions.fetch_sub(1, Relaxed);
                })?;
                (At::Topic(topic), resumed)
            }
            TopicPattern::Prefix(prefix) => {
                hub.prefixes.join(&owner, &prefix, Member::Queue(Arc::clone(&queue)));
                (At::Prefix(owner, prefix), options.after.map(|_| Resumed { complete: false }))
            }
        };
        Ok(Subscription { queue, resumed, place: Place { hub: Arc::clone(hub), at } })
    }

    /// Hands what is published from now on to a sink. The tag tells it which of its subscriptions a message is for.
    ///
    /// # Errors
    /// [`Error::Full`] if there are too many topics or subscriptions.
    pub fn subscribe_sink(
        &self,
        selector: TopicSelector,
        sink: Arc<dyn Sink>,
        tag: u64,
    ) -> Result<SinkSubscription, Error> {
        let hub = &self.0;
        count_up(&hub.subscriptions, hub.options.limits.subscriptions_max, "too many subscriptions")?;
        let id = SubscriptionId(hub.next_subscription.fetch_add(1, Relaxed));
        let listener = Arc::new(Listener { id, at: AtomicUsize::new(0), tag, sink });
        let member = Member::Sink(Arc::clone(&listener));
        let TopicSelector { owner, pattern } = selector;
        let at = match pattern {
            TopicPattern::Exact(name) => {
                let joined = hub.join(&TopicId { owner, name }, &member, None);
                let (topic, _) = joined.inspect_err(|_| {
                    hub.subscriptions.fetch_sub(1, Relaxed);
                })?;
                At::Topic(topic)
            }
            TopicPattern::Prefix(prefix) => {
                hub.prefixes.join(&owner, &prefix, member);
                At::Prefix(owner, prefix)
            }
        };
        Ok(SinkSubscription { listener, place: Place { hub: Arc::clone(hub), at } })
    }
}

impl Hub {
    fn join(
        &self,
        id: &TopicId,
        member: &Member,
        resume: Option<(u64, &Queue)>,
    ) -> Result<(Arc<Topic>, Option<Resumed>), Error> {
        let clock = &*self.options.clock;
        loop {
            let topic = self.find_or_open(id)?;
            let mut state = topic.state.lock();
            if state.forgotten {
                continue;
            }
            topic.follow(&mut state, &self.retention.load(), &self.logs, clock);
            let resumed = resume.map(|(after, queue)| {
                let Some(log) = &mut state.log else { return Resumed { complete: false } };
                log.trim(clock.now());
                // A message that is on its way to others is in the log already, and its snapshot of the listeners was
                // taken: so it comes from here, and the next one from its publisher.
                let behind = log.behind(Some(after), usize::MAX);
                queue.fill_backlog(behind.messages);
                Resumed { complete: behind.complete }
            });
            topic.account(&state, &self.logs);
            state.members.insert(member.clone());
            drop(state);
            return Ok((topic, resumed));
        }
    }
}
