//! Locks.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use skep_cache::{Bucket, BucketOptions, Error};
use skep_types::ManualClock;

use crate::{bucket, put};

const WAIT: Duration = Duration::from_secs(60);

fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test(start_paused = true)]
async fn a_lock_goes_on_in_order_when_its_guard_is_dropped() {
    let (bucket, _) = bucket(&BucketOptions::default());
    put(&bucket, "name", "an entry of the same name");
    let guard = bucket.try_lock("name").unwrap();
    assert_eq!(bucket.try_lock("name").unwrap_err(), Error::Timeout);
    assert!(bucket.try_lock("another").is_ok());
    let mut waiters: Vec<_> = (0..3).map(|_| Box::pin(bucket.lock("name", WAIT))).collect();
    assert!(waiters.iter_mut().all(|waiter| poll(waiter).is_pending()));
    let mut fence = guard.fence();
    drop(guard);
    // The first got it and goes away without having looked.
    drop(waiters.remove(0));
    for mut waiter in waiters {
        let Poll::Ready(Ok(guard)) = poll(&mut waiter) else { panic!("not handed over") };
        assert!(guard.fence() > fence && guard.name() == "name");
        fence = guard.fence();
    }
    let stats = bucket.stats();
    assert_eq!((stats.locks, stats.waiting), (0, 0));
    bucket.clear();
    assert!(bucket.try_lock("name").unwrap().fence() > fence);
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_a_lock_ends_at_its_time() {
    let (bucket, _) = bucket(&BucketOptions::default());
    let _guard = bucket.try_lock("name").unwrap();
    assert_eq!(bucket.lock("name", WAIT).await.unwrap_err(), Error::Timeout);
    assert_eq!(bucket.stats().waiting, 0);
}

#[tokio::test(start_paused = true)]
async fn locks_and_waiters_are_bounded() {
    let options = BucketOptions { waiters_per_key: 1, holders: 1, ..BucketOptions::default() };
    let (bucket, _) = bucket(&options);
    let guard = bucket.try_lock("a").unwrap();
    assert!(matches!(bucket.try_lock("b"), Err(Error::Full(_))));
    let mut waiter = Box::pin(bucket.lock("a", WAIT));
    assert!(poll(&mut waiter).is_pending());
    assert!(matches!(bucket.lock("a", WAIT).await, Err(Error::Full(_))));
    assert!(matches!(bucket.try_lock(&"n".repeat(1025)), Err(Error::Invalid(_))));
    drop(guard);
    assert!(matches!(poll(&mut waiter), Poll::Ready(Ok(_))));
}

#[test]
fn fences_grow_over_a_restart() {
    let (before, clock) = bucket(&BucketOptions::default());
    let fence = before.try_lock("a").unwrap().fence();
    clock.advance(Duration::from_secs(1));
    let after = Bucket::new(&BucketOptions::default(), clock as Arc<ManualClock>);
    assert!(after.try_lock("a").unwrap().fence() > fence);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn only_one_holds_a_lock() {
    let (bucket, _) = bucket(&BucketOptions::default());
    let inside = Arc::new(AtomicBool::new(false));
    let tasks = (0..200).map(|_| {
        let (bucket, inside) = (Arc::clone(&bucket), Arc::clone(&inside));
        tokio::spawn(async move {
            let guard = bucket.lock("name", WAIT).await.unwrap();
            assert!(!inside.swap(true, Ordering::SeqCst));
            tokio::task::yield_now().await;
            inside.store(false, Ordering::SeqCst);
            guard.fence()
        })
    });
    let mut fences = Vec::new();
    for task in tasks.collect::<Vec<_>>() {
        fences.push(task.await.unwrap());
    }
    fences.sort_unstable();
    fences.dedup();
    assert_eq!(fences.len(), 200);
}
