//! Topics: what operators see of them, say in them and hear of them.

use std::ops::ControlFlow;
use std::process::Stdio;

use futures_util::StreamExt as _;
use skep_admin::api::{Line, MessageStatus, ValueText};
use skep_tests::host::TOKEN;
use skep_tests::{Host, guests};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::Command;

/// A plugin over topics that are retained, with a stream for everybody, and one that the plugin is asked about.
async fn host(name: &str) -> Host {
    let wasm = guests::pubsub_probe();
    Host::start(&format!(
        "[plugins.{name}]\nsource = {wasm:?}\nroutes = [\n\
         {{ path = \"/events/{{id}}\", sse = {{ topic = \"orders:{{id}}\", open = \"anyone\" }} }},\n\
         {{ path = \"/members/{{id}}\", sse = \"orders:{{id}}\" }},\n\
         \"/{{*path}}\",\n]\ncaches.seen = {{ kind = \"table\" }}\n\
         [plugins.{name}.topics]\n\"orders:*\" = {{ retain = {{ messages = 3 }} }}\n"
    ))
    .await
}

async fn ok(host: &Host, path: &str) -> String {
    let reply = host.get(path).await;
    assert_eq!(reply.status, 200, "{path}: {}", reply.body);
    reply.body
}

/// What a message is, in a word.
fn word(line: &Line<MessageStatus>) -> String {
    match line {
        Line::Missed { missed } => format!("missed {missed}"),
        Line::Gap { gap_after } => format!("gap {gap_after}"),
        Line::Item(message) => {
            let ValueText::Text(text) = &message.data else { return "bytes".to_owned() };
            let id = message.id.map_or_else(|| "-".to_owned(), |id| id.to_string());
            format!("{} {id} {} {text}", message.topic, message.event.as_deref().unwrap_or("-"))
        }
    }
}

/// The first lines that one who follows gets.
async fn tail(host: &Host, topics: &str, after: Option<u64>, wanted: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let each = |line: Line<MessageStatus>| {
        lines.push(word(&line));
        if lines.len() < wanted { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    host.admin().tail(topics, after, each).await.unwrap();
    lines
}

/// Waits until so many listen to a topic.
async fn listeners(host: &Host, topic: &str, wanted: u64) {
    let reached = async {
        loop {
            let page = host.admin().topics(topic, None, 1).await.unwrap();
            if page.topics.first().map_or(0, |topic| topic.subscribers) == wanted {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    let limit = std::time::Duration::from_secs(20);
    assert!(tokio::time::timeout(limit, reached).await.is_ok(), "{topic} never had {wanted} listeners");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_published_message_reaches_streams_and_followers_and_is_listed() {
    let host = host("shop").await;
    let stream = host.request("GET", "/events/42").send().await.unwrap();
    assert_eq!(stream.status(), 200);
    let mut stream = stream.bytes_stream();
    let (follow, publish) = tokio::join!(tail(&host, "shop/orders:*", None, 2), async {
        // The event stream and the follower of the prefix.
        listeners(&host, "shop/orders:42", 2).await;
        let admin = host.admin();
        let first = admin.publish("shop/orders:42", Some("paid"), "{\"total\":7}".into()).await.unwrap();
        let second = admin.publish("shop/orders:7/a b?", None, "x".into()).await.unwrap();
        (first, second)
    });
    assert_eq!(publish.0.receivers, 2);
    let (first, second) = (publish.0.id.unwrap(), publish.1.id.unwrap());
    assert_eq!(
        follow,
        [format!("shop/orders:42 {first} paid {{\"total\":7}}"), format!("shop/orders:7/a b? {second} - x")]
    );
    let mut text = String::new();
    while !text.contains("data:") {
        text.push_str(std::str::from_utf8(&stream.next().await.unwrap().unwrap()).unwrap());
    }
    assert!(text.contains(&format!("id: {first}\nevent: paid\ndata: {{\"total\":7}}\n\n")), "{text}");

    let all = host.admin().topics("", None, 100).await.unwrap();
    let names: Vec<_> =
        all.topics.iter().map(|topic| topic.topic.as_str()).filter(|name| name.contains("orders")).collect();
    assert_eq!(names, ["shop/orders:42", "shop/orders:7/a b?"]);
    let one = &host.admin().topics("shop/orders:42", None, 10).await.unwrap().topics[0];
    assert_eq!((one.published, one.retained_messages), (1, 1));
    assert!(one.retained_bytes > 11, "{one:?}");
    // A page, and the next one.
    let page = host.admin().topics("shop/orders:", None, 1).await.unwrap();
    assert_eq!(page.cursor.as_deref(), Some("shop/orders:42"));
    let next = host.admin().topics("shop/orders:", page.cursor.as_deref(), 5).await.unwrap();
    assert_eq!((next.topics[0].topic.as_str(), next.topics.len(), next.cursor), ("shop/orders:7/a b?", 1, None));
    // The follower left after its second line, and the node noticed.
    listeners(&host, "shop/orders:42", 1).await;
    drop(stream);
    listeners(&host, "shop/orders:42", 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_follows_late_gets_what_is_retained_and_is_told_what_is_not() {
    let host = host("late").await;
    let mut ids = Vec::new();
    for index in 0..5 {
        ids.push(host.admin().publish("late/orders:1", None, format!("m{index}").into()).await.unwrap().id.unwrap());
    }
    let line = |index: usize| format!("late/orders:1 {} - m{index}", ids[index]);
    assert_eq!(tail(&host, "late/orders:1", Some(ids[2]), 2).await, [line(3), line(4)]);
    // Three are kept, so the second is gone.
    let gap = tail(&host, "late/orders:1", Some(ids[0]), 4).await;
    assert_eq!(gap, [format!("gap {}", ids[0]), line(2), line(3), line(4)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn presence_lists_what_the_plugin_tracked() {
    let host = host("chat").await;
    let empty = host.admin().members("chat/orders:1", None, 10).await.unwrap();
    assert_eq!((empty.members.len(), empty.cursor), (0, None));
    // A presence lives with its stream.
    let maja = join(&host, 1, "maja&data={%22tab%22:1}").await;
    let again = join(&host, 1, "maja&data={%22tab%22:2}").await;
    let willi = join(&host, 1, "willi").await;
    assert_eq!(host.admin().member_count("chat/orders:1").await.unwrap().count, 2);
    assert_eq!(ok(&host, "/count?topic=orders:1").await, "2", "the plugin sees the same");
    let page = host.admin().members("chat/orders:1", None, 1).await.unwrap();
    let metas = &page.members[0].metas;
    let tabs: Vec<_> = metas.iter().map(|meta| meta.data["tab"].as_u64().unwrap()).collect();
    assert_eq!((page.members[0].key.as_str(), tabs), ("maja", vec![1, 2]));
    assert!(metas[0].name != metas[1].name && metas[0].owner.starts_with("chat/"), "{metas:?}");
    let next = host.admin().members("chat/orders:1", page.cursor.as_deref(), 10).await.unwrap();
    assert_eq!((next.members.len(), next.members[0].key.as_str(), next.cursor), (1, "willi", None));
    drop((maja, again, willi));
    listeners(&host, "chat/orders:1", 0).await;
    assert_eq!(host.admin().member_count("chat/orders:1").await.unwrap().count, 0);
}

/// A stream whose client is tracked as this user.
async fn join(host: &Host, topic: u32, user: &str) -> reqwest::Response {
    let stream = host.request("GET", &format!("/members/{topic}?user={user}")).send().await.unwrap();
    assert_eq!(stream.status(), 200);
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_said_with_what_is() {
    let host = host("there").await;
    let admin = host.admin();
    let unknown = admin.publish("gone/orders:1", None, "x".into()).await.unwrap_err().to_string();
    assert!(unknown.contains("no plugin `gone`; there are: there"), "{unknown}");
    for (error, expected) in [
        (admin.members("gone/x", None, 1).await.unwrap_err(), "there are: there"),
        (admin.member_count("..%2f/x").await.unwrap_err(), "there are: there"),
        (admin.tail("gone/*", None, |_| ControlFlow::Break(())).await.unwrap_err(), "there are: there"),
        (admin.tail("there/a*b", None, |_| ControlFlow::Break(())).await.unwrap_err(), "only be its last character"),
        (admin.publish("there/a*", None, "x".into()).await.unwrap_err(), "is not a topic"),
        (admin.publish("there/a", Some("a\nb"), "x".into()).await.unwrap_err(), "no line breaks"),
        (admin.publish("there/a", None, vec![b'x'; (1 << 20) + 1].into()).await.unwrap_err(), "too large"),
        (admin.publish("there", None, "x".into()).await.unwrap_err(), "write PLUGIN/TOPIC"),
        (admin.topics("", Some("no cursor"), 1).await.unwrap_err(), "this is no cursor"),
    ] {
        assert!(error.to_string().contains(expected), "{error} and {expected}");
    }
    let url = format!("http://{}/api", host.admin.address());
    for (path, status) in [
        ("/topics", 200),
        ("/topics/gone/x/members", 404),
        ("/topics/there/a*b/messages", 422),
        ("/topics/there/a/messages?after=x", 400),
    ] {
        let url = format!("{url}{path}");
        assert_eq!(host.client.get(&url).send().await.unwrap().status(), 401, "{path} without a token");
        assert_eq!(host.client.get(&url).bearer_auth(TOKEN).send().await.unwrap().status(), status, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_speaks_of_topics() {
    let host = host("cli").await;
    let dir = host.path().to_owned();
    let skep = |args: &[&str]| {
        let mut command = Command::new(guests::skep());
        command.args(args).arg("--dir").arg(&dir).kill_on_drop(true);
        command
    };
    // In another topic: who comes and goes is a message too.
    let _member = join(&host, 2, "maja&data={%22tab%22:1}").await;
    let mut stream = host.request("GET", "/events/1").send().await.unwrap().bytes_stream();
    let mut tail = skep(&["tail", "cli/orders:1*"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(tail.stdout.take().unwrap()).lines();
    listeners(&host, "cli/orders:1", 2).await;

    let first = skep(&["publish", "cli/orders:1", "--event", "paid", "a\nb"]).output().await.unwrap();
    let first = String::from_utf8(first.stdout).unwrap();
    let id = first.strip_prefix("id ").and_then(|text| text.strip_suffix(", to 2 listeners\n")).unwrap().to_owned();
    for (args, expected) in [
        (&["topics"][..], "cli/orders:1"),
        (&["topics", "cli/orders:1", "--json"], "\"retained_messages\": 1"),
        (&["presence", "cli/orders:2", "--count"], "1\n"),
        (&["presence", "cli/orders:2"], "{\"tab\":1}\n"),
        (&["presence", "cli/orders:1", "--json"], "[]\n"),
        (&["publish", "cli/free", "--json", "-x"], "\"id\": null"),
    ] {
        let output = skep(args).output().await.unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(output.status.success() && text.contains(expected), "{args:?}: {text}");
    }
    let mut piped =
        skep(&["publish", "cli/orders:1", "-"]).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    piped.stdin.take().unwrap().write_all(&[0, 255]).await.unwrap();
    assert!(piped.wait().await.unwrap().success());

    assert_eq!(lines.next_line().await.unwrap().unwrap(), format!("cli/orders:1 {id} paid a\\nb"));
    let second = lines.next_line().await.unwrap().unwrap();
    assert!(second.starts_with("cli/orders:1 ") && second.ends_with(" - hex:00ff"), "{second}");
    let mut text = String::new();
    while !text.contains("AP8=") {
        text.push_str(std::str::from_utf8(&stream.next().await.unwrap().unwrap()).unwrap());
    }
    assert!(text.contains("event: paid\ndata: a\ndata: b\n\n"), "{text}");

    let later = skep(&["tail", "cli/orders:1", "--after", &id, "--json"]).stdout(Stdio::piped()).spawn();
    let mut later = later.unwrap();
    let line = BufReader::new(later.stdout.take().unwrap()).lines().next_line().await.unwrap().unwrap();
    assert!(line.contains("\"topic\":\"cli/orders:1\"") && line.contains("{\"hex\":\"00ff\"}"), "{line}");

    let missing = skep(&["presence", "orders:1"]).output().await.unwrap();
    assert!(!missing.status.success() && String::from_utf8_lossy(&missing.stderr).contains("write PLUGIN/TOPIC"));
}
