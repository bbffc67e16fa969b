//! Event streams: who may listen, what they hear, and that nothing but the client and the operator ends one.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use skep_node::Mode;
use skep_tests::sse::{self, Event};
use skep_tests::{Host, Sse, eventually, guests};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::cache::{get, ok, reload};

/// A plugin whose streams are at `/events/{room}`, of the topics `room:{room}`, with more of its route and its entry.
pub(crate) fn probe(name: &str, sse: &str, more: &str) -> String {
    let wasm = guests::pubsub_probe();
    let stream = format!("{{ route = '{name}.test/events/{{room}}', sse = {{ topic = 'room:{{room}}', {sse} }} }}");
    format!("[plugins.{name}]\nsource = {wasm:?}\nroutes = ['{name}.test/{{*path}}', {stream}]\n{more}\n")
}

/// Retained rooms.
pub(crate) fn kept(messages: u32) -> String {
    format!("topics.'room:*' = {{ retain = {{ messages = {messages}, bytes = '64MiB' }} }}\n")
}

pub(crate) fn request(host: &Host, plugin: &str, path: &str) -> reqwest::RequestBuilder {
    host.request("GET", path).header("host", format!("{plugin}.test"))
}

pub(crate) async fn listen(host: &Host, plugin: &str, path: &str) -> Sse {
    Sse::open(request(host, plugin, path)).await
}

/// The id that a publish answered.
pub(crate) async fn publish(host: &Host, plugin: &str, room: &str, data: &str) -> String {
    ok(host, plugin, &format!("/publish?topic=room:{room}&data={data}")).await
}

/// How one asks for a stream whose bytes are not read by a client that means well.
async fn raw(host: &Host, plugin: &str, path: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(host.address).await.unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nhost: {plugin}.test\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn the_plugin_says_who_may_listen_and_whoever_may_not_leaves_nothing_behind() {
    let limits = "limits = { streams = 2, fuel = 50_000_000 }";
    let host = Host::start(&probe("asked", "", limits)).await;
    let mut first = listen(&host, "asked", "/events/a?first=%3Cb%3Ehi%3C%2Fb%3E").await;
    assert_eq!((first.header("x-topic"), first.header("x-last-event-id")), ("room:a", "none"));
    assert!(first.header("x-stream").starts_with("asked/stream-"), "{:?}", first.headers());
    assert_eq!((first.header("cache-control"), first.header("x-accel-buffering")), ("no-store", "no"));
    publish(&host, "asked", "a", "one").await;
    let hello = Event { id: None, event: "first".to_owned(), data: "<b>hi</b>".to_owned() };
    assert_eq!(first.event().await, hello);
    assert_eq!(first.event().await, Event { id: None, event: "message".to_owned(), data: "one".to_owned() });

    for (query, status) in [("deny=1", 403), ("die=1", 500), ("spin=1", 500), ("user=x&data=nojson", 500)] {
        for _ in 0..3 {
            let (answered, body) = get(&host, "asked", &format!("/events/a?{query}")).await;
            assert_eq!(answered, status, "{query}: {body}");
            assert!(status != 403 || body.contains("you may not listen"), "{body}");
        }
    }
    assert_eq!(host.open_streams("asked"), 1);
    let _second = listen(&host, "asked", "/events/a").await;
    let third = skep_tests::host::send(request(&host, "asked", "/events/a")).await;
    assert_eq!((third.status, third.code().as_str(), third.header("retry-after")), (503, "overloaded", "5"));
    drop(first);
    eventually("a place is free", async || host.open_streams("asked") == 1).await;
    let mut again = listen(&host, "asked", "/events/a").await;
    publish(&host, "asked", "a", "two").await;
    assert_eq!(again.data().await, "two");
    assert_eq!(ok(&host, "asked", "/publish-big?topic=room:a&bytes=1").await, "none", "nothing is retained");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_goes_on_where_it_was() {
    let host = Host::start(&probe("resumed", "", &kept(5))).await;
    let ids = ok(&host, "resumed", "/publish?topic=room:a&event=word&n=3").await;
    let first = ids.split(' ').next().unwrap();
    let mut stream = listen(&host, "resumed", &format!("/events/a?after={first}")).await;
    let next = stream.event().await;
    assert_eq!((next.id.unwrap().to_string(), next.event.as_str(), next.data.as_str()), {
        let id = ids.split(' ').nth(1).unwrap().to_owned();
        (id, "word", "hello1")
    });
    assert_eq!(stream.data().await, "hello2");
    publish(&host, "resumed", "a", "live").await;
    assert_eq!(stream.data().await, "live");

    // Nobody was away: nothing comes twice.
    let seen = stream.last_id.clone().unwrap();
    drop(stream);
    let mut stream = Sse::resume(request(&host, "resumed", "/events/a"), &seen).await;
    assert_eq!(stream.header("x-last-event-id"), seen);
    publish(&host, "resumed", "a", "next").await;
    assert_eq!(stream.data().await, "next");

    // As much as the log holds was missed.
    drop(stream);
    let last = publish(&host, "resumed", "a", "x0").await;
    ok(&host, "resumed", "/publish?topic=room:a&data=x&n=5").await;
    let mut stream = Sse::resume(request(&host, "resumed", "/events/a"), &last).await;
    assert_eq!(stream.take(5).await, ["x0", "x1", "x2", "x3", "x4"]);

    // One more than it holds.
    ok(&host, "resumed", "/publish?topic=room:a&data=y&n=6").await;
    let mut stream = Sse::resume(request(&host, "resumed", "/events/a"), &last).await;
    let gap = stream.event().await;
    assert_eq!((gap.event.as_str(), gap.data.as_str(), gap.id), ("gap", "{}", None));
    assert_eq!(stream.take(5).await, ["y1", "y2", "y3", "y4", "y5"]);

    // What the plugin says counts before what the client says.
    let after = publish(&host, "resumed", "a", "z0").await;
    publish(&host, "resumed", "a", "z1").await;
    let mut stream = Sse::resume(request(&host, "resumed", &format!("/events/a?after={after}")), "1").await;
    assert_eq!(stream.data().await, "z1");
    drop(stream);
    // A client that was never here starts now.
    let mut fresh = listen(&host, "resumed", "/events/a").await;
    publish(&host, "resumed", "a", "now").await;
    assert_eq!(fresh.data().await, "now");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_told_when_its_place_is_gone() {
    let manifest = probe("gone", "", &kept(100));
    let host = Host::start(&manifest).await;
    let before = publish(&host, "gone", "a", "old").await;
    let host = {
        let Host { node, admin, dir, .. } = host;
        drop(admin);
        node.shutdown().await;
        drop(node);
        Host::in_folder(dir, Mode::Production).await.unwrap()
    };
    for nothing_yet in [true, false] {
        if !nothing_yet {
            publish(&host, "gone", "a", "new").await;
        }
        let mut stream = Sse::resume(request(&host, "gone", "/events/a"), &before).await;
        assert_eq!(stream.event().await.event, "gap", "the id is from before the restart");
        if !nothing_yet {
            assert_eq!(stream.data().await, "new");
        }
    }
    // A topic without a log, and a client that says it was here before.
    reload(&host, &probe("gone", "", "")).await.unwrap();
    let mut stream = Sse::resume(request(&host, "gone", "/events/a"), &before).await;
    assert_eq!(stream.event().await.event, "gap");
    publish(&host, "gone", "a", "later").await;
    assert_eq!(stream.data().await, "later");
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_is_filled_and_clients_are_told_when_to_come_back() {
    let host = Host::start(&probe("silent", "keep_alive = '1s', retry = '1500ms'", "")).await;
    let mut stream = listen(&host, "silent", "/events/a").await;
    stream.comment().await;
    stream.comment().await;
    assert_eq!(stream.retry.as_deref(), Some("1500"));
    publish(&host, "silent", "a", "x").await;
    assert_eq!(stream.data().await, "x");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_topic_is_made_of_the_path() {
    let host = Host::start(&probe("paths", "", "")).await;
    for (path, topic) in [
        ("a%20b%3Ac", "room:a b:c"),
        // A slash would read as another plugin's topic.
        ("a%2Fb", "paths/room:a/b"),
        ("%C3%A4", "room:ä"),
        ("other%2Fa", "paths/room:other/a"),
    ] {
        let response = request(&host, "paths", &format!("/events/{path}")).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(response.headers()["x-topic"].as_bytes(), topic.as_bytes());
        let quoted = topic.replace(' ', "%20");
        let mut stream = listen(&host, "paths", &format!("/events/{path}")).await;
        ok(&host, "paths", &format!("/publish?topic={quoted}&data=x")).await;
        assert_eq!(stream.data().await, "x");
    }
    for bad in ["a*", "%2A", "a%0Ab", "%00", "%FF", &"x".repeat(251)] {
        let (status, body) = get(&host, "paths", &format!("/events/{bad}")).await;
        assert_eq!(status, 400, "{bad}: {body}");
    }
    assert_eq!(get(&host, "paths", &format!("/events/{}?deny=1", "x".repeat(250))).await.0, 403, "255 bytes are fine");
}

/// What came to a client that read nothing while so many messages of 128 KiB were published and a short one, and how many
/// bytes: up to the end of the stream, of the last message, or of the gap behind what came.
async fn behind(host: &Host, plugin: &str, messages: usize) -> (Vec<Event>, usize) {
    let mut stream = raw(host, plugin, "/events/a").await;
    eventually("it listens", async || host.open_streams(plugin) == 1).await;
    for _ in 0..messages {
        ok(host, plugin, "/publish-big?topic=room:a&bytes=131072").await;
    }
    let last = publish(host, plugin, "a", "last").await;
    let mut received = Vec::new();
    let read = async {
        let ends = ["0\r\n\r\n".to_owned(), "}\n\n\r\n".to_owned(), format!("id: {last}\ndata: last\n\n\r\n")];
        // A gap in front of a message is in one chunk with it, so only the last one ends a chunk.
        while !ends.iter().any(|end| received.ends_with(end.as_bytes())) {
            assert!(stream.read_buf(&mut received).await.unwrap() > 0, "it breaks off");
        }
    };
    tokio::time::timeout(Duration::from_secs(15), read).await.expect("the rest does not come");
    let body = String::from_utf8(unchunked(&received)).unwrap();
    (sse::events(&body), body.len())
}

/// The body of an answer in chunks.
fn unchunked(answer: &[u8]) -> Vec<u8> {
    let head = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    let (mut rest, mut body) = (&answer[head..], Vec::new());
    while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        let data = &rest[end + 2..];
        body.extend_from_slice(&data[..size.min(data.len())]);
        rest = data.get(size + 2..).unwrap_or_default();
    }
    body
}

/// More than all buffers of the system together, and what the host and they hold at most.
const FLOOD: usize = 160;
const HELD_MAX: usize = 12 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_is_closed_and_goes_on_later() {
    let host = Host::start(&probe("closed", "queue = 8", &kept(1000))).await;
    let (events, bytes) = behind(&host, "closed", FLOOD).await;
    assert!(bytes < HELD_MAX, "{bytes} bytes were held for it");
    assert!(!events.is_empty() && events.len() < FLOOD, "{} came", events.len());
    eventually("its place is free", async || host.open_streams("closed") == 0).await;
    let seen = events.last().unwrap().id.unwrap().to_string();
    let mut rest = Sse::resume(request(&host, "closed", "/events/a"), &seen).await;
    let mut ids: Vec<_> = events.iter().map(|event| event.id.unwrap()).collect();
    while ids.len() < FLOOD + 1 {
        ids.push(rest.event().await.id.expect("no gap"));
    }
    assert!(ids.windows(2).all(|two| two[1] == two[0] + 1), "{ids:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_loses_what_its_policy_says() {
    for (plugin, policy) in [("oldest", "drop-oldest"), ("newest", "drop-newest")] {
        let sse = format!("queue = 4, overflow = '{policy}'");
        let host = Host::start(&probe(plugin, &sse, &kept(2))).await;
        let (events, bytes) = behind(&host, plugin, FLOOD).await;
        assert!(bytes < HELD_MAX, "{bytes} bytes were held for it");
        let gaps = events.iter().filter(|event| event.event == "gap");
        let missed = gaps.map(|gap| {
            let missed: serde_json::Value = serde_json::from_str(&gap.data).unwrap();
            usize::try_from(missed["missed"].as_u64().unwrap()).unwrap()
        });
        let missed: usize = missed.sum();
        let came = events.iter().filter(|event| event.id.is_some()).count();
        assert!(missed > 0 && came > 4, "{policy}: {came} came, {missed} were missed");
        assert_eq!(came + missed, FLOOD + 1, "{policy}: each is told of");
        assert_eq!(events.last().unwrap().data == "last", policy == "drop-oldest");
        assert_eq!(events.last().unwrap().event == "gap", policy == "drop-newest");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_takes_nothing_is_cut_off() {
    let sse = "overflow = 'drop-oldest', keep_alive = '10m'";
    let manifest = format!("[host]\nhttp = {{ keep_alive = '1s' }}\n{}", probe("stuck", sse, ""));
    let host = Host::start(&manifest).await;
    // One that is only silent stays.
    let mut quiet = listen(&host, "stuck", "/events/quiet").await;
    let stuck = raw(&host, "stuck", "/events/a").await;
    eventually("it listens", async || host.open_streams("stuck") == 2).await;
    for _ in 0..FLOOD {
        ok(&host, "stuck", "/publish-big?topic=room:a&bytes=131072").await;
    }
    eventually("it is cut off", async || host.open_streams("stuck") == 1).await;
    drop(stuck);
    publish(&host, "stuck", "quiet", "x").await;
    assert_eq!(quiet.data().await, "x");
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_share_a_connection_of_http2() {
    let host = Host::start(&probe("h2", "", "")).await;
    let client = reqwest::Client::builder().http2_prior_knowledge().resolve("h2.test", host.address).build().unwrap();
    let get = |path: &str| client.get(format!("http://h2.test:{}{path}", host.address.port()));
    let (mut one, mut two) = (Sse::open(get("/events/a")).await, Sse::open(get("/events/b")).await);
    publish(&host, "h2", "a", "to-a").await;
    publish(&host, "h2", "b", "to-b").await;
    assert_eq!((one.data().await, two.data().await), ("to-a".to_owned(), "to-b".to_owned()));
    drop(one);
    eventually("the other one stays", async || host.open_streams("h2") == 1).await;
    publish(&host, "h2", "b", "more").await;
    assert_eq!(two.data().await, "more");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_methods_of_a_stream() {
    let host = Host::start(&probe("methods", "", "")).await;
    let send = async |method: &str| {
        let request = host.request(method, "/events/a").header("host", "methods.test");
        skep_tests::host::send(request).await
    };
    let head = send("HEAD").await;
    assert_eq!(
        (head.status, head.header("content-type"), head.body.as_str()),
        (200, "text/event-stream; charset=utf-8", "")
    );
    eventually("it holds nothing", async || host.open_streams("methods") == 0).await;
    let post = send("POST").await;
    assert_eq!((post.status, post.header("allow")), (405, "GET, HEAD"));
}

#[tokio::test(flavor = "multi_thread")]
async fn layers_hold_nothing_back() {
    let layers = "compression = true\ncors = { origins = ['https://a.test'], headers = ['last-event-id'] }";
    let host = Host::start(&probe("layers", "", layers)).await;
    let asked = request(&host, "layers", "/events/a").header("accept-encoding", "gzip, br, zstd");
    let mut stream = Sse::open(asked.header("origin", "https://a.test")).await;
    assert_eq!(
        (stream.header("content-encoding"), stream.header("access-control-allow-origin")),
        ("", "https://a.test")
    );
    publish(&host, "layers", "a", "x").await;
    assert_eq!(stream.data().await, "x");
    // What scripts of other origins ask first, when they come back with `last-event-id`.
    let preflight =
        host.request("OPTIONS", "/events/a").header("host", "layers.test").header("origin", "https://a.test");
    let preflight = preflight
        .header("access-control-request-method", "GET")
        .header("access-control-request-headers", "last-event-id");
    let allowed = skep_tests::host::send(preflight).await;
    assert_eq!((allowed.status, allowed.header("access-control-allow-headers")), (200, "last-event-id"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_needs_its_export_only_where_it_is_asked() {
    let wasm = guests::cache_probe();
    let plain = |open: &str| {
        let sse = format!("sse = {{ topic = 'news:{{id}}', open = '{open}' }}");
        let entry =
            format!("[plugins.plain]\nsource = {wasm:?}\nroutes = [{{ route = 'plain.test/news/{{id}}', {sse} }}]");
        let retained = "topics.'news:*' = { retain = true }";
        let grant = "grants.topics = { 'plain/news:*' = 'publish' }";
        format!("{entry}\n{retained}\n{}", probe("teller", "", grant))
    };
    let host = Host::start(&plain("anyone")).await;
    let tell = async |data: &str| ok(&host, "teller", &format!("/publish?topic=plain/news:1&data={data}")).await;
    let first = tell("one").await;
    tell("two").await;
    let mut stream = Sse::resume(request(&host, "plain", "/news/1"), &first).await;
    assert_eq!(stream.data().await, "two");
    tell("three").await;
    assert_eq!(stream.data().await, "three");
    let error = reload(&host, &plain("handler")).await.unwrap_err().to_string();
    assert!(error.contains("plugin `plain`") && error.contains("skep:plugin/event-stream-handler"), "{error}");
    tell("four").await;
    assert_eq!(stream.data().await, "four", "nothing changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_ends_streams_at_once() {
    let host = Host::start(&format!("[host]\ndrain = '60s'\n{}", probe("ending", "", ""))).await;
    let mut streams = [listen(&host, "ending", "/events/a").await, listen(&host, "ending", "/events/b").await];
    publish(&host, "ending", "a", "last").await;
    let ended = tokio::time::timeout(Duration::from_secs(10), host.node.shutdown()).await;
    assert!(ended.expect("it waits for streams"), "drained");
    assert_eq!(streams[0].rest().await.len(), 1, "what was published before is written");
    assert_eq!(streams[1].rest().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_is_removed_ends_its_streams_and_no_others() {
    let (going, staying) = (probe("going", "", ""), probe("staying", "", ""));
    let host = Host::start(&format!("{going}{staying}")).await;
    let (mut gone, mut stays) =
        (listen(&host, "going", "/events/a").await, listen(&host, "staying", "/events/a").await);
    reload(&host, &staying).await.unwrap();
    assert_eq!(gone.rest().await, []);
    assert_eq!(get(&host, "going", "/events/a").await.0, 404);
    reload(&host, &format!("{going}{staying}")).await.unwrap();
    let mut back = listen(&host, "going", "/events/a").await;
    for (plugin, stream) in [("going", &mut back), ("staying", &mut stays)] {
        publish(&host, plugin, "a", "x").await;
        assert_eq!(stream.data().await, "x");
    }
}

/// Reads numbers up to the last one, coming back wherever the stream ends or it is time to.
async fn numbers(mut stream: Sse, last: &AtomicU32, leave_every: usize) -> (Vec<u32>, usize) {
    let (mut read, mut returns) = (Vec::new(), 0);
    while read.last() != Some(&last.load(Ordering::Relaxed)) {
        let left = leave_every > 0 && read.len() % leave_every == leave_every - 1;
        match stream.next().await {
            Some(event) if event.event == "gap" => panic!("a gap after {:?}", read.last()),
            Some(event) => read.push(event.data.parse().unwrap()),
            None => {}
        }
        if left {
            returns += 1;
            stream = stream.reconnect().await;
        }
    }
    (read, returns)
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_reloads_and_fifty_crashes_cost_no_message() {
    const ROUNDS: u32 = 50;
    let wasm = std::fs::read(guests::pubsub_probe()).unwrap();
    let limits = "limits.fuel = 50_000_000\n".to_owned() + &kept(100_000);
    let host = Arc::new(Host::start(&probe("steady", "", &limits)).await);
    let start = publish(&host, "steady", "n", "start").await;
    // Known when all are published.
    let last = Arc::new(AtomicU32::new(u32::MAX));
    let clients: Vec<_> = [0, 7]
        .into_iter()
        .map(|leave_every| {
            let (host, start, last) = (Arc::clone(&host), start.clone(), Arc::clone(&last));
            tokio::spawn(async move {
                let stream = Sse::resume(request(&host, "steady", "/events/n"), &start).await;
                numbers(stream, &last, leave_every).await
            })
        })
        .collect();
    let stop = Arc::new(AtomicBool::new(false));
    let publisher = tokio::spawn({
        let (host, stop) = (Arc::clone(&host), Arc::clone(&stop));
        async move {
            let mut number = 0;
            while !stop.load(Ordering::Relaxed) {
                publish(&host, "steady", "n", &number.to_string()).await;
                number += 1;
            }
            number
        }
    });
    let admin = host.admin();
    let mut revisions = BTreeSet::new();
    for round in 0..ROUNDS {
        let deployed = admin.deploy("steady", guests::variant(&wasm, round % 2).into()).await.unwrap();
        revisions.insert(deployed.revision.clone());
        assert!(deployed.previous.is_some(), "round {round}: it is the same revision");
        let crash = if round % 2 == 0 { "/events/n?die=1" } else { "/task-start?n=0&end=trap" };
        assert_eq!(get(&host, "steady", crash).await.0, 500);
    }
    stop.store(true, Ordering::Relaxed);
    let published = publisher.await.unwrap();
    assert_eq!(revisions.len(), 2);
    assert!(published > ROUNDS, "messages meet the reloads: {published}");
    last.store(published, Ordering::Relaxed);
    publish(&host, "steady", "n", &published.to_string()).await;
    for client in clients {
        let (read, returns) = client.await.unwrap();
        assert_eq!(read, (0..=published).collect::<Vec<_>>(), "after {returns} returns");
    }
}
