//! Sockets, over a node that is made up.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::Method;

use super::{Fake, later, serve};
use crate::api::{Disconnected, SocketFilter, SocketPage, SocketStatus};
use crate::client::Client;
use crate::control::{ControlError, ControlFuture, SocketControl};
use crate::server::AdminServer;

/// A name that a path or a query must not take apart.
const NAME: &str = "chat/user:1/..?&= \u{e4}+";
/// Sockets that the fake gives at once.
const PAGE: usize = 1000;

/// 2,500 sockets, every tenth of which has the name, and all that were disconnected.
pub(super) struct Sockets {
    all: Vec<SocketStatus>,
    closed: Arc<Mutex<Vec<String>>>,
}

impl Default for Sockets {
    fn default() -> Self {
        Self { all: (0..2500).map(socket).collect(), closed: Arc::default() }
    }
}

fn socket(number: u64) -> SocketStatus {
    let mount = if number.is_multiple_of(2) { "chat/socket" } else { "chat@example.org/live" };
    SocketStatus {
        id: format!("{number:016x}"),
        plugin: "chat".to_owned(),
        mount: mount.to_owned(),
        name: number.is_multiple_of(10).then(|| NAME.to_owned()),
        peer: "::1".to_owned(),
        transport: "websocket".to_owned(),
        channels: vec!["room:1".to_owned(), "room:\u{1f980}".to_owned()],
        queued: 1,
        queued_bytes: 2,
        received: 3,
        sent: number,
        dropped: 4,
        since_ms: 1_700_000_000_000 + number,
    }
}

impl Sockets {
    fn find(&self, id: &str) -> Result<&SocketStatus, ControlError> {
        let found = self.all.iter().find(|socket| socket.id == id);
        found.ok_or_else(|| ControlError::NotFound(format!("there is no socket `{id}`; 2500 are open")))
    }

    fn close(&self, which: impl Fn(&SocketStatus) -> bool) -> Disconnected {
        let ids: Vec<_> = self.all.iter().filter(|socket| which(socket)).map(|socket| socket.id.clone()).collect();
        let sockets = ids.len() as u64;
        self.closed.lock().unwrap().extend(ids);
        Disconnected { sockets }
    }
}

fn passes(filter: &SocketFilter, socket: &SocketStatus) -> bool {
    filter.mount.as_ref().is_none_or(|prefix| socket.mount.starts_with(prefix))
        && filter.name.as_ref().is_none_or(|name| socket.name.as_ref() == Some(name))
}

impl SocketControl for Sockets {
    fn sockets(&self, filter: SocketFilter, cursor: Option<String>, limit: usize) -> ControlFuture<SocketPage> {
        if let Some(plugin) = filter.plugin.as_ref().filter(|plugin| *plugin != "chat") {
            return later(Err(ControlError::NotFound(format!("there is no plugin `{plugin}`; there are: chat"))));
        }
        assert!((1..=PAGE).contains(&limit), "the server asks for no more than a page");
        let passing = self.all.iter().filter(|socket| passes(&filter, socket));
        let total = passing.clone().count() as u64;
        let behind = passing.filter(|socket| cursor.as_ref().is_none_or(|cursor| socket.id > *cursor));
        let sockets: Vec<_> = behind.clone().take(limit).cloned().collect();
        let cursor = (behind.count() > limit).then(|| sockets.last().unwrap().id.clone());
        later(Ok(SocketPage { sockets, total, cursor }))
    }

    fn socket(&self, id: &str) -> Result<SocketStatus, ControlError> {
        self.find(id).cloned()
    }

    fn disconnect(&self, id: &str) -> Result<Disconnected, ControlError> {
        self.find(id).map(|found| self.close(|socket| socket.id == found.id))
    }

    fn disconnect_named(&self, name: String) -> ControlFuture<Disconnected> {
        if !name.starts_with("chat/") {
            return later(Err(ControlError::NotFound("there is no such plugin; there are: chat".to_owned())));
        }
        later(Ok(self.close(|socket| socket.name.as_ref() == Some(&name))))
    }
}

async fn start() -> (AdminServer, Client) {
    serve(Fake { sockets: Some(Sockets::default()), ..Fake::default() }).await
}

#[tokio::test]
async fn sockets_are_listed_page_by_page() {
    let (_server, client) = start().await;
    let all = SocketFilter::default();
    let (mut seen, mut cursor) = (Vec::new(), None::<String>);
    loop {
        // More than a page is not given, however much is asked for.
        let page = client.sockets(&all, cursor.as_deref(), 5000).await.unwrap();
        assert!(page.sockets.len() <= PAGE && page.total == 2500);
        seen.extend(page.sockets);
        cursor = page.cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, (0..2500).map(socket).collect::<Vec<_>>());
    assert_eq!(client.sockets(&all, None, 0).await.unwrap().sockets.len(), 1);
    let page = client.send(Method::GET, "/api/sockets", Bytes::new()).await.unwrap();
    let page = http_body_util::BodyExt::collect(page.into_body()).await.unwrap().to_bytes();
    let page: SocketPage = serde_json::from_slice(&page).unwrap();
    assert_eq!((page.sockets.len(), page.cursor.as_deref()), (100, Some("0000000000000063")));
}

#[tokio::test]
async fn sockets_are_listed_by_what_they_are() {
    let (_server, client) = start().await;
    let (plugin, mount, name) = (Some("chat".to_owned()), Some("chat/so".to_owned()), Some(NAME.to_owned()));
    let filter = SocketFilter { plugin, mount, name };
    let page = client.sockets(&filter, None, 2).await.unwrap();
    let cursor = Some("000000000000000a".to_owned());
    assert_eq!(page, SocketPage { sockets: vec![socket(0), socket(10)], total: 250, cursor });
    let live = SocketFilter { mount: Some("chat@example.org/".to_owned()), name: None, ..filter.clone() };
    assert_eq!(client.sockets(&live, None, 1).await.unwrap().sockets, [socket(1)]);
    let none = SocketFilter { mount: live.mount, ..filter.clone() };
    assert_eq!(client.sockets(&none, None, 10).await.unwrap(), SocketPage::default());
    let elsewhere = SocketFilter { plugin: Some("shop&name=x".to_owned()), ..filter };
    let error = client.sockets(&elsewhere, None, 10).await.unwrap_err().to_string();
    assert_eq!(error, "there is no plugin `shop&name=x`; there are: chat");
}

#[tokio::test]
async fn one_socket_is_looked_at_and_disconnected_by_its_id() {
    let sockets = Sockets::default();
    let closed = Arc::clone(&sockets.closed);
    let (_server, client) = serve(Fake { sockets: Some(sockets), ..Fake::default() }).await;
    assert_eq!(client.socket("0000000000000010").await.unwrap(), socket(16));
    assert_eq!(*closed.lock().unwrap(), Vec::<String>::new(), "looking closes nothing");
    assert_eq!(client.disconnect_socket("0000000000000010").await.unwrap(), Disconnected { sockets: 1 });
    assert_eq!(*closed.lock().unwrap(), ["0000000000000010"]);
    for error in [
        client.socket("00000000ffffffff").await.unwrap_err(),
        client.disconnect_socket("00000000ffffffff").await.unwrap_err(),
    ] {
        assert_eq!(error.to_string(), "there is no socket `00000000ffffffff`; 2500 are open");
    }
    for no_id in ["", "disconnect", NAME, "../sockets", "10/"] {
        for error in [client.socket(no_id).await.unwrap_err(), client.disconnect_socket(no_id).await.unwrap_err()] {
            assert!(error.to_string().contains("write 16 hexadecimal digits"), "{error}");
        }
    }
    assert_eq!(closed.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn all_sockets_of_a_name_are_disconnected() {
    let sockets = Sockets::default();
    let closed = Arc::clone(&sockets.closed);
    let (_server, client) = serve(Fake { sockets: Some(sockets), ..Fake::default() }).await;
    assert_eq!(client.disconnect_sockets(NAME).await.unwrap(), Disconnected { sockets: 250 });
    assert!(closed.lock().unwrap().drain(..).eq((0..250).map(|number| format!("{:016x}", number * 10))));
    // Other nodes may have some.
    assert_eq!(client.disconnect_sockets("chat/nobody").await.unwrap(), Disconnected { sockets: 0 });
    let error = client.disconnect_sockets("shop/user").await.unwrap_err().to_string();
    assert!(error.ends_with("there are: chat"), "{error}");
    assert!(closed.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_is_misspelt_disconnects_nobody() {
    let sockets = Sockets::default();
    let closed = Arc::clone(&sockets.closed);
    let (_server, client) = serve(Fake { sockets: Some(sockets), ..Fake::default() }).await;
    for (method, path, expected) in [
        (Method::GET, "/api/sockets?plugn=chat", "unknown field `plugn`"),
        (Method::GET, "/api/sockets?limit=-1", "invalid digit"),
        (Method::POST, "/api/sockets/disconnect", "missing field `name`"),
        (Method::POST, "/api/sockets/disconnect?nmae=x", "unknown field `nmae`"),
        (Method::GET, "/api/sockets/disconnect?name=chat/user", "405"),
        (Method::DELETE, "/api/sockets", "405"),
        (Method::POST, "/api/sockets/0000000000000010", "405"),
    ] {
        let error = client.send(method, path, Bytes::new()).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{path}: {error}");
    }
    assert!(closed.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_node_without_sockets_says_so() {
    let (_server, client) = serve(Fake::default()).await;
    for error in [
        client.sockets(&SocketFilter::default(), None, 1).await.unwrap_err(),
        client.socket("0000000000000001").await.unwrap_err(),
        client.disconnect_socket("0000000000000001").await.unwrap_err(),
        client.disconnect_sockets("chat/user").await.unwrap_err(),
    ] {
        assert_eq!(error.to_string(), "this node has no sockets");
    }
}
