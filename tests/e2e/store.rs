//! The durable store, end to end: what plugins keep, commits of all or nothing, and what is there after a restart.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use skep_node::Mode;
use skep_store::{Changes, Commit, Observer, Outgoing, Publish, SqliteOptions, SqliteStore, Store as _};
use skep_tests::{Host, Sse, eventually, guests};
use tempfile::TempDir;

use crate::cache::{get, ok, reload};

/// A plugin that uses the store, whose topic `news` anybody can listen to, with more of its entry.
fn probe(name: &str, more: &str) -> String {
    let wasm = guests::store_probe();
    format!(
        "[plugins.{name}]\nsource = {wasm:?}\nroutes = ['{name}.test/{{*path}}', \
         {{ route = 'GET {name}.test/news', sse = {{ topic = 'news', open = 'anyone' }} }}]\n{more}\n"
    )
}

/// A commit, as the operations say.
async fn commit(host: &Host, plugin: &str, ops: &str) -> (u16, String) {
    get(host, plugin, &format!("/commit?ops={}", ops.replace(' ', "+"))).await
}

/// A commit that must succeed, with its version.
async fn committed(host: &Host, plugin: &str, ops: &str) -> (u64, String) {
    let (status, body) = commit(host, plugin, ops).await;
    assert_eq!(status, 200, "{ops}: {body}");
    let (version, rest) = body.split_once(' ').unwrap();
    (version.parse().unwrap(), rest.to_owned())
}

/// An item's text and its version.
async fn item(host: &Host, plugin: &str, key: &str) -> Option<(u64, String)> {
    let line = ok(host, plugin, &format!("/get?k={key}")).await;
    let mut parts = line.splitn(3, ' ');
    let version = parts.next()?.parse().ok()?;
    Some((version, parts.nth(1)?.to_owned()))
}

async fn text(host: &Host, plugin: &str, key: &str) -> String {
    item(host, plugin, key).await.map_or_else(|| "none".to_owned(), |(_, text)| text)
}

fn conflict(what: &str) -> (u16, String) {
    (409, what.to_owned())
}

/// A folder of another host that shares the data of this one.
fn beside(dir: &Path, manifest: &str) -> TempDir {
    let other = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(dir.join(".skep"), other.path().join(".skep")).unwrap();
    std::fs::write(other.path().join("skep.toml"), manifest).unwrap();
    other
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_set_is_there_with_its_version_until_it_is_deleted() {
    let host = Host::start(&probe("st1", "")).await;
    assert_eq!(ok(&host, "st1", "/get?k=a").await, "none");
    ok(&host, "st1", "/set?k=a&v=honey").await;
    let (first, _) = item(&host, "st1", "a").await.unwrap();
    ok(&host, "st1", "/set?k=a&v=milk").await;
    let (second, value) = item(&host, "st1", "a").await.unwrap();
    assert!(second > first && value == "milk", "{second} {first} {value}");
    let many = ok(&host, "st1", "/get-many?keys=b,a,a").await;
    assert_eq!(many, format!("none\n{second} - milk\n{second} - milk"));
    ok(&host, "st1", "/delete?k=a").await;
    ok(&host, "st1", "/delete?k=a").await;
    assert_eq!(ok(&host, "st1", "/get?k=a").await, "none");
    ok(&host, "st1", "/set?k=a&v=new").await;
    assert!(item(&host, "st1", "a").await.unwrap().0 > second, "a version is never used again");
    for (bad, why) in [("", "Invalid("), ("%01", "Invalid("), (&"x".repeat(1025), "TooLarge { limit_bytes: 1024 }")] {
        let (status, body) = get(&host, "st1", &format!("/set?k={bad}&v=x")).await;
        assert!(status == 409 && body.starts_with(why), "{bad}: {status} {body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_go_page_by_page_in_the_order_of_keys() {
    let host = Host::start(&probe("st2", "")).await;
    for (key, value) in [("b:2", "2"), ("b:10", "10"), ("b:1", "1"), ("a", "0"), ("c", "3")] {
        ok(&host, "st2", &format!("/set?k={key}&v={value}")).await;
    }
    assert_eq!(ok(&host, "st2", "/list?prefix=b:").await, "b:1 1\nb:10 10\nb:2 2");
    assert_eq!(ok(&host, "st2", "/list?prefix=b:&limit=2").await, "b:1 1\nb:10 10\ncursor b:10");
    assert_eq!(ok(&host, "st2", "/list?prefix=b:&limit=2&cursor=b:10").await, "b:2 2");
    assert_eq!(ok(&host, "st2", "/list?prefix=d").await, "");
    ok(&host, "st2", "/fill?prefix=p&n=2500&bytes=10").await;
    assert_eq!(ok(&host, "st2", "/list-all?prefix=p").await, "2500");
    assert_eq!(ok(&host, "st2", "/list-all").await, "2505");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_an_end_is_gone_then() {
    let (host, clock) = Host::with_clock(&probe("st3", "")).await;
    ok(&host, "st3", "/set?k=a&v=x&ttl_ms=60000").await;
    ok(&host, "st3", "/set?k=b&v=y").await;
    committed(&host, "st3", "set_for n 60000 7").await;
    // A sum keeps the end of what it adds to.
    assert_eq!(ok(&host, "st3", "/sum?k=n&by=1").await, "8");
    let ends: u64 = ok(&host, "st3", "/get?k=a").await.split(' ').nth(1).unwrap().parse().unwrap();
    let now = skep_types::Clock::wall(&*clock).duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    assert!(u128::from(ends).abs_diff(now + 60_000) < 30_000, "{ends}");
    host.advance(&clock, Duration::from_secs(25));
    assert_eq!(text(&host, "st3", "a").await, "x");
    host.advance(&clock, Duration::from_secs(66));
    assert_eq!((text(&host, "st3", "a").await, text(&host, "st3", "b").await), ("none".into(), "y".into()));
    assert_eq!((ok(&host, "st3", "/list").await, ok(&host, "st3", "/counter?k=n").await), ("b y".into(), "0".into()));
    committed(&host, "st3", "absent a;set a z").await;
    assert_eq!(ok(&host, "st3", "/sum?k=n&by=1").await, "1");
    assert_eq!(ok(&host, "st3", "/get?k=n").await.split(' ').nth(1), Some("-"), "a new one has no end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_is_refused_by_what_it_checks_and_says_where() {
    let host = Host::start(&probe("st4", "")).await;
    let (first, _) = committed(&host, "st4", "absent a;set a 1;set b 1").await;
    assert_eq!(item(&host, "st4", "b").await, Some((first, "1".to_owned())), "one version for all of it");
    assert_eq!(commit(&host, "st4", "absent a;set a 2").await, conflict("Conflict a"));
    let (second, _) = committed(&host, "st4", &format!("check a {first};set a 2;delete b")).await;
    assert_eq!(commit(&host, "st4", &format!("check a {first};set a 3")).await, conflict("Conflict a"));
    let two = format!("check a {second};check b {first};set a 3");
    assert_eq!(commit(&host, "st4", &two).await, conflict("Conflict b"), "the second check, not the first");
    // All checks come before all writes.
    assert_eq!(commit(&host, "st4", "set c 1;absent c").await.0, 200);
    assert_eq!(text(&host, "st4", "a").await, "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn sums_add_up_whoever_adds() {
    let host = Arc::new(Host::start(&probe("st5", "")).await);
    assert_eq!(committed(&host, "st5", "sum n 3;sum n -5;sum m 1").await.1, "sums 3,-2,1 jobs ");
    let adders = (0..60).map(|_| {
        let host = Arc::clone(&host);
        tokio::spawn(async move { ok(&host, "st5", "/sum?k=n&by=2").await.parse::<i64>().unwrap() })
    });
    let mut seen = Vec::new();
    for adder in adders.collect::<Vec<_>>() {
        seen.push(adder.await.unwrap());
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..60).map(|n| 2 * n).collect::<Vec<_>>());
    ok(&host, "st5", "/set?k=t&v=word").await;
    let (status, body) = get(&host, "st5", "/sum?k=t").await;
    assert!(status == 409 && body.starts_with("Invalid("), "{status} {body}");
    committed(&host, "st5", &format!("sum big {}", i64::MAX)).await;
    let (status, body) = get(&host, "st5", "/sum?k=big&by=1").await;
    assert!(status == 409 && body.starts_with("Invalid("), "{status} {body}");
    assert_eq!(ok(&host, "st5", "/counter?k=big").await, i64::MAX.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_lose_nothing_to_each_other() {
    let host = Arc::new(Host::start(&probe("st6", "")).await);
    let writers = ["a", "b", "c", "d", "e", "f"].map(|letter| {
        let host = Arc::clone(&host);
        tokio::spawn(async move { ok(&host, "st6", &format!("/append?k=text&v={letter}&n=5")).await })
    });
    for writer in writers {
        writer.await.unwrap();
    }
    let all = ok(&host, "st6", "/append?k=text&n=0").await;
    assert_eq!(all, "", "nothing is appended, and nothing read");
    let all = ok(&host, "st6", "/append?k=text&v=.").await;
    let mut letters: Vec<_> = all.chars().collect();
    letters.sort_unstable();
    assert_eq!(letters.iter().collect::<String>(), ".aaaaabbbbbcccccdddddeeeeefffff", "{all}");

    ok(&host, "st6", "/sum?k=from&by=20").await;
    let transfers = (0..30).map(|_| {
        let host = Arc::clone(&host);
        tokio::spawn(async move { get(&host, "st6", "/transfer?from=from&to=to&by=1").await })
    });
    let mut moved = 0;
    for transfer in transfers.collect::<Vec<_>>() {
        let (status, body) = transfer.await.unwrap();
        assert!(status == 200 || body.contains("too little") || body.starts_with("Conflict"), "{status} {body}");
        moved += u64::from(status == 200);
    }
    assert_eq!(ok(&host, "st6", "/counter?k=to").await, moved.to_string());
    assert_eq!(ok(&host, "st6", "/counter?k=from").await, (20 - moved).to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn state_job_and_message_come_together_or_not_at_all() {
    let host = Host::start(&probe("st7", "")).await;
    let mut news = Sse::open(host.request("GET", "/news").header("host", "st7.test")).await;
    let (_, rest) = committed(&host, "st7", "absent x;set x 1;sum n 1;enqueue keep one;event news new one").await;
    assert!(rest.starts_with("sums 1 jobs ") && rest.len() > "sums 1 jobs ".len(), "{rest}");
    let event = news.event().await;
    assert_eq!((event.event.as_str(), event.data.as_str()), ("new", "one"));
    eventually("its job is done", async || ok(&host, "st7", "/done").await == " one").await;

    let write = "set x 2;set y 2;sum n 1;delete x;enqueue keep two;publish news two";
    // A name that nobody knows, so that it stays.
    committed(&host, "st7", "unique later u").await;
    for (more, refusal) in [
        ("absent x", "Conflict x"),
        ("unique later u", "Duplicate 1"),
        ("big z 2000000", "TooLarge { limit_bytes: 1048576 }"),
        ("sum word 1", "Invalid"),
        ("publish other/news no", "Denied"),
    ] {
        ok(&host, "st7", "/set?k=word&v=word").await;
        let (status, body) = commit(&host, "st7", &format!("{write};{more}")).await;
        assert!(status == 409 && body.starts_with(refusal), "{more}: {status} {body}");
    }
    // Of none of them is there anything.
    assert_eq!((text(&host, "st7", "x").await, text(&host, "st7", "y").await), ("1".into(), "none".into()));
    assert_eq!(ok(&host, "st7", "/counter?k=n").await, "1");
    committed(&host, "st7", "enqueue keep last;publish news last").await;
    assert_eq!(news.data().await, "last");
    eventually("the last job is done", async || ok(&host, "st7", "/done").await.contains("last")).await;
    let done = ok(&host, "st7", "/done").await;
    assert!(!done.contains("two"), "{done}");
    let jobs = host.admin().jobs(&skep_admin::api::JobFilter::default(), None, 100).await.unwrap().jobs;
    assert_eq!(jobs.len(), 3, "{jobs:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_stays_however_its_call_ends() {
    let host = Host::start(&probe("st8", "limits = { fuel = 50_000_000 }")).await;
    let mut news = Sse::open(host.request("GET", "/news").header("host", "st8.test")).await;
    for (end, status) in [("return", 200), ("trap", 500), ("panic", 500), ("spin", 500)] {
        let ops = format!("set {end} 1;sum n 1;enqueue keep {end};publish news {end}").replace(' ', "+");
        let (got, body) = get(&host, "st8", &format!("/commit-hold?ops={ops}&end={end}")).await;
        assert_eq!(got, status, "{body}");
        assert_eq!(news.data().await, end);
        assert_eq!(text(&host, "st8", end).await, "1");
        eventually("its job is done", async || ok(&host, "st8", "/done").await.contains(end)).await;
    }
    assert_eq!(ok(&host, "st8", "/counter?k=n").await, "4");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_used_up_its_quota_is_full_and_its_neighbour_is_not() {
    let small = |quota: &str| probe("st9", &format!("store = {{ quota = '{quota}', value_bytes = '16KiB' }}"));
    let neighbour = probe("st9-neighbour", "");
    let host = Host::start(&format!("{}{neighbour}", small("64KiB"))).await;
    let too_large = conflict("TooLarge { limit_bytes: 16384 }");
    assert_eq!(get(&host, "st9", "/set-big?k=a&bytes=16385").await, too_large);
    let mut kept = 0;
    while get(&host, "st9", &format!("/set-big?k={kept}&bytes=15000")).await.0 == 200 {
        kept += 1;
    }
    assert_eq!(kept, 4);
    assert_eq!(get(&host, "st9", "/set-big?k=more&bytes=15000").await, conflict("Full"));
    let mail = format!("enqueue keep {}", "x".repeat(6000));
    assert_eq!(commit(&host, "st9", &mail).await, conflict("Full"), "jobs count too");
    assert_eq!(ok(&host, "st9", "/length?k=more").await, "none");
    ok(&host, "st9-neighbour", "/set-big?k=a&bytes=1000000").await;
    // Who is full can still read, delete, and replace by less.
    assert_eq!(ok(&host, "st9", "/length?k=0").await, "15000");
    ok(&host, "st9", "/set-big?k=0&bytes=10").await;
    ok(&host, "st9", "/set-big?k=more&bytes=14000").await;
    assert_eq!(get(&host, "st9", "/set-big?k=even-more&bytes=15000").await, conflict("Full"));
    ok(&host, "st9", "/delete?k=more").await;
    ok(&host, "st9", "/set-big?k=even-more&bytes=14000").await;
    let usage = host.admin().store_usage().await.unwrap();
    let of = |plugin: &str| usage.iter().find(|usage| usage.plugin == plugin).unwrap();
    assert_eq!((of("st9").items, of("st9").quota), (5, Some(65_536)));
    assert!(of("st9").bytes <= 65_536 && of("st9-neighbour").bytes > 1_000_000, "{usage:?}");
    // A reload gives it more, without a new revision.
    let revision = host.node.plugin("st9").unwrap().current().unwrap().id().clone();
    reload(&host, &format!("{}{neighbour}", small("128KiB"))).await.unwrap();
    ok(&host, "st9", "/set-big?k=last&bytes=15000").await;
    assert_eq!(*host.node.plugin("st9").unwrap().current().unwrap().id(), revision);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_another_plugin_are_read_and_written_as_granted() {
    let manifest = [
        probe("st10-owner", ""),
        probe("st10-reader", "grants.store = { 'st10-owner/shared:*' = 'read' }"),
        probe("st10-writer", "grants.store = { 'st10-owner/shared:*' = 'read-write', 'st10-owner/one' = 'read' }"),
        probe("st10-none", ""),
    ];
    let host = Host::start(&manifest.concat()).await;
    let denied = async |plugin: &str, path: &str, word: &str| {
        let (status, body) = get(&host, plugin, path).await;
        assert!(status == 409 && body.starts_with("Denied("), "{plugin} {path}: {status} {body}");
        let expected = format!("store = {{ \\\"st10-owner/*\\\" = \\\"{word}\\\" }}");
        assert!(body.contains("`st10-owner`") && body.contains(&expected), "{body}");
    };
    committed(&host, "st10-owner", "set shared:a 1;set one 2;set other 3").await;
    for plugin in ["st10-reader", "st10-writer"] {
        assert!(ok(&host, plugin, "/get?space=st10-owner&k=shared:a").await.ends_with(" 1"));
        assert_eq!(ok(&host, plugin, "/list?space=st10-owner&prefix=shared:").await, "shared:a 1");
        for path in ["/get?space=st10-owner&k=other", "/list?space=st10-owner&prefix=shared", "/list?space=st10-owner"]
        {
            denied(plugin, path, "read").await;
        }
        denied(plugin, "/get-many?space=st10-owner&keys=shared:a,other", "read").await;
    }
    denied("st10-reader", "/set?space=st10-owner&k=shared:a&v=x", "read-write").await;
    denied("st10-reader", "/sum?space=st10-owner&k=shared:n", "read-write").await;
    denied("st10-reader", "/delete?space=st10-owner&k=shared:a", "read-write").await;
    denied("st10-writer", "/set?space=st10-owner&k=one&v=x", "read-write").await;
    denied("st10-none", "/get?space=st10-owner&k=shared:a", "read").await;
    assert!(ok(&host, "st10-writer", "/get?space=st10-owner&k=one").await.ends_with(" 2"));
    // One commit over both plugins' data; what one of its operations may not is none of it.
    committed(&host, "st10-writer", "set mine 1;set st10-owner/shared:b 5;sum st10-owner/shared:n 2").await;
    assert_eq!(
        (text(&host, "st10-owner", "shared:b").await, text(&host, "st10-writer", "mine").await),
        ("5".into(), "1".into())
    );
    denied("st10-writer", "/commit?ops=set+mine+2;set+st10-owner/other+x", "read-write").await;
    assert_eq!(text(&host, "st10-writer", "mine").await, "1");
    assert_eq!(text(&host, "st10-writer", "shared:b").await, "none", "a key belongs to its plugin");
    // A grant that a reload takes away is gone at once.
    let without = manifest.concat().replace("'read-write'", "'read'");
    reload(&host, &without).await.unwrap();
    denied("st10-writer", "/set?space=st10-owner&k=shared:a&v=x", "read-write").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_committed_is_there_after_a_restart() {
    let host = Host::start(&probe("st11", "")).await;
    let (version, _) = committed(&host, "st11", "set a 1;sum n 5").await;
    ok(&host, "st11", "/set?k=t&v=x&ttl_ms=3600000").await;
    let before = ok(&host, "st11", "/get-many?keys=a,n,t").await;
    let host = Host::in_folder(host.stop().await, Mode::Production).await.unwrap();
    assert_eq!(ok(&host, "st11", "/get-many?keys=a,n,t").await, before);
    let (next, _) = committed(&host, "st11", &format!("check a {version};set a 2")).await;
    assert!(next > version, "versions go on");
    assert_eq!(ok(&host, "st11", "/sum?k=n&by=1").await, "6");
}

/// Keeps the store as it is when a commit is durable and nobody has been told of its messages yet.
struct Killed {
    from: PathBuf,
    to: PathBuf,
}

impl Observer for Killed {
    fn changed(&self, changes: Changes) {
        for file in ["store.sqlite", "store.sqlite-wal"].iter().filter(|_| !changes.publishes.is_empty()) {
            std::fs::copy(self.from.join(file), self.to.join(file)).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_a_killed_host_had_no_time_for_reach_the_listeners_of_the_next_one() {
    let host = Host::start(&crate::subscribers::probe("st16", "")).await;
    let (dir, kept) = (host.stop().await, tempfile::tempdir().unwrap());
    let data = dir.path().join(".skep");
    let killed = Killed { from: data.clone(), to: kept.path().to_owned() };
    let store = SqliteStore::open(SqliteOptions::new(data.join("store.sqlite")), Arc::new(killed)).unwrap();
    let mut commit = Commit::new(skep_types::PluginName::new("st16").unwrap(), 1);
    let publish = Publish { topic: "st16/numbers:1".parse().unwrap(), event: None, data: "seven".into() };
    commit.messages.push(Outgoing::Publish(publish));
    store.commit(commit).await.unwrap();
    store.close().await.unwrap();
    for file in ["store.sqlite", "store.sqlite-wal"] {
        std::fs::copy(kept.path().join(file), data.join(file)).unwrap();
    }
    let host = Host::in_folder(dir, Mode::Production).await.unwrap();
    assert_eq!(crate::subscribers::seen(&host, "st16", 1).await, ["numbers:1 seven"]);
    // Once is enough.
    let host = Host::in_folder(host.stop().await, Mode::Production).await.unwrap();
    ok(&host, "st16", "/publish?topic=numbers:1&data=eight").await;
    assert_eq!(crate::subscribers::seen(&host, "st16", 1).await, ["numbers:1 eight"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn data_of_a_plugin_that_is_gone_stays_for_it() {
    let (owner, other) = (probe("st12", ""), probe("st12-other", ""));
    let host = Host::start(&format!("{owner}{other}")).await;
    ok(&host, "st12", "/set?k=a&v=honey").await;
    reload(&host, &other).await.unwrap();
    let kept = host.admin().store_item("st12", "a").await.unwrap().value;
    assert_eq!(kept, skep_admin::api::ValueText::Text("honey".to_owned()), "operators see it");
    let host = Host::in_folder(host.stop().await, Mode::Production).await.unwrap();
    reload(&host, &format!("{owner}{other}")).await.unwrap();
    assert_eq!(text(&host, "st12", "a").await, "honey");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_host_on_the_same_data_is_refused() {
    let manifest = probe("st13", "");
    let host = Host::start(&manifest).await;
    ok(&host, "st13", "/set?k=a&v=1").await;
    let error = Host::in_folder(beside(host.path(), &manifest), Mode::Production).await.err().unwrap();
    let error = format!("{error:#}");
    assert!(error.contains("is in use by another skep") && error.contains("`data`"), "{error}");
    ok(&host, "st13", "/set?k=a&v=2").await;
    // So is one of another process.
    let mut skep = tokio::process::Command::new(guests::skep());
    let skep = skep.args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]).arg(host.path());
    let output = skep.kill_on_drop(true).output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("is in use by another skep"), "{said}");
    assert_eq!(text(&host, "st13", "a").await, "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_no_store_is_named_and_left_as_it_was() {
    let manifest = probe("st14", "");
    let host = Host::start(&manifest).await;
    ok(&host, "st14", "/set?k=a&v=honey").await;
    let dir = host.stop().await;
    let file = dir.path().join(".skep/store.sqlite");
    let good = std::fs::read(&file).unwrap();
    let patched = |at: usize, bytes: &[u8]| {
        let mut all = good.clone();
        all[at..at + bytes.len()].copy_from_slice(bytes);
        all
    };
    for (bad, expected) in [
        (
            b"this is no database, but a letter to my mother".repeat(100),
            "is not a SQLite database; it was left as it is",
        ),
        // The schema version and the program's number, as the format of SQLite has them.
        (patched(60, &9999_u32.to_be_bytes()), "has schema version 9999"),
        (patched(68, &7_u32.to_be_bytes()), "is the database of another program; it was left as it is"),
        (patched(100, &[0xff; 3000]), "cannot use"),
    ] {
        std::fs::write(&file, &bad).unwrap();
        let error = Host::in_folder(beside(dir.path(), &manifest), Mode::Production).await.err();
        let error = format!("{:#}", error.unwrap_or_else(|| panic!("it starts, and should say: {expected}")));
        assert!(error.contains(expected) && error.contains("store.sqlite"), "{expected}: {error}");
        assert!(std::fs::read(&file).unwrap() == bad, "{expected}: it was changed");
    }
    std::fs::write(&file, &good).unwrap();
    let host = Host::in_folder(beside(dir.path(), &manifest), Mode::Production).await.unwrap();
    assert_eq!(text(&host, "st14", "a").await, "honey");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_and_its_keys_have_limits() {
    let host = Host::start(&probe("st15", "")).await;
    let many = "sum+n+1;".repeat(1000);
    assert_eq!(get(&host, "st15", &format!("/commit?ops={many}")).await.0, 200);
    let (status, body) = get(&host, "st15", &format!("/commit?ops={many}sum+n+1")).await;
    assert!(status == 409 && body.starts_with("TooLarge"), "{status} {body}");
    assert_eq!(ok(&host, "st15", "/counter?k=n").await, "1000");
}
