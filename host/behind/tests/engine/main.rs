//! Write-behind from outside, over a real store that fails when it is told to.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod flaky;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use skep_behind::{Behind, Leaving, Options, Place, Restored};
use skep_cache::{Bucket, BucketOptions, Kind, PutOptions, Ttl};
use skep_store::{Area, Commit, Key, ListRequest, Store, Write};
use skep_types::{BucketId, BucketName, ByteSize, Clock, ManualClock, PluginName};
use tempfile::TempDir;

use flaky::{Flaky, Mood};

/// Longer than any test takes.
const HOUR: Duration = Duration::from_secs(3600);

struct Fixture {
    store: Arc<Flaky>,
    clock: Arc<ManualClock>,
    folder: TempDir,
}

/// Rounds only when somebody asks for them.
fn by_hand() -> Options {
    Options { every: HOUR, ..Options::default() }
}

fn name(name: &str) -> BucketName {
    BucketName::new(name).unwrap()
}

fn plugin() -> PluginName {
    PluginName::new("shop").unwrap()
}

fn put(bucket: &Bucket, key: &str, value: &str) {
    bucket.put(key, value.as_bytes(), PutOptions::default()).unwrap();
}

impl Fixture {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let store = Flaky::open(folder.path().join("store.sqlite"));
        let clock = Arc::new(ManualClock::at(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)));
        Self { store, clock, folder }
    }

    fn place(&self, bucket: &str) -> Place {
        let id = BucketId { owner: plugin(), name: name(bucket) };
        let (store, clock) = (Arc::<Flaky>::clone(&self.store), Arc::<ManualClock>::clone(&self.clock));
        Place { id, store, clock }
    }

    fn bucket(&self, options: &BucketOptions) -> Arc<Bucket> {
        let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&self.clock);
        Bucket::new(&BucketOptions { kind: Kind::Table, ..options.clone() }, clock)
    }

    /// A bucket as the store has it.
    async fn restored(&self) -> (Arc<Bucket>, Restored) {
        let bucket = self.bucket(&BucketOptions::default());
        let restored = self.place("carts").restore(&bucket).await.unwrap();
        assert_eq!(bucket.dirty(), 0);
        (bucket, restored)
    }

    async fn started(&self, options: Options) -> (Arc<Bucket>, Behind) {
        let (bucket, _) = self.restored().await;
        let behind = Behind::start(self.place("carts"), Arc::clone(&bucket), options);
        (bucket, behind)
    }

    /// What the store has of the bucket, as `key=value`.
    async fn stored(&self) -> Vec<String> {
        let (bucket, _) = self.restored().await;
        let mut all = bucket.keys("", None, 1000).unwrap().keys;
        all.sort();
        all.iter().map(|key| format!("{key}={}", String::from_utf8_lossy(&bucket.get(key).unwrap()))).collect()
    }
}

#[tokio::test]
async fn what_was_flushed_is_there_for_the_next_host_and_the_rest_is_lost() {
    let mut f = Fixture::new();
    let (bucket, behind) = f.started(by_hand()).await;
    put(&bucket, "a", "1");
    put(&bucket, "", "no key is too short");
    put(&bucket, &"k\u{1}\n".repeat(341), "or too odd");
    bucket.increment("n", 41, Ttl::Never).unwrap();
    bucket.put("t", b"5", PutOptions { ttl: Ttl::After(Duration::from_secs(60)), ..PutOptions::default() }).unwrap();
    bucket.put("soon", b"5", PutOptions { ttl: Ttl::After(Duration::from_secs(10)), ..PutOptions::default() }).unwrap();
    let version = bucket.get_entry("a").unwrap().version;
    behind.flush(HOUR).await.unwrap();
    assert_eq!((bucket.dirty(), bucket.stats().flushed), (0, 6));
    bucket.delete("t");
    put(&bucket, "a", "2");
    put(&bucket, "late", "");
    // It dies.
    drop((bucket, behind));
    f.store.close().await.unwrap();
    f.store = Flaky::open(f.folder.path().join("store.sqlite"));
    f.clock.advance(Duration::from_secs(10));
    let (bucket, restored) = f.restored().await;
    assert_eq!(restored, Restored { entries: 5, ..Restored::default() });
    let a = bucket.get_entry("a").unwrap();
    assert_eq!((&a.value[..], a.version, a.ttl_left), (&b"1"[..], version, None));
    assert_eq!(bucket.ttl("t"), Some(Some(Duration::from_secs(50))));
    assert_eq!(bucket.increment("n", 1, Ttl::Never), Ok(42));
    assert!(bucket.exists("") && bucket.exists(&"k\u{1}\n".repeat(341)) && !bucket.exists("soon"));
}

#[tokio::test]
async fn deletes_takes_and_clears_reach_the_store_and_other_buckets_do_not_notice() {
    let f = Fixture::new();
    let (bucket, behind) = f.started(by_hand()).await;
    let other = f.bucket(&BucketOptions::default());
    let neighbour = Behind::start(f.place("cart"), Arc::clone(&other), by_hand());
    put(&other, "s/a", "theirs");
    neighbour.flush(HOUR).await.unwrap();
    for key in ["a", "b", "c", "d"] {
        put(&bucket, key, "1");
    }
    behind.flush(HOUR).await.unwrap();
    assert_eq!(f.stored().await, ["a=1", "b=1", "c=1", "d=1"]);
    assert!(bucket.delete("a") && bucket.take("b").is_some());
    behind.flush(HOUR).await.unwrap();
    assert_eq!(f.stored().await, ["c=1", "d=1"]);
    assert_eq!(bucket.clear(), 2);
    put(&bucket, "e", "1");
    behind.flush(HOUR).await.unwrap();
    assert_eq!(f.stored().await, ["e=1"]);
    let again = f.bucket(&BucketOptions::default());
    assert_eq!(f.place("cart").restore(&again).await.unwrap().entries, 1);
    assert_eq!(f.store.usage().await.unwrap()[0].items, 2);
}

#[tokio::test]
async fn a_store_that_fails_loses_nothing_and_gets_everything_when_it_heals() {
    let f = Fixture::new();
    let options = Options { every: Duration::from_millis(1), retry_first: Duration::from_millis(1), ..by_hand() };
    let (bucket, behind) = f.started(options).await;
    put(&bucket, "old", "1");
    behind.flush(HOUR).await.unwrap();
    for mood in [Mood::Down, Mood::Lying, Mood::Silent] {
        f.store.be(mood);
        put(&bucket, "a", &format!("{mood:?}"));
        put(&bucket, &format!("{mood:?}"), "1");
        bucket.delete("old");
        let failures = bucket.stats().flush_failures;
        eventually(async || bucket.stats().flush_failures > failures + 2).await;
        assert!(bucket.dirty() >= 2);
        // The rounds are tried again by themselves.
        f.store.be(Mood::Well);
        eventually(async || bucket.dirty() == 0).await;
        assert!(f.stored().await.contains(&format!("a={mood:?}")));
    }
    assert_eq!(f.stored().await, ["Down=1", "Lying=1", "Silent=1", "a=Silent"]);
    f.store.be(Mood::Down);
    put(&bucket, "a", "last");
    let unflushed = behind.flush(Duration::from_millis(1)).await.unwrap_err();
    assert_eq!((unflushed.entries, unflushed.why.contains("the disk is full")), (1, true), "{unflushed}");
    f.store.be(Mood::Well);
    behind.flush(HOUR).await.unwrap();
}

async fn eventually(mut is_so: impl AsyncFnMut() -> bool) {
    let until = tokio::time::Instant::now() + Duration::from_secs(30);
    while !is_so().await {
        assert!(tokio::time::Instant::now() < until, "it takes too long");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn commits_are_bounded() {
    let f = Fixture::new();
    let large = BucketOptions { value_bytes: ByteSize::mib(8), bytes: ByteSize::mib(64), ..BucketOptions::default() };
    let bucket = f.bucket(&large);
    let behind = Behind::start(f.place("carts"), Arc::clone(&bucket), by_hand());
    for n in 0..2_500 {
        put(&bucket, &format!("{n:04}"), "");
    }
    behind.flush(HOUR).await.unwrap();
    assert_eq!(std::mem::take(&mut *f.store.sizes.lock()), [1000, 1000, 500]);
    for n in 0..6 {
        bucket.put(&n.to_string(), &vec![b'x'; 3 << 20], PutOptions::default()).unwrap();
    }
    behind.flush(HOUR).await.unwrap();
    assert_eq!(*f.store.sizes.lock(), [2, 2, 2], "the entry that passes the bound is the last of a commit");
    let again = f.bucket(&large);
    assert_eq!(f.place("carts").restore(&again).await.unwrap().entries, 2_506, "page by page");
}

#[tokio::test]
async fn what_the_store_refuses_keeps_nothing_else_from_it() {
    let f = Fixture::new();
    let (bucket, behind) = f.started(by_hand()).await;
    for n in 0..100 {
        put(&bucket, &format!("{n:02}"), "");
    }
    *f.store.poison.lock() = vec!["07", "63"];
    let unflushed = behind.flush(HOUR).await.unwrap_err();
    assert_eq!((unflushed.entries, unflushed.why.as_str()), (2, "invalid: poison"));
    assert_eq!((f.stored().await.len(), bucket.stats().flush_failures), (98, 1));
    f.store.poison.lock().clear();
    behind.flush(HOUR).await.unwrap();
    assert_eq!(f.stored().await.len(), 100);
}

#[tokio::test]
async fn over_the_quota_as_much_is_kept_as_fits_and_a_delete_makes_room() {
    let f = Fixture::new();
    let (bucket, behind) = f.started(by_hand()).await;
    f.store.set_quota(plugin(), 10_000);
    for n in 0..100 {
        put(&bucket, &format!("{n:02}"), &"x".repeat(100));
    }
    f.store.sizes.lock().clear();
    let unflushed = behind.flush(HOUR).await.unwrap_err();
    assert!(unflushed.why.contains("quota"), "{unflushed}");
    let fits = 10_000 / (64 + 1 + "cache/carts/00".len() as u64 + 9 + 100);
    assert_eq!((unflushed.entries, f.stored().await.len() as u64), (100 - fits, fits));
    assert!(f.store.sizes.lock().len() < 200, "it does not ask for each: {:?}", f.store.sizes.lock());
    for n in 0..60 {
        bucket.delete(&format!("{n:02}"));
    }
    behind.flush(HOUR).await.unwrap();
    assert_eq!(f.stored().await.len(), 40);
    // A plugin's own keys and these share the quota, and it does not see these.
    let mut commit = Commit::new(plugin(), 0);
    commit.writes =
        vec![Write::Set { key: Key::of_plugin(plugin(), "own"), value: vec![0; 5_000].into(), expires: None }];
    assert!(f.store.commit(commit).await.unwrap_err().to_string().contains("quota"));
}

#[tokio::test]
async fn an_entry_of_an_unknown_form_or_without_room_is_left_and_counted() {
    let f = Fixture::new();
    let (bucket, behind) = f.started(by_hand()).await;
    put(&bucket, "a", "1");
    put(&bucket, "b", "1");
    behind.flush(HOUR).await.unwrap();
    let mut commit = Commit::new(plugin(), 0);
    for (key, value) in [("short", &b"\x01123"[..]), ("newer", b"\x0212345678value"), ("none", b"")] {
        let key = Key { space: plugin(), area: Area::Host, key: format!("cache/carts/{key}") };
        commit.writes.push(Write::Set { key, value: Bytes::from_static(value), expires: None });
    }
    f.store.commit(commit).await.unwrap();
    let (_, restored) = f.restored().await;
    assert_eq!(restored, Restored { entries: 2, skipped: 0, unread: 3 });
    let small = f.bucket(&BucketOptions { entries: 1, ..BucketOptions::default() });
    let restored = f.place("carts").restore(&small).await.unwrap();
    assert_eq!(restored, Restored { entries: 1, skipped: 1, unread: 3 });
    assert_eq!(f.store.usage().await.unwrap()[0].items, 5, "they are where they were");
    f.store.be(Mood::Down);
    assert!(f.place("carts").restore(&f.bucket(&BucketOptions::default())).await.is_err());
}

#[tokio::test]
async fn the_form_is_the_committed_one() {
    let f = Fixture::new();
    let bucket = f.bucket(&BucketOptions::default());
    f.place("carts").restore(&bucket).await.unwrap();
    let behind = Behind::start(f.place("carts"), Arc::clone(&bucket), by_hand());
    let ttl = Ttl::After(Duration::from_micros(1_500_900));
    let version = bucket.put("n", b"42", PutOptions { ttl, ..PutOptions::default() }).unwrap();
    behind.flush(HOUR).await.unwrap();
    let request = ListRequest {
        space: plugin(),
        area: Area::Host,
        prefix: String::new(),
        after: None,
        limit: 10,
        bytes_max: 1000,
        keys_only: false,
        now: 0,
    };
    let item = f.store.list(request).await.unwrap().items.remove(0);
    let value = [&[1][..], &version.to_le_bytes(), b"42"].concat();
    assert_eq!((item.key.as_str(), &item.value[..]), ("cache/carts/n", &value[..]));
    assert_eq!(item.expires, Some(1_700_000_001_500), "rounded down: nobody sees it too long");
}

#[tokio::test]
async fn write_behind_that_is_taken_out_leaves_the_store_and_taken_up_again_replaces_it() {
    let f = Fixture::new();
    let (bucket, behind) = f.started(by_hand()).await;
    put(&bucket, "a", "1");
    put(&bucket, "b", "1");
    behind.leave(Leaving::WriteBehind);
    assert!(behind.go_on(by_hand()), "it has not left yet, or changed its mind");
    behind.leave(Leaving::WriteBehind);
    eventually(async || behind.has_ended()).await;
    assert_eq!(f.stored().await, ["a=1", "b=1"], "it is flushed once more");
    assert!(!behind.go_on(by_hand()));
    bucket.delete("a");
    put(&bucket, "c", "1");
    assert_eq!((bucket.dirty(), f.stored().await.len()), (0, 2));
    f.store.be(Mood::Down);
    let behind = Behind::start(f.place("carts"), Arc::clone(&bucket), by_hand());
    assert!(behind.flush(Duration::from_millis(1)).await.is_err());
    f.store.be(Mood::Well);
    behind.flush(HOUR).await.unwrap();
    assert_eq!(f.stored().await, ["b=1", "c=1"], "what the bucket has takes the place of what was there");
}

#[tokio::test]
async fn a_bucket_that_leaves_is_flushed_for_as_long_as_anybody_uses_it() {
    let f = Fixture::new();
    let options = Options { every: Duration::from_millis(1), ..by_hand() };
    let (bucket, behind) = f.started(options).await;
    behind.leave(Leaving::Bucket);
    put(&bucket, "a", "1");
    eventually(async || bucket.dirty() == 0).await;
    put(&bucket, "a", "a call in flight");
    eventually(async || bucket.dirty() == 0).await;
    assert!(!behind.has_ended());
    drop(bucket);
    eventually(async || behind.has_ended()).await;
    assert_eq!(f.stored().await, ["a=a call in flight"]);
}

#[tokio::test]
async fn a_bucket_that_is_written_to_all_the_time_lets_a_round_end() {
    let f = Fixture::new();
    let options = Options { every: Duration::from_millis(1), ..by_hand() };
    let (bucket, behind) = f.started(options).await;
    let stop = tokio_util::sync::CancellationToken::new();
    let (writer, stopped) = (Arc::clone(&bucket), stop.clone());
    let writer = std::thread::spawn(move || {
        for n in 0_u64.. {
            put(&writer, &(n % 500).to_string(), &n.to_string());
            if stopped.is_cancelled() {
                return;
            }
        }
    });
    eventually(async || bucket.stats().flushed > 5_000).await;
    stop.cancel();
    writer.join().unwrap();
    behind.flush(HOUR).await.unwrap();
    let expected = |key: &str| format!("{key}={}", String::from_utf8_lossy(&bucket.get(key).unwrap()));
    let mut all: Vec<_> = bucket.keys("", None, 1000).unwrap().keys.iter().map(|key| expected(key)).collect();
    all.sort();
    let mut stored = f.stored().await;
    stored.sort();
    assert_eq!(stored, all);
}

#[tokio::test]
async fn a_panic_in_a_round_loses_nothing() {
    let f = Fixture::new();
    let options = Options { every: Duration::from_millis(1), ..by_hand() };
    let (bucket, behind) = f.started(options).await;
    assert!(behind.revived().is_none());
    f.store.be(Mood::Broken);
    put(&bucket, "a", "1");
    eventually(async || behind.revived().is_some()).await;
    f.store.be(Mood::Well);
    let _revived = behind.revived().unwrap();
    eventually(async || bucket.dirty() == 0).await;
    assert_eq!(f.stored().await, ["a=1"]);
}
