//! What is said to a channel from outside: while its join is in hand, and its end.

use skep_channels::{Body, ChannelId, Error, ReplyRef};

use crate::rig::{Client, Rig, plugin, topic};

fn json(text: &str) -> Body {
    Body::Json(text.into())
}

/// Its guest has been asked, and waits.
async fn joining(rig: &Rig, params: &str) -> (Client, ReplyRef) {
    let mut client = rig.client().await;
    client.send(&format!("[\"1\",\"1\",\"room:a\",\"phx_join\",{params}]"));
    client.quiet_but_working().await;
    let reply_ref = rig.notes.refs.lock().unwrap().pop().unwrap();
    (client, reply_ref.parse().unwrap())
}

fn id(rig: &Rig) -> ChannelId {
    let page = rig.channels.page(&skep_channels::SocketFilter::default(), None, 1);
    let socket = page.sockets.first().unwrap().id;
    format!("{socket}-0").parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_is_said_during_the_join_follows_its_reply() {
    let rig = Rig::new();
    let (mut client, reply_ref) = joining(&rig, "\"told\"").await;
    let chat = plugin("chat");
    rig.channels.push(&chat, reply_ref.channel(), "first", &json("1")).unwrap();
    rig.channels.broadcast(&topic("chat/room:a"), "second", json("2")).unwrap();
    rig.channels.reply(&chat, &reply_ref, "ok", &json("\"welcome\"")).unwrap();
    rig.channels.reply(&chat, &reply_ref, "ok", &json("\"too late\"")).unwrap();
    rig.channels.push(&chat, reply_ref.channel(), "third", &json("3")).unwrap();
    client.quiet().await;
    rig.notes.gate.notify_one();
    client.sees(r#"["1","1","room:a","phx_reply",{"status":"ok","response":"welcome"}]"#).await;
    client.sees(r#"["1",null,"room:a","first",1]"#).await;
    client.sees(r#"[null,null,"room:a","second",2]"#).await;
    client.sees(r#"["1",null,"room:a","third",3]"#).await;
    client.send(r#"["1","2","room:a","echo",4]"#);
    client.sees(r#"["1","2","room:a","phx_reply",{"status":"ok","response":4}]"#).await;
}

#[tokio::test(start_paused = true)]
async fn a_refusal_counts_however_the_join_ends() {
    let rig = Rig::new();
    for (params, ended) in [("\"told\"", vec!["end room:a closed"]), ("\"told, crash\"", vec![])] {
        let (mut client, reply_ref) = joining(&rig, params).await;
        rig.notes.take();
        let chat = plugin("chat");
        rig.channels.push(&chat, reply_ref.channel(), "never", &json("1")).unwrap();
        rig.channels.reply(&chat, &reply_ref, "error", &json("\"no\"")).unwrap();
        rig.notes.gate.notify_one();
        client.sees(r#"["1","1","room:a","phx_reply",{"status":"error","response":"no"}]"#).await;
        client.quiet().await;
        // What it began to keep for the client is not left behind.
        assert_eq!(rig.notes.take(), ended);
        assert_eq!(rig.channels.push(&chat, reply_ref.channel(), "x", &json("1")), Err(Error::NotFound));
        assert_eq!(rig.pubsub.stats().subscriptions, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_join_that_crashes_after_a_yes_has_crashed() {
    let rig = Rig::new();
    let (mut client, reply_ref) = joining(&rig, "\"told, crash\"").await;
    rig.channels.reply(&plugin("chat"), &reply_ref, "ok", &json("1")).unwrap();
    rig.notes.gate.notify_one();
    client.sees(r#"["1","1","room:a","phx_reply",{"status":"error","response":{"reason":"join crashed"}}]"#).await;
}

#[tokio::test(start_paused = true)]
async fn so_much_waits_for_the_reply_and_no_more() {
    let options = skep_channels::SocketOptions { infos: 2, ..skep_channels::SocketOptions::default() };
    let rig = Rig::with(options, |_| {});
    let (mut client, reply_ref) = joining(&rig, "\"told\"").await;
    let push = |text| rig.channels.push(&plugin("chat"), reply_ref.channel(), "n", &json(text));
    push("1").unwrap();
    push("2").unwrap();
    assert!(matches!(push("3"), Err(Error::Invalid(_))));
    // A broadcast does not push out what its plugin was told is kept.
    rig.channels.broadcast(&topic("chat/room:a"), "n", json("4")).unwrap();
    rig.notes.gate.notify_one();
    client.text().await;
    client.sees(r#"["1",null,"room:a","n",1]"#).await;
    client.sees(r#"["1",null,"room:a","n",2]"#).await;
    client.quiet().await;
    push("5").unwrap();
    client.sees(r#"["1",null,"room:a","n",5]"#).await;
}

#[tokio::test(start_paused = true)]
async fn a_channel_is_ended_from_outside() {
    for (reason, event) in [("normal", "phx_close"), ("shutdown: update", "phx_close"), ("killed", "phx_error")] {
        let rig = Rig::new();
        let mut client = rig.joined("room:a").await;
        rig.notes.take();
        let channel = id(&rig);
        rig.channels.push(&plugin("chat"), channel, "last", &json("1")).unwrap();
        assert_eq!(rig.channels.stop(&plugin("other"), channel, reason), Err(Error::NotFound));
        rig.channels.stop(&plugin("chat"), channel, reason).unwrap();
        client.sees(r#"["1",null,"room:a","last",1]"#).await;
        client.sees(&format!("[\"1\",\"1\",\"room:a\",\"{event}\",{{}}]")).await;
        client.quiet().await;
        assert_eq!(rig.notes.take(), [format!("end room:a {reason}")]);
        assert_eq!(rig.channels.stop(&plugin("chat"), channel, reason), Err(Error::NotFound));
        assert_eq!(rig.pubsub.stats().subscriptions, 0);
        client.join("room:a").await;
    }
}
