//! What guests ask for: assigns, late replies, pushes from outside, and what operators see.

use skep_channels::{Body, ChannelId, Error, ReplyRef};

use crate::rig::{Rig, plugin};

#[tokio::test(start_paused = true)]
async fn the_host_keeps_assigns() {
    let rig = Rig::new();
    let mut client = rig.client_with(&[("assigns", "abc")], skep_channels::Version::V2).await;
    client.join("room:a").await;
    client.join("room:b").await;
    for (reference, count) in [(2, 4), (3, 5), (4, 6)] {
        client.send(&format!("[\"1\",{reference},\"room:a\",\"count\",{{}}]"));
        client
            .sees(&format!("[\"1\",{reference},\"room:a\",\"phx_reply\",{{\"status\":\"ok\",\"response\":{count}}}]"))
            .await;
    }
    // Those of the other channel are its own.
    client.send(r#"["1",5,"room:b","count",{}]"#);
    client.sees(r#"["1",5,"room:b","phx_reply",{"status":"ok","response":4}]"#).await;
}

#[tokio::test(start_paused = true)]
async fn a_reply_may_come_later() {
    let rig = Rig::new();
    let mut client = rig.joined("room:a").await;
    client.send(r#"["1",null,"room:a","later",{}]"#);
    client.send(r#"["1","3","room:a","later",{}]"#);
    client.quiet().await;
    let refs: Vec<ReplyRef> = rig.notes.refs.lock().unwrap().iter().map(|text| text.parse().unwrap()).collect();
    let reply = |at: usize, owner: &str, body: &str| {
        rig.channels.reply(&plugin(owner), &refs[at], "error", &Body::Json(body.to_owned()))
    };
    reply(1, "chat", "[1]").unwrap();
    client.sees(r#"["1","3","room:a","phx_reply",{"status":"error","response":[1]}]"#).await;
    reply(0, "chat", "2").unwrap();
    client.sees(r#"["1",null,"room:a","phx_reply",{"status":"error","response":2}]"#).await;
    assert_eq!(reply(0, "other", "2"), Err(Error::NotFound));
    assert!(matches!(reply(0, "chat", "{"), Err(Error::Invalid(_))));
    // The channel of the same topic that joins next is another one.
    client.send(r#"["1","4","room:a","phx_leave",{}]"#);
    client.text().await;
    client.text().await;
    client.join("room:a").await;
    assert_eq!(reply(0, "chat", "2"), Err(Error::NotFound));
    client.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn anybody_of_the_plugin_may_push_to_a_channel() {
    let rig = Rig::new();
    let mut client = rig.joined("room:a").await;
    client.send(r#"["1","2","room:a","id",{}]"#);
    let reply = client.text().await;
    let id: ChannelId = reply.split('"').rev().nth(1).unwrap().parse().unwrap();
    let push = |owner: &str| rig.channels.push(&plugin(owner), id, "news", &Body::Json("[]".to_owned()));
    push("chat").unwrap();
    client.sees(r#"["1",null,"room:a","news",[]]"#).await;
    assert_eq!(push("other"), Err(Error::NotFound));
    drop(client);
    assert_eq!(push("chat"), Err(Error::NotFound));
}

#[tokio::test(start_paused = true)]
async fn an_operator_sees_sockets() {
    let rig = Rig::new();
    let mut ann = rig.client_with(&[("name", "user:ann")], skep_channels::Version::V2).await;
    ann.join("room:a").await;
    ann.join("room:b").await;
    let _bob = rig.client().await;
    let seen = rig.channels.sockets(None, 10);
    assert_eq!(seen.len(), 2);
    let one = rig.channels.socket(ann.socket.info().id()).unwrap();
    assert_eq!((one.name.as_deref(), one.channels.join(" ").as_str()), (Some("user:ann"), "room:a room:b"));
    assert_eq!((&*one.mount, one.transport.to_string().as_str()), ("/socket", "websocket"));
    assert_eq!((one.received, one.sent, one.queued, one.dropped), (2, 2, 0, 0));
    let page = rig.channels.sockets(None, 1);
    assert_eq!(page.len(), 1);
    let next = rig.channels.sockets(Some(page[0].id), 10);
    assert_eq!((next.len(), next[0].id), (1, seen[1].id));
}
