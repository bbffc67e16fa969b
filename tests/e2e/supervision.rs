//! Supervision as operators see it: the tree, what happens in it, dead letters, and resuming what gave up.

use std::ops::ControlFlow;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use skep_admin::api::{BreakerStatus, DeadLetter, EventStatus, Line, NodeKind, TreeNode, ValueText};
use skep_node::Mode;
use skep_tests::host::{TOKEN, eventually};
use skep_tests::{Host, guests};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use crate::cache::{ok, reload};
use crate::subscribers::{probe, seen, text};

/// The node at a path.
fn find<'a>(tree: &'a TreeNode, path: &str) -> Option<&'a TreeNode> {
    if tree.path == path { Some(tree) } else { tree.children.iter().find_map(|child| find(child, path)) }
}

async fn look(host: &Host, path: &str) -> TreeNode {
    let tree = host.admin().tree().await.unwrap();
    find(&tree, path).unwrap_or_else(|| panic!("no {path} in {tree:#?}")).clone()
}

fn names(node: &TreeNode) -> Vec<&str> {
    node.children.iter().map(|child| child.name.as_str()).collect()
}

/// The events from the oldest on, or behind one, up to the first that says this; no line may be anything else.
async fn events_until(host: &Host, after: Option<u64>, last: &str) -> Vec<EventStatus> {
    let mut events = Vec::new();
    let each = |line: Line<EventStatus>| {
        let Line::Item(event) = line else { panic!("{line:?} after {events:?}") };
        let is_last = format!("{} {}", event.path, event.what).contains(last);
        events.push(event);
        if is_last { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let followed = tokio::time::timeout(Duration::from_secs(30), host.admin().events(after, true, each)).await;
    assert!(followed.is_ok(), "no event says {last}: {events:?}");
    events
}

async fn dead(host: &Host, plugin: &str, subscription: &str) -> Vec<DeadLetter> {
    host.admin().dead_letters(Some(plugin), Some(subscription)).await.unwrap()
}

/// How many of the events that are kept are of this path and begin so.
async fn count(host: &Host, path: &str, what: &str) -> u64 {
    let mut count = 0;
    let each = |line: Line<EventStatus>| {
        count += u64::from(matches!(line, Line::Item(event) if event.path == path && event.what.starts_with(what)));
        ControlFlow::Continue(())
    };
    host.admin().events(None, false, each).await.unwrap();
    count
}

/// Waits until so many messages were set aside since the start, and gives those that still are.
async fn set_aside(host: &Host, plugin: &str, subscription: &str, total: u64) -> Vec<DeadLetter> {
    let path = format!("host/{plugin}/subscribers/{subscription}");
    eventually("they are set aside", async || count(host, &path, "set aside").await >= total).await;
    dead(host, plugin, subscription).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tree_shows_each_branch_of_a_plugin() {
    let sse =
        "\"tree1.test/{*path}\", { route = 'GET /orders/{id}', sse = { topic = 'orders:{id}', open = 'anyone' } }";
    let manifest = probe("tree1", "").replace("\"tree1.test/{*path}\"", sse);
    let warmed = crate::cache::probe("tree2", "caches = { main = {} }\nwarmers = { fill = { required = true } }");
    let (host, clock) = Host::with_clock(&format!("{manifest}{warmed}")).await;
    let root = host.admin().tree().await.unwrap();
    assert_eq!((root.path.as_str(), root.kind, root.state.as_str()), ("host", NodeKind::Supervisor, "running"));
    assert_eq!(names(&root), ["tree1", "tree2"]);
    let plugin = look(&host, "host/tree1").await;
    assert_eq!(names(&plugin), ["http", "streams", "subscribers", "processes", "tasks", "warmers"]);
    assert_eq!((plugin.kind, plugin.strategy.as_deref()), (NodeKind::Supervisor, Some("one-for-one")));
    for (branch, kind, strategy) in [
        ("http", NodeKind::Worker, None),
        ("streams", NodeKind::Worker, None),
        ("subscribers", NodeKind::Supervisor, Some("one-for-one")),
        ("tasks", NodeKind::Worker, None),
        ("warmers", NodeKind::Supervisor, Some("one-for-one")),
    ] {
        let node = look(&host, &format!("host/tree1/{branch}")).await;
        assert_eq!((node.kind, node.strategy.as_deref()), (kind, strategy), "{node:?}");
    }
    assert_eq!(names(&look(&host, "host/tree1/http").await), ["tree1.test/{*path}", "GET /orders/{id}"]);
    let subscribers = look(&host, "host/tree1/subscribers").await;
    assert!(names(&subscribers).contains(&"on_poison") && names(&subscribers).len() == 6, "{subscribers:?}");
    assert!(names(&look(&host, "host/tree1/tasks").await).contains(&"matryoshka"));
    for handler in ["http/GET /orders/{id}", "subscribers/on_poison", "tasks/matryoshka"] {
        let node = look(&host, &format!("host/tree1/{handler}")).await;
        assert_eq!((node.state.as_str(), node.breaker), ("running", Some(BreakerStatus::Closed)), "{handler}");
    }
    // Without routes that stream there are no streams to show.
    assert_eq!(names(&look(&host, "host/tree2").await), ["http", "subscribers", "processes", "tasks", "warmers"]);
    eventually("a warmer without an interval is done", async || {
        look(&host, "host/tree2/warmers/fill").await.state == "done"
    })
    .await;

    let streams = async || look(&host, "host/tree1/streams").await.state;
    assert_eq!(streams().await, "0 open");
    let stream = host.request("GET", "/orders/7").send().await.unwrap();
    assert_eq!(streams().await, "1 open");
    drop(stream);
    eventually("the stream is gone", async || streams().await == "0 open").await;

    clock.advance(Duration::from_secs(60));
    for path in ["host", "host/tree1", "host/tree1/http", "host/tree1/http/GET /orders/{id}", "host/tree1/tasks"] {
        assert_eq!(look(&host, path).await.since_ms, 60_000, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_breaker_is_shown_with_its_time_and_only_that_one() {
    let wasm = guests::hostile_fast();
    let routes = "routes = ['GET /bad/{what}', 'GET /good/{what}']";
    let (host, clock) = Host::with_clock(&format!(
        "[host]\nhttp = {{ trusted_proxies = ['127.0.0.0/8'] }}\n[plugins.tree3]\nsource = {wasm:?}\n{routes}\n\
         [plugins.tree4]\nsource = {wasm:?}\nroutes = ['/other/{{what}}']\nbreaker = {{ enabled = false }}\n"
    ))
    .await;
    let breaker = async |path: &str| look(&host, path).await.breaker;
    let bad = async || breaker("host/tree3/http/GET /bad/{what}").await;
    assert_eq!(bad().await, Some(BreakerStatus::Closed));
    for client in 0..20 {
        assert_eq!(host.get_as(client, "/bad/trap").await.status, 500);
    }
    assert_eq!(bad().await, Some(BreakerStatus::Open { until_ms: 5000 }));
    assert_eq!(breaker("host/tree3/http/GET /good/{what}").await, Some(BreakerStatus::Closed));
    assert_eq!(breaker("host/tree4/http//other/{what}").await, None, "breakers are turned off");
    clock.advance(Duration::from_millis(3500));
    assert_eq!(bad().await, Some(BreakerStatus::Open { until_ms: 1500 }));
    clock.advance(Duration::from_millis(1500));
    assert_eq!(bad().await, Some(BreakerStatus::HalfOpen), "the next call is tried");
    assert_eq!(host.get_as(1, "/bad/ok").await.status, 200);
    assert_eq!(bad().await, Some(BreakerStatus::Closed));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_does_not_load_is_in_the_tree_with_its_reason() {
    let manifest = "[plugins.gone]\nsource = 'gone.wasm'\nroutes = ['/']\n";
    let host = Host::try_start(manifest, Mode::Development).await.unwrap();
    let plugin = look(&host, "host/gone").await;
    assert_eq!((plugin.state.as_str(), names(&plugin)), ("failed", vec!["http"]));
    assert!(plugin.last_exit.as_ref().is_some_and(|why| why.contains("gone.wasm")), "{plugin:?}");
    assert_eq!(look(&host, "host/gone/http//").await.state, "failed");
}

/// Has the loop of `on_poison` crash, and waits for its end.
async fn crash(host: &Host, plugin: &str) {
    let subscriber = format!("host/{plugin}/subscribers/on_poison");
    let before = count(host, &subscriber, "exited").await;
    ok(host, plugin, "/publish?topic=poison:x&data=crash").await;
    eventually("it crashed", async || count(host, &subscriber, "exited").await > before).await;
}

async fn reaches(host: &Host, path: &str, state: &str) -> TreeNode {
    eventually(&format!("{path} is {state}"), async || look(host, path).await.state == state).await;
    look(host, path).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crashing_subscriber_is_restarted_backs_off_gives_up_and_is_resumed() {
    let more = "supervision = { restarts = 2, rounds = 1, backoff = '20ms' }";
    let (host, clock) = Host::with_clock(&probe("crash", more)).await;
    let (branch, subscriber) = ("host/crash/subscribers", "host/crash/subscribers/on_poison");
    crash(&host, "crash").await;
    let node = reaches(&host, subscriber, "running").await;
    assert_eq!(node.restarts, 1);
    assert!(node.last_exit.as_ref().is_some_and(|why| why.contains("panic in the host")), "{node:?}");
    let neighbour = look(&host, "host/crash/subscribers/on_numbers").await;
    assert_eq!((neighbour.restarts, neighbour.last_exit), (0, None));
    let refused = host.admin().resume(branch).await.unwrap_err().to_string();
    assert!(refused.contains("`host/crash/subscribers` is running"), "{refused}");

    crash(&host, "crash").await;
    crash(&host, "crash").await;
    let waiting = reaches(&host, branch, "backing off (round 1)").await;
    assert!((1..=24).contains(&waiting.next_retry_ms.unwrap()) && !waiting.gave_up, "{waiting:?}");
    assert_eq!(look(&host, subscriber).await.state, "down");
    assert_eq!(look(&host, "host/crash").await.state, "running", "its budget is its own");
    ok(&host, "crash", "/publish?topic=numbers:x&data=kept").await;
    assert_eq!(host.admin().resume(branch).await.unwrap().path, branch);
    reaches(&host, subscriber, "running").await;
    assert_eq!(seen(&host, "crash", 1).await, ["numbers:x kept"], "its queue outlived it");

    // Resumed, it has all its rounds again.
    for _ in 0..3 {
        crash(&host, "crash").await;
    }
    reaches(&host, branch, "backing off (round 1)").await;
    clock.advance(Duration::from_secs(1));
    reaches(&host, subscriber, "running").await;
    for _ in 0..3 {
        crash(&host, "crash").await;
    }
    let given_up = reaches(&host, branch, "gave up").await;
    assert_eq!((given_up.gave_up, given_up.next_retry_ms), (true, None));
    clock.advance(Duration::from_secs(7));
    assert_eq!(look(&host, branch).await.since_ms, 7000, "since it gave up");
    let plugin = host.admin().resume(subscriber).await.unwrap_err().to_string();
    assert!(plugin.contains("there is no supervisor"), "a worker is none: {plugin}");
    host.admin().resume(branch).await.unwrap();
    let resumed = reaches(&host, branch, "running").await;
    assert!(!resumed.gave_up);
    reaches(&host, subscriber, "running").await;
    ok(&host, "crash", "/publish?topic=poison:x&data=fine").await;
    assert_eq!(seen(&host, "crash", 2).await[1], "poison:x fine");

    let happened = events_until(&host, None, &format!("{branch} gave up after 1 failed rounds")).await;
    let of_branch: Vec<_> = happened.iter().filter(|event| event.path == branch).map(|e| e.what.as_str()).collect();
    let kinds: Vec<_> = of_branch.iter().filter_map(|what| what.split(' ').next()).collect();
    assert_eq!(kinds, ["started", "failed", "tries", "was", "failed", "tries", "failed", "gave"], "{of_branch:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_is_followed_without_gap_or_double() {
    let host = Arc::new(Host::start(&probe("events", "")).await);
    // Readers that come at any moment, while it happens.
    let mut readers = Vec::new();
    for round in 0..20 {
        ok(&host, "events", "/publish?topic=poison:x&data=err&n=1").await;
        let (reader, after) = (Arc::clone(&host), (round % 4 > 0).then_some(round));
        readers.push((
            after,
            tokio::spawn(async move { events_until(&reader, after, "a message of events/json:last").await }),
        ));
    }
    ok(&host, "events", "/publish?topic=json:last&data=none").await;
    let mut lengths = Vec::new();
    for (after, reader) in readers {
        let events = reader.await.unwrap();
        let first = after.map_or(0, |after| after + 1);
        let numbers: Vec<_> = events.iter().map(|event| event.sequence).collect();
        assert_eq!(numbers, (first..first + events.len() as u64).collect::<Vec<_>>(), "behind {after:?}");
        lengths.push(first + events.len() as u64);
    }
    assert!(lengths.iter().all(|length| *length == lengths[0]), "all saw the same: {lengths:?}");
    // Without following it ends by itself, with what is kept.
    let mut kept = Vec::new();
    let each = |line: Line<EventStatus>| {
        let Line::Item(event) = line else { panic!("{line:?}") };
        kept.push(event);
        ControlFlow::Continue(())
    };
    host.admin().events(Some(2), false, each).await.unwrap();
    assert_eq!(kept.first().map(|event| event.sequence), Some(3));
    let aside = kept.iter().filter(|event| event.what.contains("set aside: a message of events/poison:x: the message"));
    assert_eq!(aside.count(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_listed_tried_again_and_cleared() {
    let manifest = |more: &str| format!("{}{}", probe("letters", more), probe("letters2", ""));
    let host = Host::start(&manifest("")).await;
    let admin = host.admin();
    assert_eq!(admin.dead_letters(None, None).await.unwrap(), []);
    ok(&host, "letters", "/publish?topic=poison:1&event=paid&data=trap").await;
    set_aside(&host, "letters", "on_poison", 1).await;
    ok(&host, "letters", "/publish?topic=poison:2&data=unless-mended").await;
    set_aside(&host, "letters", "on_poison", 2).await;
    admin.publish("letters/poison:3", None, vec![0xff; 300].into()).await.unwrap();
    let letters = set_aside(&host, "letters", "on_poison", 3).await;
    let [trap, mended, bytes] = &letters[..] else { panic!("{letters:?}") };
    assert_eq!(
        (trap.plugin.as_str(), trap.subscription.as_str(), trap.topic.as_str()),
        ("letters", "on_poison", "letters/poison:1")
    );
    assert_eq!((trap.event.as_deref(), trap.id, trap.attempts, trap.bytes), (Some("paid"), None, 1, 4));
    assert!(trap.reason.starts_with("trap") && text(&trap.preview) == "trap", "{trap:?}");
    assert!(trap.at_ms > 1_700_000_000_000 && trap.at_ms <= mended.at_ms, "{trap:?}");
    assert_eq!((mended.reason.as_str(), text(&mended.preview)), ("not mended yet", "unless-mended"));
    assert_eq!((bytes.bytes, &bytes.preview), (300, &ValueText::Hex("ff".repeat(256))));
    assert_eq!(look(&host, "host/letters/subscribers/on_poison").await.state, "running, 3 dead");
    // Of one, of a plugin, of all.
    ok(&host, "letters", "/publish?topic=json:1&data=seven").await;
    set_aside(&host, "letters", "on_json", 1).await;
    ok(&host, "letters2", "/publish?topic=poison:1&data=err").await;
    set_aside(&host, "letters2", "on_poison", 1).await;
    assert_eq!(dead(&host, "letters", "on_poison").await, letters);
    assert_eq!(admin.dead_letters(Some("letters"), None).await.unwrap().len(), 4);
    let all = admin.dead_letters(None, None).await.unwrap();
    assert!(all.len() == 5 && all.is_sorted_by_key(|letter| letter.at_ms), "{all:?}");

    // Again, and again in vain.
    assert_eq!(admin.retry_dead("letters", "on_poison").await.unwrap().retried, 3);
    let again = set_aside(&host, "letters", "on_poison", 6).await;
    let mut texts: Vec<_> = again.iter().map(|letter| text(&letter.preview)).collect();
    texts.sort_unstable();
    assert_eq!(texts, ["f".repeat(512).as_str(), "trap", "unless-mended"], "all are set aside again, once");
    // Mended: the letter outlives the reload, and arrives.
    reload(&host, &manifest("env = { MENDED = '1' }")).await.unwrap();
    assert_eq!(admin.retry_dead("letters", "on_poison").await.unwrap().retried, 3);
    assert_eq!(seen(&host, "letters", 1).await, ["poison:2 unless-mended"]);
    assert_eq!(set_aside(&host, "letters", "on_poison", 8).await.len(), 2);

    assert_eq!(admin.clear_dead("letters", "on_poison").await.unwrap().removed, 2);
    assert_eq!(admin.clear_dead("letters", "on_poison").await.unwrap().removed, 0);
    assert_eq!(admin.retry_dead("letters", "on_poison").await.unwrap().retried, 0);
    assert_eq!(admin.dead_letters(None, None).await.unwrap().len(), 2, "those of others stay");
    assert_eq!(look(&host, "host/letters/subscribers/on_poison").await.state, "running");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_said_with_what_is() {
    let host = Host::start(&probe("known", "")).await;
    let admin = host.admin();
    for (error, expected) in [
        (admin.dead_letters(Some("gone"), None).await.unwrap_err(), "no plugin `gone`; there are: known"),
        (admin.dead_letters(Some("known"), Some("on_x")).await.unwrap_err(), "no subscription `on_x`; there are: "),
        (admin.dead_letters(None, Some("on_poison")).await.unwrap_err(), "name that too"),
        (admin.retry_dead("gone", "on_poison").await.unwrap_err(), "no plugin `gone`"),
        (admin.retry_dead("known", "a/b ?").await.unwrap_err(), "no subscription `a/b ?`"),
        (admin.clear_dead("known", "on_poisson").await.unwrap_err(), "on_poison"),
        (
            admin.resume("host/gone").await.unwrap_err(),
            "there is no supervisor `host/gone`; there are: host, host/known,",
        ),
        (admin.resume("host/known/tasks").await.unwrap_err(), "there is no supervisor `host/known/tasks`"),
        (admin.resume("host/known").await.unwrap_err(), "`host/known` is running"),
    ] {
        assert!(error.to_string().contains(expected), "{error} and {expected}");
    }
    let url = format!("http://{}/api", host.admin.address());
    for (method, path, status) in [
        ("GET", "/tree", 200),
        ("GET", "/dead?plugin=gone", 404),
        ("GET", "/dead?plugin=known&subscription=gone", 404),
        ("GET", "/dead?subscription=on_poison", 422),
        ("POST", "/dead/known/gone/retry", 404),
        ("DELETE", "/dead/gone/on_poison", 404),
        ("POST", "/tree/resume?path=host/gone", 404),
        ("POST", "/tree/resume?path=host/known", 422),
        ("GET", "/events?after=x", 400),
    ] {
        let request = || host.client.request(method.parse().unwrap(), format!("{url}{path}"));
        assert_eq!(request().send().await.unwrap().status(), 401, "{path} without a token");
        assert_eq!(request().bearer_auth(TOKEN).send().await.unwrap().status(), status, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_speaks_of_supervision() {
    // No pause in this test's time: what backs off does so until it is resumed.
    let (host, _clock) = Host::with_clock(&probe("ops3", "supervision = { restarts = 1 }")).await;
    let dir = host.path().to_owned();
    let skep = |args: &[&str]| {
        let mut command = Command::new(guests::skep());
        command.args(args).arg("--dir").arg(&dir).kill_on_drop(true);
        command
    };
    let said = async |args: &[&str]| {
        let output = skep(args).output().await.unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.success(), text)
    };
    let mut follow = skep(&["events", "--follow"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(follow.stdout.take().unwrap()).lines();
    let mut line = async |wanted: &str| loop {
        let line = lines.next_line().await.unwrap().unwrap();
        if line.contains(wanted) {
            return line;
        }
    };
    assert!(line("host/ops3 started").await.starts_with(|first: char| first.is_ascii_digit()));

    ok(&host, "ops3", "/publish?topic=poison:1&data=err").await;
    set_aside(&host, "ops3", "on_poison", 1).await;
    line("host/ops3/subscribers/on_poison set aside: a message of ops3/poison:1: the message asked for an error").await;
    crash(&host, "ops3").await;
    crash(&host, "ops3").await;
    reaches(&host, "host/ops3/subscribers", "backing off (round 1)").await;
    let (_, tree) = said(&["ps", "--tree"]).await;
    let row = |name: &str| {
        let row = tree.lines().find(|row| row.contains(name));
        row.unwrap_or_else(|| panic!("no {name} in {tree}")).split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert!(row("─ subscribers").contains("supervisor backing off (round 1)"), "{tree}");
    assert!(row("─ subscribers").contains("tries again in"), "{tree}");
    assert!(
        row("─ on_poison").contains("worker down, 1 dead") && row("─ on_poison").contains("last exit: failed"),
        "{tree}"
    );
    assert!(row("─ ops3.test/{*path}").contains("worker running"), "{tree}");

    let (_, resumed) = said(&["resume", "host/ops3/subscribers"]).await;
    assert_eq!(resumed, "host/ops3/subscribers tries again\n");
    line("host/ops3/subscribers was resumed").await;
    reaches(&host, "host/ops3/subscribers", "running").await;
    for (args, success, expected) in [
        (&["resume", "host/ops3/subscribers"][..], false, "`host/ops3/subscribers` is running"),
        (&["dead"], true, " ops3/on_poison "),
        (&["dead", "show", "ops3", "on_poison"], true, "1 attempt: the message asked for an error\n  3 bytes: err\n"),
        (&["dead", "retry", "ops3", "on_poison"], true, "1 letter on the way again\n"),
        (&["dead", "gone"], false, "there is no plugin `gone`; there are: ops3"),
        (&["dead", "clear", "ops3", "gone"], false, "has no subscription `gone`"),
        (&["events", "--after", "0"], true, "\n2 "),
    ] {
        let (done, text) = said(args).await;
        assert!(done == success && text.contains(expected), "{args:?}: {text}");
    }
    set_aside(&host, "ops3", "on_poison", 2).await;
    assert_eq!(said(&["dead", "clear", "ops3", "on_poison"]).await.1, "1 letter removed\n");
    assert_eq!(said(&["dead", "--json"]).await.1, "[]\n");
}
