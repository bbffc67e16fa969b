//! Who is there: exactly those whose streams are open, whatever guests, clients and operators do.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;
use skep_tests::sse::Event;
use skep_tests::{Host, Sse, eventually, guests};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::cache::{get, ok, reload};
use crate::event_streams::{kept, listen, probe, publish};

async fn list(host: &Host, plugin: &str, room: &str) -> String {
    ok(host, plugin, &format!("/list?topic=room:{room}")).await
}

async fn until(host: &Host, plugin: &str, room: &str, expected: &str) {
    let mut last = String::new();
    let is_so = async || {
        last = list(host, plugin, room).await;
        last == expected
    };
    eventually(expected, is_so).await;
}

/// What a client of Phoenix knows: it applies diffs.
#[derive(Default)]
struct Known(BTreeMap<String, BTreeMap<String, Value>>);

impl Known {
    fn apply(&mut self, event: &Event) {
        assert_eq!(event.event, "presence_diff");
        let diff: Value = serde_json::from_str(&event.data).unwrap();
        for (key, meta) in metas(&diff["joins"]) {
            let known = self.0.entry(key).or_default();
            let id = meta["phx_ref"].as_str().unwrap().to_owned();
            assert_eq!(known.insert(id, meta), None, "it joined twice");
        }
        for (key, meta) in metas(&diff["leaves"]) {
            let known = self.0.get_mut(&key).expect("nobody of this key was there");
            assert_eq!(known.remove(meta["phx_ref"].as_str().unwrap()), Some(meta), "it left as another one");
            if known.is_empty() {
                self.0.remove(&key);
            }
        }
    }

    /// Keys and the numbers in the data, sorted.
    fn numbers(&self) -> Vec<(String, u64)> {
        let of = |(key, metas): (&String, &BTreeMap<String, Value>)| {
            metas.values().map(|meta| (key.clone(), meta["n"].as_u64().unwrap())).collect::<Vec<_>>()
        };
        let mut numbers: Vec<_> = self.0.iter().flat_map(of).collect();
        numbers.sort();
        numbers
    }
}

fn metas(members: &Value) -> Vec<(String, Value)> {
    let of = |(key, member): (&String, &Value)| {
        let metas = member["metas"].as_array().unwrap().clone();
        metas.into_iter().map(|meta| (key.clone(), meta)).collect::<Vec<_>>()
    };
    members.as_object().unwrap().iter().flat_map(of).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_and_goes_is_told_as_phoenix_tells_it() {
    let host = Host::start(&probe("told", "", "")).await;
    let mut watcher = listen(&host, "told", "/events/a").await;
    let maja = listen(&host, "told", "/events/a?user=maja&data={\"n\":1}").await;
    let owner = maja.header("x-stream").to_owned();
    let join = watcher.event().await;
    let joined: Value = serde_json::from_str(&join.data).unwrap();
    let id = joined["joins"]["maja"]["metas"][0]["phx_ref"].as_str().unwrap().to_owned();
    let expected =
        format!("{{\"joins\":{{\"maja\":{{\"metas\":[{{\"phx_ref\":\"{id}\",\"n\":1}}]}}}},\"leaves\":{{}}}}");
    assert_eq!((join.event.as_str(), join.id, join.data), ("presence_diff", None, expected));
    assert_eq!(list(&host, "told", "a").await, "maja {\"n\":1}");

    let at = format!("owner={owner}&topic=room:a&key=maja");
    let second = ok(&host, "told", &format!("/update?{at}&data={{\"n\":2}}")).await;
    let expected = format!(
        "{{\"joins\":{{\"maja\":{{\"metas\":[{{\"phx_ref\":\"{second}\",\"phx_ref_prev\":\"{id}\",\"n\":2}}]}}}},\
         \"leaves\":{{\"maja\":{{\"metas\":[{{\"phx_ref\":\"{id}\",\"n\":1}}]}}}}}}"
    );
    assert_eq!(watcher.data().await, expected);
    assert_eq!(ok(&host, "told", "/get?topic=room:a&key=maja").await, "maja {\"n\":2}");
    assert_eq!(ok(&host, "told", "/get?topic=room:a&key=willi").await, "none");

    // Several of one key, and another one.
    let tab = listen(&host, "told", "/events/a?user=maja&data={\"n\":3}").await;
    let willi = listen(&host, "told", "/events/a?user=willi").await;
    assert_eq!(list(&host, "told", "a").await, "maja {\"n\":2} {\"n\":3}\nwilli {}");
    assert_eq!(ok(&host, "told", "/count?topic=room:a").await, "2");
    assert_eq!(list(&host, "told", "b").await, "none");

    assert_eq!(ok(&host, "told", &format!("/untrack?{at}")).await, "true");
    assert_eq!(ok(&host, "told", &format!("/untrack?{at}")).await, "false");
    until(&host, "told", "a", "maja {\"n\":3}\nwilli {}").await;
    drop((tab, willi));
    until(&host, "told", "a", "none").await;
    assert_eq!(ok(&host, "told", "/count?topic=room:a").await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn crowds_are_only_counted_and_retained_topics_keep_diffs() {
    let topics = "topics.'room:big*' = { presence = 'count' }\ntopics.'room:big:named' = { retain = true }";
    let host = Host::start(&probe("counted", "", topics)).await;
    let mut watcher = listen(&host, "counted", "/events/big").await;
    let one = listen(&host, "counted", "/events/big?user=one").await;
    let is = |event: Event| (event.event, event.data);
    assert_eq!(is(watcher.event().await), ("presence_count".to_owned(), "{\"count\":1}".to_owned()));
    assert_eq!(list(&host, "counted", "big").await, "one {}");
    drop(one);
    assert_eq!(is(watcher.event().await), ("presence_count".to_owned(), "{\"count\":0}".to_owned()));

    // The most exact entry of the manifest counts, and it says nothing of counting.
    let mut named = listen(&host, "counted", "/events/big:named?user=two").await;
    let event = named.event().await;
    assert_eq!(event.event, "presence_diff");
    let log = ok(&host, "counted", "/since?topic=room:big:named").await;
    assert!(log.contains("presence_diff") && log.contains(&event.id.unwrap().to_string()), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn presences_have_an_owner_and_limits() {
    let host = Host::start(&format!("{}{}", probe("limits", "", ""), probe("strange", "", ""))).await;
    let (own, other) = (listen(&host, "limits", "/events/a").await, listen(&host, "strange", "/events/a").await);
    let refused = async |path: String, why: &str| {
        let (status, body) = get(&host, "limits", &path).await;
        assert!(status == 409 && body.contains(why), "{path}: {body}");
    };
    let owner = own.header("x-stream").to_owned();
    for nobody in [other.header("x-stream"), "limits/stream-0", "limits", "", "/", &format!("strange/{owner}")] {
        refused(format!("/track?owner={nobody}"), "NotFound").await;
        refused(format!("/update?owner={nobody}"), "NotFound").await;
        if !nobody.starts_with("limits/") {
            refused(format!("/untrack?owner={nobody}"), "NotFound").await;
        }
    }
    assert_eq!(ok(&host, "limits", "/untrack?owner=limits/stream-0").await, "false");
    refused(format!("/update?owner={owner}"), "NotFound").await;
    ok(&host, "limits", &format!("/track?owner={owner}")).await;
    refused(format!("/track?owner={owner}"), "Conflict").await;
    for no_object in ["[]", "7", "null"] {
        refused(format!("/track?owner={owner}&key=x&data={no_object}"), "Invalid").await;
    }
    let data = |bytes: usize| format!("{{\"d\":\"{}\"}}", "x".repeat(bytes - 8));
    ok(&host, "limits", &format!("/track?owner={owner}&key=big&data={}", data(4096))).await;
    refused(format!("/update?owner={owner}&key=big&data={}", data(4097)), "TooLarge").await;
    ok(&host, "limits", &format!("/track?owner={owner}&key={}", "k".repeat(255))).await;
    refused(format!("/track?owner={owner}&key={}", "k".repeat(256)), "TooLarge").await;
    for key in 3..100 {
        ok(&host, "limits", &format!("/track?owner={owner}&key={key}")).await;
    }
    refused(format!("/track?owner={owner}&key=100"), "Full").await;
    assert_eq!(ok(&host, "limits", "/count?topic=t").await, "100");
    drop(own);
    eventually("all are gone", async || ok(&host, "limits", "/count?topic=t").await == "0").await;
    refused(format!("/track?owner={owner}"), "NotFound").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_ends_a_stream_ends_its_presences() {
    let manifest = |more: &str| probe("ends", "queue = 4", &format!("limits.fuel = 50_000_000\n{more}"));
    let host = Host::start(&manifest("")).await;
    // The guest dies, or says no, after it has tracked.
    for (query, status) in [("die=1", 500), ("spin=1", 500), ("deny=1", 403)] {
        assert_eq!(get(&host, "ends", &format!("/events/a?user=ghost&{query}")).await.0, status);
        assert_eq!(list(&host, "ends", "a").await, "none", "{query}");
    }
    // The client goes while the guest decides.
    let socket = raw(&host, "/events/a?user=ghost&spin=1", "ends").await;
    drop(socket);
    // The client goes, one way or another.
    let (stream, _) = accepted(&host, "/events/a?user=polite", "ends").await;
    drop(stream);
    let (stream, _) = accepted(&host, "/events/a?user=rude", "ends").await;
    reset(stream);
    until(&host, "ends", "a", "none").await;
    // The host closes it, because it does not read: its presence ends when the answer does.
    let (mut slow, _) = accepted(&host, "/events/a?user=slow", "ends").await;
    for _ in 0..160 {
        ok(&host, "ends", "/publish-big?topic=room:a&bytes=131072").await;
    }
    let mut rest = Vec::new();
    while !rest.ends_with(b"0\r\n\r\n") {
        assert!(slow.read_buf(&mut rest).await.unwrap() > 0, "it breaks off");
    }
    until(&host, "ends", "a", "none").await;
    // A reload ends nothing, the end of the plugin everything.
    let stays = listen(&host, "ends", "/events/b?user=stays").await;
    reload(&host, &manifest("env = { NEW = 'yes' }")).await.unwrap();
    host.admin()
        .deploy("ends", guests::variant(&std::fs::read(guests::pubsub_probe()).unwrap(), 1).into())
        .await
        .unwrap();
    assert_eq!(list(&host, "ends", "b").await, "stays {}");
    let owner = stays.header("x-stream");
    ok(&host, "ends", &format!("/update?owner={owner}&topic=room:b&key=stays&data={{\"n\":2}}")).await;
    reload(&host, &probe("other", "", "")).await.unwrap();
    reload(&host, &manifest("")).await.unwrap();
    until(&host, "ends", "b", "none").await;
    drop(stays);
}

async fn raw(host: &Host, path: &str, plugin: &str) -> TcpStream {
    let mut stream = TcpStream::connect(host.address).await.unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nhost: {plugin}.test\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

/// A stream over a bare socket, and its id.
async fn accepted(host: &Host, path: &str, plugin: &str) -> (TcpStream, String) {
    let mut stream = raw(host, path, plugin).await;
    let mut head = Vec::new();
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        assert!(stream.read_buf(&mut head).await.unwrap() > 0, "{}", String::from_utf8_lossy(&head));
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let id = head.lines().find_map(|line| line.strip_prefix("x-stream: ")).expect(&head).to_owned();
    (stream, id)
}

/// Breaks a connection off, as a machine does that crashed.
fn reset(stream: TcpStream) {
    stream.set_zero_linger().unwrap();
    drop(stream);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_with_much_to_say_is_announced_whole() {
    let host = Arc::new(Host::start(&probe("loud", "queue_bytes = '64MiB'", "")).await);
    let mut watcher = listen(&host, "loud", "/events/a").await;
    let mut crowd = Vec::new();
    for _ in 0..4 {
        crowd.push(listen(&host, "loud", "/events/b").await);
    }
    let tracks = crowd.iter().enumerate().map(|(at, stream)| {
        let (host, owner) = (Arc::clone(&host), stream.header("x-stream").to_owned());
        tokio::spawn(async move {
            let data = format!("{{\"n\":{at},\"d\":\"{}\"}}", "x".repeat(4070));
            for key in 0..90 {
                let path = format!("/track?owner={owner}&topic=room:a&key=key{key}&data={data}");
                ok(&host, "loud", &path).await;
            }
        })
    });
    for track in tracks.collect::<Vec<_>>() {
        track.await.unwrap();
    }
    let mut known = Known::default();
    while known.numbers().len() < 360 {
        known.apply(&watcher.event().await);
    }
    // All of them at once: together more than one message can hold.
    drop(crowd);
    while !known.0.is_empty() {
        known.apply(&watcher.event().await);
    }
    until(&host, "loud", "a", "none").await;
}

/// A small generator of numbers, the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, max: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % max
    }
}

enum Client {
    Polite(Box<Sse>),
    Bare(TcpStream),
}

/// A stream that is open, and what should be known of it.
struct Open {
    client: Client,
    id: String,
    tracked: BTreeMap<String, u64>,
}

/// Clients that come, change and go at random.
struct Actor {
    host: Arc<Host>,
    dice: Dice,
    open: Vec<Open>,
    number: u64,
}

const PLUGIN: &str = "model";

impl Actor {
    fn next(&mut self) -> (String, u64) {
        self.number += 1;
        (format!("key{}", self.dice.below(5)), self.number)
    }

    /// Any of the open streams.
    fn any(&mut self) -> Option<usize> {
        (!self.open.is_empty()).then(|| self.dice.below(self.open.len()))
    }

    async fn step(&mut self) {
        match self.dice.below(14) {
            0..=3 => self.join().await,
            4 | 5 => self.change("update").await,
            6 => self.track().await,
            7 => self.change("untrack").await,
            8..=10 => self.leave(),
            11 => self.fails("die=1", 500).await,
            12 => self.fails("deny=1", 403).await,
            _ => {
                let (key, number) = self.next();
                let path = format!("/events/x?user={key}&data=%7B%22n%22:{number}%7D&spin=1");
                let socket = raw(&self.host, &path, PLUGIN).await;
                tokio::task::yield_now().await;
                drop(socket);
            }
        }
    }

    async fn join(&mut self) {
        let (key, number) = self.next();
        let path = format!("/events/x?user={key}&data=%7B%22n%22:{number}%7D");
        let (client, id) = if self.dice.below(2) == 0 {
            let stream = listen(&self.host, PLUGIN, &path).await;
            let id = stream.header("x-stream").to_owned();
            (Client::Polite(Box::new(stream)), id)
        } else {
            let (stream, id) = accepted(&self.host, &path, PLUGIN).await;
            (Client::Bare(stream), id)
        };
        self.open.push(Open { client, id, tracked: BTreeMap::from([(key, number)]) });
    }

    async fn track(&mut self) {
        let (Some(at), (key, number)) = (self.any(), self.next()) else { return };
        let owner = &self.open[at].id;
        let path = format!("/track?owner={owner}&topic=room:x&key={key}&data={{\"n\":{number}}}");
        let (status, body) = get(&self.host, PLUGIN, &path).await;
        let known = self.open[at].tracked.contains_key(&key);
        assert_eq!(status, if known { 409 } else { 200 }, "{body}");
        self.open[at].tracked.entry(key).or_insert(number);
    }

    async fn change(&mut self, what: &str) {
        let Some(at) = self.any() else { return };
        let (_, number) = self.next();
        let owner = &self.open[at].id;
        let Some(key) = self.open[at].tracked.keys().next().cloned() else { return };
        ok(&self.host, PLUGIN, &format!("/{what}?owner={owner}&topic=room:x&key={key}&data={{\"n\":{number}}}")).await;
        match what {
            "update" => self.open[at].tracked.insert(key, number),
            _ => self.open[at].tracked.remove(&key),
        };
    }

    fn leave(&mut self) {
        let Some(at) = self.any() else { return };
        match self.open.swap_remove(at).client {
            Client::Polite(stream) => drop(stream),
            Client::Bare(stream) if self.number.is_multiple_of(2) => reset(stream),
            Client::Bare(stream) => drop(stream),
        }
    }

    async fn fails(&mut self, how: &str, status: u16) {
        let (key, number) = self.next();
        let path = format!("/events/x?user={key}&data=%7B%22n%22:{number}%7D&{how}");
        assert_eq!(get(&self.host, PLUGIN, &path).await.0, status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_any_turmoil_exactly_those_are_there_who_are() {
    let limits = format!("limits.fuel = 100_000_000\n{}", kept(10_000));
    let host = Arc::new(Host::start(&probe(PLUGIN, "", &limits)).await);
    let mut watcher = listen(&host, PLUGIN, "/events/x").await;
    let calm = Arc::new(AtomicBool::new(false));
    let operator = tokio::spawn({
        let (host, calm) = (Arc::clone(&host), Arc::clone(&calm));
        async move {
            let (wasm, mut deploys) = (std::fs::read(guests::pubsub_probe()).unwrap(), 0);
            while !calm.load(Ordering::Relaxed) {
                host.admin().deploy(PLUGIN, guests::variant(&wasm, deploys % 2).into()).await.unwrap();
                deploys += 1;
            }
            deploys
        }
    });
    let actors: Vec<_> = (1..=4)
        .map(|seed| {
            let host = Arc::clone(&host);
            tokio::spawn(async move {
                let mut actor = Actor { host, dice: Dice(seed), open: Vec::new(), number: seed * 1_000_000 };
                for _ in 0..100 {
                    actor.step().await;
                }
                actor.open
            })
        })
        .collect();
    let mut open = Vec::new();
    for actor in actors {
        open.extend(actor.await.unwrap());
    }
    calm.store(true, Ordering::Relaxed);
    assert!(operator.await.unwrap() > 3, "deploys meet the turmoil");

    let tracked = open.iter().flat_map(|stream| stream.tracked.clone());
    let mut expected: Vec<(String, u64)> = tracked.collect();
    expected.sort();
    assert!(expected.len() > 4, "some are left: {expected:?}");
    let mut last = Vec::new();
    let listed = async || {
        last.clear();
        for line in list(&host, PLUGIN, "x").await.lines() {
            let (key, datas) = line.split_once(' ').unwrap();
            let number = |data: &str| serde_json::from_str::<Value>(data).unwrap()["n"].as_u64().unwrap();
            last.extend(datas.split(' ').map(|data| (key.to_owned(), number(data))));
        }
        last.sort();
        last == expected
    };
    eventually("the list is as it should be", listed).await;
    // Behind the end of all diffs.
    let mut known = Known::default();
    let mut ended = false;
    while known.numbers() != expected {
        if !ended {
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            publish(&host, PLUGIN, "x", "end").await;
            ended = true;
        }
        let event = watcher.event().await;
        assert!(event.data != "end", "all diffs make {:?} and not {expected:?}", known.numbers());
        known.apply(&event);
    }
    drop(open);
    until(&host, PLUGIN, "x", "none").await;
}
