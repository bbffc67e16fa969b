//! Topics and who is there, over the wire.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ValueText;

/// A topic that somebody listens to, or that is retained.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicStatus {
    /// The topic, as `PLUGIN/TOPIC`.
    pub topic: String,
    /// Who hears it, those that listen to a prefix among them.
    pub subscribers: u64,
    /// Messages in its log.
    pub retained_messages: u64,
    /// What they count as, in bytes.
    pub retained_bytes: u64,
    /// Messages published since it is live.
    pub published: u64,
}

/// Topics, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicPage {
    /// The topics.
    pub topics: Vec<TopicStatus>,
    /// Where to go on; none at the end.
    pub cursor: Option<String>,
}

/// All presences under one key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberStatus {
    /// The key.
    pub key: String,
    /// The presences, in the order of tracking.
    pub metas: Vec<MetaStatus>,
}

/// One presence.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetaStatus {
    /// Its name; every update gives it a new one.
    #[serde(rename = "ref")]
    pub name: String,
    /// What it lives with.
    pub owner: String,
    /// What the plugin says of it.
    pub data: Value,
}

/// Members of a topic, by key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberPage {
    /// The members.
    pub members: Vec<MemberStatus>,
    /// Where to go on; none at the end.
    pub cursor: Option<String>,
}

/// How many members a topic has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberCount {
    /// Their number.
    pub count: u64,
}

/// What came of publishing a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// Its id in the topic's log, if there is one.
    pub id: Option<u64>,
    /// Listeners of this node that have it in their queue.
    pub receivers: u64,
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageStatus {
    /// The topic, as `PLUGIN/TOPIC`.
    pub topic: String,
    /// Its id in the topic's log, if there is one.
    pub id: Option<u64>,
    /// What happened.
    pub event: Option<String>,
    /// When it was published, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// What it says.
    pub data: ValueText,
}
