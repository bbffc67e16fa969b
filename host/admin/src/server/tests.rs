//! The listener and its client over a node that is made up.

use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};

use super::AdminServer;
use crate::api::{
    BreakerStatus, BucketStatus, Cleared, DeadLetter, Deleted, Deployed, EntryStatus, EventStatus, KeyPage, Line,
    MemberCount, MemberPage, MessageStatus, NodeFigures, NodeKind, NodeStatus, Published, Reloaded, Resumed, Retried,
    RevisionStatus, TopicPage, TreeNode, ValueText,
};
use crate::control::{CacheControl, Control, ControlError, ControlFuture, Lines, SupervisionControl, TopicControl};
use crate::{Client, DurableControl, Endpoint, LogHub, ProcessControl, SocketControl, SqlControl};

mod durable;
mod processes;
mod sockets;
mod sql;

/// A node with a tree, a store, processes, sockets and databases of its own, or without.
#[derive(Default)]
struct Fake {
    supervises: bool,
    durable: Option<durable::Durable>,
    processes: Option<processes::Processes>,
    sockets: Option<sockets::Sockets>,
    databases: Option<sql::Databases>,
    logs: LogHub,
}

fn missing<T>() -> Result<T, ControlError> {
    Err(ControlError::NotFound("the fake has none".to_owned()))
}

fn later<T: Send + 'static>(result: Result<T, ControlError>) -> ControlFuture<T> {
    Box::pin(std::future::ready(result))
}

impl CacheControl for Fake {
    fn caches(&self) -> Vec<BucketStatus> {
        Vec::new()
    }
    fn cache(&self, _: &str) -> Result<BucketStatus, ControlError> {
        missing()
    }
    fn cache_keys(&self, _: &str, _: &str, _: Option<&str>, _: usize) -> Result<KeyPage, ControlError> {
        missing()
    }
    fn cache_entry(&self, _: &str, _: &str) -> Result<EntryStatus, ControlError> {
        missing()
    }
    fn cache_delete(&self, _: String, _: String) -> ControlFuture<Deleted> {
        later(missing())
    }
    fn cache_clear(&self, _: String) -> ControlFuture<Cleared> {
        later(missing())
    }
}

impl TopicControl for Fake {
    fn topics(&self, _: &str, _: Option<&str>, _: usize) -> Result<TopicPage, ControlError> {
        missing()
    }
    fn members(&self, _: &str, _: Option<&str>, _: usize) -> Result<MemberPage, ControlError> {
        missing()
    }
    fn member_count(&self, _: &str) -> Result<MemberCount, ControlError> {
        missing()
    }
    fn publish(&self, _: &str, _: Option<&str>, _: Bytes) -> Result<Published, ControlError> {
        missing()
    }
    fn tail(&self, topics: &str, after: Option<u64>) -> Result<Lines<MessageStatus>, ControlError> {
        let message = MessageStatus {
            topic: topics.to_owned(),
            id: after,
            event: None,
            at_ms: 1,
            // Longer than what a connection carries at once.
            data: ValueText::Text("\n\u{e4}".repeat(200_000)),
        };
        Ok(Box::pin(stream::iter([Line::Missed { missed: 3 }, Line::Item(message)])))
    }
}

impl Control for Fake {
    fn status(&self) -> NodeStatus {
        let (name, version, allocation) = Default::default();
        NodeStatus { name, version, allocation, listen: Vec::new(), plugins: Vec::new() }
    }
    fn ready(&self) -> Result<(), String> {
        Ok(())
    }
    fn revisions(&self, _: &str) -> Result<Vec<RevisionStatus>, ControlError> {
        missing()
    }
    fn deploy(&self, _: String, _: Bytes) -> ControlFuture<Deployed> {
        later(missing())
    }
    fn rollback(&self, _: String, _: Option<String>) -> ControlFuture<Deployed> {
        later(missing())
    }
    fn reload(&self) -> ControlFuture<Reloaded> {
        later(missing())
    }
    fn metrics(&self) -> String {
        String::new()
    }
    fn logs(&self) -> &LogHub {
        &self.logs
    }
    fn supervision(&self) -> Option<&dyn SupervisionControl> {
        self.supervises.then_some(self)
    }
    fn durable(&self) -> Option<&dyn DurableControl> {
        Some(self.durable.as_ref()?)
    }
    fn processes(&self) -> Option<&dyn ProcessControl> {
        Some(self.processes.as_ref()?)
    }
    fn sockets(&self) -> Option<&dyn SocketControl> {
        Some(self.sockets.as_ref()?)
    }
    fn sql(&self) -> Option<&dyn SqlControl> {
        Some(self.databases.as_ref()?)
    }
    fn figures(&self) -> Option<NodeFigures> {
        self.processes.as_ref().map(processes::Processes::figures)
    }
}

/// Names that a path or a query must not take apart.
const SUBSCRIPTION: &str = "on order/..?&";

fn letter() -> DeadLetter {
    DeadLetter {
        plugin: "shop".to_owned(),
        subscription: SUBSCRIPTION.to_owned(),
        at_ms: 1,
        topic: "shop/orders:42".to_owned(),
        event: Some("paid".to_owned()),
        id: None,
        reason: "trap".to_owned(),
        attempts: 3,
        bytes: 2,
        preview: DeadLetter::preview(b"{}"),
    }
}

fn tree() -> TreeNode {
    let route = TreeNode {
        name: "GET /{*path}".to_owned(),
        path: "host/GET /{*path}".to_owned(),
        breaker: Some(BreakerStatus::Open { until_ms: 5 }),
        last_exit: Some("trap".to_owned()),
        ..TreeNode::default()
    };
    TreeNode { name: "host".to_owned(), kind: NodeKind::Supervisor, children: vec![route], ..TreeNode::default() }
}

fn event(sequence: u64) -> EventStatus {
    EventStatus { sequence, at_ms: 1, path: "host/shop".to_owned(), what: "started".to_owned() }
}

impl Fake {
    fn of_shop<T>(plugin: &str, subscription: &str, found: T) -> Result<T, ControlError> {
        if (plugin, subscription) == ("shop", SUBSCRIPTION) {
            return Ok(found);
        }
        Err(ControlError::NotFound(format!("there is no subscription `{subscription}`; there are: {SUBSCRIPTION}")))
    }
}

impl SupervisionControl for Fake {
    fn tree(&self) -> TreeNode {
        tree()
    }
    fn events(&self, after: Option<u64>, follow: bool) -> Lines<EventStatus> {
        let kept = (after.map_or(0, |after| after + 1)..5).map(event).map(Line::Item);
        // What is followed never ends by itself.
        if follow { Box::pin(stream::iter(kept).chain(stream::pending())) } else { Box::pin(stream::iter(kept)) }
    }
    fn dead_letters(&self, plugin: Option<&str>, subscription: Option<&str>) -> Result<Vec<DeadLetter>, ControlError> {
        Self::of_shop(plugin.unwrap_or("shop"), subscription.unwrap_or(SUBSCRIPTION), vec![letter()])
    }
    fn retry_dead(&self, plugin: String, subscription: String) -> ControlFuture<Retried> {
        later(Self::of_shop(&plugin, &subscription, Retried { retried: 1 }))
    }
    fn clear_dead(&self, plugin: String, subscription: String) -> ControlFuture<Cleared> {
        later(Self::of_shop(&plugin, &subscription, Cleared { removed: 1 }))
    }
    fn resume(&self, path: &str) -> Result<Resumed, ControlError> {
        match path {
            "host/shop/GET /{a}?&" => Ok(Resumed { path: path.to_owned() }),
            _ => missing(),
        }
    }
}

async fn start(supervises: bool) -> (AdminServer, Client) {
    serve(Fake { supervises, ..Fake::default() }).await
}

async fn serve(fake: Fake) -> (AdminServer, Client) {
    let server = AdminServer::start(Arc::new(fake), ([127, 0, 0, 1], 0).into(), "token").await.unwrap();
    let client = Client::new(Endpoint { address: server.address(), token: "token".to_owned() });
    (server, client)
}

#[tokio::test]
async fn the_tree_and_its_letters_come_through() {
    let (_server, client) = start(true).await;
    assert_eq!(client.tree().await.unwrap(), tree());
    assert_eq!(client.dead_letters(None, None).await.unwrap(), [letter()]);
    assert_eq!(client.dead_letters(Some("shop"), Some(SUBSCRIPTION)).await.unwrap(), [letter()]);
    assert_eq!(client.retry_dead("shop", SUBSCRIPTION).await.unwrap().retried, 1);
    assert_eq!(client.clear_dead("shop", SUBSCRIPTION).await.unwrap().removed, 1);
    assert_eq!(client.resume("host/shop/GET /{a}?&").await.unwrap().path, "host/shop/GET /{a}?&");
    for error in [
        client.dead_letters(Some("shop"), Some("gone")).await.unwrap_err(),
        client.retry_dead("shop", "gone").await.unwrap_err(),
        client.clear_dead("shop", "gone").await.unwrap_err(),
    ] {
        assert!(error.to_string().contains("no subscription `gone`; there are: on order"), "{error}");
    }
    assert!(client.resume("host/gone").await.unwrap_err().to_string().contains("the fake has none"));
}

#[tokio::test]
async fn events_end_unless_they_are_followed() {
    let (_server, client) = start(true).await;
    let mut seen = Vec::new();
    let each = |line| {
        seen.push(line);
        ControlFlow::Continue(())
    };
    client.events(Some(2), false, each).await.unwrap();
    assert_eq!(seen, [Line::Item(event(3)), Line::Item(event(4))]);
    let mut count = 0;
    let first_five = |_| {
        count += 1;
        if count < 5 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    client.events(None, true, first_five).await.unwrap();
    assert_eq!(count, 5, "they came though there is no end");
}

#[tokio::test]
async fn the_log_of_a_plugin_that_is_not_there_is_refused() {
    let (_server, client) = start(false).await;
    let refused = client.logs(Some("gone/../?"), |_| ControlFlow::Break(())).await.unwrap_err();
    assert_eq!(refused.to_string(), "the fake has none");
}

#[tokio::test]
async fn a_line_may_be_longer_than_what_comes_at_once() {
    let (_server, client) = start(true).await;
    let mut seen = Vec::new();
    let each = |line: Line<MessageStatus>| {
        seen.push(line);
        ControlFlow::Continue(())
    };
    client.tail("shop/a b/..*", Some(7), each).await.unwrap();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen.first(), Some(&Line::Missed { missed: 3 }));
    let Some(Line::Item(message)) = seen.get(1) else { panic!("it is a message") };
    assert_eq!((message.topic.as_str(), message.id), ("shop/a b/..*", Some(7)));
    assert_eq!(message.data.bytes().unwrap().len(), 600_000);
}

#[tokio::test]
async fn a_node_without_supervision_says_so() {
    let (_server, client) = start(false).await;
    for error in [
        client.tree().await.unwrap_err(),
        client.dead_letters(None, None).await.unwrap_err(),
        client.events(None, true, |_| ControlFlow::Break(())).await.unwrap_err(),
        client.resume("host").await.unwrap_err(),
    ] {
        assert_eq!(error.to_string(), "this node supervises nothing");
    }
}
