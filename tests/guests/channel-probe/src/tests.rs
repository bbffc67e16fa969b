use skep_sdk::{
    channel::End,
    serde_json::Value,
    test::{self, TestChannel, TestSocket},
    websocket::Frame,
};

use super::*;
use crate::{connect::Seen, live::LiveProbe, probe::Probe, raw::Raw};

fn ask(uri: &str) -> String {
    test::get(uri.replace(' ', "+")).send(handle).text().to_owned()
}

fn socket() -> TestSocket {
    test::get("/socket?user=maja").header("x-a", "b").connect(Some("t"), connect::connect).unwrap()
}

fn events<C: channel::Channel>(probe: &TestChannel<C>) -> Vec<(String, Value)> {
    probe.received().iter().map(|said| (said.event.clone(), said.json())).collect()
}

fn said(event: &str, value: Value) -> Vec<(String, Value)> {
    vec![(event.to_owned(), value)]
}

#[test]
fn a_socket_is_opened_as_the_parameters_say() {
    let seen: Seen = socket().assigns();
    assert_eq!((seen.user.as_deref(), seen.token.as_deref(), &*seen.mount), (Some("maja"), Some("t"), "/socket"));
    assert_eq!(seen.headers["x-a"], "b");
    assert_eq!(socket().id().as_deref(), Some("user:maja"));
    let refused = test::get("/socket?refuse=no+bees").connect(None, connect::connect).unwrap_err();
    assert!(refused.contains("no bees"), "{refused}");
}

fn does_as_it_is_told<C: channel::Channel>(join: impl Fn(&TestSocket, Value) -> Result<TestChannel<C>, Value>) {
    let socket = socket();
    let probe = join(&socket, json!({"text": "a", "track": "maja"})).unwrap();
    let told: Value = probe.reply();
    assert_eq!(told["seen"]["user"], "maja");
    assert_eq!(probe.received()[0].event, "presence_state");
    let topic = told["topic"].as_str().unwrap();
    assert_eq!(ask(&format!("/members?topic={topic}")), "maja");

    assert_eq!(probe.push("echo", &json!([1])).ok::<Value>(), json!([1]));
    assert_eq!(probe.push("reply", &json!(["error", 7])).error::<u32>(), 7);
    assert!(probe.push("none", &json!({})).reply().is_none());
    assert_eq!(probe.push("error", "full").error::<Value>(), json!({"reason": "full"}));
    assert_eq!(probe.push("assign", "b").ok::<Value>(), json!({}));
    probe.push("push", &json!(["said", 1]));
    assert_eq!(events(&probe), said("said", json!(1)));
    probe.push("broadcast", &json!(["secret", "honey"]));
    assert_eq!(events(&probe), said("secret", json!({"hidden": true})));
    probe.push("broadcast", &json!(["secret", "drop"]));
    probe.push("broadcast_from", &json!(["said", 2]));
    assert_eq!(events(&probe), []);
    probe.push("subscribe", "orders:*");
    ask("/publish?topic=orders:7&event=paid&body=honey");
    assert_eq!(probe.push("assigns", &json!({})).ok::<Value>()["heard"], json!(["orders:7 paid honey"]));
    let later = probe.push("later", "k");
    assert!(later.reply().is_none());
    assert_eq!(ask("/reply?key=k&body=5"), "ok");
    assert_eq!(later.ok::<u32>(), 5);
    let id: String = probe.push("id", &json!({})).ok();
    assert_eq!(ask(&format!("/push?channel={id}&event=psst&body=6")), "ok");
    assert_eq!(ask(&format!("/broadcast?topic={topic}&event=all&body=7")), "ok");
    assert_eq!(events(&probe), [said("psst", json!(6)), said("all", json!(7))].concat());
    assert_eq!(probe.push("count", &json!({})).ok::<u64>(), 14);

    let watch = join(&test::socket(), json!({})).unwrap();
    assert_eq!(probe.push("stop", "normal").ok::<String>(), "bye");
    assert_eq!(probe.end(), Some(End::Stopped("normal".into())));
    assert_eq!(events(&watch), said("left", json!("b")));
    assert!(ask(&format!("/get?k=ended:{id}")).starts_with("Stopped"));
    assert_eq!(ask(&format!("/push?channel={id}&event=psst&body=6")), "NotFound");
    assert_eq!(join(&socket, json!({"do": "refuse no bees"})).unwrap_err(), json!({"reason": "no bees"}));
    assert_eq!(join(&socket, json!({"do": "panic"})).unwrap_err(), json!({"reason": "join crashed"}));
    watch.push("sing", &json!({}));
    assert!(watch.end().is_some());
    let last = join(&socket, json!({})).unwrap();
    assert_eq!(ask("/disconnect?id=user:maja"), "ok");
    assert_eq!(last.end(), Some(End::Closed));
}

#[test]
fn a_channel_does_as_it_is_told() {
    does_as_it_is_told(|socket, params| socket.join::<Probe>("probe:7", &params));
}

#[test]
fn a_process_does_as_it_is_told() {
    does_as_it_is_told(|socket, params| socket.join_process::<LiveProbe>("live:7", &params));
}

#[test]
fn a_websocket_does_as_it_is_told() {
    let raw = test::get("/ws?text=a").header("sec-websocket-protocol", "probe.2").open_websocket::<Raw>().unwrap();
    assert_eq!((raw.protocol(), raw.received()), (Some("probe.2"), vec![Frame::from("hello")]));
    raw.send(vec![1, 2]);
    for text in ["echo hi", "many 2", "binary b", "count", "assign c", "text", "subscribe orders:*", "nonsense"] {
        raw.send(text);
    }
    ask("/publish?topic=orders:7&body=honey");
    let frames = [vec![1, 2].into(), "hi".into(), "1".into(), "2".into(), b"b".to_vec().into()];
    let more = ["5", "c", "?", "orders:7 honey"].map(Frame::from);
    assert_eq!(raw.received(), frames.into_iter().chain(more).collect::<Vec<Frame>>());
    raw.send("id");
    let Some(Frame::Text(id)) = raw.received().pop() else { panic!("no id") };
    assert_eq!((ask(&format!("/send?socket={id}&text=psst")), raw.received()), ("ok".into(), vec!["psst".into()]));
    raw.send("close 4001 bye");
    assert_eq!((raw.closed(), ask("/get?k=closed:c")), (Some((4001, "bye".into())), "4001".into()));
    assert_eq!(ask(&format!("/close?socket={id}")), "NotFound");
    assert_eq!(test::get("/ws?refuse=no").open_websocket::<Raw>().unwrap_err().status(), StatusCode::FORBIDDEN);
}
