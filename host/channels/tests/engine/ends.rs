//! Crashes, stops, disconnects, drain, and the ends of sockets.

use std::time::Duration;

use skep_channels::{Drain, Refused, Version};
use skep_types::FailureKind;

use crate::rig::{Client, Rig, topic};

#[tokio::test(start_paused = true)]
async fn a_crash_fails_the_channel_and_nothing_else() {
    let rig = Rig::new();
    let mut client = rig.joined("room:a").await;
    client.join("room:b").await;
    rig.notes.take();
    for crash in ["crash", "panic", "no such event", "bad json"] {
        client.send(&format!("[\"1\",\"2\",\"room:a\",\"{crash}\",{{}}]"));
        // What was sent behind it went to the same mailbox.
        client.send(r#"["1","3","room:a","echo",{}]"#);
        client.sees(r#"["1","1","room:a","phx_error",{}]"#).await;
        client.quiet().await;
        assert_eq!(rig.notes.take(), ["end room:a crashed"], "{crash}");
        client.send(r#"["1","4","room:a","echo",{}]"#);
        client
            .sees(r#"[null,"4","room:a","phx_reply",{"status":"error","response":{"reason":"unmatched topic"}}]"#)
            .await;
        client.send(r#"["1","5","room:b","echo",{}]"#);
        client.sees(r#"["1","5","room:b","phx_reply",{"status":"ok","response":{}}]"#).await;
        // The join works again, and its presences and subscriptions were those of the channel.
        client.join("room:a").await;
        rig.notes.take();
    }
    assert_eq!(rig.pubsub.stats().subscriptions, 2);
    assert_eq!(rig.presence.stats().owners, 2);
}

#[tokio::test(start_paused = true)]
async fn a_channel_stops_in_order_or_not() {
    let rig = Rig::new();
    for (reason, event) in [
        ("normal", "phx_close"),
        ("shutdown", "phx_close"),
        ("shutdown:left", "phx_close"),
        ("oops", "phx_error"),
        ("", "phx_error"),
    ] {
        let mut client = rig.joined("room:a").await;
        rig.notes.take();
        client.send(&format!("[\"1\",\"2\",\"room:a\",\"stop\",\"{reason}\"]"));
        client.sees(r#"["1","2","room:a","phx_reply",{"status":"ok","response":{}}]"#).await;
        client.sees(&format!("[\"1\",\"1\",\"room:a\",\"{event}\",{{}}]")).await;
        client.quiet().await;
        assert_eq!(rig.notes.take(), [format!("end room:a {reason}")]);
        client.join("room:a").await;
        drop(client);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_goes_cancels_calls_and_tells_channels() {
    let rig = Rig::new();
    let mut client = rig.joined("room:a").await;
    client.join("room:b").await;
    client.send(r#"["1","2","room:a","gate",{}]"#);
    client.send(r#"["5","5","room:c","phx_join","gate"]"#);
    client.quiet().await;
    rig.notes.take();
    drop(client);
    assert_eq!(rig.notes.take(), ["cancelled"]);
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(rig.notes.take(), ["end room:a closed", "end room:b closed"]);
    assert_eq!((rig.pubsub.stats().subscriptions, rig.presence.stats().owners), (0, 0));
    assert_eq!(rig.channels.stats().sockets, 0);
}

#[tokio::test(start_paused = true)]
async fn sockets_are_disconnected_by_name_and_by_id() {
    let rig = Rig::new();
    let mut ann = rig.client_with(&[("name", "user:ann")], Version::V2).await;
    let mut again = rig.client_with(&[("name", "user:ann")], Version::V1).await;
    let mut bob = rig.client_with(&[("name", "user:bob")], Version::V2).await;
    rig.channels.disconnect(&topic("chat/user:ann")).unwrap();
    assert_eq!(ann.closed().await.code, 1001);
    assert_eq!(again.closed().await.code, 1001);
    bob.quiet().await;
    // Another plugin's topic of this name is another one, and other events say nothing.
    rig.channels.disconnect(&topic("other/user:bob")).unwrap();
    rig.channels.broadcast(&topic("chat/user:bob"), "hello", skep_channels::Body::empty()).unwrap();
    bob.quiet().await;
    let id = bob.socket.info().id();
    assert!(rig.channels.close(id));
    assert_eq!(bob.closed().await.code, 1001);
    drop(bob);
    assert!(!rig.channels.close(id));
}

#[tokio::test(start_paused = true)]
async fn what_was_said_before_the_close_is_read() {
    let rig = Rig::new();
    let mut client = rig.joined("room:a").await;
    client.send(r#"["1","2","room:a","echo",1]"#);
    client.quiet_but_working().await;
    client.send("no json");
    // Nothing more is taken.
    client.send(r#"["1","3","room:a","echo",2]"#);
    client.sees(r#"["1","2","room:a","phx_reply",{"status":"ok","response":1}]"#).await;
    assert_eq!(client.closed().await.code, 1011);
}

#[tokio::test(start_paused = true)]
async fn drain_closes_batch_after_batch() {
    let rig = Rig::new();
    let mut clients = Vec::new();
    for _ in 0..5 {
        clients.push(rig.joined("room:a").await);
    }
    let drain =
        Drain { batch: 2.try_into().unwrap(), interval: Duration::from_secs(1), patience: Duration::from_secs(9) };
    let draining = tokio::spawn({
        let channels = rig.channels.clone();
        async move { channels.drain(drain).await }
    });
    for closed in [2, 4, 5] {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let now = clients.iter().filter(|client| client.socket.closing().is_some()).count();
        assert_eq!(now, closed);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    for mut client in clients {
        assert_eq!(client.closed().await.code, 1012);
    }
    assert!(draining.await.unwrap());
    match rig.connect(&[], Version::V2).await {
        Err(Refused::Failed(failure)) => assert_eq!(failure.kind, FailureKind::Overloaded),
        other => panic!("{:?}", other.map(|socket| socket.info())),
    }
}

#[tokio::test(start_paused = true)]
async fn drain_says_when_somebody_stays() {
    let rig = Rig::new();
    let client = rig.client().await;
    assert!(!rig.channels.drain(Drain::default()).await);
    drop(client);
    assert!(rig.channels.drain(Drain::default()).await);
}

#[tokio::test(start_paused = true)]
async fn there_is_room_for_so_many_sockets() {
    let rig = Rig::with(skep_channels::SocketOptions::default(), |options| options.sockets_max = 2);
    assert!(matches!(rig.connect(&[("deny", "")], Version::V2).await, Err(Refused::Denied)));
    let (first, _second) = (rig.client().await, rig.client().await);
    assert!(matches!(rig.connect(&[], Version::V2).await, Err(Refused::Failed(_))));
    drop(first);
    let third = rig.connect(&[], Version::V2).await;
    Client::new(third.unwrap()).quiet().await;
    let stats = rig.channels.stats();
    assert_eq!((stats.sockets, stats.opened, stats.refused), (1, 3, 2));
}
