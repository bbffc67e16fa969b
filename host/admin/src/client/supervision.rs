//! The supervision tree and dead letters, from the command line's side.

use std::ops::ControlFlow;

use bytes::Bytes;
use http::Method;

use super::{Client, encoded};
use crate::api::{Cleared, DeadLetter, EventStatus, Line, Resumed, Retried, TreeNode};

impl Client {
    /// The supervision tree.
    ///
    /// # Errors
    /// When the node does not answer.
    pub async fn tree(&self) -> anyhow::Result<TreeNode> {
        self.json(Method::GET, "/api/tree", Bytes::new()).await
    }

    /// What happened, behind this number or from the oldest that is kept on; if it is followed, until the node ends or
    /// `each` wants no more.
    ///
    /// # Errors
    /// When the node does not answer.
    pub async fn events(
        &self,
        after: Option<u64>,
        follow: bool,
        each: impl FnMut(Line<EventStatus>) -> ControlFlow<()>,
    ) -> anyhow::Result<()> {
        let after = after.map(|after| format!("&after={after}")).unwrap_or_default();
        self.follow(&format!("/api/events?follow={follow}{after}"), each).await
    }

    /// Dead letters: of all plugins, of one, or of one subscription of it.
    ///
    /// # Errors
    /// When the node does not answer, or has no such plugin or subscription.
    pub async fn dead_letters(
        &self,
        plugin: Option<&str>,
        subscription: Option<&str>,
    ) -> anyhow::Result<Vec<DeadLetter>> {
        let plugin = plugin.map(|plugin| format!("plugin={}&", encoded(plugin))).unwrap_or_default();
        let of = subscription.map(|name| format!("subscription={}", encoded(name))).unwrap_or_default();
        self.json(Method::GET, &format!("/api/dead?{plugin}{of}"), Bytes::new()).await
    }

    /// Gives the dead letters of a subscription to it once more.
    ///
    /// # Errors
    /// When the node does not answer, or has no such plugin or subscription.
    pub async fn retry_dead(&self, plugin: &str, subscription: &str) -> anyhow::Result<Retried> {
        self.json(Method::POST, &format!("{}/retry", path(plugin, subscription)), Bytes::new()).await
    }

    /// Forgets the dead letters of a subscription.
    ///
    /// # Errors
    /// When the node does not answer, or has no such plugin or subscription.
    pub async fn clear_dead(&self, plugin: &str, subscription: &str) -> anyhow::Result<Cleared> {
        self.json(Method::DELETE, &path(plugin, subscription), Bytes::new()).await
    }

    /// Has a supervisor that backs off or gave up try again now.
    ///
    /// # Errors
    /// When the node does not answer or has no such supervisor.
    pub async fn resume(&self, path: &str) -> anyhow::Result<Resumed> {
        self.json(Method::POST, &format!("/api/tree/resume?path={}", encoded(path)), Bytes::new()).await
    }
}

fn path(plugin: &str, subscription: &str) -> String {
    format!("/api/dead/{}/{}", encoded(plugin), encoded(subscription))
}
