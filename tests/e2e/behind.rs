//! Tables that are written behind to the store: what is there after a restart, a kill and a reload, and while the store
//! takes nothing.

use std::sync::Arc;
use std::time::Duration;

use skep_admin::api::BucketStatus;
use skep_admin::{Client as Admin, Endpoint};
use skep_node::Mode;
use skep_store::{Area, Changes, Commit, Key, Observer, SqliteOptions, SqliteStore, Store as _, Write};
use skep_tests::{Host, events, eventually, guests};
use skep_types::PluginName;

use crate::cache::{get, ok, probe, reload};
use crate::crash::{Skep, folder};

/// A plugin whose table `main` is written behind, soon.
fn behind(name: &str, more: &str) -> String {
    probe(name, &format!("caches.main = {{ kind = 'table', write_behind = {{ every = '10ms' }} }}\n{more}"))
}

async fn status(admin: &Admin, bucket: &str) -> BucketStatus {
    admin.cache(bucket).await.unwrap()
}

/// Waits until all that was done to a bucket is in the store.
async fn flushed(admin: &Admin, bucket: &str) {
    eventually("the bucket is in the store", async || status(admin, bucket).await.dirty == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_as_it_was_after_a_restart() {
    let far = probe("wb1", "caches.main = { kind = 'table', write_behind = { every = '1h' }, ttl = '1h' }");
    let (host, clock) = Host::with_clock(&far).await;
    for path in ["/put?k=a&v=1", "/put?k=a&v=2", "/put?k=gone", "/increment?k=n", "/increment?k=n", "/put-bytes?k=raw"]
    {
        ok(&host, "wb1", path).await;
    }
    ok(&host, "wb1", "/put?k=short&v=x&ttl=60000").await;
    ok(&host, "wb1", "/put?k=over&v=x&ttl=10000").await;
    ok(&host, "wb1", "/delete?k=gone").await;
    let before = status(&host.admin(), "wb1/main").await;
    assert_eq!((before.write_behind, before.persist, before.dirty), (true, false, 5), "the next round is an hour away");
    let version = host.admin().cache_entry("wb1/main", "a").await.unwrap().version;
    // The end of the host flushes what is behind.
    let dir = host.stop().await;
    clock.advance(Duration::from_secs(20));
    let host = Host::in_folder_at(dir, &clock).await.unwrap();
    assert_eq!(ok(&host, "wb1", "/keys").await, "a,n,raw,short");
    assert_eq!(ok(&host, "wb1", "/get?k=a").await, "2");
    assert_eq!(ok(&host, "wb1", "/increment?k=n").await, "3", "a counter goes on");
    let entry = async |key: &str| host.admin().cache_entry("wb1/main", key).await.unwrap();
    assert_eq!(entry("a").await.version, version);
    // The store counts in whole milliseconds, rounded down.
    for (key, left) in [("a", 3_580_000), ("short", 40_000)] {
        let found = entry(key).await.time_left_ms;
        assert!(found == Some(left) || found == Some(left - 1), "its time went on: {key} {found:?}");
    }
    let after = status(&host.admin(), "wb1/main").await;
    assert_eq!(after.dirty, 1, "what came from the store is no change");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_host_loses_what_was_not_flushed_yet_and_nothing_else() {
    let late = "late = { kind = 'table', write_behind = { every = '1h' } }";
    let soon = "main = { kind = 'table', write_behind = { every = '10ms' } }";
    let dir = folder(&probe("wb2", &format!("caches = {{ {soon}, {late} }}")));
    for round in 1..=3 {
        let skep = Skep::start(dir.path()).await;
        let ask = async |path: &str| {
            let request = skep.site.client.get(format!("{}{path}", skep.site.url)).header("host", "wb2.test");
            skep_tests::host::send(request).await.body
        };
        assert_eq!(ask("/increment?k=n").await, round.to_string());
        assert_eq!(ask("/get?b=late&k=a").await, "none");
        ask("/put?b=late&k=a").await;
        for n in 0..50 {
            ask(&format!("/put?k={}&v={round}", n + round)).await;
        }
        ask(&format!("/delete?k={round}")).await;
        let admin = Admin::new(Endpoint::find(&dir.path().join(".skep")).unwrap());
        flushed(&admin, "wb2/main").await;
        skep.kill().await;
        let skep = Skep::start(dir.path()).await;
        let request = skep.site.client.get(format!("{}/keys", skep.site.url)).header("host", "wb2.test");
        let keys = skep_tests::host::send(request).await.body;
        assert_eq!(keys.split(',').count(), 50, "{keys}");
        skep.kill().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_takes_no_more_costs_nothing_and_gets_all_when_it_does() {
    let of = |quota: &str| behind("wb3", &format!("store = {{ quota = '{quota}', value_bytes = '1KiB' }}"));
    let neighbour = behind("wb3-neighbour", "");
    let host = Host::start(&(of("8KiB") + &neighbour)).await;
    let value = "x".repeat(500);
    for n in 0..40 {
        ok(&host, "wb3", &format!("/put?k={n}&v={value}")).await;
        ok(&host, "wb3-neighbour", &format!("/put?k={n}&v={value}")).await;
    }
    flushed(&host.admin(), "wb3-neighbour/main").await;
    eventually("it fails", async || status(&host.admin(), "wb3/main").await.flush_failures > 0).await;
    let full = status(&host.admin(), "wb3/main").await;
    assert!(full.dirty > 20 && full.entries == 40 && full.rejected == 0, "{full:?}");
    assert!(events::any_says(
        "the bucket cannot be written to the store, which is tried again: the plugin's quota of 8192"
    ));
    assert_eq!(ok(&host, "wb3", "/get?k=39").await, value);
    let metric = |name: &str| host.counter(name, &[("plugin", "wb3"), ("bucket", "main")]);
    eventually("metrics say so", async || metric("skep_cache_dirty") > 0).await;
    assert!(metric("skep_cache_flush_failures_total") > 0);
    // With more of a quota it does not wait for the next attempt.
    reload(&host, &(of("64KiB") + &neighbour)).await.unwrap();
    flushed(&host.admin(), "wb3/main").await;
    let host = Host::in_folder(host.stop().await, Mode::Production).await.unwrap();
    assert_eq!(status(&host.admin(), "wb3/main").await.entries, 40);
    assert_eq!(ok(&host, "wb3", "/get?k=39").await, value);
}

#[tokio::test(flavor = "multi_thread")]
async fn clears_and_deletes_by_command_reach_the_store() {
    let host = Host::start(&behind("wb4", "")).await;
    for n in 0..5 {
        ok(&host, "wb4", &format!("/put?k={n}&v={n}")).await;
    }
    flushed(&host.admin(), "wb4/main").await;
    assert!(host.admin().cache_delete("wb4/main", "0").await.unwrap().deleted);
    flushed(&host.admin(), "wb4/main").await;
    let host = Host::in_folder(host.stop().await, Mode::Production).await.unwrap();
    assert_eq!(ok(&host, "wb4", "/keys").await, "1,2,3,4");
    assert_eq!(host.admin().cache_clear("wb4/main").await.unwrap().removed, 4);
    ok(&host, "wb4", "/put?k=new").await;
    flushed(&host.admin(), "wb4/main").await;
    let mut command = tokio::process::Command::new(guests::skep());
    let output = command.args(["cache", "stats", "wb4/main", "--dir"]).arg(host.path()).output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        said.contains("wb4/main (table, written behind)") && said.contains("dirty     0 not in the store yet"),
        "{said}"
    );
    let host = Host::in_folder(host.stop().await, Mode::Production).await.unwrap();
    assert_eq!(ok(&host, "wb4", "/keys").await, "new");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_keeps_the_bucket_and_a_plugin_that_comes_back_finds_what_it_left() {
    let host = Host::start(&behind("wb5", "")).await;
    let revision = || host.node.plugin("wb5").unwrap().current().unwrap().id().clone();
    let first = revision();
    ok(&host, "wb5", "/put?k=a&v=1").await;
    // Another time between rounds, and none: the revision stays, the bucket with all that is in it too.
    let far = probe("wb5", "caches.main = { kind = 'table', write_behind = { every = '1h' } }");
    reload(&host, &far).await.unwrap();
    ok(&host, "wb5", "/put?k=b&v=1").await;
    reload(&host, &probe("wb5", "caches.main = { kind = 'table' }")).await.unwrap();
    assert_eq!((revision(), ok(&host, "wb5", "/keys").await), (first.clone(), "a,b".to_owned()));
    ok(&host, "wb5", "/delete?k=a").await;
    ok(&host, "wb5", "/put?k=c&v=1").await;
    let without = status(&host.admin(), "wb5/main").await;
    assert!(!without.write_behind, "{without:?}");
    // What the table has by now takes the place of what the store had.
    reload(&host, &behind("wb5", "")).await.unwrap();
    flushed(&host.admin(), "wb5/main").await;
    assert_eq!(revision(), first);
    eventually("the store has what the table has", async || {
        let usage = host.admin().store_usage().await.unwrap();
        usage.iter().any(|usage| usage.plugin == "wb5" && usage.items == 2)
    })
    .await;
    ok(&host, "wb5", "/put?k=d&v=1").await;
    reload(&host, "").await.unwrap();
    assert!(host.admin().caches().await.unwrap().is_empty());
    reload(&host, &behind("wb5", "")).await.unwrap();
    assert_eq!(ok(&host, "wb5", "/keys").await, "b,c,d");
    let host = Host::in_folder(host.stop().await, Mode::Production).await.unwrap();
    assert_eq!(ok(&host, "wb5", "/keys").await, "b,c,d");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_store_keeps_for_a_bucket_is_out_of_its_plugins_sight_and_counts_against_its_quota() {
    let wasm = guests::store_probe();
    let owner = format!(
        "[plugins.wb6]\nsource = {wasm:?}\nroutes = ['wb6.test/{{*path}}']\n\
         caches.main = {{ kind = 'table', write_behind = {{ every = '10ms' }} }}\n"
    );
    let writer = probe("wb6-writer", "grants.caches = { 'wb6/main' = 'read-write' }");
    let host = Host::start(&(owner + &writer)).await;
    ok(&host, "wb6", "/set?k=own&v=1").await;
    ok(&host, "wb6-writer", "/put?b=wb6/main&k=theirs&v=1").await;
    flushed(&host.admin(), "wb6/main").await;
    for path in ["/list", "/list?prefix=", "/list?cursor=%01"] {
        assert_eq!(ok(&host, "wb6", path).await, "own 1", "{path}");
    }
    for key in ["cache/main/theirs", "%01cache/main/theirs"] {
        assert_eq!(ok(&host, "wb6", &format!("/get?k={key}")).await, "none");
        assert_ne!(get(&host, "wb6", &format!("/set?k=%01{key}&v=x")).await.0, 200);
    }
    let usage = host.admin().store_usage().await.unwrap();
    let used = |plugin: &str| usage.iter().find(|usage| usage.plugin == plugin).map(|usage| usage.items);
    assert_eq!((used("wb6"), used("wb6-writer")), (Some(2), None), "whose bucket it is");
    let keys = host.admin().store_keys("wb6", "", None, 10).await.unwrap().keys;
    assert_eq!(keys.iter().map(|key| key.key.as_str()).collect::<Vec<_>>(), ["own"]);
}

struct Deaf;

impl Observer for Deaf {
    fn changed(&self, _: Changes) {}
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_cannot_be_read_is_left_and_said() {
    let host = Host::start(&behind("wb7", "")).await;
    ok(&host, "wb7", "/put?k=good&v=1").await;
    let dir = host.stop().await;
    let options = SqliteOptions::new(dir.path().join(".skep/store.sqlite"));
    let store = SqliteStore::open(options, Arc::new(Deaf)).unwrap();
    let plugin = PluginName::new("wb7").unwrap();
    let key = Key { space: plugin.clone(), area: Area::Host, key: "cache/main/bad".to_owned() };
    let write = Write::Set { key, value: "from the future".into(), expires: None };
    store.commit(Commit { writes: vec![write], ..Commit::new(plugin, 1) }).await.unwrap();
    store.close().await.unwrap();
    drop(store);
    let host = Host::in_folder(dir, Mode::Production).await.unwrap();
    assert_eq!(ok(&host, "wb7", "/keys").await, "good");
    assert!(events::any_says("entries were left in the store"));
    assert_eq!(host.admin().store_usage().await.unwrap()[0].items, 2);
}
