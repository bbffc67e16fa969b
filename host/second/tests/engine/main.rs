//! Two tiers from outside, with a redis-server of each test's own.
//!
//! | module | shows |
//! |---|---|
//! | `through` | every operation reaches Redis and comes back, with its time |
//! | `hosts` | what hosts that share one Redis see of each other |
//! | `failures` | Redis is killed, stopped, restarted, refuses: memory goes on, and nothing old comes back |
//! | `foreign` | what else lies under our keys does no harm |
//! | `races` | orders that a real server shows rarely, with one that the test holds in its hands |
//! | `server` | a redis-server |
//!
//! Without a `redis-server` on the path, tests that need one say so and pass; with `SKEP_TEST_REDIS=required` they fail.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod failures;
mod foreign;
mod hosts;
mod races;
mod server;
mod through;

use std::sync::Arc;
use std::time::Duration;

use server::Server;
use skep_cache::{Bucket, BucketOptions, PutOptions, Ttl};
use skep_second::redis::{InRedis, Link};
use skep_second::{NOTE_BYTES, Options, Tiered};
use skep_types::{ByteSize, SystemClock};

/// Nothing waits for as long as this but what fails.
const PATIENCE: Duration = Duration::from_secs(60);
/// Long enough for a busy machine.
const SLOW: Duration = Duration::from_secs(20);

/// One host: its connection, and a bucket behind which the Redis is.
struct Host {
    tiered: Tiered,
    link: Arc<Link>,
}

impl std::ops::Deref for Host {
    type Target = Tiered;

    fn deref(&self) -> &Tiered {
        &self.tiered
    }
}

/// Copies in memory are for ever fresh here, unless a test says otherwise: what another host changes is seen because Redis
/// tells it.
const FRESH: Options =
    Options { fresh: Duration::from_secs(3600), ttl: None, stale: Duration::ZERO, value_bytes: 1000 };

fn link(server: &Server, timeout: Duration) -> skep_second::redis::Options {
    skep_second::redis::Options { url: server.url(), timeout, ..skep_second::redis::Options::default() }
}

fn host_with(link: skep_second::redis::Options, options: Options) -> Host {
    let link = Link::start(link).unwrap();
    let bucket = BucketOptions {
        value_bytes: ByteSize(options.value_bytes + NOTE_BYTES as u64),
        ttl: options.ttl,
        stale: options.stale,
        ..BucketOptions::default()
    };
    let clock = Arc::new(SystemClock);
    let second = InRedis::new(Arc::clone(&link), "shop/pages".parse().unwrap(), options.value_bytes);
    let tiered = Tiered::start(Bucket::new(&bucket, clock.clone()), Arc::new(second), clock, options);
    Host { tiered, link }
}

/// A host that is connected.
async fn host(server: &Server, options: Options) -> Host {
    let host = host_with(link(server, SLOW), options);
    host.is_up().await;
    host
}

impl Host {
    async fn is_up(&self) {
        let mut standing = self.link.standing();
        let up = standing.wait_for(|standing| standing.epoch().is_some());
        tokio::time::timeout(PATIENCE, up).await.expect("it connects").unwrap();
    }

    async fn is_down(&self) {
        let mut standing = self.link.standing();
        let down = standing.wait_for(|standing| standing.epoch().is_none());
        tokio::time::timeout(PATIENCE, down).await.expect("it is noticed").unwrap();
    }

    /// Everything that was owed is put right.
    async fn owes_nothing(&self) {
        eventually(async || self.stats().owed == 0).await;
    }

    async fn text(&self, key: &str) -> Option<String> {
        self.get(key).await.map(|value| String::from_utf8(value.to_vec()).unwrap())
    }

    async fn put_text(&self, key: &str, value: &str) -> u64 {
        self.put(key, value.as_bytes(), PutOptions::default()).await.unwrap()
    }
}

async fn eventually(condition: impl AsyncFn() -> bool) {
    let holds = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, holds).await.expect("what is waited for comes");
}

fn after(secs: u64) -> Ttl {
    Ttl::After(Duration::from_secs(secs))
}

fn with(ttl: Ttl) -> PutOptions {
    PutOptions { ttl, ..PutOptions::default() }
}
