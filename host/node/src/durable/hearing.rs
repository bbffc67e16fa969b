//! What durable writes changed goes to whom it concerns.

use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use skep_jobs::Ear;
use skep_process::Processes;
use skep_pubsub::PubSub;
use skep_store::{Changes, Observer, Publish};

/// The store's observer: jobs hear of what became available and of what ended, listeners of what was published.
pub(super) struct Hearing {
    ear: Arc<Ear>,
    pubsub: PubSub,
    /// While the store opens: the messages that a killed host had committed and not published.
    // Held for a moment, over no await.
    left: Mutex<Option<Vec<Publish>>>,
    /// Who gets mail, once that runs.
    processes: OnceLock<Processes>,
}

impl Hearing {
    /// For a store that is about to be opened.
    pub(super) fn new(ear: Arc<Ear>, pubsub: PubSub) -> Self {
        Self { ear, pubsub, left: Mutex::new(Some(Vec::new())), processes: OnceLock::new() }
    }

    /// The store is open: what is published from now on leaves at once. Answers what was left by the host before, for
    /// [`publish`](Self::publish) when the listeners are there.
    pub(super) fn opened(&self) -> Vec<Publish> {
        self.left.lock().take().unwrap_or_default()
    }

    /// Who gets mail. What was posted before is found in the store.
    pub(super) fn deliver_to(&self, processes: &Processes) {
        // There is one engine.
        let _ = self.processes.set(processes.clone());
    }

    /// Answers what is to leave now.
    fn hold(&self, publishes: Vec<Publish>) -> Vec<Publish> {
        match &mut *self.left.lock() {
            Some(left) => {
                left.extend(publishes);
                Vec::new()
            }
            None => publishes,
        }
    }

    pub(super) fn publish(&self, messages: Vec<Publish>) {
        for message in messages {
            let event = message.event.map(Into::into);
            let publish = skep_pubsub::Publish { event, data: message.data, ..skep_pubsub::Publish::default() };
            // It was checked when it was committed; what is left is a node with too many topics.
            if let Err(error) = self.pubsub.publish(&message.topic, publish) {
                tracing::warn!(topic = %message.topic, %error, "a committed message could not be published");
            }
        }
    }
}

impl Observer for Hearing {
    fn changed(&self, mut changes: Changes) {
        let publishes = std::mem::take(&mut changes.publishes);
        let now = self.hold(publishes);
        self.publish(now);
        if let Some(processes) = self.processes.get() {
            processes.hear(&changes);
        }
        self.ear.hear(&changes);
    }
}
