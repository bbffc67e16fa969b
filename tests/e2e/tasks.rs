//! Tasks beside a call: each ends in its own way, and all of them with their call.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use skep_tests::{Host, eventually};

use crate::cache::{get, ok};
use crate::event_streams::probe;

/// A host with the probe under limits that end what never ends soon.
async fn host(name: &str, limits: &str) -> Arc<Host> {
    let limits = format!("limits = {{ fuel = 100_000_000, memory = '16MiB', {limits} }}");
    Arc::new(Host::start(&probe(name, "", &limits)).await)
}

/// Tasks of a plugin that run now.
fn at_work(host: &Host, plugin: &str) -> usize {
    host.node.plugin(plugin).unwrap().current().unwrap().tasks_running()
}

async fn lines(host: &Host, plugin: &str, query: &str) -> Vec<String> {
    ok(host, plugin, &format!("/task-map?{query}")).await.lines().map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn results_come_in_order_or_as_they_finish() {
    let host = host("ordered", "").await;
    assert_eq!(lines(&host, "ordered", "args=a,b,c").await, ["0 ok a", "1 ok b", "2 ok c"]);
    let slow_first = "name=sleep&args=900,0,300&order=";
    assert_eq!(lines(&host, "ordered", &format!("{slow_first}ordered")).await, ["0 ok 900", "1 ok 0", "2 ok 300"]);
    assert_eq!(lines(&host, "ordered", &format!("{slow_first}unordered")).await, ["1 ok 0", "2 ok 300", "0 ok 900"]);
    let alone = format!("{slow_first}unordered&concurrency=1");
    assert_eq!(lines(&host, "ordered", &alone).await, ["0 ok 900", "1 ok 0", "2 ok 300"], "one after the other");
    // As many as one call may have, through ten places.
    let many = lines(&host, "ordered", "n=100").await;
    assert_eq!(many, (0..100).map(|number| format!("{number} ok {number}")).collect::<Vec<_>>());
    let mixed: BTreeSet<_> = lines(&host, "ordered", "n=100&order=unordered").await.into_iter().collect();
    assert_eq!(mixed, many.into_iter().collect());
    assert_eq!(ok(&host, "ordered", "/task-map?n=0").await, "");
    assert_eq!(ok(&host, "ordered", "/task-map-drop?n=5&take=9").await, "5", "what it has, and then the end");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_task_fails_for_itself() {
    let host = host("failing", "deadline = '20s'").await;
    for (name, expected) in [
        ("fail", "failed x"),
        ("trap", "crashed trap"),
        ("panic", "crashed trap"),
        ("spin", "crashed fuel-exhausted"),
        ("oom", "crashed memory-exhausted"),
    ] {
        let answers = lines(&host, "failing", &format!("name={name}&args=x,x")).await;
        assert_eq!(answers, [format!("0 {expected}"), format!("1 {expected}")], "{name}");
    }
    // One whose argument does not decode fails by its own word; the others go on.
    let answers = lines(&host, "failing", "name=sleep&args=1,nonsense,2").await;
    assert_eq!((answers[0].as_str(), answers[2].as_str()), ("0 ok 1", "2 ok 2"));
    assert!(answers[1].starts_with("1 failed "), "{answers:?}");
    assert_eq!(ok(&host, "failing", "/ok").await, "ok");
    assert_eq!(at_work(&host, "failing"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_has_so_many_tasks_and_known_ones() {
    let host = host("quota", "").await;
    assert_eq!(get(&host, "quota", "/task-map?n=101").await, (409, "Full".to_owned()));
    assert_eq!(get(&host, "quota", "/task-map?name=nope").await, (409, "NotFound".to_owned()));
    assert_eq!(lines(&host, "quota", "n=100").await.len(), 100, "each call has its own");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_so_many_run_at_once() {
    let host = host("narrow", "deadline = '30s'").await;
    for (query, most) in [("concurrency=3", 3), ("concurrency=0", 10), ("concurrency=50", 10)] {
        let held = tokio::spawn({
            let (host, path) =
                (Arc::clone(&host), format!("/task-map?name=sleep&args={}&{query}", ["200"; 30].join(",")));
            async move { ok(&host, "narrow", &path).await }
        });
        let mut seen = 0;
        eventually("all places are taken", async || {
            seen = seen.max(at_work(&host, "narrow"));
            seen == most
        })
        .await;
        while !held.is_finished() {
            let now = at_work(&host, "narrow");
            assert!(now <= most, "{now} at once");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        assert_eq!(held.await.unwrap().lines().count(), 30);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_the_call_is_the_end_of_its_tasks() {
    let host = host("children", "deadline = '3s'").await;
    let sleepers = ["60000"; 5].join(",");
    // It lets go of them.
    let path = format!("/task-map-drop?name=sleep&args=0,{sleepers}&take=1");
    assert_eq!(ok(&host, "children", &path).await, "1");
    eventually("they stop", async || at_work(&host, "children") == 0).await;

    // It returns, its deadline passes while it waits for them, and while it does something else.
    for (path, status) in [
        (format!("/task-map-hold?name=sleep&args={sleepers}&ms=200"), 200),
        (format!("/task-map-hold?name=sleep&args={sleepers}&ms=200&end=trap"), 500),
        (format!("/task-map-hold?name=sleep&args={sleepers}&ms=200&end=spin"), 500),
        (format!("/task-map?name=sleep&args={sleepers}"), 504),
        (format!("/task-map-hold?name=sleep&args={sleepers}&ms=60000"), 504),
    ] {
        let call = tokio::spawn({
            let (host, path) = (Arc::clone(&host), path.clone());
            async move { get(&host, "children", &path).await.0 }
        });
        eventually("they work", async || at_work(&host, "children") == 5).await;
        assert_eq!(call.await.unwrap(), status, "{path}");
        eventually("they stop", async || at_work(&host, "children") == 0).await;
    }

    // Its client leaves.
    let request = host.request("GET", &format!("/task-map?name=sleep&args={sleepers}")).header("host", "children.test");
    let call = tokio::spawn(request.send());
    eventually("they work", async || at_work(&host, "children") == 5).await;
    call.abort();
    eventually("they stop", async || at_work(&host, "children") == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_have_tasks() {
    let host = host("nested", "deadline = '20s'").await;
    assert_eq!(lines(&host, "nested", "name=nested&args=0").await, ["0 ok a+b"]);
    assert_eq!(lines(&host, "nested", "name=matryoshka&args=0,1,2").await, ["0 ok 0", "1 ok 1", "2 ok 2"]);
    let too_deep = lines(&host, "nested", "name=matryoshka&args=3,2").await;
    assert!(too_deep[0].starts_with("0 failed ") && too_deep[1] == "1 ok 2", "{too_deep:?}");
    // More than may run at once, and all places are taken by those who then wait for others.
    let all = lines(&host, "nested", &format!("name=nested&args={}", ["200"; 25].join(","))).await;
    assert_eq!(all, (0..25).map(|number| format!("{number} ok a+b")).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_of_callers_shares_the_places() {
    let host = host("sharing", "deadline = '30s'").await;
    let calls: Vec<_> = (0..20)
        .map(|_| {
            let host = Arc::clone(&host);
            tokio::spawn(async move { lines(&host, "sharing", "n=20").await })
        })
        .collect();
    let expected: Vec<_> = (0..20).map(|number| format!("{number} ok {number}")).collect();
    for call in calls {
        assert_eq!(call.await.unwrap(), expected);
    }
}
