//! Broadcasts, and messages of pubsub that are none.

use skep_channels::Body;
use skep_pubsub::{Delivery, Publish, SubscribeOptions};

use crate::rig::{Rig, topic};

const OK: &str = r#"["1","2","room:a","phx_reply",{"status":"ok","response":{}}]"#;

#[tokio::test(start_paused = true)]
async fn everyone_in_the_room_hears_a_broadcast_before_the_authors_reply() {
    let rig = Rig::new();
    let (mut ann, mut bob) = (rig.joined("room:a").await, rig.joined("room:a").await);
    let mut eve = rig.joined("room:b").await;
    ann.send(r#"["1","2","room:a","shout",{"a":[1]}]"#);
    ann.sees(r#"[null,null,"room:a","shouted",{"a":[1]}]"#).await;
    ann.sees(OK).await;
    bob.sees(r#"[null,null,"room:a","shouted",{"a":[1]}]"#).await;
    ann.send(r#"["1","2","room:a","others",2]"#);
    ann.sees(OK).await;
    bob.sees(r#"[null,null,"room:a","shouted",2]"#).await;
    eve.quiet().await;
    // Encoded once for both.
    rig.channels.broadcast(&topic("chat/room:a"), "x", Body::Json("3".into())).unwrap();
    let (to_ann, to_bob) = (ann.frame().await.unwrap(), bob.frame().await.unwrap());
    assert_eq!(to_ann.bytes().as_ptr(), to_bob.bytes().as_ptr());
}

#[tokio::test(start_paused = true)]
async fn who_never_saw_a_socket_can_broadcast_and_others_hear_it() {
    let rig = Rig::new();
    let mut client = rig.joined("room:a").await;
    let mut other = rig.pubsub.subscribe("chat/room:*".parse().unwrap(), &SubscribeOptions::default()).unwrap();
    rig.channels.broadcast(&topic("chat/room:a"), "news", Body::Json("{\"a\":1}".into())).unwrap();
    client.sees(r#"[null,null,"room:a","news",{"a":1}]"#).await;
    let Some(Delivery::Message(message)) = other.try_recv() else { panic!() };
    assert_eq!((message.event.as_deref(), &message.data[..]), (Some("news"), &b"{\"a\":1}"[..]));
    assert_eq!(&message.sse()[..], b"event: news\ndata: {\"a\":1}\n\n");
    for bad in ["", "{", "1 2"] {
        assert!(rig.channels.broadcast(&topic("chat/room:a"), "news", Body::Json(bad.into())).is_err(), "{bad}");
    }
    client.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_no_broadcast_goes_to_the_handler() {
    let rig = Rig::new();
    let mut client = rig.joined("room:a").await;
    let publish = |data: &'static str| Publish { event: Some("e".into()), data: data.into(), ..Publish::default() };
    rig.pubsub.publish(&topic("chat/room:a"), publish("[1]")).unwrap();
    client.sees(r#"["1",null,"room:a","info",["chat/room:a","e","[1]"]]"#).await;
    // Further topics, of both kinds, and each only once.
    for reference in [2, 3] {
        client.send(&format!("[\"1\",\"{reference}\",\"room:a\",\"listen\",\"chat/news:*\"]"));
        client.text().await;
    }
    rig.pubsub.publish(&topic("chat/news:x"), publish("2")).unwrap();
    client.sees(r#"["1",null,"room:a","info",["chat/news:x","e","2"]]"#).await;
    rig.channels.broadcast(&topic("chat/news:y"), "b", Body::Json("3".into())).unwrap();
    client.sees(r#"["1",null,"room:a","info",["chat/news:y","b","3"]]"#).await;
    client.send(r#"["1","2","room:a","unlisten","chat/news:*"]"#);
    client.sees(OK).await;
    rig.pubsub.publish(&topic("chat/news:x"), publish("4")).unwrap();
    client.quiet().await;
    // Where nobody asked, nobody can be answered.
    rig.pubsub.publish(&topic("chat/room:a"), publish("reply")).unwrap();
    client.sees(r#"["1","1","room:a","phx_error",{}]"#).await;
}

#[tokio::test(start_paused = true)]
async fn intercepted_broadcasts_go_to_the_handler() {
    let rig = Rig::new();
    let mut client = rig.joined("room:a").await;
    client.send(r#"["1","2","room:a","secret",1]"#);
    client.sees(OK).await;
    client.sees(r#"["1",null,"room:a","secret seen",1]"#).await;
    client.send(r#"["1","2","room:a","secret","hide"]"#);
    client.sees(OK).await;
    client.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_broadcast_during_a_join_follows_its_reply() {
    let rig = Rig::new();
    let mut client = rig.client().await;
    client.send(r#"["1","1","room:a","phx_join","gate"]"#);
    client.quiet().await;
    for (event, body) in [("one", "1"), ("secret", "2"), ("three", "3")] {
        rig.channels.broadcast(&topic("chat/room:a"), event, Body::Json(body.into())).unwrap();
    }
    client.quiet().await;
    rig.notes.gate.notify_one();
    client.sees(r#"["1","1","room:a","phx_reply",{"status":"ok","response":{"revision":1}}]"#).await;
    client.sees(r#"[null,null,"room:a","one",1]"#).await;
    client.sees(r#"[null,null,"room:a","three",3]"#).await;
    client.sees(r#"["1",null,"room:a","secret seen",2]"#).await;
}

/// Without a wake-up only the idle timer would get the frame out, a minute of the paused clock later.
#[tokio::test(start_paused = true)]
async fn a_socket_that_waits_is_woken_by_whatever_concerns_it() {
    let rig = Rig::new();
    let data = |data: &'static str, event: &str| Publish {
        data: data.into(),
        event: Some(event.into()),
        ..Publish::default()
    };
    for cause in ["broadcast", "intercepted", "info", "push", "swap", "close"] {
        let mut client = rig.joined("room:a").await;
        client.send(r#"["1","2","room:a","id",{}]"#);
        let reply = client.text().await;
        let id: skep_channels::ChannelId = reply.split('"').rev().nth(1).unwrap().parse().unwrap();
        client.quiet().await;
        let waits = tokio::spawn(async move {
            client.frame().await;
            tokio::time::Instant::now()
        });
        tokio::task::yield_now().await;
        let start = tokio::time::Instant::now();
        let (room, body) = (topic("chat/room:a"), Body::Json("1".into()));
        match cause {
            "broadcast" => rig.channels.broadcast(&room, "x", body).unwrap(),
            "intercepted" => rig.channels.broadcast(&room, "secret", body).unwrap(),
            "info" => drop(rig.pubsub.publish(&room, data("1", "e")).unwrap()),
            "push" => rig.channels.push(&crate::rig::plugin("chat"), id, "x", &body).unwrap(),
            "swap" => rig.swap([]),
            _ => assert!(rig.channels.close(id.socket())),
        }
        assert_eq!(waits.await.unwrap(), start, "{cause}");
        rig.swap([("room:*", std::sync::Arc::new(rig.guest(1)) as _)]);
    }
}
