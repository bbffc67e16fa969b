//! Every bound: one test that hits it, and that the neighbours survive.

use std::time::Duration;

use bytes::Bytes;
use skep_channels::{Body, Frame, Rate, SlowClient, SocketOptions};
use skep_types::ByteSize;
use tokio::time::Instant;

use crate::rig::{Client, Rig, topic};

fn rig(change: impl FnOnce(&mut SocketOptions)) -> Rig {
    let mut options = SocketOptions::default();
    change(&mut options);
    Rig::with(options, |_| {})
}

#[tokio::test(start_paused = true)]
async fn a_socket_has_so_many_channels() {
    let rig = rig(|options| options.channels_max = 2);
    let mut client = rig.joined("room:a").await;
    client.join("room:b").await;
    client.send(r#"["9","9","room:c","phx_join",{}]"#);
    client
        .sees(r#"["9","9","room:c","phx_reply",{"status":"error","response":{"reason":"too many channels joined"}}]"#)
        .await;
    // A second join takes the place of the first, also at the limit.
    client.send(r#"["2","2","room:b","phx_join",{}]"#);
    client.sees(r#"["2","2","room:b","phx_reply",{"status":"ok","response":{"revision":1}}]"#).await;
    client.sees(r#"["1","1","room:b","phx_close",{}]"#).await;
    client.send(r#"["1","3","room:a","phx_leave",{}]"#);
    client.text().await;
    client.text().await;
    client.join("room:c").await;
}

#[tokio::test(start_paused = true)]
async fn a_frame_has_so_many_bytes() {
    let rig = rig(|options| options.frame_bytes_max = ByteSize(100));
    let mut client = rig.client().await;
    client.send(&"x".repeat(101));
    assert_eq!(client.closed().await.code, 1009);
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_closed_and_a_living_one_is_not() {
    let rig = Rig::new();
    let (mut silent, mut alive) = (rig.joined("room:a").await, rig.joined("room:a").await);
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_secs(30)).await;
        alive.send(r#"[null,"5","phoenix","heartbeat",{}]"#);
        alive.text().await;
        // What it is told is no sign of life of its own.
        rig.channels.broadcast(&topic("chat/room:a"), "x", Body::empty()).unwrap();
        alive.text().await;
    }
    while silent.frame().await.is_some() {}
    assert_eq!(silent.socket.closing().unwrap().code, 1000);
    alive.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_over_its_rate_is_read_later() {
    let rig = rig(|options| options.messages = Rate { per_second: 10, burst: 3 });
    let mut client = rig.client().await;
    let start = Instant::now();
    for number in 0..13 {
        while !client.socket.accepts() {
            tokio::time::timeout(Duration::from_secs(5), client.woken()).await.unwrap();
        }
        client.send(&format!("[null,{number},\"phoenix\",\"heartbeat\",{{}}]"));
        client
            .sees(&format!("[null,{number},\"phoenix\",\"phx_reply\",{{\"status\":\"ok\",\"response\":{{}}}}]"))
            .await;
    }
    assert_eq!(start.elapsed().as_millis() / 100, 10);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_joins_too_often_is_read_later() {
    let rig = rig(|options| options.joins = Rate { per_second: 1, burst: 2 });
    let mut client = rig.joined("room:a").await;
    assert!(client.socket.accepts());
    client.join("room:b").await;
    assert!(!client.socket.accepts());
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(client.socket.accepts());
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_is_busy_holds_its_client_back() {
    let rig = rig(|options| options.mailbox = 4);
    let mut client = rig.joined("room:a").await;
    client.send(r#"["1","1","room:a","gate",{}]"#);
    client.quiet().await;
    for number in 0..4 {
        assert!(client.socket.accepts());
        client.send(&format!("[\"1\",\"{number}\",\"room:a\",\"silence\",{{}}]"));
    }
    assert!(!client.socket.accepts());
    // The client's silence is the host's doing now.
    let waited = tokio::time::timeout(Duration::from_secs(600), client.frame()).await;
    assert!(waited.is_err(), "{waited:?}");
    rig.notes.gate.notify_one();
    client.sees(r#"["1","1","room:a","phx_reply",{"status":"ok","response":{}}]"#).await;
    client.quiet().await;
    assert!(client.socket.accepts());
}

#[tokio::test(start_paused = true)]
async fn messages_of_pubsub_do_not_pile_up() {
    let rig = rig(|options| options.infos = 3);
    let mut client = rig.joined("room:a").await;
    client.send(r#"["1","1","room:a","gate",{}]"#);
    client.quiet().await;
    for number in 0..5 {
        let publish = skep_pubsub::Publish { data: number.to_string().into(), ..Default::default() };
        rig.pubsub.publish(&topic("chat/room:a"), publish).unwrap();
    }
    rig.notes.gate.notify_one();
    client.text().await;
    for number in 2..5 {
        client.sees(&format!("[\"1\",null,\"room:a\",\"info\",[\"chat/room:a\",null,\"{number}\"]]")).await;
    }
    assert_eq!(rig.channels.socket(client.socket.info().id()).unwrap().dropped, 2);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_reads_is_closed_and_the_others_hear_all() {
    let rig = rig(|options| options.queue = 10);
    let (mut stuck, mut reads) = (rig.joined("room:a").await, rig.joined("room:a").await);
    for number in 0..50 {
        rig.channels.broadcast(&topic("chat/room:a"), "n", Body::Json(number.to_string())).unwrap();
        reads.sees(&format!("[null,null,\"room:a\",\"n\",{number}]")).await;
    }
    assert_eq!(stuck.closed().await.code, 1013);
    drop(stuck);
    let stats = rig.channels.stats();
    assert_eq!((stats.slow, stats.dropped), (1, 11));
    reads.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn broadcasts_may_give_way_instead() {
    let rig = rig(|options| {
        options.queue_bytes = ByteSize(1000);
        options.slow_client = SlowClient::DropBroadcasts;
    });
    let mut client = rig.joined("room:a").await;
    client.send(r#"["1","2","room:a","push",0]"#);
    client.quiet_but_working().await;
    for number in 0..50 {
        rig.channels.broadcast(&topic("chat/room:a"), "n", Body::Json(number.to_string())).unwrap();
    }
    // What the client asked for stays, and the newest broadcasts.
    client.sees(r#"["1",null,"room:a","pushed",0]"#).await;
    client.sees(r#"["1","2","room:a","phx_reply",{"status":"ok","response":{}}]"#).await;
    let first: usize = client.text().await.rsplit_once(',').unwrap().1.trim_end_matches(']').parse().unwrap();
    assert!(first > 30, "{first}");
    for number in first + 1..50 {
        client.sees(&format!("[null,null,\"room:a\",\"n\",{number}]")).await;
    }
    assert_eq!(rig.channels.socket(client.socket.info().id()).unwrap().dropped, first as u64);
    // Where nothing can give way, the socket closes: here the push alone fills the queue.
    let large = format!("\"{}\"", "x".repeat(2000));
    client.send(&format!("[\"1\",\"3\",\"room:a\",\"push\",{large}]"));
    assert_eq!(client.closed().await.code, 1013);
}

#[tokio::test(start_paused = true)]
async fn an_empty_queue_takes_anything_and_half_a_queue_stops_reading() {
    let rig = rig(|options| options.queue = 4);
    let mut client = rig.joined("room:a").await;
    for number in 0..2 {
        assert!(client.socket.accepts());
        client.send(&format!("[\"1\",\"{number}\",\"room:a\",\"echo\",{{}}]"));
        client.quiet_but_working().await;
    }
    assert!(!client.socket.accepts());
    client.text().await;
    assert!(client.socket.accepts());
}

#[tokio::test(start_paused = true)]
async fn a_channel_listens_to_so_many_topics() {
    let rig = rig(|options| options.subscriptions_max = 2);
    let mut client = rig.joined("room:a").await;
    for number in 0..2 {
        client.send(&format!("[\"1\",\"{number}\",\"room:a\",\"listen\",\"chat/{number}\"]"));
        client.text().await;
    }
    client.send(r#"["1","3","room:a","listen","chat/3"]"#);
    client.sees(r#"["1","1","room:a","phx_error",{}]"#).await;
}

#[tokio::test(start_paused = true)]
async fn random_clients_do_no_harm() {
    let rig = rig(|options| {
        options.messages = Rate { per_second: u32::MAX, burst: u32::MAX };
        options.joins = options.messages;
        options.channels_max = 3;
        options.mailbox = 5;
    });
    let mut random = fastrand::Rng::with_seed(7);
    let mut clients: Vec<Client> = Vec::new();
    const EVENTS: [&str; 14] = [
        "phx_join",
        "phx_join",
        "phx_join",
        "phx_leave",
        "echo",
        "shout",
        "others",
        "crash",
        "stop",
        "count",
        "secret",
        "listen",
        "later",
        "heartbeat",
    ];
    for _ in 0..20_000 {
        if clients.len() < 5 {
            clients.push(rig.client().await);
        }
        let at = random.usize(..clients.len());
        let client = &mut clients[at];
        let (event, room) = (EVENTS[random.usize(..EVENTS.len())], random.u8(b'a'..=b'e') as char);
        let mut text = format!(
            "[\"{}\",\"{}\",\"room:{room}\",\"{event}\",\"chat/room:{room}\"]",
            random.u8(1..=2),
            random.u8(..)
        );
        // Now and then it is garbled.
        if random.u8(..) == 0 {
            let cut = random.usize(..text.len());
            text.truncate(cut);
        }
        if client.socket.accepts() {
            client.socket.receive(Frame::Text(Bytes::from(text)));
        }
        client.quiet_but_working().await;
        if random.u8(..) < 100 {
            while tokio::time::timeout(Duration::from_millis(1), client.frame())
                .await
                .is_ok_and(|frame| frame.is_some())
            {}
        }
        if client.socket.closing().is_some() || random.u16(..) < 200 {
            clients.swap_remove(at);
        }
    }
    drop(clients);
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!((rig.pubsub.stats().subscriptions, rig.presence.stats().owners), (0, 0));
    assert_eq!(rig.channels.stats().sockets, 0);
}
