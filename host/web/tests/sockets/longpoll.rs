//! Polls and posts, as phoenix.js sends them.

use std::time::Duration;

use skep_channels::{Drain, SocketOptions};
use skep_types::ByteSize;
use skep_web::EndpointOptions;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::rig::{Rig, rig, rig_with};

/// The status of HTTP, and the body.
async fn ask(rig: &Rig, method: &str, query: &str, fields: &str, body: &[u8]) -> (u16, String) {
    let mut stream = TcpStream::connect(rig.address).await.unwrap();
    let head = format!(
        "{method} /socket/longpoll?{query} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-length: {}\r\n{fields}\r\n",
        rig.address,
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

async fn get(rig: &Rig, query: &str) -> serde_json::Value {
    let (status, body) = ask(rig, "GET", query, "", b"").await;
    assert_eq!(status, 200);
    serde_json::from_str(&body).unwrap()
}

async fn post(rig: &Rig, token: &str, body: &[u8]) -> u64 {
    let fields = "content-type: application/x-ndjson\r\n";
    let (status, body) = ask(rig, "POST", &format!("token={token}"), fields, body).await;
    assert_eq!(status, 200);
    serde_json::from_str::<serde_json::Value>(&body).unwrap()["status"].as_u64().unwrap()
}

async fn open(rig: &Rig) -> String {
    let opened = get(rig, "vsn=2.0.0").await;
    assert_eq!((&opened["status"], &opened["messages"]), (&410.into(), &serde_json::json!([])));
    opened["token"].as_str().unwrap().to_owned()
}

async fn messages(rig: &Rig, token: &str) -> Vec<String> {
    let polled = get(rig, &format!("vsn=2.0.0&token={token}")).await;
    assert_eq!((&polled["status"], polled["token"].as_str()), (&200.into(), Some(token)));
    polled["messages"].as_array().unwrap().iter().map(|message| message.as_str().unwrap().to_owned()).collect()
}

fn short(window: Duration) -> SocketOptions {
    SocketOptions { window, ..SocketOptions::default() }
}

#[tokio::test]
async fn a_session_speaks_in_polls_and_posts() {
    let rig = rig().await;
    let token = open(&rig).await;
    assert_eq!(token.len(), 32);
    let lines = concat!(
        r#"["1","1","room:a","phx_join",{}]"#,
        "\n",
        r#"["1","2","room:a","echo","\n"]"#,
        "\n",
        // A binary echo of "hi".
        "AAEBBgQxM3Jvb206YWVjaG9oaQ==",
        "\n"
    );
    assert_eq!(post(&rig, &token, lines.as_bytes()).await, 200);
    let seen = messages(&rig, &token).await;
    assert!(seen[0].contains("\"status\":\"ok\""));
    assert_eq!(seen[1], r#"["1","2","room:a","phx_reply",{"status":"ok","response":"\n"}]"#);
    assert_eq!(seen[2], "AQEBBgIxM3Jvb206YW9raGk=");
    // A poll waits for what comes.
    let (polled, posted) = tokio::join!(messages(&rig, &token), async {
        tokio::task::yield_now().await;
        post(&rig, &token, br#"["1","4","room:a","shout",[]]"#).await
    });
    assert_eq!((polled, posted), (vec![r#"[null,null,"room:a","shouted",[]]"#.to_owned()], 200));
    let all = rig.channels.sockets(None, 10);
    assert_eq!((all.len(), all[0].transport.to_string()), (1, "longpoll".to_owned()));
    // The token may be in a header, and a hundred lines are taken.
    let hundred =
        (0..100).map(|number| format!("[null,\"{number}\",\"phoenix\",\"heartbeat\",{{}}]\r\n")).collect::<String>();
    let fields = format!("content-type: application/x-ndjson\r\nx-phoenix-longpoll-token: {token}\r\n");
    let (_, posted) = ask(&rig, "POST", "", &fields, hundred.as_bytes()).await;
    assert_eq!(posted, r#"{"status":200}"#);
    let mut seen = 0;
    while seen < 100 {
        seen += messages(&rig, &token).await.len();
    }
    assert_eq!(seen, 100);
}

#[tokio::test]
async fn version_1_posts_one_message() {
    let rig = rig().await;
    let opened = get(&rig, "").await;
    let token = opened["token"].as_str().unwrap();
    let message = br#"{"topic":"phoenix","event":"heartbeat","payload":{},"ref":"1"}"#;
    let (_, posted) = ask(&rig, "POST", &format!("token={token}"), "content-type: text/plain\r\n", message).await;
    assert_eq!(posted, r#"{"status":200}"#);
    let reply = r#"{"topic":"phoenix","event":"phx_reply","payload":{"status":"ok","response":{}},"ref":"1"}"#;
    assert_eq!(messages(&rig, token).await, [reply]);
}

#[tokio::test]
async fn who_may_not_is_told_in_the_body() {
    let rig = rig().await;
    let refused = (200, r#"{"status":403}"#.to_owned());
    assert_eq!(ask(&rig, "GET", "vsn=2.0.0&deny=1", "", b"").await, refused);
    assert_eq!(ask(&rig, "GET", "vsn=3.0.0", "", b"").await, refused);
    assert_eq!(ask(&rig, "GET", "vsn=2.0.0", "origin: https://elsewhere.example\r\n", b"").await, refused);
    assert_eq!(ask(&rig, "POST", "", "", b"[]").await, (200, r#"{"status":410}"#.to_owned()));
    assert_eq!(post(&rig, "bad", b"[]").await, 410);
    let renewed = get(&rig, "vsn=2.0.0&token=bad").await;
    assert_eq!(renewed["status"], 410);
    assert_ne!(renewed["token"], "bad");
    assert_eq!(ask(&rig, "DELETE", "", "", b"").await.0, 400);
    assert_eq!(ask(&rig, "OPTIONS", "", "", b"").await.0, 200);
}

#[tokio::test]
async fn the_token_of_the_client_comes_plain() {
    let rig = rig().await;
    let (_, opened) = ask(&rig, "GET", "vsn=2.0.0&user=ann", "x-phoenix-authtoken: s3cret\r\n", b"").await;
    let opened: serde_json::Value = serde_json::from_str(&opened).unwrap();
    let token = opened["token"].as_str().unwrap();
    post(&rig, token, br#"["1","1","room:a","phx_join",{}]"#).await;
    assert!(messages(&rig, token).await[0].contains("user:ann:s3cret:"));
}

#[tokio::test]
async fn nothing_within_the_window_is_204() {
    let rig = rig_with(short(Duration::from_millis(20)), EndpointOptions::default()).await;
    let token = open(&rig).await;
    let polled = get(&rig, &format!("token={token}")).await;
    assert_eq!((&polled["status"], polled["token"].as_str()), (&204.into(), Some(token.as_str())));
    // And who does not come again has no session any more.
    while rig.channels.stats().sessions > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(rig.channels.stats().sockets, 0);
    assert_eq!(post(&rig, &token, b"[]").await, 410);
}

#[tokio::test]
async fn a_malformed_message_ends_the_session() {
    let rig = rig().await;
    for bad in [&b"[1,"[..], b"%%%", b"[\"\xff\"]"] {
        let token = open(&rig).await;
        assert_eq!(post(&rig, &token, bad).await, 408, "{bad:?}");
        while rig.channels.stats().sessions > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(post(&rig, &token, bad).await, 410);
    }
}

#[tokio::test]
async fn a_post_has_so_many_bytes() {
    let options = SocketOptions { frame_bytes_max: ByteSize(100), ..SocketOptions::default() };
    let rig = rig_with(options, EndpointOptions::default()).await;
    let token = open(&rig).await;
    assert_eq!(ask(&rig, "POST", &format!("token={token}"), "", &[b'x'; 401]).await.0, 413);
    assert_eq!(
        ask(&rig, "POST", &format!("token={token}"), "", &[b'x'; 101]).await,
        (200, r#"{"status":408}"#.to_owned())
    );
}

#[tokio::test]
async fn drain_ends_sessions_and_a_poll_that_waits() {
    let rig = rig().await;
    let token = open(&rig).await;
    let query = format!("token={token}");
    let (polled, drained) = tokio::join!(ask(&rig, "GET", &query, "", b""), rig.channels.drain(Drain::default()));
    assert!(drained);
    // The poll was there already, or came too late for a new session.
    let ended = (200, format!("{{\"status\":204,\"token\":\"{token}\",\"messages\":[]}}"));
    assert!(polled == ended || polled.0 == 503, "{polled:?}");
}
