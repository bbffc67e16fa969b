//! Topics, from the command line's side.

use std::ops::ControlFlow;

use bytes::Bytes;
use http::Method;

use super::{Client, encoded};
use crate::api::{Line, MemberCount, MemberPage, MessageStatus, Published, TopicPage};

impl Client {
    /// A page of the live topics whose printed names (`PLUGIN/TOPIC`) begin so.
    ///
    /// # Errors
    /// When the node does not answer.
    pub async fn topics(&self, prefix: &str, cursor: Option<&str>, limit: usize) -> anyhow::Result<TopicPage> {
        let path = format!("/api/topics?limit={limit}&prefix={}{}", encoded(prefix), and_cursor(cursor));
        self.json(Method::GET, &path, Bytes::new()).await
    }

    /// A page of the members of a topic, given as `PLUGIN/TOPIC`.
    ///
    /// # Errors
    /// When the node does not answer or has no such plugin.
    pub async fn members(&self, topic: &str, cursor: Option<&str>, limit: usize) -> anyhow::Result<MemberPage> {
        let path = format!("{}/members?limit={limit}{}", path(topic)?, and_cursor(cursor));
        self.json(Method::GET, &path, Bytes::new()).await
    }

    /// How many members a topic has.
    ///
    /// # Errors
    /// When the node does not answer or has no such plugin.
    pub async fn member_count(&self, topic: &str) -> anyhow::Result<MemberCount> {
        self.json(Method::GET, &format!("{}/count", path(topic)?), Bytes::new()).await
    }

    /// Publishes a message.
    ///
    /// # Errors
    /// When the node does not answer, and what it has against the message.
    pub async fn publish(&self, topic: &str, event: Option<&str>, data: Bytes) -> anyhow::Result<Published> {
        let event = event.map(|event| format!("?event={}", encoded(event))).unwrap_or_default();
        self.json(Method::POST, &format!("{}/messages{event}", path(topic)?), data).await
    }

    /// Follows the messages of a topic, or of all that begin so (`PLUGIN/PREFIX*`), until the node ends or `each` wants
    /// no more.
    ///
    /// # Errors
    /// When the node does not answer or has no such plugin.
    pub async fn tail(
        &self,
        topics: &str,
        after: Option<u64>,
        each: impl FnMut(Line<MessageStatus>) -> ControlFlow<()>,
    ) -> anyhow::Result<()> {
        let after = after.map(|after| format!("?after={after}")).unwrap_or_default();
        self.follow(&format!("{}/messages{after}", path(topics)?), each).await
    }
}

fn and_cursor(cursor: Option<&str>) -> String {
    cursor.map(|cursor| format!("&cursor={}", encoded(cursor))).unwrap_or_default()
}

fn path(topic: &str) -> anyhow::Result<String> {
    match topic.split_once('/') {
        Some((plugin, name)) if !plugin.is_empty() && !name.is_empty() => {
            Ok(format!("/api/topics/{}/{}", encoded(plugin), encoded(name)))
        }
        _ => anyhow::bail!("`{topic}` names no topic: write PLUGIN/TOPIC, as `skep topics` does"),
    }
}
