//! The port to the node's topics. A topic goes by `PLUGIN/TOPIC`.

use bytes::Bytes;

use super::{ControlError, Lines};
use crate::api::{MemberCount, MemberPage, MessageStatus, Published, TopicPage};

/// Topics that can be administered.
pub trait TopicControl: Send + Sync + 'static {
    /// A page of the live topics that begin so, by name: no more than `limit`, and no more than the node gives at once.
    ///
    /// # Errors
    /// When the cursor is none.
    fn topics(&self, prefix: &str, cursor: Option<&str>, limit: usize) -> Result<TopicPage, ControlError>;

    /// A page of the members of a topic, by key.
    ///
    /// # Errors
    /// When there is no such plugin, or it cannot have such a topic.
    fn members(&self, topic: &str, cursor: Option<&str>, limit: usize) -> Result<MemberPage, ControlError>;

    /// How many members a topic has.
    ///
    /// # Errors
    /// As for [`members`](Self::members).
    fn member_count(&self, topic: &str) -> Result<MemberCount, ControlError>;

    /// Publishes a message.
    ///
    /// # Errors
    /// When there is no such plugin, and what the topic has against the message.
    fn publish(&self, topic: &str, event: Option<&str>, data: Bytes) -> Result<Published, ControlError>;

    /// Follows the messages of a topic, or of all that begin so (`PLUGIN/PREFIX*`), behind the message of this id, where
    /// the topic is retained, or from now on. It ends when the lines are dropped.
    ///
    /// # Errors
    /// When there is no such plugin, or too many listen already.
    fn tail(&self, topics: &str, after: Option<u64>) -> Result<Lines<MessageStatus>, ControlError>;
}
