//! Buckets with a Redis behind them: two hosts see each other's values, and guests never see that Redis is gone.
//!
//! Without a `redis-server` on the path they say so and pass; with `SKEP_TEST_REDIS=required` they fail.

use std::process::{Child, Command, Stdio};

use skep_admin::api::SecondTierStatus;
use skep_tests::{Host, eventually, guests};
use tempfile::TempDir;

use crate::cache::{ok, probe, reload};

struct Redis {
    folder: TempDir,
    child: Child,
}

impl Redis {
    fn start() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        match spawn(&folder) {
            Ok(child) => Some(Self { folder, child }),
            Err(error) => {
                let required = std::env::var("SKEP_TEST_REDIS").is_ok_and(|value| value == "required");
                assert!(!required, "redis-server cannot be started: {error}");
                eprintln!("SKIPPED: there is no redis-server on the path ({error})");
                None
            }
        }
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn start_again(&mut self) {
        self.child = spawn(&self.folder).unwrap();
    }

    /// The plugin `name` with this behind its bucket `main`. It is told of changes, so copies may be old.
    fn behind(&self, name: &str) -> String {
        let url = format!("redis+unix://{}/s", self.folder.path().display());
        probe(name, &format!("caches.main.l2 = {{ url = {url:?}, fresh = '1h', timeout = '10s' }}"))
    }
}

fn spawn(folder: &TempDir) -> std::io::Result<Child> {
    let mut command = Command::new("redis-server");
    command.args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"]).arg(folder.path().join("s"));
    command.arg("--dir").arg(folder.path()).stdin(Stdio::null()).stdout(Stdio::null()).spawn()
}

impl Drop for Redis {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

async fn l2(host: &Host, plugin: &str) -> SecondTierStatus {
    host.admin().cache(&format!("{plugin}/main")).await.unwrap().l2.unwrap()
}

async fn is_up(host: &Host, plugin: &str) {
    eventually("Redis is reached", async || l2(host, plugin).await.up).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hosts_on_one_redis_see_each_others_values() {
    let Some(redis) = Redis::start() else { return };
    let (one, other) = (Host::start(&redis.behind("l2a")).await, Host::start(&redis.behind("l2a")).await);
    is_up(&one, "l2a").await;
    is_up(&other, "l2a").await;
    ok(&one, "l2a", "/put?k=a&v=1").await;
    assert_eq!(ok(&other, "l2a", "/get?k=a").await, "1");
    ok(&other, "l2a", "/put?k=a&v=2").await;
    eventually("it is told", async || ok(&one, "l2a", "/get?k=a").await == "2").await;
    for host in [&one, &other, &one, &other] {
        ok(host, "l2a", "/increment?k=n").await;
    }
    assert_eq!(ok(&one, "l2a", "/increment?k=n").await, "5");
    // What one host has loaded the other need not load.
    assert_eq!(ok(&one, "l2a", "/load?k=page").await, "loaded 1");
    assert_eq!(ok(&other, "l2a", "/load?k=page").await, "hit 1");
    // Operators delete and clear for all.
    assert!(one.admin().cache_delete("l2a/main", "a").await.unwrap().deleted);
    eventually("it is told", async || ok(&other, "l2a", "/get?k=a").await == "none").await;
    other.admin().cache_clear("l2a/main").await.unwrap();
    eventually("it is told", async || ok(&one, "l2a", "/get?k=n").await == "none").await;
    let entry = async || one.admin().cache_entry("l2a/main", "b").await.unwrap();
    ok(&one, "l2a", "/put?k=b&v=value").await;
    assert_eq!((entry().await.bytes, entry().await.time_left_ms), (5, None), "what is in front of it is not shown");
    let stats = l2(&one, "l2a").await;
    assert!(stats.tells && stats.writes > 0 && stats.told > 0 && (stats.errors, stats.owed) == (0, 0), "{stats:?}");
    let output = tokio::process::Command::new(guests::skep())
        .args(["cache", "stats", "l2a/main", "--dir"])
        .arg(one.path())
        .output()
        .await
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("l2        up, tells what other hosts change"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_never_sees_that_redis_is_gone() {
    let Some(mut redis) = Redis::start() else { return };
    let host = Host::start(&redis.behind("l2b")).await;
    is_up(&host, "l2b").await;
    ok(&host, "l2b", "/put?k=before&v=1").await;
    redis.kill();
    // Every answer must be 200.
    for round in 0..20 {
        ok(&host, "l2b", &format!("/put?k=a&v={round}")).await;
        assert_eq!(ok(&host, "l2b", "/get?k=a").await, round.to_string());
        ok(&host, "l2b", "/increment?k=n").await;
        ok(&host, "l2b", "/delete?k=gone").await;
    }
    assert_eq!(ok(&host, "l2b", "/get?k=before").await, "1");
    assert_eq!(ok(&host, "l2b", "/load?k=page").await, "loaded 1");
    assert_eq!(ok(&host, "l2b", "/load?k=page").await, "hit 1");
    eventually("it is noticed", async || !l2(&host, "l2b").await.up).await;
    let stats = l2(&host, "l2b").await;
    assert!(stats.why.is_some() && stats.owed > 0 && stats.skipped > 0, "{stats:?}");
    let metric = |name: &str| host.counter(name, &[("plugin", "l2b"), ("bucket", "main")]);
    eventually("metrics say so", async || metric("skep_cache_l2_skipped_total") > 0).await;
    redis.start_again();
    is_up(&host, "l2b").await;
    eventually("it is made up for", async || l2(&host, "l2b").await.owed == 0).await;
    assert_eq!(ok(&host, "l2b", "/increment?k=n").await, "21");
    // And one that is not there at the start is no reason not to start.
    redis.kill();
    let late = Host::start(&redis.behind("l2b")).await;
    ok(&late, "l2b", "/put?k=a&v=1").await;
    assert_eq!(ok(&late, "l2b", "/get?k=a").await, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_puts_a_second_tier_behind_a_bucket_and_takes_it_away() {
    let Some(redis) = Redis::start() else { return };
    let plain = probe("l2c", "caches.main = {}");
    let host = Host::start(&plain).await;
    ok(&host, "l2c", "/put?k=a&v=memory").await;
    reload(&host, &redis.behind("l2c")).await.unwrap();
    is_up(&host, "l2c").await;
    assert_eq!(ok(&host, "l2c", "/get?k=a").await, "none", "it is another bucket");
    ok(&host, "l2c", "/put?k=a&v=redis").await;
    // Another setting of the same one keeps what is there.
    reload(&host, &redis.behind("l2c").replace("'1h'", "'1s'")).await.unwrap();
    assert_eq!(ok(&host, "l2c", "/get?k=a").await, "redis");
    reload(&host, &plain).await.unwrap();
    assert_eq!(ok(&host, "l2c", "/get?k=a").await, "none");
    assert!(host.admin().cache("l2c/main").await.unwrap().l2.is_none());
    reload(&host, &redis.behind("l2c")).await.unwrap();
    is_up(&host, "l2c").await;
    assert_eq!(ok(&host, "l2c", "/get?k=a").await, "redis");
}
