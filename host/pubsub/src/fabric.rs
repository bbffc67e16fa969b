//! The port to other nodes.

use std::sync::Arc;

use crate::message::Message;

/// Carries messages to other nodes, which hand them to [`PubSub::deliver_remote`](crate::PubSub::deliver_remote).
pub trait Fabric: Send + Sync + 'static {
    /// A message was published here and is not [local](crate::Publish::local). Messages of a topic that is retained or
    /// listened to come in the order of their delivery.
    ///
    /// It runs under the topic's lock, so it must not wait and must not publish: put the message into a queue. By default
    /// nothing happens.
    fn published(&self, message: &Arc<Message>) {
        let _ = message;
    }
}
