//! Channels that are processes, by a client that writes Phoenix's frames by hand.

use serde_json::{Value, json};
use skep_admin::api::{ProcessFilter, ProcessOp, ProcessSort, ProcessState, ProcessStatus, SocketFilter};
use skep_node::Mode;
use skep_tests::phoenix::Phoenix;
use skep_tests::{Host, eventually, guests};

use crate::cache::{get, ok};
use crate::channels::{encoded, open, probe};

/// A plugin whose channels `live:*` are processes, with these settings of their kind.
fn live(plugin: &str, kind: &str) -> String {
    let channels = "channels.'live:*' = { process = 'live', intercept = ['secret'] }";
    let socket = format!("sockets = {{ '{plugin}.test/socket' = {{}} }}");
    probe(plugin, &format!("limits = {{ fuel = 200_000_000 }}\n{socket}\n{channels}\nprocesses.live = {{ {kind} }}"))
}

async fn processes(host: &Host) -> Vec<ProcessStatus> {
    host.admin().processes(&ProcessFilter::default(), ProcessSort::Name, None, 100).await.unwrap().processes
}

async fn gone(host: &Host, what: &str) {
    eventually(what, async || processes(host).await.is_empty()).await;
}

async fn closed(client: &mut Phoenix, event: &str) -> Value {
    client.wait(|frame| frame[3] == event).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_does_the_same_as_a_process() {
    let host = Host::start(&live("cp1", "")).await;
    let mut anna = open(&host, "cp1", "&user=anna").await;
    let mut ben = open(&host, "cp1", "").await;
    let (anna_ref, status, told) = anna.join("live:a", &json!({"text": "first", "track": "anna"})).await;
    assert_eq!((status.as_str(), &told["topic"], &told["seen"]["user"]), ("ok", &json!("live:a"), &json!("anna")));
    assert!(anna.event("live:a", "presence_state").await["anna"].is_object(), "pushed in `init`, behind the reply");
    let (ben_ref, ..) = ben.join("live:a", &json!({})).await;
    let all = processes(&host).await;
    assert_eq!(all.iter().map(|one| one.kind.as_str()).collect::<Vec<_>>(), ["live", "live"], "one for each client");

    assert_eq!(anna.ask(&anna_ref, "live:a", "echo", &json!([1, "\u{e4}"])).await.1, json!([1, "\u{e4}"]));
    let said = anna.ask(&anna_ref, "live:a", "reply", &json!(["error", {"why": 7}])).await;
    assert_eq!(said, ("error".into(), json!({"why": 7})));
    let unknown = anna.ask(&anna_ref, "live:a", "error", &json!("not so")).await;
    assert_eq!((unknown.0.as_str(), &unknown.1["reason"]), ("error", &json!("not so")));
    let kept = anna.ask(&anna_ref, "live:a", "assigns", &json!({})).await.1;
    assert_eq!((&kept["text"], &kept["said"]), (&json!("first"), &json!(4)), "it is one instance all the time");
    anna.ask(&anna_ref, "live:a", "broadcast", &json!(["news", 1])).await;
    assert_eq!((anna.event("live:a", "news").await, ben.event("live:a", "news").await), (json!(1), json!(1)));
    anna.ask(&anna_ref, "live:a", "broadcast_from", &json!(["news", 2])).await;
    ben.ask(&ben_ref, "live:a", "broadcast", &json!(["news", 3])).await;
    assert_eq!((anna.event("live:a", "news").await, ben.event("live:a", "news").await), (json!(3), json!(2)));
    ben.ask(&ben_ref, "live:a", "broadcast", &json!(["secret", {"n": 3}])).await;
    assert_eq!(anna.event("live:a", "secret").await, json!({"hidden": true}), "the manifest has it intercepted");
    ben.ask(&ben_ref, "live:a", "subscribe", &json!("news")).await;
    ok(&host, "cp1", "/publish?topic=news&event=e&body=7").await;
    eventually("it hears what it subscribed to", async || {
        ben.ask(&ben_ref, "live:a", "assigns", &json!({})).await.1["heard"] == json!(["news e 7"])
    })
    .await;

    // Bytes: join_ref, ref, topic, event, and what they carry.
    let head = [0, 1, 2, 6, 4];
    anna.bytes([&head, anna_ref.as_str().unwrap().as_bytes(), b"90live:aecho\x00\xff"].concat()).await;
    let answer = [&[1, 1, 2, 6, 2], anna_ref.as_str().unwrap().as_bytes(), b"90live:aok\x00\xff"].concat();
    assert_eq!(anna.wait(|frame| frame["binary"] != Value::Null).await["binary"], json!(answer));

    // From a request: to its channel, and a reply that comes late.
    let id = encoded(told["id"].as_str().unwrap());
    ok(&host, "cp1", &format!("/push?channel={id}&event=hello&body=1")).await;
    assert_eq!(anna.event("live:a", "hello").await, json!(1));
    let later = anna.send(&anna_ref, "live:a", "later", &json!("k")).await;
    eventually("it waits", async || get(&host, "cp1", "/reply?key=k&status=ok&body=3").await.0 == 200).await;
    assert_eq!(anna.reply(&later).await.1, json!(3));

    let left = anna.send(&anna_ref, "live:a", "phx_leave", &json!({})).await;
    assert_eq!(anna.reply(&left).await.0, "ok");
    assert_eq!(ben.event("live:a", "left").await, json!("first"), "it was terminated");
    eventually("it has ended", async || processes(&host).await.len() == 1).await;
    assert_eq!(ok(&host, "cp1", "/members?topic=live:a").await, "", "and with it its presence");
    assert_eq!(get(&host, "cp1", &format!("/push?channel={id}&event=hello&body=1")).await.0, 409);
    drop(ben);
    gone(&host, "the last one ends with its socket").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_ends_one_of_both_ends_the_other() {
    let host = Host::start(&live("cp2", "restart = 'permanent', deadline = '2s'")).await;
    let mut client = open(&host, "cp2", "").await;
    let (steady, ..) = client.join("live:steady", &json!({})).await;
    for how in ["trap", "panic", "spin", "bomb"] {
        let (_, status, why) = client.join("live:a", &json!({"do": how})).await;
        assert_eq!((status.as_str(), why), ("error", json!({"reason": "join crashed"})), "{how}");
        let (join_ref, status, _) = client.join("live:a", &json!({})).await;
        assert_eq!(status, "ok", "after {how} in a join");
        client.send(&join_ref, "live:a", how, &json!({})).await;
        let error = closed(&mut client, "phx_error").await;
        assert_eq!((&error[0], &error[2]), (&join_ref, &json!("live:a")), "{how}");
        // It is not started again by itself; the client joins again.
        eventually("it has ended", async || processes(&host).await.len() == 1).await;
        assert_eq!(client.ask(&steady, "live:steady", "echo", &json!(how)).await.1, json!(how), "its neighbour");
    }
    let (_, status, why) = client.join("live:a", &json!({"do": "refuse not you"})).await;
    assert_eq!((status.as_str(), &why["reason"]), ("error", &json!("not you")));
    for (reason, event) in [("normal", "phx_close"), ("shutdown", "phx_close"), ("oops", "phx_error")] {
        let (join_ref, status, _) = client.join("live:a", &json!({})).await;
        assert_eq!(status, "ok", "before {reason}");
        assert_eq!(client.ask(&join_ref, "live:a", "stop", &json!(reason)).await.1, json!("bye"));
        assert_eq!(closed(&mut client, event).await[2], "live:a", "{reason}");
    }
    // An operator kills one.
    let before: Vec<_> = processes(&host).await.into_iter().map(|one| one.pid).collect();
    let (_, status, _) = client.join("live:a", &json!({})).await;
    assert_eq!(status, "ok");
    let new = processes(&host).await.into_iter().find(|one| !before.contains(&one.pid)).unwrap();
    host.admin().operate_process(&new.pid, ProcessOp::Kill).await.unwrap();
    assert_eq!(closed(&mut client, "phx_error").await[2], "live:a");
    // A second join takes the place of the first one, whose process ends.
    client.join("live:b", &json!({"text": "one"})).await;
    let (join_ref, ..) = client.join("live:b", &json!({"text": "two"})).await;
    assert_eq!(client.ask(&join_ref, "live:b", "assigns", &json!({})).await.1["text"], "two");
    eventually("the first has ended", async || processes(&host).await.len() == 2).await;
}

/// A client that leaves in the middle of its join leaves nothing behind.
#[tokio::test(flavor = "multi_thread")]
async fn a_join_that_nobody_waits_for_leaves_no_process() {
    let host = Host::start(&live("cp3", "")).await;
    for _ in 0..10 {
        let mut client = open(&host, "cp3", "").await;
        client.send(&json!("1"), "live:a", "phx_join", &json!({"do": "sleep 50"})).await;
    }
    eventually("they have begun", async || {
        host.admin().sockets(&SocketFilter::default(), None, 10).await.unwrap().total == 0
    })
    .await;
    gone(&host, "and ended").await;
    let mut client = open(&host, "cp3", "").await;
    assert_eq!(client.join("live:a", &json!({})).await.1, "ok");
    assert_eq!(processes(&host).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_on_over_sleep_and_deploys() {
    let host = Host::start(&live("cp4", "hibernate_after = '100ms'")).await;
    let wasm = std::fs::read(guests::channel_probe()).unwrap();
    let mut client = open(&host, "cp4", "").await;
    let (join_ref, _, told) = client.join("live:a", &json!({"text": "kept"})).await;
    for round in 0..3 {
        eventually("it sleeps", async || processes(&host).await[0].state == ProcessState::Asleep).await;
        host.admin().deploy("cp4", guests::variant(&wasm, round).into()).await.unwrap();
        let id = encoded(told["id"].as_str().unwrap());
        ok(&host, "cp4", &format!("/push?channel={id}&event=number&body={round}")).await;
        assert_eq!(client.event("live:a", "number").await, json!(round), "without waking it");
        assert_eq!(client.ask(&join_ref, "live:a", "count", &json!({})).await.1, json!(round + 1));
    }
    assert_eq!(client.ask(&join_ref, "live:a", "assigns", &json!({})).await.1["text"], "kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_mailbox_refuses_the_client() {
    let host = Host::start(&live("cp5", "mailbox = 1")).await;
    let mut client = open(&host, "cp5", "").await;
    let (join_ref, ..) = client.join("live:a", &json!({})).await;
    client.send(&join_ref, "live:a", "sleep", &json!("1000")).await;
    let mut refused = 0;
    for _ in 0..20 {
        client.send(&join_ref, "live:a", "echo", &json!({})).await;
    }
    for _ in 0..21 {
        let reply = client.wait(|frame| frame[3] == "phx_reply").await;
        refused += u32::from(reply[4] == json!({"status": "error", "response": {"reason": "its mailbox is full"}}));
    }
    assert!(refused > 0, "it holds one message");
    assert_eq!(client.ask(&join_ref, "live:a", "echo", &json!(1)).await.1, json!(1), "and goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_that_cannot_be_a_channel_is_refused() {
    let refused = async |manifest: &str| {
        let refused = Host::try_start(manifest, Mode::Production).await.err().unwrap();
        format!("{refused:#}")
    };
    let unknown = live("cp6", "").replace("process = 'live'", "process = 'lively'");
    let said = refused(&unknown.replace("processes.live = {  }", "")).await;
    assert!(said.contains("the kind `lively`") && said.contains("the component has: live"), "{said}");
    let said = refused(&live("cp7", "persistence = 'durable'")).await;
    assert!(said.contains("leave its `persistence` away"), "{said}");
}
