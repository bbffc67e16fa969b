//! Guests killed by the thousand, in every way that there is: each end is told once, and the neighbour never notices.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use skep_admin::api::ValueText;
use skep_tests::host::eventually;
use skep_tests::{Host, guests};

use crate::cache::{get, ok};

/// How a call dies, and what it is counted as. Well-behaved ones are among them.
const ENDS: [(&str, &str, u16); 6] = [
    ("/ok", "ok", 200),
    ("/trap", "trap", 500),
    ("/panic", "trap", 500),
    ("/spin", "fuel-exhausted", 500),
    ("/bomb", "memory-exhausted", 500),
    ("/host-panic", "internal", 500),
];
/// One in a hundred dies by the clock, since that takes its time.
const SLEEPER: (&str, &str, u16) = ("/sleep?ms=60000", "deadline", 504);
const KILLS: usize = 10_000;
const AT_ONCE: usize = 50;

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_deaths_are_told_once_each_and_the_neighbour_never_notices() {
    let (fast, wasi) = (guests::hostile_fast(), guests::hostile());
    let plugin = |name: &str, wasm: &std::path::Path, more: &str| {
        format!("[plugins.{name}]\nsource = {wasm:?}\nroutes = [\"{name}.test/{{*path}}\"]\n{more}\n")
    };
    // The breaker is off: here every call is to die by itself.
    let victim = "limits = { fuel = 3_000_000, deadline = '10s', memory = '4MiB' }\nbreaker = { enabled = false }";
    let manifest = [
        plugin("chaos-fast", &fast, victim),
        plugin("chaos-reuse", &fast, &format!("instances = {{ reuse = 100 }}\n{victim}")),
        plugin("chaos-wasi", &wasi, victim),
        plugin("chaos-neighbour", &fast, ""),
    ];
    let host = Arc::new(Host::start(&manifest.concat()).await);
    let (over, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let neighbour = tokio::spawn({
        let (host, over, answered) = (Arc::clone(&host), Arc::clone(&over), Arc::clone(&answered));
        async move {
            while !over.load(Ordering::Relaxed) {
                assert_eq!(get(&host, "chaos-neighbour", "/ok").await, (200, "ok".to_owned()));
                answered.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    let seed = 42;
    let clients = (0..AT_ONCE).map(|client| {
        let host = Arc::clone(&host);
        tokio::spawn(async move {
            let mut random = fastrand::Rng::with_seed(seed + client as u64);
            let mut sent: BTreeMap<(&str, &str), u64> = BTreeMap::new();
            for _ in 0..KILLS / AT_ONCE {
                let plugin = ["chaos-fast", "chaos-reuse", "chaos-wasi"][random.usize(..3)];
                let ends = ENDS[random.usize(..ENDS.len())];
                let (path, outcome, status) = if random.u8(..100) == 0 { SLEEPER } else { ends };
                let (got, body) = get(&host, plugin, path).await;
                assert_eq!(got, status, "{plugin} {path}: {body}");
                *sent.entry((plugin, outcome)).or_default() += 1;
            }
            sent
        })
    });
    let mut sent: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for client in clients.collect::<Vec<_>>() {
        for (key, count) in client.await.unwrap() {
            *sent.entry(key).or_default() += count;
        }
    }
    over.store(true, Ordering::Relaxed);
    neighbour.await.unwrap();
    assert!(answered.load(Ordering::Relaxed) > 100, "the neighbour was under load all the while");
    for ((plugin, outcome), count) in sent {
        // An answer can be here a moment before its call is counted.
        let counted = until(|| host.calls(plugin, outcome), count).await;
        assert_eq!(counted, count, "{plugin} {outcome}");
    }
    for plugin in ["chaos-fast", "chaos-reuse", "chaos-wasi"] {
        let revision = host.node.plugin(plugin).unwrap().current().unwrap();
        assert_eq!((revision.running(), revision.waiting()), (0, 0), "{plugin} leaks no place");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn subscribers_and_tasks_die_alone_too() {
    let wasm = guests::pubsub_probe();
    let manifest = format!(
        "[plugins.chaos-topics]\nsource = {wasm:?}\nroutes = [\"chaos-topics.test/{{*path}}\"]\n\
         limits = {{ fuel = 100_000_000, deadline = '1s', memory = '4MiB' }}\nbreaker = {{ enabled = false }}\n\
         tasks = {{ deadline = '1s', queue = 1000 }}\ntopics = {{ seen = {{ retain = true }} }}\n\
         subscribers = {{ on_poison = {{ dead_letters = 1000 }} }}\n"
    );
    let host = Host::start(&manifest).await;
    let how = ["trap", "spin", "oom", "panic", "err", "sleep", "host-panic"];
    for n in 0..140 {
        ok(&host, "chaos-topics", &format!("/publish?topic=poison:{}&data={}", n % 10, how[n % how.len()])).await;
    }
    let failing = ["fail", "trap", "spin", "oom", "panic", "host_panic"];
    for n in 0..120 {
        ok(&host, "chaos-topics", &format!("/task-start?name={}&args=x", failing[n % failing.len()])).await;
    }
    let dead = || host.counter("skep_subscriber_messages_total", &[("plugin", "chaos-topics"), ("outcome", "dead")]);
    let failed = || host.counter("skep_tasks_total", &[("plugin", "chaos-topics"), ("outcome", "failed")]);
    assert_eq!((until(dead, 140).await, until(failed, 120).await), (140, 120));
    let letters = host.admin().dead_letters(Some("chaos-topics"), None).await.unwrap();
    let host_panic = ValueText::Text("host-panic".to_owned());
    let of_host = letters.iter().filter(|letter| letter.preview == host_panic).collect::<Vec<_>>();
    assert!(of_host.len() == 20 && of_host.iter().all(|letter| letter.reason.starts_with("internal")), "{of_host:?}");
    // The loops themselves never ended, and go on.
    for path in ["/publish?topic=numbers:x&data=alive", "/task-start?name=publish_later&args=seen+alive"] {
        ok(&host, "chaos-topics", path).await;
    }
    let seen = async || ok(&host, "chaos-topics", "/since?topic=seen").await.matches("alive").count();
    eventually("both are seen", async || seen().await == 2).await;
}

/// The count once it has reached this, or after a while as it is.
async fn until(count: impl Fn() -> u64, wanted: u64) -> u64 {
    for _ in 0..3000 {
        if count() >= wanted {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    count()
}
