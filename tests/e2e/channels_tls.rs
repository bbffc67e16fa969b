//! Channels over TLS: the same sockets, whose bytes come in records.

use serde_json::json;
use skep_node::Mode;
use skep_tests::Host;
use skep_tests::phoenix::Phoenix;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::channels::mounted;

const PATH: &str = "/socket/websocket?vsn=2.0.0";

/// A host that speaks TLS only, and its certificate.
async fn secure(plugin: &str) -> (Host, Vec<u8>) {
    let dir = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec![format!("{plugin}.test")]).unwrap();
    std::fs::write(dir.path().join("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(dir.path().join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    let tls = "[host]\ntls = { cert = \"cert.pem\", key = \"key.pem\" }\n";
    std::fs::write(dir.path().join("skep.toml"), format!("{tls}{}", mounted(plugin, ""))).unwrap();
    (Host::in_folder(dir, Mode::Production).await.unwrap(), made.cert.der().to_vec())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_over_tls_is_one_like_any_other() {
    let (host, certificate) = secure("wss1").await;
    let mut anna = Phoenix::open_tls(&host, "wss1.test", PATH, &certificate).await.unwrap();
    let mut ben = Phoenix::open_tls(&host, "wss1.test", PATH, &certificate).await.unwrap();
    let (anna_ref, status, told) = anna.join("probe:a", &json!({})).await;
    assert_eq!((status.as_str(), &told["topic"]), ("ok", &json!("probe:a")), "{told}");
    assert_eq!(ben.join("probe:a", &json!({})).await.1, "ok");
    assert_eq!(anna.ask(&anna_ref, "probe:a", "echo", &json!({"x": 1})).await, ("ok".into(), json!({"x": 1})));

    // More than a record holds, in both directions, and to somebody else.
    let long = "x".repeat(40 << 10);
    assert_eq!(anna.ask(&anna_ref, "probe:a", "echo", &json!(long)).await.1, json!(long));
    anna.ask(&anna_ref, "probe:a", "broadcast", &json!(["news", long])).await;
    assert_eq!(ben.event("probe:a", "news").await, json!(long));

    // Many at once: what a record brings beside the first frame waits for no other record.
    let mut references = Vec::new();
    for number in 0..50 {
        references.push((number, anna.send(&anna_ref, "probe:a", "echo", &json!(number)).await));
    }
    for (number, reference) in references {
        assert_eq!(anna.reply(&reference).await.1, json!(number));
    }
    // Written by whoever broadcasts, while the socket's own task sleeps.
    for number in 0..50 {
        anna.ask(&anna_ref, "probe:a", "broadcast_from", &json!(["n", number])).await;
        assert_eq!(ben.event("probe:a", "n").await, json!(number));
    }
    let left = anna.send(&anna_ref, "probe:a", "phx_leave", &json!({})).await;
    assert_eq!(anna.reply(&left).await.0, "ok");
    anna.event("probe:a", "phx_close").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_speaks_no_tls_to_it_is_shown_out_and_nobody_else_notices() {
    let (host, certificate) = secure("wss2").await;
    let mut client = Phoenix::open_tls(&host, "wss2.test", PATH, &certificate).await.unwrap();
    let (join_ref, status, _) = client.join("probe:a", &json!({})).await;
    assert_eq!(status, "ok");
    for _ in 0..20 {
        let mut plain = TcpStream::connect(host.address).await.unwrap();
        let asked = format!(
            "GET {PATH} HTTP/1.1\r\nhost: wss2.test\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        plain.write_all(asked.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let ended = tokio::time::timeout(std::time::Duration::from_secs(15), plain.read_to_end(&mut answer)).await;
        // Closed or reset, after an alert of TLS or without one, and never left open.
        assert!(ended.is_ok(), "the connection stays open: {answer:?}");
        assert!(!String::from_utf8_lossy(&answer).contains("101"), "no plain socket: {answer:?}");
    }
    assert_eq!(client.ask(&join_ref, "probe:a", "echo", &json!(1)).await.1, json!(1));
    let mut another = Phoenix::open_tls(&host, "wss2.test", PATH, &certificate).await.unwrap();
    assert_eq!(another.join("probe:a", &json!({})).await.1, "ok");
}
