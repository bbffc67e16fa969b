//! Channels over sockets, with a client that writes Phoenix's frames by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use skep_admin::api::SocketFilter;
use skep_tests::phoenix::Phoenix;
use skep_tests::{Host, eventually, guests};

use crate::cache::{get, ok};

pub(crate) fn probe(plugin: &str, more: &str) -> String {
    let wasm = guests::channel_probe();
    format!("[plugins.{plugin}]\nsource = {wasm:?}\nroutes = ['{plugin}.test/{{*path}}']\n{more}\n")
}

/// A plugin with one mount.
pub(crate) fn mounted(plugin: &str, socket: &str) -> String {
    probe(
        plugin,
        &format!("limits = {{ fuel = 200_000_000 }}\nsockets = {{ '{plugin}.test/socket' = {{ {socket} }} }}"),
    )
}

pub(crate) async fn open(host: &Host, plugin: &str, params: &str) -> Phoenix {
    let path = format!("/socket/websocket?vsn=2.0.0{params}");
    Phoenix::open(host, &format!("{plugin}.test"), &path, &[]).await.unwrap()
}

pub(crate) fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_join_ask_and_hear_each_other() {
    let host = Host::start(&mounted("ch1", "headers = ['x-a']")).await;
    let token = [("sec-websocket-protocol", "phoenix, base64url.bearer.phx.c2VjcmV0"), ("x-a", "b"), ("x-c", "d")];
    let path = "/socket/websocket?vsn=2.0.0&user=anna";
    let mut anna = Phoenix::open(&host, "ch1.test", path, &token).await.unwrap();
    let mut ben = open(&host, "ch1", "").await;
    let (anna_ref, status, told) = anna.join("probe:a", &json!({"text": "first"})).await;
    assert_eq!((status.as_str(), &told["topic"]), ("ok", &json!("probe:a")), "{told}");
    let seen = &told["seen"];
    assert_eq!((&seen["user"], &seen["token"]), (&json!("anna"), &json!("secret")), "{told}");
    assert_eq!(seen["headers"], json!({"x-a": "b"}), "only what the manifest lets through");
    assert_eq!(seen["mount"], "ch1.test/socket");
    let (ben_ref, ..) = ben.join("probe:a", &json!({})).await;

    assert_eq!(
        anna.ask(&anna_ref, "probe:a", "echo", &json!({"x": [1, "\u{e4}"]})).await.1,
        json!({"x": [1, "\u{e4}"]})
    );
    assert_eq!(
        anna.ask(&anna_ref, "probe:a", "reply", &json!(["error", {"why": 7}])).await,
        ("error".into(), json!({"why": 7}))
    );
    anna.ask(&anna_ref, "probe:a", "assign", &json!("kept")).await;
    assert_eq!(anna.ask(&anna_ref, "probe:a", "assigns", &json!({})).await.1["text"], "kept", "over instances");

    anna.ask(&anna_ref, "probe:a", "broadcast", &json!(["news", {"n": 1}])).await;
    assert_eq!(ben.event("probe:a", "news").await, json!({"n": 1}));
    assert_eq!(anna.event("probe:a", "news").await, json!({"n": 1}));
    anna.ask(&anna_ref, "probe:a", "broadcast_from", &json!(["news", {"n": 2}])).await;
    assert_eq!(ben.event("probe:a", "news").await, json!({"n": 2}));
    ben.ask(&ben_ref, "probe:a", "broadcast", &json!(["secret", {"n": 3}])).await;
    assert_eq!(anna.event("probe:a", "secret").await, json!({"hidden": true}), "it is intercepted");
    ben.ask(&ben_ref, "probe:a", "push_many", &json!(3)).await;
    for number in 1..=3 {
        assert_eq!(ben.event("probe:a", "number").await, json!(number));
    }

    // Bytes: join_ref, ref, topic, event, and what they carry.
    let anna_number = anna_ref.as_str().unwrap();
    let head = [0, anna_number.len() as u8, 2, 7, 4];
    anna.bytes([&head, anna_number.as_bytes(), b"90probe:aecho\x00\xff"].concat()).await;
    let answer = [&[1, anna_number.len() as u8, 2, 7, 2], anna_number.as_bytes(), b"90probe:aok\x00\xff"].concat();
    assert_eq!(anna.wait(|frame| frame["binary"] != Value::Null).await["binary"], json!(answer));

    // From a request, without a socket: to one, to all, and a reply that comes late.
    let id = encoded(told["id"].as_str().unwrap());
    assert_eq!(ok(&host, "ch1", &format!("/push?channel={id}&event=hello&body=1")).await, "ok");
    assert_eq!(anna.event("probe:a", "hello").await, json!(1));
    ok(&host, "ch1", "/broadcast?topic=probe:a&event=all&body=2").await;
    assert_eq!((anna.event("probe:a", "all").await, ben.event("probe:a", "all").await), (json!(2), json!(2)));
    let later = anna.send(&anna_ref, "probe:a", "later", &json!("k")).await;
    eventually("it waits", async || get(&host, "ch1", "/reply?key=k&status=ok&body=3").await.0 == 200).await;
    assert_eq!(anna.reply(&later).await.1, json!(3));

    assert_eq!(ben.ask(&Value::Null, "probe:nobody", "echo", &json!({})).await.1, json!({"reason": "unmatched topic"}));
    let heartbeat = ben.send(&Value::Null, "phoenix", "heartbeat", &json!({})).await;
    assert_eq!(ben.reply(&heartbeat).await.0, "ok");
    let left = ben.send(&ben_ref, "probe:a", "phx_leave", &json!({})).await;
    assert_eq!(ben.reply(&left).await.0, "ok");
    assert_eq!(
        anna.event("probe:a", "left").await,
        json!(""),
        "it was terminated, and told the others what it remembered"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_kills_a_channel_its_socket_lives_and_a_rejoin_works() {
    let host = Host::start(&mounted("ch2", "")).await;
    let mut client = open(&host, "ch2", "").await;
    let (steady, ..) = client.join("probe:steady", &json!({})).await;
    for how in ["trap", "panic", "spin", "bomb"] {
        let (_, status, why) = client.join("probe:a", &json!({"do": how})).await;
        assert_eq!((status.as_str(), why), ("error", json!({"reason": "join crashed"})), "{how}");
        let (join_ref, status, _) = client.join("probe:a", &json!({})).await;
        assert_eq!(status, "ok", "after {how} in a join");
        client.send(&join_ref, "probe:a", how, &json!({})).await;
        let error = client.wait(|frame| frame[3] == "phx_error").await;
        assert_eq!((&error[0], &error[1], &error[2]), (&join_ref, &join_ref, &json!("probe:a")), "{how}");
        let (join_ref, status, _) = client.join("probe:a", &json!({})).await;
        assert_eq!(status, "ok", "after {how}");
        assert_eq!(client.ask(&steady, "probe:steady", "echo", &json!(how)).await.1, json!(how), "its neighbour");
        client.ask(&join_ref, "probe:a", "stop", &json!("normal")).await;
        client.event("probe:a", "phx_close").await;
    }
    let (_, status, why) = client.join("probe:a", &json!({"do": "refuse not you"})).await;
    assert_eq!((status.as_str(), &why["reason"]), ("error", &json!("not you")));
}

/// What is pushed to a channel whose plugin is deployed and crashes all the while arrives, all of it and in order.
#[tokio::test(flavor = "multi_thread")]
async fn fifty_reloads_and_fifty_crashes_cost_no_push() {
    const ROUNDS: u32 = 50;
    let host = Arc::new(Host::start(&mounted("ch3", "queue = 100_000")).await);
    let wasm = std::fs::read(guests::channel_probe()).unwrap();
    let mut client = open(&host, "ch3", "").await;
    let (_, _, told) = client.join("probe:steady", &json!({})).await;
    let id = encoded(told["id"].as_str().unwrap());
    let stop = Arc::new(AtomicBool::new(false));
    let pusher = tokio::spawn({
        let (host, stop) = (Arc::clone(&host), Arc::clone(&stop));
        async move {
            let mut number = 0_u32;
            while !stop.load(Ordering::Relaxed) {
                ok(&host, "ch3", &format!("/push?channel={id}&event=number&body={number}")).await;
                number += 1;
            }
            number
        }
    });
    let mut crasher = open(&host, "ch3", "").await;
    for round in 0..ROUNDS {
        host.admin().deploy("ch3", guests::variant(&wasm, round % 2).into()).await.unwrap();
        let (join_ref, status, _) = crasher.join("probe:crash", &json!({})).await;
        assert_eq!(status, "ok");
        crasher.send(&join_ref, "probe:crash", "trap", &json!({})).await;
        crasher.event("probe:crash", "phx_error").await;
    }
    stop.store(true, Ordering::Relaxed);
    let pushed = pusher.await.unwrap();
    assert!(pushed > ROUNDS, "pushes meet the reloads: {pushed}");
    for number in 0..pushed {
        assert_eq!(client.event("probe:steady", "number").await, json!(number));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_connect_gets_a_403_and_what_is_too_much_is_refused() {
    let host = Host::start(&mounted("ch4", "frame = '1KiB', channels = 2, assigns = '1KiB'")).await;
    let refused = async |params: &str, headers: &[(&str, &str)]| {
        let path = format!("/socket/websocket?{params}");
        Phoenix::open(&host, "ch4.test", &path, headers).await.err()
    };
    assert_eq!(refused("vsn=2.0.0&refuse=no", &[]).await, Some(403));
    assert_eq!(refused("vsn=3.0.0", &[]).await, Some(403));
    assert_eq!(refused("vsn=2.0.0", &[("origin", "https://evil.example")]).await, Some(403));
    assert_eq!(refused("vsn=2.0.0", &[("origin", "http://ch4.test")]).await, None);
    assert_eq!(refused("vsn=2.0.0&do=trap", &[]).await, Some(500));
    assert_eq!(refused("vsn=2.0.0&big=2000", &[]).await, Some(502), "more assigns than the manifest allows");
    let mut client = open(&host, "ch4", "").await;
    for topic in ["probe:a", "probe:b"] {
        assert_eq!(client.join(topic, &json!({})).await.1, "ok");
    }
    let (_, status, why) = client.join("probe:c", &json!({})).await;
    assert_eq!((status.as_str(), why), ("error", json!({"reason": "too many channels joined"})));
    let (join_ref, ..) = client.join("probe:a", &json!({})).await;
    client.send(&join_ref, "probe:a", "grow", &json!(2000)).await;
    client.event("probe:a", "phx_error").await;
    client.text(&format!("[null,\"1\",\"phoenix\",\"heartbeat\",{{\"x\":\"{}\"}}]", "x".repeat(2000))).await;
    assert_eq!(client.closed().await, 1009);
    let mut client = open(&host, "ch4", "").await;
    client.text("nonsense").await;
    assert_eq!(client.closed().await, 1011);
}

#[tokio::test(flavor = "multi_thread")]
async fn presences_live_as_long_as_their_channel() {
    let host = Host::start(&mounted("ch5", "")).await;
    let mut anna = open(&host, "ch5", "").await;
    let mut ben = open(&host, "ch5", "").await;
    anna.join("probe:p", &json!({"track": "anna"})).await;
    let (ben_ref, ..) = ben.join("probe:p", &json!({"track": "ben"})).await;
    let state = ben.event("probe:p", "presence_state").await;
    assert!(state["anna"]["metas"][0]["phx_ref"].is_string(), "{state}");
    let joined = async |client: &mut Phoenix, key: &str| {
        client.wait(|frame| frame[3] == "presence_diff" && frame[4]["joins"][key].is_object()).await
    };
    joined(&mut anna, "ben").await;
    ben.ask(&ben_ref, "probe:p", "update", &json!(["ben", {"typing": true}])).await;
    let update = anna.wait(|frame| frame[4]["joins"]["ben"]["metas"][0]["typing"] == true).await;
    assert!(update[4]["leaves"]["ben"]["metas"][0]["phx_ref"].is_string(), "{update}");
    ben.send(&ben_ref, "probe:p", "trap", &json!({})).await;
    anna.wait(|frame| {
        frame[3] == "presence_diff" && frame[4]["leaves"]["ben"].is_object() && frame[4]["joins"]["ben"].is_null()
    })
    .await;
    assert_eq!(ok(&host, "ch5", "/members?topic=probe:p").await, "anna");
    drop(anna);
    eventually("nobody is left", async || ok(&host, "ch5", "/members?topic=probe:p").await.is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_see_sockets_and_guests_and_operators_close_them() {
    let host = Host::start(&mounted("ch6", "longpoll = true")).await;
    let mut anna = open(&host, "ch6", "&user=anna").await;
    let mut again = open(&host, "ch6", "&user=anna").await;
    let mut ben = open(&host, "ch6", "").await;
    anna.join("probe:a", &json!({})).await;
    let admin = host.admin();
    let page = admin.sockets(&SocketFilter::default(), None, 10).await.unwrap();
    assert_eq!(page.total, 3);
    let named = SocketFilter { name: Some("ch6/user:anna".to_owned()), ..SocketFilter::default() };
    let page = admin.sockets(&named, None, 10).await.unwrap();
    assert_eq!(page.sockets.len(), 2);
    assert_eq!(
        (page.sockets[0].channels.as_slice(), page.sockets[0].mount.as_str()),
        (["probe:a".to_owned()].as_slice(), "ch6@ch6.test/socket")
    );
    assert_eq!(ok(&host, "ch6", "/disconnect?id=user:anna").await, "ok");
    assert_eq!((anna.closed().await, again.closed().await), (1001, 1001));
    eventually("they are gone", async || admin.sockets(&SocketFilter::default(), None, 10).await.unwrap().total == 1)
        .await;
    let left = admin.sockets(&SocketFilter::default(), None, 10).await.unwrap();
    admin.disconnect_socket(&left.sockets[0].id).await.unwrap();
    assert_eq!(ben.closed().await, 1001);
    // The last one is told that the host goes.
    let mut last = open(&host, "ch6", "").await;
    last.join("probe:a", &json!({})).await;
    let (code, _) = tokio::join!(last.closed(), host.stop());
    assert_eq!(code, 1012);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_have_a_websocket_polls() {
    let host = Host::start(&mounted("ch7", "longpoll = { window = '1s' }")).await;
    let poll = async |token: &str| -> Value {
        let path = format!("/socket/longpoll?vsn=2.0.0&token={}", encoded(token));
        serde_json::from_str(&get(&host, "ch7", &path).await.1).unwrap()
    };
    let opened = poll("").await;
    assert_eq!(opened["status"], 410);
    let token = opened["token"].as_str().unwrap().to_owned();
    let post = async |lines: &str| -> Value {
        let path = format!("/socket/longpoll?vsn=2.0.0&token={}", encoded(&token));
        let request = host.request("POST", &path).header("host", "ch7.test");
        let reply =
            skep_tests::host::send(request.header("content-type", "application/x-ndjson").body(lines.to_owned())).await;
        serde_json::from_str(&reply.body).unwrap()
    };
    assert_eq!(
        post("[\"1\",\"1\",\"probe:a\",\"phx_join\",{}]\n[\"1\",\"2\",\"probe:a\",\"echo\",\"x\"]").await["status"],
        200
    );
    let mut heard = Vec::new();
    while heard.len() < 2 {
        let polled = poll(&token).await;
        assert!(polled["status"] == 200 || polled["status"] == 204, "{polled}");
        heard.extend(polled["messages"].as_array().cloned().unwrap_or_default());
    }
    let frames: Vec<Value> = heard.iter().map(|text| serde_json::from_str(text.as_str().unwrap()).unwrap()).collect();
    assert_eq!((&frames[0][1], &frames[0][4]["status"]), (&json!("1"), &json!("ok")), "{frames:?}");
    assert_eq!(frames[1], json!(["1", "2", "probe:a", "phx_reply", {"status": "ok", "response": "x"}]));
    assert_eq!(poll(&token).await["status"], 204, "there was nothing for a second");
    assert_eq!(post("nonsense that is no frame").await["status"], 408);
    assert_eq!(poll(&token).await["status"], 410, "the session is over, and another one begins");
}

/// Another plugin's channels on the same socket, by grant.
#[tokio::test(flavor = "multi_thread")]
async fn the_topics_of_a_socket_may_be_of_several_plugins() {
    let other = probe(
        "ch9",
        "channels.'probe:bare' = { sockets = ['ch8@ch8.test/socket'] }\ngrants.sockets = ['ch8@ch8.test/socket']",
    );
    // Its own channel of this pattern is elsewhere.
    let own = "channels.'probe:bare' = { sockets = ['@ch8.test/else'] }\n\
               sockets = { 'ch8.test/socket' = {}, 'ch8.test/else' = {} }";
    let host = Host::start(&format!("{}{other}", probe("ch8", own))).await;
    let mut client = open(&host, "ch8", "").await;
    assert_eq!(client.join("probe:a", &json!({})).await.1, "ok");
    let before = host.calls("ch9", "ok");
    let (join_ref, status, why) = client.join("probe:bare", &json!({})).await;
    assert_eq!(status, "ok", "{why}");
    assert_eq!(host.calls("ch9", "ok"), before + 1, "it was the other one's");
    let reference = client.send(&join_ref, "probe:bare", "phx_leave", &json!({})).await;
    assert_eq!(client.reply(&reference).await.0, "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_raw_websocket_speaks_what_its_plugin_does() {
    let routes = "limits = { fuel = 200_000_000 }\nroutes = ['ch10.test/{*path}', { route = 'GET ch10.test/ws', websocket = { frame = '1KiB' } }]";
    let manifest = probe("ch10", routes).replacen("routes = ['ch10.test/{*path}']\n", "", 1);
    let host = Host::start(&manifest).await;
    let open = async |query: &str, protocols: &[(&str, &str)]| {
        Phoenix::open(&host, "ch10.test", &format!("/ws?{query}"), protocols).await
    };
    assert_eq!(open("refuse=no", &[]).await.err(), Some(403));
    assert_eq!(open("do=trap", &[]).await.err(), Some(500));
    let mut raw = open("text=first", &[("sec-websocket-protocol", "probe.1, probe.2")]).await.unwrap();
    assert_eq!(raw.frame().await, json!("hello"), "what it does when it accepts");
    raw.text("echo 7").await;
    assert_eq!(raw.frame().await, json!(7));
    raw.text("many 3").await;
    assert_eq!([raw.frame().await, raw.frame().await, raw.frame().await], [json!(1), json!(2), json!(3)]);
    raw.bytes(vec![0, 255]).await;
    assert_eq!(raw.frame().await, json!({"binary": [0, 255]}));
    raw.text("count").await;
    assert_eq!(raw.frame().await, json!(4), "it is remembered over instances");
    raw.text("track here").await;
    eventually("it is there", async || ok(&host, "ch10", "/members?topic=here").await == "first").await;
    raw.text("close 3001 bye").await;
    assert_eq!(raw.closed().await, 3001);
    eventually("it was told", async || ok(&host, "ch10", "/get?k=closed:first").await == "3001").await;
    eventually("nobody is left", async || ok(&host, "ch10", "/members?topic=here").await.is_empty()).await;
    let mut raw = open("text=x", &[]).await.unwrap();
    raw.text("trap").await;
    assert_eq!(raw.closed().await, 1011);
    let mut raw = open("text=y", &[]).await.unwrap();
    raw.text(&format!("echo {}", "7".repeat(2000))).await;
    assert_eq!(raw.closed().await, 1009);
}
