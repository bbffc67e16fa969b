//! Limits hold, and what is evicted is worth little.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use skep_cache::{
    Bucket, BucketId, BucketName, BucketOptions, Caches, CachesOptions, Change, Condition, ENTRY_OVERHEAD, Error, Kind,
    PutOptions, Ttl,
};
use skep_types::{ByteSize, PluginName};

use crate::{after, bucket, clock, put};

fn table(entries: u64) -> BucketOptions {
    BucketOptions { kind: Kind::Table, entries, ..BucketOptions::default() }
}

fn cache(entries: u64, bytes: u64) -> BucketOptions {
    BucketOptions { entries, bytes: ByteSize(bytes), ..BucketOptions::default() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_evicting_bucket_never_passes_its_limits_and_never_lies(
        entries in 1_u64..40,
        bytes in 300_u64..6000,
        ops in proptest::collection::vec((0_u8..60, 0_usize..300, any::<bool>(), 0_u64..3), 1..300),
    ) {
        let (bucket, clock) = bucket(&cache(entries, bytes));
        let mut model = BTreeMap::new();
        for (key, len, write, secs) in ops {
            clock.advance(Duration::from_secs(secs));
            let key = format!("k{key}");
            if write {
                let value = vec![b'v'; len];
                match bucket.put(&key, &value, PutOptions { ttl: after(60), ..PutOptions::default() }) {
                    Ok(_) => { model.insert(key.clone(), value.clone()); }
                    Err(error) => {
                        let cost = (key.len() + len) as u64 + ENTRY_OVERHEAD;
                        prop_assert!(error == Error::TooLarge(bytes) && cost > bytes, "{error}");
                    }
                }
                if model.get(&key) == Some(&value) {
                    prop_assert_eq!(bucket.get(&key).map(|value| value.to_vec()), Some(value));
                }
            } else if let Some(value) = bucket.get(&key) {
                prop_assert_eq!(Some(&value.to_vec()), model.get(&key));
            }
            let stats = bucket.stats();
            prop_assert!(stats.entries <= entries && stats.bytes <= bytes, "{stats:?}");
        }
    }
}

#[test]
fn a_full_table_refuses_and_keeps_what_it_has() {
    let (bucket, clock) = bucket(&table(2));
    put(&bucket, "a", "1");
    bucket.put("b", b"2", PutOptions { ttl: after(10), ..PutOptions::default() }).unwrap();
    assert!(matches!(bucket.put("c", b"3", PutOptions::default()), Err(Error::Full(_))));
    assert!(matches!(bucket.increment("c", 1, Ttl::Default), Err(Error::Full(_))));
    put(&bucket, "a", "4");
    assert_eq!(bucket.stats().rejected, 2);
    clock.advance(Duration::from_secs(10));
    put(&bucket, "c", "3");
    assert_eq!((bucket.get("a").unwrap().to_vec(), bucket.exists("b"), bucket.len()), (b"4".to_vec(), false, 2));
    assert_eq!(bucket.stats().expired, 1);
}

#[test]
fn a_large_table_is_full_at_its_limit_and_not_before() {
    let (bucket, clock) = bucket(&BucketOptions { bytes: ByteSize::mib(512), ..table(100_000) });
    for n in 0..100_000 {
        let ttl = if n == 77_777 { after(1) } else { Ttl::Never };
        bucket.put(&format!("key {n}"), b"", PutOptions { ttl, ..PutOptions::default() }).unwrap();
    }
    assert!(matches!(bucket.put("one more", b"", PutOptions::default()), Err(Error::Full(_))));
    clock.advance(Duration::from_secs(1));
    // The one that ended lies in some other shard.
    put(&bucket, "one more", "");
    assert!(matches!(bucket.put("and more", b"", PutOptions::default()), Err(Error::Full(_))));
}

#[test]
fn what_can_never_fit_is_too_large() {
    let (bucket, _) = bucket(&BucketOptions { value_bytes: ByteSize(500), ..cache(10, 1000) });
    put(&bucket, "neighbour", "stays");
    assert_eq!(bucket.put("a", &[0; 501], PutOptions::default()), Err(Error::TooLarge(500)));
    assert_eq!(bucket.put(&"k".repeat(900), b"", PutOptions::default()), Err(Error::TooLarge(1000)));
    assert!(matches!(bucket.put(&"k".repeat(1025), b"", PutOptions::default()), Err(Error::Invalid(_))));
    let many = [("b", vec![0; 10]), ("c", vec![0; 501])];
    assert_eq!(bucket.put_many(&many, Ttl::Default), Err(Error::TooLarge(500)));
    assert!(!bucket.exists("b"));
    assert!(bucket.exists("neighbour"));
}

#[test]
fn room_comes_from_other_shards_when_the_own_has_none() {
    // Four shards, and one value that is worth a quarter of the bucket.
    let options = BucketOptions { value_bytes: ByteSize::kib(512), ..cache(u64::MAX, 8 << 20) };
    let (bucket, _) = bucket(&options);
    for n in 0..60_000 {
        put(&bucket, &format!("small {n}"), "");
    }
    for n in 0..40 {
        bucket.put(&format!("large {n}"), &vec![0; 512 << 10], PutOptions::default()).unwrap();
        assert!(bucket.bytes() <= 8 << 20);
    }
    assert!(bucket.exists("large 39"));
}

#[test]
fn a_compare_and_swap_in_a_full_cache_succeeds() {
    let (bucket, _) = bucket(&cache(1, 1 << 20));
    for n in 0..100 {
        let key = format!("k{n}");
        let version = put(&bucket, &key, "1");
        let options = PutOptions { condition: Condition::IfVersion(version), ..PutOptions::default() };
        assert!(bucket.put(&key, b"a longer value", options).is_ok());
        assert_eq!(bucket.put(&key, b"again", options), Err(Error::Conflict));
    }
    assert_eq!((bucket.len(), bucket.stats().evicted_entries), (1, 99));
}

#[test]
fn a_scan_of_new_keys_does_not_push_out_what_is_read() {
    let (bucket, _) = bucket(&cache(1000, 1 << 20));
    let read_all = || (0..500).filter(|n| bucket.get(&format!("hot {n}")).is_some()).count();
    for n in 0..500 {
        put(&bucket, &format!("hot {n}"), "");
    }
    assert_eq!(read_all() + read_all(), 1000);
    for n in 0..20_000 {
        put(&bucket, &format!("once {n}"), "");
        if n % 1000 == 0 {
            read_all();
        }
    }
    assert!(read_all() > 480, "{}", read_all());
}

#[test]
fn the_time_to_idle_starts_again_with_every_read() {
    let idle = Some(Duration::from_secs(10));
    let (bucket, clock) = bucket(&BucketOptions { idle, ..BucketOptions::default() });
    put(&bucket, "read", "");
    put(&bucket, "left alone", "");
    for _ in 0..3 {
        clock.advance(Duration::from_secs(9));
        assert!(bucket.get("read").is_some());
    }
    assert!(bucket.exists("read") && !bucket.exists("left alone"));
    assert_eq!(bucket.sweep(100).freed, 1);
    clock.advance(Duration::from_secs(10));
    assert_eq!((bucket.get("read"), bucket.len()), (None, 0));
}

#[test]
fn a_sweep_frees_in_bounded_steps_and_reaches_everything() {
    let (bucket, clock) = bucket(&cache(u64::MAX, 512 << 20));
    let long_lived = PutOptions { ttl: after(1000), ..PutOptions::default() };
    for n in 0..20_000 {
        let options = if n % 2 == 0 { long_lived } else { PutOptions { ttl: after(5), ..PutOptions::default() } };
        bucket.put(&n.to_string(), b"", options).unwrap();
    }
    assert_eq!(bucket.sweep(u64::MAX).slots, 0, "nothing can have ended");
    clock.advance(Duration::from_secs(5));
    assert_eq!(bucket.len(), 10_000);
    let (mut freed, mut steps) = (0, 0);
    while freed < 10_000 {
        let swept = bucket.sweep(700);
        assert!(swept.slots <= 700);
        freed += swept.freed;
        steps += 1;
    }
    assert!((20_000 / 700..40).contains(&steps), "{steps}");
    assert_eq!((bucket.stats().entries, bucket.stats().expired), (10_000, 10_000));
    bucket.sweep(u64::MAX);
    assert_eq!(bucket.sweep(u64::MAX).slots, 0);
}

fn id(name: &str) -> BucketId {
    BucketId { owner: PluginName::new("shop").unwrap(), name: BucketName::new(name).unwrap() }
}

fn caches(mib: u64) -> Caches {
    Caches::new(CachesOptions { memory: ByteSize::mib(mib), clock: clock() })
}

fn of_mib(mib: u64) -> BucketOptions {
    BucketOptions { bytes: ByteSize::mib(mib), ..BucketOptions::default() }
}

#[test]
fn the_budget_is_shared_out_and_not_passed() {
    let caches = caches(10);
    assert_eq!(caches.configure(id("a"), &of_mib(6)).unwrap().change, Change::Created);
    let error = caches.configure(id("b"), &of_mib(5)).unwrap_err();
    let text = "bucket `shop/b` asks for 5 MiB, but of the 10 MiB for all caches only 4 MiB is left";
    assert_eq!(error.to_string(), text);
    assert_eq!(caches.configure(id("a"), &of_mib(5)).unwrap().change, Change::Kept);
    caches.configure(id("b"), &of_mib(5)).unwrap();
    assert!(caches.remove(&id("a")).is_some() && caches.get(&id("a")).is_none());
    assert_eq!(caches.list().len(), 1);
    caches.configure(id("b"), &of_mib(10)).unwrap();
}

#[test]
fn a_reload_keeps_entries_and_applies_new_limits() {
    let caches = caches(100);
    let bucket = caches.configure(id("a"), &of_mib(50)).unwrap().bucket;
    for n in 0..50_000 {
        put(&bucket, &n.to_string(), "");
    }
    let smaller = BucketOptions { entries: 1234, idle: Some(Duration::from_secs(1)), ..of_mib(50) };
    let again = caches.configure(id("a"), &smaller).unwrap();
    assert!(Arc::ptr_eq(&bucket, &again.bucket));
    assert_eq!((bucket.len(), bucket.stats().evicted_entries), (1234, 50_000 - 1234));
    let table = BucketOptions { kind: Kind::Table, ..of_mib(50) };
    let replaced = caches.configure(id("a"), &table).unwrap();
    assert_eq!((replaced.change, replaced.bucket.kind(), replaced.bucket.len()), (Change::Replaced, Kind::Table, 0));
    put(&replaced.bucket, "a", "");
    put(&replaced.bucket, "b", "");
    let error = caches.configure(id("a"), &BucketOptions { entries: 1, ..table }).unwrap_err();
    assert!(matches!(error, Error::Shrink { entries: 2, .. }));
    put(&replaced.bucket, "c", "");
}

#[test]
fn a_bucket_never_evicts_from_another() {
    let caches = caches(10);
    let quiet = caches.configure(id("quiet"), &of_mib(1)).unwrap().bucket;
    put(&quiet, "a", "mine");
    let loud = caches.configure(id("loud"), &of_mib(1)).unwrap().bucket;
    for n in 0..50_000 {
        put(&loud, &n.to_string(), "");
    }
    assert!(loud.stats().evicted_bytes > 0);
    assert_eq!((quiet.get("a").unwrap().to_vec(), quiet.stats().evicted_bytes), (b"mine".to_vec(), 0));
}

#[test]
fn one_bucket_cannot_starve_the_sweep_of_others() {
    let clock = clock();
    let caches = Caches::new(CachesOptions { memory: ByteSize::mib(10), clock: Arc::clone(&clock) as Arc<_> });
    let of = |name: &str| caches.configure(id(name), &of_mib(1)).unwrap().bucket;
    let buckets: Vec<Arc<Bucket>> = vec![of("a"), of("b")];
    for bucket in &buckets {
        for n in 0..100 {
            bucket.put(&n.to_string(), b"", PutOptions { ttl: after(1), ..PutOptions::default() }).unwrap();
        }
    }
    clock.advance(Duration::from_secs(1));
    let slots: Vec<u64> = (0..4).map(|_| caches.sweep(60).slots).collect();
    assert_eq!(slots, [60, 60, 60, 20]);
    assert!(buckets.iter().all(|bucket| bucket.bytes() == 0));
}

#[test]
fn a_copy_is_the_value_however_long_it_is() {
    let (bucket, _) = bucket(&BucketOptions::default());
    for length in [0, 1, 1024, 1025, 20_000] {
        let value = "v".repeat(length);
        put(&bucket, "key", &value);
        assert_eq!(bucket.copy("key"), Some(value.into_bytes()));
    }
}
