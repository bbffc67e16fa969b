//! Each knob is proven by turning it and seeing the kill point move.

use std::sync::Arc;
use std::time::Duration;

use skep_tests::{Host, Reply, guests};

/// A host whose two hostile plugins have these limits.
async fn host(limits: &str) -> Host {
    Host::start(&format!(
        r#"
        [plugins.wasi]
        source = {wasi:?}
        routes = ["/wasi/{{*path}}", "/{{*path}}"]
        limits = {{ {limits} }}
        [plugins.fast]
        source = {fast:?}
        routes = ["fast.test/{{*path}}"]
        limits = {{ {limits} }}
        "#,
        wasi = guests::hostile(),
        fast = guests::hostile_fast(),
    ))
    .await
}

async fn fast(host: &Host, path: &str) -> Reply {
    skep_tests::host::send(host.request("GET", path).header("host", "fast.test")).await
}

/// What an answer amounts to: its error code, or `ok`.
fn verdict(reply: &Reply) -> String {
    if reply.status == 200 { "ok".to_owned() } else { reply.code() }
}

/// The same request under a tight and a wide limit.
async fn moves(path: &str, knob: &str, tight: (&str, &str), wide: (&str, &str)) {
    for (value, expected) in [tight, wide] {
        let host = host(&format!("{knob} = {value}")).await;
        let reply = host.get(path).await;
        assert_eq!(verdict(&reply), expected, "{path} with {knob} = {value}: {}", reply.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fuel() {
    for (fuel, expected) in [("1_000_000", "fuel-exhausted"), ("500_000_000", "ok")] {
        let host = host(&format!("fuel = {fuel}")).await;
        let reply = fast(&host, "/spin-fuel?n=20000000").await;
        assert_eq!(verdict(&reply), expected, "fuel = {fuel}: {}", reply.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deadline() {
    moves("/sleep?ms=400", "deadline", ("\"100ms\"", "deadline"), ("\"20s\"", "ok")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memory() {
    for (memory, fits) in [("8MiB", false), ("64MiB", true)] {
        let host = host(&format!("memory = \"{memory}\"")).await;
        let reply = host.get("/grow?mib=24").await;
        let worked = reply.status == 200 && !reply.body.contains("refused");
        assert_eq!(worked, fits, "memory = {memory}: {reply:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn host_memory() {
    // One header of 100 kB is one copy; with room for it, the limit on an answer's headers is the next one in the way.
    let (tight, wide) = (("\"64KiB\"", "host-memory-exhausted"), ("\"1MiB\"", "response-too-large"));
    moves("/headers?n=1&size=100000", "host_memory", tight, wide).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn handles() {
    for (handles, expected) in [(500, "host-memory-exhausted"), (5_000, "ok")] {
        let host = host(&format!("handles = {handles}")).await;
        let reply = host.get("/handles?kind=fields&n=1000").await;
        assert_eq!(verdict(&reply), expected, "handles = {handles}: {}", reply.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn request_body() {
    for (limit, expected) in [("1KiB", "request-too-large"), ("64KiB", "ok")] {
        let host = host(&format!("request_body = \"{limit}\"")).await;
        for (plugin, path) in [("fast.test", "/echo"), ("any", "/slurp")] {
            let known = host.request("POST", path).header("host", plugin).body(vec![b'x'; 10_000]);
            let reply = skep_tests::host::send(known).await;
            assert_eq!(verdict(&reply), expected, "{plugin}{path} with {limit}, length known: {}", reply.body);
            let chunks = (0..10).map(|_| Ok::<_, std::io::Error>(vec![b'x'; 1000]));
            let stream = reqwest::Body::wrap_stream(futures_util::stream::iter(chunks));
            let unknown = host.request("POST", path).header("host", plugin).body(stream);
            let reply = skep_tests::host::send(unknown).await;
            assert_eq!(verdict(&reply), expected, "{plugin}{path} with {limit}, length unknown: {}", reply.body);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn response_body() {
    moves("/big?bytes=50000", "response_body", ("\"10KiB\"", "response-too-large"), ("\"1MiB\"", "ok")).await;
    for (limit, expected) in [("10KiB", "response-too-large"), ("1MiB", "ok")] {
        let host = host(&format!("response_body = \"{limit}\"")).await;
        assert_eq!(verdict(&fast(&host, "/big?bytes=50000").await), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn response_headers() {
    for (limit, expected) in [("1KiB", "response-too-large"), ("64KiB", "ok")] {
        let host = host(&format!("response_headers = \"{limit}\"")).await;
        assert_eq!(verdict(&fast(&host, "/headers?n=40&size=100").await), expected, "{limit}");
    }
    // Nor is it many that are small: what a map of headers cannot hold is refused before it is tried.
    let host = host("response_headers = \"1MiB\"").await;
    assert_eq!(verdict(&fast(&host, "/headers?n=30000&size=0").await), "response-too-large");
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrency_and_queue() {
    // One runs, `queue` wait, the rest are turned away at once.
    for (queue, refused) in [(0_usize, 5_usize), (3, 2), (10, 0)] {
        let host = Arc::new(host(&format!("concurrency = 1, queue = {queue}")).await);
        let calls: Vec<_> = (0..6)
            .map(|_| {
                let host = Arc::clone(&host);
                tokio::spawn(async move { host.get("/sleep?ms=300").await })
            })
            .collect();
        let mut turned_away = 0;
        for call in calls {
            let reply = call.await.unwrap();
            if reply.status == 503 {
                assert_eq!(reply.code(), "overloaded");
                assert!(!reply.header("retry-after").is_empty());
                turned_away += 1;
            } else {
                assert_eq!(reply.status, 200);
            }
        }
        assert_eq!(turned_away, refused, "queue = {queue}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn log() {
    for (limit, at_most) in [("1KiB", 1024), ("16KiB", 16 * 1024)] {
        let host = host(&format!("log = \"{limit}\"")).await;
        let reply = host.get("/log-flood?bytes=12000").await;
        let lines = skep_tests::events::of_request("guest", reply.header("x-request-id")).await;
        let printed: usize = lines.iter().map(|line| line["message"].len()).sum();
        assert!(printed <= at_most && printed > at_most / 2, "{limit}: {printed} bytes");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn instances() {
    for (instances, expected) in [("\"fresh\"", vec!["1", "1", "1"]), ("{ reuse = 2 }", vec!["1", "2", "1"])] {
        for (plugin, name) in [(guests::hostile(), "wasi"), (guests::hostile_fast(), "fast")] {
            let host = Host::start(&format!(
                "[plugins.counter]\nsource = {plugin:?}\nroutes = [\"/{{*path}}\"]\ninstances = {instances}\n"
            ))
            .await;
            let mut counted = Vec::new();
            for _ in 0..3 {
                counted.push(host.get("/counter").await.body.trim().to_owned());
                // An answer can be whole a moment before its guest is done and its instance given back.
                while host.node.plugin("counter").unwrap().current().unwrap().running() > 0 {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
            assert_eq!(counted, expected, "{name} with instances = {instances}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reused_instance_is_dropped_after_a_failure_and_has_its_limits_anew() {
    let host = Host::start(&format!(
        "[plugins.counter]\nsource = {:?}\nroutes = [\"/{{*path}}\"]\ninstances = {{ reuse = 1000 }}\n\
         limits = {{ fuel = 150_000_000, deadline = \"5s\" }}\n",
        guests::hostile_fast()
    ))
    .await;
    // Together these would burn far more than one call may.
    for _ in 0..20 {
        let reply = host.get("/spin-fuel?n=5000000").await;
        assert_eq!(reply.status, 200, "{}", reply.body);
    }
    assert_ne!(host.get("/counter").await.body.trim(), "0");
    let before: u64 = host.get("/counter").await.body.trim().parse().unwrap();
    assert_eq!(host.get("/trap").await.code(), "trap");
    let after: u64 = host.get("/counter").await.body.trim().parse().unwrap();
    assert!(after <= before, "a fresh instance after the trap: {before} then {after}");
}

#[tokio::test(flavor = "multi_thread")]
async fn stream_idle_and_total() {
    for (limits, whole) in [
        ("stream_idle = \"100ms\"", false),
        ("stream_idle = \"10s\"", true),
        ("stream_total = \"300ms\"", false),
        ("stream_total = \"30s\"", true),
    ] {
        let host = host(limits).await;
        // Four chunks, 250 ms apart: longer than the tight idle time, and together longer than the tight total.
        let reply = host.get("/stream?n=4&ms=250&size=10").await;
        assert_eq!(reply.status, 200, "headers are out before anything is cut");
        let complete = reply.body.len() == 40 && !reply.body.contains("broke off");
        assert_eq!(complete, whole, "{limits}: {reply:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
