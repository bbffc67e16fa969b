//! What is published goes to the processes that listen: one subscription for each selector, however many of them there are.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;

use parking_lot::Mutex;
use skep_process::{Error, Number, Pid, Processes, Published};
use skep_pubsub::{Delivery, Message, Overflow, PubSub, SubscribeOptions};
use skep_types::TopicSelector;
use tokio_util::task::AbortOnDropHandle;

/// Messages that wait to be handed to mailboxes. Handing out never waits, so only a burst fills it.
const QUEUE: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();

/// The engine's port to pubsub. Selectors are written with their owner, `shop/orders:*`.
pub(super) struct ProcessTopics {
    pubsub: PubSub,
    // Held for a moment, over no await.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Known once the engine runs, which needs this first.
    processes: Option<Processes>,
    heard: HashMap<TopicSelector, Heard>,
}

/// One subscription, and who hears it. Dropping it ends the loop.
struct Heard {
    listeners: Arc<Mutex<Listeners>>,
    _loop: AbortOnDropHandle<()>,
}

#[derive(Default)]
struct Listeners {
    pids: HashMap<Number, Pid>,
    /// The same, made at the first message after a change: no lock is held while a message is handed out, because the engine
    /// may be about to subscribe.
    shared: Option<Arc<Vec<Pid>>>,
}

impl Listeners {
    fn add(&mut self, pid: &Pid) {
        self.pids.insert(pid.number, pid.clone());
        self.shared = None;
    }

    fn all(&mut self) -> Arc<Vec<Pid>> {
        Arc::clone(self.shared.get_or_insert_with(|| Arc::new(self.pids.values().cloned().collect())))
    }
}

impl ProcessTopics {
    pub(super) fn new(pubsub: PubSub) -> Arc<Self> {
        Arc::new(Self { pubsub, state: Mutex::default() })
    }

    /// The engine that what is heard goes to.
    pub(super) fn serve(&self, processes: &Processes) {
        self.state.lock().processes = Some(processes.clone());
    }

    /// Ends all subscriptions.
    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        state.heard.clear();
        state.processes = None;
    }
}

fn selector(topic: &str) -> Result<TopicSelector, Error> {
    topic.parse().map_err(|error: skep_types::InvalidTopic| Error::Invalid(error.to_string()))
}

impl skep_process::Topics for ProcessTopics {
    fn subscribe(&self, pid: &Pid, topic: &str) -> Result<(), Error> {
        let selector = selector(topic)?;
        let mut state = self.state.lock();
        let processes = state.processes.clone().ok_or(Error::Stopping)?;
        if let Some(heard) = state.heard.get(&selector) {
            heard.listeners.lock().add(pid);
            return Ok(());
        }
        let options = SubscribeOptions { queue: QUEUE, overflow: Overflow::DropOldest, ..SubscribeOptions::default() };
        let mut subscription = self.pubsub.subscribe(selector.clone(), &options).map_err(|error| match error {
            skep_pubsub::Error::Full(what) => Error::Full(what),
            other => Error::Unavailable(other.to_string()),
        })?;
        let listeners = Arc::new(Mutex::new(Listeners::default()));
        listeners.lock().add(pid);
        let of_loop = Arc::clone(&listeners);
        let work = tokio::spawn(async move {
            while let Some(delivery) = subscription.recv().await {
                match delivery {
                    Delivery::Message(message) => {
                        let (listeners, published) = (of_loop.lock().all(), published(&message));
                        for pid in listeners.iter() {
                            processes.publish(pid, published.clone());
                        }
                    }
                    Delivery::Missed(missed) => {
                        tracing::warn!(missed, "messages to processes were lost: more came than could be handed out");
                    }
                }
            }
        });
        state.heard.insert(selector, Heard { listeners, _loop: AbortOnDropHandle::new(work) });
        Ok(())
    }

    fn unsubscribe(&self, pid: &Pid, topic: &str) {
        let Ok(selector) = selector(topic) else { return };
        let mut state = self.state.lock();
        let Some(heard) = state.heard.get(&selector) else { return };
        let nobody_left = {
            let mut listeners = heard.listeners.lock();
            listeners.pids.remove(&pid.number);
            listeners.shared = None;
            listeners.pids.is_empty()
        };
        if nobody_left {
            state.heard.remove(&selector);
        }
    }
}

fn published(message: &Message) -> Published {
    Published {
        topic: message.topic.to_string().into(),
        id: message.id,
        event: message.event.clone(),
        data: message.data.clone(),
    }
}
