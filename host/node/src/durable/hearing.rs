//! What durable writes changed goes to whom it concerns.

use std::sync::Arc;

use skep_jobs::Ear;
use skep_pubsub::{PubSub, Publish};
use skep_store::{Changes, Observer};

/// The store's observer: jobs hear of what became available and of what ended, listeners of what was published.
pub(super) struct Hearing {
    pub(super) ear: Arc<Ear>,
    pub(super) pubsub: PubSub,
}

impl Observer for Hearing {
    fn changed(&self, mut changes: Changes) {
        for message in std::mem::take(&mut changes.publishes) {
            let publish = Publish { event: message.event.map(Into::into), data: message.data, ..Publish::default() };
            // It was checked when it was committed; what is left is a node with too many topics.
            if let Err(error) = self.pubsub.publish(&message.topic, publish) {
                tracing::warn!(topic = %message.topic, %error, "a committed message could not be published");
            }
        }
        self.ear.hear(&changes);
    }
}
