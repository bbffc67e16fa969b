//! The protocol's versions, binary messages, and frames that are none.

use proptest::prelude::*;
use skep_channels::{Frame, Version};

use crate::rig::Rig;

fn push(join_ref: &str, reference: &str, topic: &str, event: &str, data: &[u8]) -> Vec<u8> {
    let mut frame = vec![0];
    frame.extend([join_ref, reference, topic, event].map(|name| u8::try_from(name.len()).unwrap()));
    for name in [join_ref, reference, topic, event] {
        frame.extend(name.as_bytes());
    }
    frame.extend(data);
    frame
}

#[tokio::test(start_paused = true)]
async fn binary_goes_both_ways() {
    let rig = Rig::new();
    let mut client = rig.joined("room:a").await;
    client.send_binary(&push("1", "2", "room:a", "echo", &[0, 255, 7]));
    let reply = b"\x01\x01\x01\x06\x0212room:aok\x00\xff\x07";
    assert_eq!(client.frame().await, Some(Frame::Binary(reply[..].into())));
    client.send_binary(&push("1", "3", "room:a", "push", b"xyz"));
    assert_eq!(client.frame().await, Some(Frame::Binary(b"\x00\x01\x06\x061room:apushedxyz"[..].into())));
    client.sees(r#"["1","3","room:a","phx_reply",{"status":"ok","response":{}}]"#).await;
    client.send_binary(&push("1", "4", "room:a", "shout", b""));
    assert_eq!(client.frame().await, Some(Frame::Binary(b"\x02\x06\x07room:ashouted"[..].into())));
    client.sees(r#"["1","4","room:a","phx_reply",{"status":"ok","response":{}}]"#).await;
    // Nobody there: text, whatever was asked in.
    client.send_binary(&push("1", "5", "room:b", "echo", b""));
    client.sees(r#"[null,"5","room:b","phx_reply",{"status":"error","response":{"reason":"unmatched topic"}}]"#).await;
    client.send_binary(&push("", "6", "phoenix", "heartbeat", b""));
    client.sees(r#"[null,"6","phoenix","phx_reply",{"status":"ok","response":{}}]"#).await;
    // A join may carry bytes, and an empty ref is a string.
    client.send_binary(&push("", "", "room:c", "phx_join", b"hi"));
    assert_eq!(client.frame().await, Some(Frame::Binary(b"\x01\x00\x00\x06\x02room:cokhi"[..].into())));
}

#[tokio::test(start_paused = true)]
async fn version_1_speaks_in_objects() {
    let rig = Rig::new();
    let mut client = rig.client_with(&[], Version::V1).await;
    client.send(r#"{"topic":"room:a","event":"phx_join","payload":{},"ref":"1"}"#);
    client
        .sees(r#"{"topic":"room:a","event":"phx_reply","payload":{"status":"ok","response":{"revision":1}},"ref":"1"}"#)
        .await;
    client.send(r#"{"ref":2,"payload":[ 1 ],"event":"shout","topic":"room:a","more":1}"#);
    client.sees(r#"{"topic":"room:a","event":"shouted","payload":[ 1 ],"ref":null}"#).await;
    client.sees(r#"{"topic":"room:a","event":"phx_reply","payload":{"status":"ok","response":{}},"ref":2}"#).await;
    client.send(r#"{"topic":"room:a","event":"crash","payload":{},"ref":"3"}"#);
    client.sees(r#"{"topic":"room:a","event":"phx_error","payload":{},"ref":null}"#).await;
    client.send(r#"{"topic":"phoenix","event":"heartbeat","payload":{},"ref":"4"}"#);
    client.sees(r#"{"topic":"phoenix","event":"phx_reply","payload":{"status":"ok","response":{}},"ref":"4"}"#).await;
}

#[tokio::test(start_paused = true)]
async fn version_1_cannot_carry_bytes() {
    let rig = Rig::new();
    let mut old = rig.client_with(&[], Version::V1).await;
    old.send(r#"{"topic":"room:a","event":"phx_join","payload":{},"ref":"1"}"#);
    old.text().await;
    let mut new = rig.joined("room:a").await;
    new.send_binary(&push("1", "2", "room:a", "shout", b"x"));
    assert!(matches!(new.frame().await, Some(Frame::Binary(_))));
    old.quiet().await;
    new.send(r#"["1","3","room:a","shout",1]"#);
    new.sees(r#"["1","2","room:a","phx_reply",{"status":"ok","response":{}}]"#).await;
    new.sees(r#"[null,null,"room:a","shouted",1]"#).await;
    old.sees(r#"{"topic":"room:a","event":"shouted","payload":1,"ref":null}"#).await;
}

#[tokio::test(start_paused = true)]
async fn frames_that_are_no_messages_close_the_socket() {
    let rig = Rig::new();
    let long = format!("[\"{}\",\"1\",\"t\",\"e\",{{}}]", "x".repeat(300));
    for bad in [
        "",
        "x",
        "{}",
        "[]",
        "1",
        "null",
        "[null,null,\"t\",\"e\"]",
        "[null,null,\"t\",\"e\",]",
        "[null,null,1,\"e\",{}]",
        "[null,null,\"t\",null,{}]",
        r#"{"topic":"t","event":"e","payload":{},"ref":null}"#,
        "[null,null,\"t\",\"e\",{}] x",
        "[null,null,\"t\",\"e\",{]",
        &long,
    ] {
        let mut client = rig.client().await;
        client.send(bad);
        assert_eq!(client.closed().await.code, 1011, "{bad}");
    }
    for bad in [&b""[..], b"\x00", b"\x01\0\0\0\0", b"\x00\x01\0\0\0", b"\x00\xff\xff\xff\xffxx", b"\x00\x01\0\0\0\xff"]
    {
        let mut client = rig.client().await;
        client.send_binary(bad);
        assert_eq!(client.closed().await.code, 1011, "{bad:?}");
    }
    for bad in ["[null,\"1\",\"t\",\"e\",{}]", r#"{"topic":"t","event":"e","payload":{}}"#, "[]", r#"{"topic":1}"#] {
        let mut client = rig.client_with(&[], Version::V1).await;
        client.send(bad);
        assert_eq!(client.closed().await.code, 1011, "{bad}");
    }
    // More than five are fine, and white space is.
    let mut client = rig.client().await;
    client.send(" [ null , \"1\" , \"phoenix\" , \"heartbeat\" , {} , 6, [7] ] ");
    client.sees(r#"[null,"1","phoenix","phx_reply",{"status":"ok","response":{}}]"#).await;
}

#[tokio::test(start_paused = true)]
async fn names_are_escaped_and_payloads_are_not_touched() {
    let rig = Rig::new();
    let mut client = rig.client().await;
    client.send(r#"["\u0031","1","room:\"ü\\","phx_join",{}]"#);
    client.sees(r#"["1","1","room:\"ü\\","phx_reply",{"status":"ok","response":{"revision":1}}]"#).await;
    client.send(r#"["1","\n","room:\"ü\\","echo",{"a":1,"a":1e999,"\u00e9":[[[]]]}]"#);
    client
        .sees(r#"["1","\n","room:\"ü\\","phx_reply",{"status":"ok","response":{"a":1,"a":1e999,"\u00e9":[[[]]]}}]"#)
        .await;
    // However deep.
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    client.send(&format!("[\"1\",\"2\",\"room:\\\"ü\\\\\",\"echo\",{deep}]"));
    assert!(client.text().await.contains(&deep));
}

fn budget() -> ProptestConfig {
    let cases = std::env::var("SKEP_FUZZ_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(2_000);
    ProptestConfig { cases, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(budget())]

    #[test]
    fn no_bytes_do_harm(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for version in [Version::V1, Version::V2] {
            _ = version.decode(&Frame::Text(bytes.clone().into()));
            _ = version.decode(&Frame::Binary(bytes.clone().into()));
        }
    }

    #[test]
    fn what_is_read_is_what_was_meant(
        refs in proptest::collection::vec("[^\u{0}-\u{1f}]{0,20}", 2), topic in "\\PC{0,40}", event in "\\PC{0,40}",
        data in proptest::collection::vec(any::<u8>(), 0..100), text in "\\PC{0,40}",
    ) {
        let json = serde_json::json!([refs[0], refs[1], topic, event, {"text": text}]).to_string();
        let read = Version::V2.decode(&Frame::Text(json.into_bytes().into())).unwrap();
        prop_assert_eq!((read.join_ref.text().into_owned(), read.reference.text().into_owned()), (refs[0].clone(), refs[1].clone()));
        prop_assert_eq!((&read.topic, &read.event), (&topic, &event));
        let (topic, event) = (&topic.chars().take(20).collect::<String>(), &event.chars().take(20).collect::<String>());
        let frame = push(&refs[0], &refs[1], topic, event, &data);
        let read = Version::V2.decode(&Frame::Binary(frame.into())).unwrap();
        prop_assert_eq!((read.join_ref.text().into_owned(), read.reference.text().into_owned()), (refs[0].clone(), refs[1].clone()));
        prop_assert_eq!((&read.topic, &read.event), (topic, event));
        prop_assert_eq!(read.body, skep_channels::Body::Binary(data.into()));
    }
}
