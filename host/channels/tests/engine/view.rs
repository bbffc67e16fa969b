//! What an operator sees, and does to sockets that are seen.

use std::sync::Arc;

use skep_channels::{Mount, SocketFilter, SocketId, Speech, Table, Target, Transport, Version};

use crate::rig::{Client, Door, Rig, connecting, plugin, topic};

/// A mount of another plugin, beside the rig's.
fn shop() -> Arc<Mount> {
    let (socket, options) = (Arc::new(Door(plugin("shop"))), Arc::default());
    Mount::new(
        "shop@example.org/socket",
        Target { options, speech: Speech::Channels { socket, table: Table::default() } },
    )
}

async fn named(rig: &Rig, mount: &Arc<Mount>, name: &str) -> Client {
    let socket = rig.channels.connect(mount, connecting(&[("name", name)]), Version::V2, Transport::WebSocket).await;
    Client::new(socket.unwrap())
}

fn ids(rig: &Rig, filter: &SocketFilter) -> Vec<SocketId> {
    let page = rig.channels.page(filter, None, 100);
    assert_eq!((page.total, page.cursor), (page.sockets.len(), None));
    page.sockets.iter().map(|info| info.id).collect()
}

#[tokio::test]
async fn sockets_are_found_by_plugin_mount_and_name() {
    let rig = Rig::new();
    let shop = shop();
    let mut ann = named(&rig, &rig.mount, "user:1").await;
    ann.join("room:1").await;
    let _nobody = rig.client().await;
    // The same name, but of another plugin: another name.
    let customer = named(&rig, &shop, "user:1").await;
    let all = ids(&rig, &SocketFilter::default());
    let [first, second, third] = all[..] else { panic!("there are three: {all:?}") };
    let of = |plugin_name: &str| SocketFilter { owner: Some(plugin(plugin_name)), ..SocketFilter::default() };
    let at = |prefix: &str| SocketFilter { mount: Some(prefix.to_owned()), ..SocketFilter::default() };
    let by = |name: &str| SocketFilter { name: Some(topic(name)), ..SocketFilter::default() };
    assert_eq!(ids(&rig, &of("chat")), [first, second]);
    assert_eq!(ids(&rig, &of("shop")), [third]);
    assert_eq!(ids(&rig, &of("mail")), []);
    assert_eq!(ids(&rig, &at("shop@exa")), [third]);
    assert_eq!(ids(&rig, &at("example")), []);
    assert_eq!(ids(&rig, &by("chat/user:1")), [first]);
    assert_eq!(ids(&rig, &by("shop/user:1")), [third]);
    assert_eq!(ids(&rig, &by("chat/user:")), []);
    assert_eq!(ids(&rig, &SocketFilter { owner: Some(plugin("chat")), ..at("shop") }), []);

    let info = rig.channels.socket(first).unwrap();
    assert_eq!((info.owner, info.name.as_deref(), &*info.mount), (plugin("chat"), Some("user:1"), "/socket"));
    assert_eq!((info.channels, info.received, info.sent), (vec!["room:1".to_owned()], 1, 1));
    let info = rig.channels.socket(third).unwrap();
    assert_eq!((info.owner, &*info.mount, info.channels), (plugin("shop"), "shop@example.org/socket", vec![]));

    // What a filter by name finds is what the name disconnects.
    rig.channels.disconnect(&topic("chat/user:1")).unwrap();
    assert_eq!(ann.closed().await.code, 1001);
    assert_eq!(customer.socket.closing(), None);
    drop(ann);
    assert_eq!(ids(&rig, &SocketFilter::default()), [second, third]);
}

#[tokio::test]
async fn sockets_are_seen_page_by_page() {
    let rig = Rig::new();
    let mut clients = Vec::new();
    for _ in 0..5 {
        clients.push(rig.client().await);
    }
    let all = ids(&rig, &SocketFilter::default());
    assert!(all.is_sorted() && all.len() == 5);
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let page = rig.channels.page(&SocketFilter::default(), cursor, 2);
        assert!(page.sockets.len() <= 2 && page.total == 5);
        seen.extend(page.sockets.iter().map(|info| info.id));
        cursor = page.cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, all);
    // A page that ends where all end says so.
    assert_eq!(rig.channels.page(&SocketFilter::default(), None, 5).cursor, None);
    let counted = rig.channels.page(&SocketFilter::default(), None, 0);
    assert_eq!((counted.sockets.len(), counted.total, counted.cursor), (0, 5, None));
}

#[tokio::test]
async fn counts_look_at_no_open_socket() {
    let rig = Rig::with(skep_channels::SocketOptions::default(), |options| options.sockets_max = 7);
    let client = rig.joined("room:1").await;
    let (counts, stats) = (rig.channels.counts(), rig.channels.stats());
    assert_eq!((counts.sockets, counts.opened, counts.joins, rig.channels.sockets_max()), (1, 1, 1, 7));
    assert_eq!((counts.received, counts.sent), (0, 0));
    assert_eq!((stats.sockets, stats.received, stats.sent), (1, 1, 1));
    drop(client);
    assert_eq!(rig.channels.counts(), rig.channels.stats());
    assert_eq!((rig.channels.counts().sockets, rig.channels.counts().received), (0, 1));
}
