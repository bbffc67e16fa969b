//! How a subscription begins and ends.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use skep_types::{PluginName, TopicId, TopicPattern, TopicSelector};

use crate::error::Error;
use crate::hub::{Hub, PubSub, count_up};
use crate::options::SubscribeOptions;
use crate::queue::Queue;
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
        match &self.at {
            At::Topic(topic) => {
                topic.state.lock().members.remove(queue);
                self.hub.forget(topic);
            }
            At::Prefix(owner, prefix) => self.hub.prefixes.leave(owner, prefix, queue),
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
                let joined = hub.join(&TopicId { owner, name }, &queue, options.after);
                let (topic, resumed) = joined.inspect_err(|_| {
                    hub.subscriptions.fetch_sub(1, Relaxed);
                })?;
                (At::Topic(topic), resumed)
            }
            TopicPattern::Prefix(prefix) => {
                hub.prefixes.join(&owner, &prefix, Arc::clone(&queue));
                (At::Prefix(owner, prefix), options.after.map(|_| Resumed { complete: false }))
            }
        };
        Ok(Subscription { queue, resumed, place: Place { hub: Arc::clone(hub), at } })
    }
}

impl Hub {
    fn join(
        &self,
        id: &TopicId,
        queue: &Arc<Queue>,
        after: Option<u64>,
    ) -> Result<(Arc<Topic>, Option<Resumed>), Error> {
        let clock = &*self.options.clock;
        loop {
            let topic = self.find_or_open(id)?;
            let mut state = topic.state.lock();
            if state.forgotten {
                continue;
            }
            topic.follow(&mut state, &self.retention.load(), &self.logs, clock);
            let resumed = after.map(|after| {
                let Some(log) = &mut state.log else { return Resumed { complete: false } };
                log.trim(clock.now());
                // A message that is on its way to others is in the log already, and its snapshot of the listeners was
                // taken: so it comes from here, and the next one from its publisher.
                let behind = log.behind(Some(after), usize::MAX);
                queue.fill_backlog(behind.messages);
                Resumed { complete: behind.complete }
            });
            topic.account(&state, &self.logs);
            state.members.insert(Arc::clone(queue));
            drop(state);
            return Ok((topic, resumed));
        }
    }
}
