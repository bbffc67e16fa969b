use std::sync::atomic::Ordering;

use skep_process::*;
use skep_types::ByteSize;

use crate::rig::{Bad, Rig, named, secs};

fn limits(limits: Limits) -> Options {
    Options { limits, ..Options::default() }
}

#[tokio::test]
async fn an_idle_one_sleeps_and_wakes_where_it_was() {
    let rig = Rig::new();
    let pid = rig.start("a").await;
    rig.call("a", "add").await;
    rig.pass(secs(9)).await;
    rig.call("a", "add").await;
    rig.pass(secs(9)).await;
    assert_eq!(rig.state(&pid), Some(ProcessState::Idle), "it was not idle for long enough");
    rig.pass(secs(1)).await;
    assert_eq!(rig.state(&pid), Some(ProcessState::Asleep));
    assert_eq!((rig.engine.totals().live, rig.engine.totals().state_bytes), (0, 4));
    assert_eq!(rig.call("a", "get").await, "2 v1");
    assert_eq!((rig.engine.totals().live, rig.engine.totals().state_bytes), (1, 0));
    assert_eq!(rig.call("a", "sleep").await, "good night");
    rig.settle().await;
    assert_eq!(rig.state(&pid), Some(ProcessState::Asleep));
}

#[tokio::test]
async fn the_oldest_idle_one_makes_room() {
    let rig = Rig::with(KindOptions::default(), limits(Limits { live_max: 3, ..Limits::default() }));
    let mut pids = Vec::new();
    for name in ["a", "b", "c"] {
        pids.push(rig.start(name).await);
        rig.pass(secs(1)).await;
    }
    rig.call("a", "add").await;
    rig.start("d").await;
    let states: Vec<_> = pids.iter().map(|pid| rig.state(pid).unwrap()).collect();
    assert_eq!(states, [ProcessState::Idle, ProcessState::Asleep, ProcessState::Idle]);
    for round in 1..=20 {
        for name in ["a", "b", "c", "d"] {
            let had = u64::from(name == "a") + round;
            assert_eq!(rig.call(name, "add").await, had.to_string());
            assert!(rig.engine.totals().live <= 3);
        }
    }
}

#[tokio::test]
async fn where_all_are_busy_wakers_wait_in_order() {
    let rig = Rig::with(KindOptions::default(), limits(Limits { live_max: 1, waking_max: 2, ..Limits::default() }));
    for name in ["a", "b", "c", "d"] {
        rig.start(name).await;
    }
    let hangs = rig.calling("a", "hang");
    rig.settle().await;
    let (b, c) = (rig.calling("b", "add"), rig.calling("c", "add"));
    rig.settle().await;
    assert_eq!(rig.engine.totals().waking, 2);
    assert!(matches!(rig.try_call(&named("d"), "add").await, Err(Failure::Other(Error::Unavailable(_)))));
    let a = rig.engine.whereis(&crate::rig::plugin(), "a").await.unwrap().unwrap();
    rig.engine.kill(&a);
    assert!(hangs.await.unwrap().is_err());
    assert_eq!((b.await.unwrap().unwrap(), c.await.unwrap().unwrap()), ("1".to_owned(), "1".to_owned()));
    rig.settle().await;
    rig.pass(secs(1)).await;
    assert_eq!(rig.call("d", "add").await, "1", "and it heals");
}

#[tokio::test]
async fn one_that_cannot_be_saved_stays_awake_within_its_bound() {
    let rig = Rig::with(KindOptions::default(), limits(Limits { unsaved_max: 1, ..Limits::default() }));
    let counters = crate::rig::Counters { saves: false, ..rig.counters.clone() };
    rig.engine.set_kind(&crate::rig::plugin(), "awake", KindOptions::default(), std::sync::Arc::new(counters)).unwrap();
    let spec =
        |name: &str| Spec { kind: "awake".to_owned(), name: Some(name.to_owned()), args: "".into(), supervised: false };
    let pid = rig.engine.start(&crate::rig::plugin(), spec("a")).await.unwrap().pid;
    let second = rig.engine.start(&crate::rig::plugin(), spec("b")).await;
    assert!(matches!(second, Err(StartFailure::Other(Error::Full(_)))), "{second:?}");
    rig.pass(secs(100)).await;
    assert_eq!(rig.state(&pid), Some(ProcessState::Idle));
}

#[tokio::test]
async fn over_the_budget_kept_states_leave_the_memory() {
    let every = Persistence::Snapshot { every_messages: std::num::NonZeroU32::new(10).unwrap(), every: secs(3600) };
    let kind = KindOptions { persistence: every, ..KindOptions::default() };
    let rig = Rig::with(kind, limits(Limits { state_bytes_max: ByteSize(8), ..Limits::default() }));
    let mut pids = Vec::new();
    for name in ["a", "b", "c", "d"] {
        pids.push(rig.start(name).await);
        rig.call(name, "add").await;
        rig.call(name, "sleep").await;
        rig.pass(secs(1)).await;
    }
    let states: Vec<_> = pids.iter().map(|pid| rig.state(pid).unwrap()).collect();
    assert_eq!(states, [ProcessState::Stored, ProcessState::Stored, ProcessState::Asleep, ProcessState::Asleep]);
    assert_eq!(rig.call("a", "add").await, "2");
}

#[tokio::test]
async fn over_the_budget_nothing_more_is_started() {
    let rig = Rig::with(KindOptions::default(), limits(Limits { state_bytes_max: ByteSize(8), ..Limits::default() }));
    for name in ["a", "b", "c"] {
        rig.start_with(name, "sleep").await;
        rig.settle().await;
    }
    assert!(matches!(rig.try_start(Some("d"), "").await, Err(StartFailure::Other(Error::Full(_)))));
}

#[tokio::test]
async fn where_no_instance_is_free_it_sleeps_on() {
    let rig = Rig::new();
    let pid = rig.start_with("a", "sleep").await;
    rig.settle().await;
    *rig.counters.seen.bad.lock() = Bad::Busy;
    assert!(matches!(rig.try_call(&named("a"), "add").await, Err(Failure::Other(Error::Unavailable(_)))));
    rig.engine.cast(&named("a"), "add".into()).await.unwrap();
    rig.settle().await;
    assert_eq!(rig.state(&pid), Some(ProcessState::Asleep));
    *rig.counters.seen.bad.lock() = Bad::No;
    rig.pass(secs(6)).await;
    assert_eq!(rig.call("a", "get").await, "1 v1", "the cast waited");
    assert_eq!(rig.engine.inspect(&pid).unwrap().view.crashes, 0);
    assert!(rig.counters.seen.loads.load(Ordering::SeqCst) > 2);
}
