//! Buckets: what operators do with them, and what becomes of them over reloads and restarts.

use skep_admin::api::ValueText;
use skep_node::Mode;
use skep_tests::host::TOKEN;
use skep_tests::{Host, events, guests};

/// A plugin that uses the bucket `main`, and more of its entry.
pub(crate) fn probe(name: &str, more: &str) -> String {
    let wasm = guests::cache_probe();
    format!("[plugins.{name}]\nsource = {wasm:?}\nroutes = [\"{name}.test/{{*path}}\"]\n{more}\n")
}

pub(crate) async fn get(host: &Host, plugin: &str, path: &str) -> (u16, String) {
    let request = host.request("GET", path).header("host", format!("{plugin}.test"));
    let reply = skep_tests::host::send(request).await;
    (reply.status, reply.body)
}

/// An answer that must be 200.
pub(crate) async fn ok(host: &Host, plugin: &str, path: &str) -> String {
    let (status, body) = get(host, plugin, path).await;
    assert_eq!(status, 200, "{path}: {body}");
    body
}

pub(crate) async fn reload(host: &Host, manifest: &str) -> anyhow::Result<()> {
    std::fs::write(host.path().join("skep.toml"), manifest)?;
    host.admin().reload().await.map(drop)
}

async fn restart(host: Host, manifest: &str) -> Host {
    let Host { node, admin, dir, .. } = host;
    drop(admin);
    node.shutdown().await;
    drop(node);
    std::fs::write(dir.path().join("skep.toml"), manifest).unwrap();
    Host::in_folder(dir, Mode::Production).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_list_look_delete_and_clear() {
    let host =
        Host::start(&probe("ops", "caches = { main = { ttl = '1h' }, odd = { kind = 'table', entries = 9 } }")).await;
    for path in [
        "/put?k=user:1&v=maja",
        "/put?k=user:2&v=willi&ttl=60000",
        "/put?k=a%2Fb+%3F..&v=x",
        "/get?k=user:1",
        "/get?k=none",
    ] {
        ok(&host, "ops", path).await;
    }
    ok(&host, "ops", "/put-bytes?b=odd&k=raw").await;
    let admin = host.admin();
    let all = admin.caches().await.unwrap();
    let names: Vec<_> =
        all.iter().map(|bucket| format!("{}/{} {}", bucket.plugin, bucket.bucket, bucket.kind)).collect();
    assert_eq!(names, ["ops/main cache", "ops/odd table"]);
    let main = admin.cache("ops/main").await.unwrap();
    assert_eq!((main.entries, main.hits, main.misses, main.hit_rate()), (3, 1, 1, Some(50)), "{main:?}");
    assert_eq!((all[1].entries_max, all[1].bytes_max), (Some(9), 16 << 20));

    let mut keys = admin.cache_keys("ops/main", "user:", None, 10).await.unwrap().keys;
    keys.sort();
    assert_eq!(keys, ["user:1", "user:2"]);
    let first = admin.cache_keys("ops/main", "", None, 1).await.unwrap();
    assert_eq!(first.keys.len(), 1);
    assert!(first.cursor.is_some(), "there is more");

    let entry = admin.cache_entry("ops/main", "a/b ?..").await.unwrap();
    assert_eq!((entry.value, entry.bytes), (ValueText::Text("x".to_owned()), 1));
    let left = admin.cache_entry("ops/main", "user:2").await.unwrap().time_left_ms.unwrap();
    assert!((1..=60_000).contains(&left), "{left}");
    let raw = admin.cache_entry("ops/odd", "raw").await.unwrap();
    assert_eq!((raw.value, raw.time_left_ms), (ValueText::Hex("00ff10".to_owned()), None));

    assert!(admin.cache_delete("ops/main", "a/b ?..").await.unwrap().deleted);
    assert!(!admin.cache_delete("ops/main", "a/b ?..").await.unwrap().deleted);
    assert_eq!(admin.cache_clear("ops/main").await.unwrap().removed, 2);
    assert_eq!(ok(&host, "ops", "/get?k=user:1").await, "none");

    let missing = admin.cache_entry("ops/main", "gone").await.unwrap_err().to_string();
    assert!(missing.contains("no entry `gone` in `ops/main`"), "{missing}");
    for bucket in ["ops/nope", "nobody/main", "OPS/main", "ops/%2e%2e"] {
        let error = admin.cache(bucket).await.unwrap_err().to_string();
        assert!(error.contains(bucket) && error.contains("there are: ops/main, ops/odd"), "{error}");
    }
    let url = format!("http://{}/api/caches", host.admin.address());
    for (path, status) in
        [("", 200), ("/ops/nope", 404), ("/ops/main/entries/gone", 404), ("/ops/main/keys?cursor=x", 422)]
    {
        let url = format!("{url}{path}");
        assert_eq!(host.client.get(&url).send().await.unwrap().status(), 401, "{path} without a token");
        assert_eq!(host.client.get(&url).bearer_auth(TOKEN).send().await.unwrap().status(), status, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_speaks_of_buckets() {
    let host = Host::start(&probe("cli", "caches.main = {}")).await;
    ok(&host, "cli", "/put?k=greeting&v=hello").await;
    ok(&host, "cli", "/put-bytes?k=raw").await;
    let dir = host.path().to_owned();
    let skep = async |args: &[&str]| {
        let mut command = tokio::process::Command::new(guests::skep());
        let output = command.args(args).arg("--dir").arg(&dir).output().await.unwrap();
        let text = if output.status.success() { output.stdout } else { output.stderr };
        (output.status.success(), text)
    };
    for (args, expected) in [
        (&["ls"][..], "cli/main"),
        (&["stats", "cli/main"], "entries   2"),
        (&["stats", "cli/main", "--json"], "\"bytes_max\": 16777216"),
        (&["keys", "cli/main", "--prefix", "gr"], "greeting\n"),
        (&["get", "cli/main", "greeting"], "hello\n"),
        (&["get", "cli/main", "raw"], "00ff10\n"),
        (&["get", "cli/main", "greeting", "--entry"], "does not end by time, 5 bytes\nhello\n"),
        (&["get", "cli/main", "greeting", "--json"], "\"text\": \"hello\""),
        (&["del", "cli/main", "greeting"], "deleted\n"),
        (&["del", "cli/main", "greeting"], "there was none\n"),
        (&["clear", "cli/main"], "1 entry removed\n"),
    ] {
        let (done, text) = skep(&[&["cache"], args].concat()).await;
        let text = String::from_utf8(text).unwrap();
        assert!(done && text.contains(expected), "{args:?}: {text}");
    }
    ok(&host, "cli", "/put-bytes?k=raw").await;
    assert_eq!(skep(&["cache", "get", "cli/main", "raw", "--raw"]).await, (true, vec![0, 255, 16]));
    let (done, text) = skep(&["cache", "get", "main", "raw"]).await;
    assert!(!done && String::from_utf8_lossy(&text).contains("write PLUGIN/BUCKET"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_keeps_entries_and_removes_what_is_no_longer_declared() {
    let both = probe("keep", "caches = { main = {}, other = {} }");
    let host = Host::start(&both).await;
    ok(&host, "keep", "/put?k=a&v=1").await;
    ok(&host, "keep", "/put?b=other&k=a&v=1").await;
    reload(&host, &probe("keep", "caches = { main = { ttl = '1h' } }\nenv = { NEW = 'yes' }")).await.unwrap();
    assert_eq!(ok(&host, "keep", "/get?k=a").await, "1");
    let (status, body) = get(&host, "keep", "/get?b=other&k=a").await;
    assert!(status == 409 && body.contains("[plugins.keep.caches.other]"), "{body}");
    assert_eq!(host.admin().caches().await.unwrap().len(), 1);
    reload(&host, &both).await.unwrap();
    assert_eq!(ok(&host, "keep", "/get?b=other&k=a").await, "none", "it does not persist");
    let wasm = std::fs::read(guests::cache_probe()).unwrap();
    host.admin().deploy("keep", wasm.into()).await.unwrap();
    assert_eq!(ok(&host, "keep", "/get?k=a").await, "1", "after a deploy");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_that_a_table_refuses_changes_nothing() {
    let of = |entries: u32| {
        probe("small", &format!("caches = {{ main = {{}}, t = {{ kind = 'table', entries = {entries} }} }}"))
    };
    let host = Host::start(&of(5)).await;
    for key in 0..5 {
        ok(&host, "small", &format!("/put?b=t&k={key}")).await;
    }
    let before = host.node.plugin("small").unwrap().current().unwrap().id().clone();
    let error = reload(&host, &of(4)).await.unwrap_err().to_string();
    assert!(error.contains("`small/t`") && error.contains("holds 5 entries"), "{error}");
    assert_eq!(*host.node.plugin("small").unwrap().current().unwrap().id(), before);
    assert_eq!(host.admin().cache("small/t").await.unwrap().entries_max, Some(5));
    let over = "host.cache_memory = '1MiB'\n".to_owned() + &of(5);
    let error = reload(&host, &over).await.unwrap_err().to_string();
    assert!(error.contains("1 MiB is less than the 32 MiB that all buckets may come to"), "{error}");
    ok(&host, "small", "/delete?b=t&k=0").await;
    reload(&host, &of(4)).await.unwrap();
    assert_eq!(get(&host, "small", "/put?b=t&k=new").await, (409, "Error::Full".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_is_shared_as_it_is_granted_and_another_kind_is_another_bucket() {
    let with = |kind: &str| {
        let owner = probe("owner", &format!("caches.main = {{ kind = '{kind}' }}"));
        owner
            + &probe("reader", "grants.caches = { 'owner/main' = 'read' }")
            + &probe("writer", "grants.caches = { 'owner/main' = 'read-write' }")
    };
    let host = Host::start(&with("cache")).await;
    ok(&host, "writer", "/put?b=owner/main&k=a&v=1").await;
    assert_eq!(ok(&host, "reader", "/get?b=owner/main&k=a").await, "1");
    let (status, body) = get(&host, "reader", "/put?b=owner/main&k=a&v=2").await;
    assert!(status == 409 && body.contains("read-write"), "{body}");
    let (status, body) = get(&host, "owner", "/get?b=reader/main&k=a").await;
    assert!(status == 409 && body.contains("is not granted"), "{body}");
    // Only the owner's entry changes; those that are granted the bucket must see the new one all the same.
    reload(&host, &with("table")).await.unwrap();
    assert_eq!(ok(&host, "reader", "/get?b=owner/main&k=a").await, "none");
    ok(&host, "owner", "/put?k=b&v=2").await;
    assert_eq!(ok(&host, "reader", "/get?b=owner/main&k=b").await, "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_persists_is_there_after_a_restart_and_a_damaged_file_is_set_aside() {
    let manifest = probe("last", "caches = { main = { persist = true }, lost = {} }");
    let host = Host::start(&manifest).await;
    ok(&host, "last", "/put?k=a&v=1").await;
    ok(&host, "last", "/put?b=lost&k=a&v=1").await;
    let host = restart(host, &manifest).await;
    assert_eq!(ok(&host, "last", "/get?k=a").await, "1");
    assert_eq!(ok(&host, "last", "/get?b=lost&k=a").await, "none");
    // A plugin that leaves and comes back finds what it left.
    reload(&host, "").await.unwrap();
    assert!(host.admin().caches().await.unwrap().is_empty());
    reload(&host, &manifest).await.unwrap();
    assert_eq!(ok(&host, "last", "/get?k=a").await, "1", "after it was gone");

    let Host { node, admin, dir, .. } = host;
    drop(admin);
    node.shutdown().await;
    let file = dir.path().join(".skep/caches/last/main.skepcache");
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let host = Host::in_folder(dir, Mode::Production).await.unwrap();
    assert_eq!(ok(&host, "last", "/get?k=a").await, "none");
    assert!(!file.exists());
    let aside = std::fs::read_dir(file.parent().unwrap()).unwrap().next().unwrap().unwrap().path();
    assert!(events::any_says(&format!(
        "the bucket starts empty: the saved bucket `{}` was not loaded",
        file.display()
    )));
    assert!(events::any_says(&format!("it is kept as `{}`", aside.display())), "{}", aside.display());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_save_that_fails_is_said_and_stops_nothing() {
    let host = Host::start(&probe("full", "caches = { main = { persist = true }, next = { persist = true } }")).await;
    ok(&host, "full", "/put?b=next&k=a&v=1").await;
    let folder = host.path().join(".skep/caches/full");
    // A folder where the file should be: no file can take its place, whoever runs the test.
    std::fs::create_dir_all(folder.join("main.skepcache/x")).unwrap();
    assert!(host.node.shutdown().await, "it drains and ends all the same");
    assert!(events::any_says(&format!("cannot save the bucket to `{}", folder.join("main.skepcache").display())));
    assert!(folder.join("next.skepcache").is_file(), "the others are saved");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_bucket_has_metrics() {
    let host =
        Host::start(&probe("met", "caches = { main = { entries = 2 }, t = { kind = 'table', entries = 1 } }")).await;
    for path in ["/put?k=a", "/put?k=b", "/put?k=c", "/get?k=c", "/get?k=x", "/load?k=l", "/put?b=t&k=a"] {
        ok(&host, "met", path).await;
    }
    assert_eq!(get(&host, "met", "/put?b=t&k=b").await.0, 409);
    let scrape = async || {
        let url = format!("http://{}/metrics", host.admin.address());
        host.client.get(url).bearer_auth(TOKEN).send().await.unwrap().text().await.unwrap()
    };
    let text = scrape().await;
    let value = |text: &str, name: &str, labels: &str| {
        let line = text.lines().find(|line| line.starts_with(&format!("{name}{{plugin=\"met\",bucket={labels}}}")));
        line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).unwrap_or(-1.0)
    };
    for (name, labels, expected) in [
        ("skep_cache_entries", "\"main\"", 2.0),
        ("skep_cache_entries", "\"t\"", 1.0),
        ("skep_cache_hits_total", "\"main\"", 1.0),
        ("skep_cache_misses_total", "\"main\"", 2.0),
        ("skep_cache_loads_total", "\"main\"", 1.0),
        ("skep_cache_load_failures_total", "\"main\"", 0.0),
        ("skep_cache_expired_total", "\"main\"", 0.0),
        ("skep_cache_rejected_total", "\"t\"", 1.0),
        ("skep_cache_waiting", "\"main\"", 0.0),
        ("skep_cache_locks", "\"main\"", 0.0),
    ] {
        assert_eq!(value(&text, name, labels), expected, "{name} {labels} in {text}");
    }
    assert!(value(&text, "skep_cache_bytes", "\"main\"") > 0.0);
    assert!(value(&text, "skep_cache_evictions_total", "\"main\",cause=\"entries\"") >= 2.0);
    // Clearing takes nothing off the counters, and a bucket that is gone holds nothing.
    reload(&host, "").await.unwrap();
    let text = scrape().await;
    assert_eq!(value(&text, "skep_cache_entries", "\"main\""), 0.0);
    assert_eq!(value(&text, "skep_cache_hits_total", "\"main\""), 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_costs_fuel_for_the_bytes_that_it_copies() {
    let host = Host::start(&probe("charged", "caches = { main = {} }")).await;
    let burnt =
        async |bytes: u64| ok(&host, "charged", &format!("/fuel-of-get?bytes={bytes}")).await.parse::<u64>().unwrap();
    let (short, long) = (burnt(10).await, burnt(100_010).await);
    assert!(short < 50_000, "a short value costs little: {short}");
    // The guest's own work for a long block is a few units less or more than for a short one.
    assert!(long >= short + 99_000, "a unit for each byte: {short} and {long}");
    // What is collected later counts at once, for the guest that asks and for the report of its call.
    let middle = burnt(510).await;
    assert!((short + 450..short + 900).contains(&middle), "also for few of them: {short} and {middle}");
    let whole = async || {
        let url = format!("http://{}/metrics", host.admin.address());
        let text = host.client.get(url).bearer_auth(TOKEN).send().await.unwrap().text().await.unwrap();
        let sum = text.lines().find_map(|line| line.strip_prefix("skep_call_fuel_sum{plugin=\"charged\"} "));
        sum.map_or(0.0, |sum| sum.parse::<f64>().unwrap())
    };
    let mut calls = Vec::new();
    for bytes in [10, 310] {
        let before = whole().await;
        burnt(bytes).await;
        calls.push(whole().await - before);
    }
    assert!(calls[1] >= calls[0] + 550.0, "written once and read once: {calls:?}");
}
