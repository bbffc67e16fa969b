//! WebSockets: the handshake, both kinds of messages, and every way to close.

use futures_util::{SinkExt as _, StreamExt as _};
use http::StatusCode;
use skep_channels::{Body, Drain, SocketOptions};
use skep_types::ByteSize;
use skep_web::{EndpointOptions, Origins};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::rig::{Rig, rig, rig_with};

type Client = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn connect(
    rig: &Rig,
    path: &str,
    fields: &[(&'static str, &str)],
) -> Result<(Client, Option<String>), StatusCode> {
    let mut request = format!("ws://{}{path}", rig.address).into_client_request().unwrap();
    for (name, value) in fields {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    match connect_async(request).await {
        Ok((client, response)) => {
            let protocol = response.headers().get("sec-websocket-protocol");
            Ok((client, protocol.map(|protocol| protocol.to_str().unwrap().to_owned())))
        }
        Err(Error::Http(response)) => Err(response.status()),
        Err(error) => panic!("{error}"),
    }
}

async fn open(rig: &Rig) -> Client {
    connect(rig, "/socket/websocket?vsn=2.0.0", &[]).await.unwrap().0
}

async fn say(client: &mut Client, text: &str) {
    client.send(Message::text(text)).await.unwrap();
}

async fn sees(client: &mut Client, text: &str) {
    assert_eq!(client.next().await.unwrap().unwrap(), Message::text(text));
}

async fn joined(rig: &Rig) -> Client {
    let mut client = open(rig).await;
    say(&mut client, r#"["1","1","room:a","phx_join",{}]"#).await;
    assert!(client.next().await.unwrap().unwrap().to_text().unwrap().contains("\"status\":\"ok\""));
    client
}

async fn closed(client: &mut Client) -> CloseFrame {
    loop {
        match client.next().await.unwrap().unwrap() {
            Message::Close(Some(frame)) => return frame,
            Message::Close(None) => panic!("a close without a code"),
            _ => {}
        }
    }
}

#[tokio::test]
async fn messages_go_both_ways() {
    let rig = rig().await;
    let mut client = joined(&rig).await;
    say(&mut client, r#"["1","2","room:a","echo",{"a":1}]"#).await;
    sees(&mut client, r#"["1","2","room:a","phx_reply",{"status":"ok","response":{"a":1}}]"#).await;
    client.send(Message::binary(&b"\x00\x01\x01\x06\x0413room:aecho\x00\xff"[..])).await.unwrap();
    let reply = Message::binary(&b"\x01\x01\x01\x06\x0213room:aok\x00\xff"[..]);
    assert_eq!(client.next().await.unwrap().unwrap(), reply);
    client.send(Message::Ping("are you there?".into())).await.unwrap();
    assert_eq!(client.next().await.unwrap().unwrap(), Message::Pong("are you there?".into()));
    // A large one, and many that were sent at once.
    let large = "x".repeat(100_000);
    say(&mut client, &format!("[\"1\",\"4\",\"room:a\",\"echo\",\"{large}\"]")).await;
    sees(
        &mut client,
        &format!("[\"1\",\"4\",\"room:a\",\"phx_reply\",{{\"status\":\"ok\",\"response\":\"{large}\"}}]"),
    )
    .await;
    for number in 0..500 {
        client.feed(Message::text(format!("[\"1\",\"{number}\",\"room:a\",\"echo\",{number}]"))).await.unwrap();
    }
    client.flush().await.unwrap();
    for number in 0..500 {
        let reply =
            format!("[\"1\",\"{number}\",\"room:a\",\"phx_reply\",{{\"status\":\"ok\",\"response\":{number}}}]");
        sees(&mut client, &reply).await;
    }
}

#[tokio::test]
async fn everybody_in_the_room_hears_a_broadcast() {
    let rig = rig().await;
    let mut all = Vec::new();
    for _ in 0..20 {
        all.push(joined(&rig).await);
    }
    say(&mut all[0], r#"["1","2","room:a","shout",[1]]"#).await;
    for client in &mut all {
        sees(client, r#"[null,null,"room:a","shouted",[1]]"#).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_flushers_and_the_task_write_is_in_order_and_whole() {
    const BROADCASTS: usize = 300;
    let options = SocketOptions { queue: 10_000, queue_bytes: ByteSize::mib(64), ..SocketOptions::default() };
    let rig = rig_with(options, EndpointOptions::default()).await;
    let topic = "chat/room:a".parse().unwrap();
    // Some larger than what is gathered for one write, and all of them more than the system's buffers hold.
    let text = |number: usize| format!("\"{number} {}\"", "x".repeat(number * 7919 % 40_000));
    let mut reading = Vec::new();
    for _ in 0..5 {
        let mut client = joined(&rig).await;
        reading.push(tokio::spawn(async move {
            let (mut heard, mut answered) = (0, 0);
            while heard < BROADCASTS || answered < heard {
                let message = client.next().await.unwrap().unwrap();
                let said = message.to_text().unwrap();
                if said.contains("phx_reply") {
                    let reply = format!("\"1\",\"{answered}\",\"room:a\",\"phx_reply\"");
                    assert!(said.contains(&reply), "{said}");
                    answered += 1;
                    continue;
                }
                assert_eq!(said, format!("[null,null,\"room:a\",\"shouted\",{}]", text(heard)));
                // Its task has something to write meanwhile.
                say(&mut client, &format!("[\"1\",\"{heard}\",\"room:a\",\"echo\",1]")).await;
                heard += 1;
            }
        }));
    }
    for number in 0..BROADCASTS {
        rig.channels.broadcast(&topic, "shouted", Body::Json(text(number))).unwrap();
        tokio::task::yield_now().await;
    }
    for client in reading {
        client.await.unwrap();
    }
}

#[tokio::test]
async fn the_handshake_is_that_of_phoenix() {
    let options = EndpointOptions { headers: vec!["x-team".parse().unwrap()], ..EndpointOptions::default() };
    let rig = rig_with(SocketOptions::default(), options).await;
    // btoa("s3cret?>") without its padding.
    let token = "phoenix, base64url.bearer.phx.czNjcmV0Pz4";
    let fields = [("sec-websocket-protocol", token), ("x-team", "red"), ("x-other", "no")];
    let (mut client, protocol) = connect(&rig, "/socket/websocket?user=ann&vsn=2.0.0", &fields).await.unwrap();
    assert_eq!(protocol.as_deref(), Some("phoenix"));
    say(&mut client, r#"["1","1","room:a","phx_join",{}]"#).await;
    let reply = r#"["1","1","room:a","phx_reply",{"status":"ok","response":"user:ann:s3cret?>:x-team=red"}]"#;
    sees(&mut client, reply).await;

    let (_, protocol) = connect(&rig, "/socket/websocket", &[]).await.unwrap();
    assert_eq!(protocol, None, "version 1");
    for (path, field) in [
        ("/socket/websocket?vsn=2.1.0", ("x-none", "")),
        ("/socket/websocket?vsn=", ("x-none", "")),
        ("/socket/websocket?deny=1", ("x-none", "")),
        ("/socket/websocket", ("sec-websocket-protocol", "graphql-ws")),
        ("/socket/websocket", ("sec-websocket-protocol", "base64url.bearer.phx.czNjcmV0")),
        ("/socket/websocket", ("origin", "https://elsewhere.example")),
        ("/socket/websocket", ("origin", "null")),
    ] {
        assert_eq!(connect(&rig, path, &[field]).await.unwrap_err(), StatusCode::FORBIDDEN, "{path} {field:?}");
    }
    let own = format!("http://{}", rig.address);
    assert!(connect(&rig, "/socket/websocket", &[("origin", &own)]).await.is_ok());
    let any = EndpointOptions { origins: Origins::Any, ..EndpointOptions::default() };
    let rig = rig_with(SocketOptions::default(), any).await;
    assert!(connect(&rig, "/socket/websocket", &[("origin", "https://elsewhere.example")]).await.is_ok());
    let version = connect(&rig, "/socket/websocket", &[("sec-websocket-version", "12")]).await.unwrap_err();
    assert_eq!(version, StatusCode::UPGRADE_REQUIRED);
}

#[tokio::test]
async fn each_end_has_its_code() {
    let options = SocketOptions { frame_bytes_max: ByteSize(1000), ..SocketOptions::default() };
    let rig = rig_with(options, EndpointOptions::default()).await;
    let mut client = open(&rig).await;
    say(&mut client, "no json").await;
    assert_eq!(u16::from(closed(&mut client).await.code), 1011);
    let mut client = open(&rig).await;
    say(&mut client, &"x".repeat(1001)).await;
    assert_eq!(u16::from(closed(&mut client).await.code), 1009);
    let mut client = joined(&rig).await;
    let named = "chat/user:::".parse().unwrap();
    rig.channels.disconnect(&named).unwrap();
    assert_eq!(u16::from(closed(&mut client).await.code), 1001);
    let mut client = joined(&rig).await;
    client.close(None).await.unwrap();
    assert!(matches!(client.next().await, Some(Ok(Message::Close(_)))));
    assert!(client.next().await.is_none());
    let mut all = vec![joined(&rig).await, joined(&rig).await, joined(&rig).await];
    let drain = Drain { batch: 2.try_into().unwrap(), ..Drain::default() };
    let (drained, ()) = tokio::join!(rig.channels.drain(drain), async {
        for client in &mut all {
            assert_eq!(u16::from(closed(client).await.code), 1012);
        }
    });
    assert!(drained);
    assert_eq!(connect(&rig, "/socket/websocket", &[]).await.unwrap_err(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(rig.server.shutdown(std::time::Duration::from_secs(10)).await);
}

#[tokio::test]
async fn a_client_that_is_gone_leaves_nothing() {
    let rig = rig().await;
    let client = joined(&rig).await;
    assert_eq!(rig.channels.sockets(None, 10).len(), 1);
    drop(client);
    // Its socket's task sees the end of the stream.
    while rig.channels.stats().sockets > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_client_that_never_reads_is_cut_off_and_leaves_the_others_alone() {
    let options = SocketOptions {
        queue_bytes: ByteSize::kib(64),
        close_timeout: std::time::Duration::from_millis(100),
        ..SocketOptions::default()
    };
    let rig = rig_with(options, EndpointOptions::default()).await;
    let mut reads = joined(&rig).await;
    let stuck = joined(&rig).await;
    let payload = format!("\"{}\"", "x".repeat(30_000));
    // Until the system's buffers are full as well.
    let mut heard = 0;
    while rig.channels.stats().sockets == 2 {
        say(&mut reads, &format!("[\"1\",\"2\",\"room:a\",\"shout\",{payload}]")).await;
        sees(&mut reads, &format!("[null,null,\"room:a\",\"shouted\",{payload}]")).await;
        heard += 1;
    }
    assert!(heard > 2);
    assert_eq!(rig.channels.stats().slow, 1);
    drop(stuck);
    say(&mut reads, r#"["1","2","room:a","echo",1]"#).await;
    sees(&mut reads, r#"["1","2","room:a","phx_reply",{"status":"ok","response":1}]"#).await;
}

#[tokio::test]
async fn frames_of_the_plugins_own_making() {
    let mut rig = rig().await;
    let fields = [("sec-websocket-protocol", "x, mqtt"), ("x-team", "red")];
    let (mut client, protocol) = connect(&rig, "/raw?a=b", &fields).await.unwrap();
    assert_eq!(protocol.as_deref(), Some("mqtt"));
    sees(&mut client, "hello 127.0.0.1 raw?a=b Some(b\"red\")").await;
    say(&mut client, "no protocol").await;
    sees(&mut client, "no protocol").await;
    client.send(Message::binary(&b"\x00\xff"[..])).await.unwrap();
    assert_eq!(client.next().await.unwrap().unwrap(), Message::binary(&b"\x00\xff"[..]));
    say(&mut client, "bye").await;
    let frame = closed(&mut client).await;
    assert_eq!((u16::from(frame.code), frame.reason.as_str()), (3001, "as asked"));
    assert_eq!(rig.ended.recv().await, Some(3001));

    let (mut client, protocol) = connect(&rig, "/raw", &[]).await.unwrap();
    assert_eq!(protocol, None);
    client.close(Some(CloseFrame { code: 4000.into(), reason: "enough".into() })).await.unwrap();
    assert_eq!(rig.ended.recv().await, Some(4000), "the client's code");
    let (client, _) = connect(&rig, "/raw", &[]).await.unwrap();
    drop(client);
    assert_eq!(rig.ended.recv().await, Some(1006), "without a close frame");
}

#[tokio::test]
async fn the_plugin_answers_whom_it_refuses() {
    let mut rig = rig().await;
    let mut request = format!("ws://{}/raw", rig.address).into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", "x".parse().unwrap());
    let Err(Error::Http(response)) = connect_async(request).await else { panic!("it should be refused") };
    assert_eq!(response.status(), StatusCode::IM_A_TEAPOT);
    let fields: Vec<_> = response.headers().get_all("x-speaks").iter().collect();
    assert_eq!(fields, ["mqtt", "nothing"]);
    assert_eq!(response.body().as_deref(), Some(&b"speak mqtt"[..]));
    // Whoever was never let in has no end.
    assert_eq!((rig.channels.stats().sockets, rig.channels.stats().refused), (0, 1));
    assert!(rig.ended.try_recv().is_err());
    let odd = connect(&rig, "/raw?odd", &[]).await.unwrap_err();
    assert!(odd.is_server_error(), "no switch of protocols without a socket: {odd}");
    let elsewhere = [("origin", "https://elsewhere.example")];
    assert_eq!(connect(&rig, "/raw", &elsewhere).await.unwrap_err(), StatusCode::FORBIDDEN);
    assert_eq!(rig.channels.stats().opened, 0);
}
