//! Single flight. Nothing here sleeps: futures are polled by hand, or tokio's clock is paused.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use skep_cache::{Bucket, BucketOptions, Error, FetchOptions, Fetched, Kind, Lease, PutOptions, Ttl, Update};
use skep_types::ByteSize;

use crate::{after, bucket, put};

const WAIT: FetchOptions = FetchOptions { wait: Duration::from_secs(60), stale: false };
const NOW: FetchOptions = FetchOptions { wait: Duration::ZERO, stale: false };
const STALE: FetchOptions = FetchOptions { wait: Duration::from_secs(60), stale: true };

type Write = dyn Fn(&Bucket) -> Result<u64, Error>;
type Fetching<'a> = Pin<Box<dyn Future<Output = Result<Fetched, Error>> + 'a>>;

fn fetching<'a>(bucket: &'a Bucket, key: &'a str) -> Fetching<'a> {
    let mut fetching: Fetching<'a> = Box::pin(bucket.fetch(key, WAIT));
    assert!(poll(&mut fetching).is_pending());
    fetching
}

fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

fn ready(fetching: &mut Fetching<'_>) -> Result<Fetched, Error> {
    match poll(fetching) {
        Poll::Ready(fetched) => fetched,
        Poll::Pending => panic!("still waiting"),
    }
}

fn lease(fetched: Result<Fetched, Error>) -> Lease {
    match fetched {
        Ok(Fetched::Miss(lease)) => lease,
        other => panic!("{other:?}"),
    }
}

fn hit(fetched: Result<Fetched, Error>) -> Vec<u8> {
    match fetched {
        Ok(Fetched::Hit(value)) => value.to_vec(),
        other => panic!("{other:?}"),
    }
}

async fn first(bucket: &Bucket, key: &str) -> Lease {
    lease(bucket.fetch(key, NOW).await)
}

#[tokio::test]
async fn a_lease_knows_whether_it_counts() {
    let (bucket, _) = bucket(&BucketOptions::default());
    let lease = first(&bucket, "key").await;
    assert!(lease.holds());
    put(&bucket, "key", "other");
    assert!(!lease.holds());
    assert_eq!(lease.fill(b"late", Ttl::Default), Err(Error::Conflict));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_callers_load_once() {
    let (bucket, _) = bucket(&BucketOptions::default());
    let calls = (0..1000).map(|_| {
        let bucket = Arc::clone(&bucket);
        tokio::spawn(async move {
            match bucket.fetch("key", WAIT).await.unwrap() {
                Fetched::Miss(lease) => {
                    tokio::task::yield_now().await;
                    lease.fill(b"loaded", Ttl::Default).unwrap();
                    1
                }
                Fetched::Hit(value) => {
                    assert_eq!(value, b"loaded");
                    0
                }
                Fetched::Stale { .. } => panic!("nobody asked for a stale value"),
            }
        })
    });
    let mut loads = 0;
    for call in calls.collect::<Vec<_>>() {
        loads += call.await.unwrap();
    }
    let stats = bucket.stats();
    assert_eq!((loads, stats.loads, stats.load_failures, stats.waiting, stats.leases), (1, 1, 0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_lease_goes_to_the_next_in_order_at_once() {
    let (bucket, _) = bucket(&BucketOptions::default());
    let held = first(&bucket, "key").await;
    let (mut a, mut b, mut c) = (fetching(&bucket, "key"), fetching(&bucket, "key"), fetching(&bucket, "key"));
    assert_eq!(bucket.stats().waiting, 3);
    drop(held);
    assert!(poll(&mut b).is_pending() && poll(&mut c).is_pending());
    let held = lease(ready(&mut a));
    drop(held);
    assert!(poll(&mut c).is_pending());
    lease(ready(&mut b)).fill(b"v", Ttl::Default).unwrap();
    assert_eq!(hit(ready(&mut c)), b"v");
    let stats = bucket.stats();
    assert_eq!((stats.loads, stats.load_failures, stats.waiting, stats.leases), (3, 2, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_lease_handed_to_a_waiter_that_goes_away_is_not_lost() {
    let (bucket, _) = bucket(&BucketOptions::default());
    let held = first(&bucket, "key").await;
    let (a, b, mut c) = (fetching(&bucket, "key"), fetching(&bucket, "key"), fetching(&bucket, "key"));
    drop(held);
    // The lease lies in the channel of `a`, which never looks; then in that of `b`.
    drop(a);
    drop(b);
    drop(lease(ready(&mut c)));
    assert_eq!((bucket.stats().leases, bucket.stats().waiting), (0, 0));
    let _held = first(&bucket, "key").await;
}

#[test]
fn leases_and_locks_survive_cancellation_under_threads() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_time().build().unwrap();
    let (bucket, _) = bucket(&BucketOptions::default());
    runtime.block_on(async {
        let tasks = (0..400_u32).map(|n| {
            let bucket = Arc::clone(&bucket);
            tokio::spawn(async move {
                let fetched = bucket.fetch("key", WAIT).await;
                let locked = bucket.lock("key", Duration::from_secs(60)).await;
                if n % 3 == 0 {
                    tokio::task::yield_now().await;
                }
                drop((fetched, locked));
            })
        });
        let tasks: Vec<_> = tasks.collect();
        for (n, task) in tasks.iter().enumerate() {
            if n % 2 == 0 {
                task.abort();
                tokio::task::yield_now().await;
            }
        }
        for (n, task) in tasks.into_iter().enumerate() {
            let ended = task.await;
            assert!(n % 2 == 0 || ended.is_ok());
        }
    });
    let stats = bucket.stats();
    assert_eq!((stats.waiting, stats.leases, stats.locks), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_at_its_time_and_leaves_the_line() {
    let (bucket, _) = bucket(&BucketOptions::default());
    let held = first(&bucket, "key").await;
    assert_eq!(bucket.fetch("key", WAIT).await.unwrap_err(), Error::Timeout);
    assert_eq!(bucket.fetch("key", NOW).await.unwrap_err(), Error::Timeout);
    assert_eq!(bucket.stats().waiting, 0);
    held.fill(b"v", Ttl::Default).unwrap();
    assert_eq!(hit(bucket.fetch("key", NOW).await), b"v");
}

#[tokio::test(start_paused = true)]
async fn a_write_by_somebody_else_answers_all_and_refuses_the_fill() {
    let (bucket, _) = bucket(&BucketOptions::default());
    let put_update = |b: &Bucket| b.update("key", |_| (Update::Put(b"7".to_vec(), Ttl::Default), ())).map(|()| 0);
    let writes: [&Write; 4] = [
        &|b| b.put("key", b"7", PutOptions::default()),
        &|b| b.increment("key", 7, Ttl::Default).map(|_| 0),
        &put_update,
        &|b| b.put_many(&[("key", "7")], Ttl::Default).map(|()| 0),
    ];
    for write in writes {
        let held = first(&bucket, "key").await;
        let (mut a, mut b) = (fetching(&bucket, "key"), fetching(&bucket, "key"));
        write(&bucket).unwrap();
        assert_eq!((hit(ready(&mut a)), hit(ready(&mut b))), (b"7".to_vec(), b"7".to_vec()));
        assert_eq!(held.fill(b"older", Ttl::Default), Err(Error::Conflict));
        assert_eq!(bucket.take("key").unwrap(), b"7");
        assert_eq!(bucket.stats().leases, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_removal_during_the_load_refuses_the_fill_and_hands_on() {
    let (bucket, _) = bucket(&BucketOptions::default());
    let removals: [&dyn Fn(&Bucket); 4] =
        [&|b| assert!(!b.delete("key")), &|b| assert!(b.take("key").is_none()), &|b| assert_eq!(b.clear(), 0), &|b| {
            b.update("key", |_| (Update::Delete, ())).unwrap();
        }];
    for remove in removals {
        let held = first(&bucket, "key").await;
        let (mut a, mut b) = (fetching(&bucket, "key"), fetching(&bucket, "key"));
        remove(&bucket);
        let next = lease(ready(&mut a));
        assert_eq!(held.fill(b"older", Ttl::Default), Err(Error::Conflict));
        assert!(!bucket.exists("key") && poll(&mut b).is_pending());
        next.fill(b"newer", Ttl::Default).unwrap();
        assert_eq!(hit(ready(&mut b)), b"newer");
        bucket.delete("key");
    }
    // Without anybody waiting, too, and a dropped old lease does not disturb the new one.
    let held = first(&bucket, "key").await;
    bucket.delete("key");
    let next = first(&bucket, "key").await;
    drop(held);
    assert_eq!(bucket.fetch("key", NOW).await.unwrap_err(), Error::Timeout);
    next.fill(b"v", Ttl::Default).unwrap();
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_get_a_value_that_the_bucket_refuses() {
    let small = BucketOptions { value_bytes: ByteSize(3), ..BucketOptions::default() };
    let full = BucketOptions { kind: Kind::Table, entries: 1, ..BucketOptions::default() };
    for options in [small, full] {
        let (bucket, _) = bucket(&options);
        put(&bucket, "x", "");
        let held = first(&bucket, "key").await;
        let mut a = fetching(&bucket, "key");
        let error = held.fill(b"long", Ttl::Default).unwrap_err();
        assert!(matches!(error, Error::TooLarge(3) | Error::Full(_)), "{error}");
        assert_eq!(hit(ready(&mut a)), b"long");
        assert!(!bucket.exists("key"));
        let _held = first(&bucket, "key").await;
    }
}

#[tokio::test(start_paused = true)]
async fn keys_do_not_wait_for_each_other() {
    let (bucket, _) = bucket(&BucketOptions::default());
    let held = first(&bucket, "a").await;
    let mut a = fetching(&bucket, "a");
    first(&bucket, "b").await.fill(b"b", Ttl::Default).unwrap();
    assert_eq!(hit(bucket.fetch("b", NOW).await), b"b");
    assert!(poll(&mut a).is_pending());
    held.fill(b"a", Ttl::Default).unwrap();
    assert_eq!(hit(ready(&mut a)), b"a");
}

#[tokio::test(start_paused = true)]
async fn too_many_waiters_or_leases_are_refused_and_the_others_served() {
    let options = BucketOptions { waiters_per_key: 2, waiters: 3, holders: 2, ..BucketOptions::default() };
    let (bucket, _) = bucket(&options);
    let (a, b) = (first(&bucket, "a").await, first(&bucket, "b").await);
    assert!(matches!(bucket.fetch("c", WAIT).await, Err(Error::Full(_))));
    let (mut a1, mut a2) = (fetching(&bucket, "a"), fetching(&bucket, "a"));
    assert!(matches!(bucket.fetch("a", WAIT).await, Err(Error::Full(_))));
    let b1 = fetching(&bucket, "b");
    assert!(matches!(bucket.fetch("b", WAIT).await, Err(Error::Full(_))));
    drop(b1);
    let mut b1 = fetching(&bucket, "b");
    a.fill(b"a", Ttl::Default).unwrap();
    b.fill(b"b", Ttl::Default).unwrap();
    assert_eq!((hit(ready(&mut a1)), hit(ready(&mut a2)), hit(ready(&mut b1))), (vec![b'a'], vec![b'a'], vec![b'b']));
    drop(first(&bucket, "c").await);
}

#[tokio::test(start_paused = true)]
async fn a_stale_value_is_served_while_one_caller_loads() {
    let stale = Duration::from_secs(10);
    let (bucket, clock) = bucket(&BucketOptions { stale, ..BucketOptions::default() });
    let load = |bucket: &Arc<Bucket>| bucket.put("key", b"old", PutOptions { ttl: after(5), ..PutOptions::default() });
    load(&bucket).unwrap();
    clock.advance(Duration::from_secs(5));
    assert!(bucket.get("key").is_none() && bucket.is_empty() && bucket.keys("", None, 1).unwrap().keys.is_empty());
    assert_eq!(bucket.sweep(100).freed, 0);
    let split = |fetched| match fetched {
        Ok(Fetched::Stale { value, lease }) => (value.to_vec(), lease),
        other => panic!("{other:?}"),
    };
    let (value, held) = split(bucket.fetch("key", STALE).await);
    assert!(value == b"old" && held.is_some());
    let (value, none) = split(bucket.fetch("key", STALE).await);
    assert!(value == b"old" && none.is_none());
    let mut fresh_only = fetching(&bucket, "key");
    drop(held);
    drop(lease(ready(&mut fresh_only)));
    let (_, held) = split(bucket.fetch("key", STALE).await);
    held.unwrap().fill(b"new", after(5)).unwrap();
    assert_eq!(hit(bucket.fetch("key", STALE).await), b"new");
    clock.advance(Duration::from_secs(15));
    drop(lease(bucket.fetch("key", STALE).await));
    assert_eq!(bucket.sweep(100).freed + bucket.stats().expired, 1);
}

#[tokio::test(start_paused = true)]
async fn a_stale_value_is_served_even_if_no_lease_is_left() {
    let options = BucketOptions { stale: Duration::from_secs(10), holders: 1, ..BucketOptions::default() };
    let (bucket, clock) = bucket(&options);
    bucket.put("key", b"old", PutOptions { ttl: after(5), ..PutOptions::default() }).unwrap();
    clock.advance(Duration::from_secs(5));
    let _held = first(&bucket, "another").await;
    assert!(matches!(bucket.fetch("key", STALE).await, Ok(Fetched::Stale { lease: None, .. })));
}
