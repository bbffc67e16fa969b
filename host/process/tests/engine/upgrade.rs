use std::sync::Arc;

use skep_process::*;

use crate::rig::{Bad, Counters, Rig, named, plugin, secs};

fn durable() -> KindOptions {
    KindOptions { persistence: Persistence::Durable, ..KindOptions::default() }
}

#[tokio::test]
async fn live_ones_move_at_once_and_sleepers_when_they_wake() {
    for kind in [KindOptions::default(), durable()] {
        let rig = Rig::with(kind, Options::default());
        rig.start("live").await;
        let asleep = rig.start("asleep").await;
        for name in ["live", "asleep"] {
            rig.call(name, "add").await;
        }
        rig.call("live", "after 5000 ring").await;
        rig.call("asleep", "sleep").await;
        rig.settle().await;
        let (_, new) = rig.upgrade(kind, 2);
        rig.settle().await;
        assert_eq!(new.seen.loads.load(std::sync::atomic::Ordering::SeqCst), 1);
        assert_eq!(rig.state(&asleep), Some(ProcessState::Asleep));
        for name in ["live", "asleep"] {
            assert_eq!(rig.call(name, "get").await, "1 v2");
        }
        rig.pass(secs(5)).await;
        assert_eq!(*new.seen.log.lock(), ["live: ring"], "timers survive");
        assert_eq!(rig.told.count(|what| *what == Happened::Upgraded { from: 1, to: 2 }), 2);
    }
}

#[tokio::test]
async fn a_revision_that_fails_leaves_all_on_the_old_one() {
    for kind in [KindOptions::default(), durable()] {
        for bad in [Bad::Error, Bad::Panic, Bad::Loop, Bad::Garbage] {
            let rig = Rig::with(kind, Options::default());
            let live = rig.start("live").await;
            rig.start_with("asleep", "sleep").await;
            rig.call("live", "add").await;
            rig.settle().await;
            let new = Counters { version: 2, seen: Arc::default(), ..rig.counters.clone() };
            *new.seen.bad.lock() = bad;
            rig.engine.set_kind(&plugin(), "counter", kind, Arc::new(new)).unwrap();
            rig.settle().await;
            let calls = [rig.calling("live", "get"), rig.calling("asleep", "get")];
            rig.settle().await;
            // Loops end after twice the deadline, and the callers gave up before.
            if bad == Bad::Loop {
                rig.pass(secs(20)).await;
            }
            for call in calls {
                let answer = call.await.unwrap();
                assert!(answer.is_ok() || bad == Bad::Loop, "{bad:?} {answer:?}");
            }
            assert_eq!(rig.call("live", "get").await, "1 v1", "{bad:?}");
            assert_eq!(rig.call("asleep", "get").await, "0 v1", "{bad:?}");
            assert!(rig.engine.inspect(&live).unwrap().upgrade_failed.is_some());
            assert_eq!(rig.told.count(|what| matches!(what, Happened::UpgradeFailed(_))), 2);
            assert_eq!(rig.told.count(|what| matches!(what, Happened::Crashed(_))), 0);
            rig.upgrade(kind, 3);
            rig.settle().await;
            assert_eq!(rig.call("live", "get").await, "1 v3", "the next one is tried");
        }
    }
}

#[tokio::test]
async fn going_back_restores_what_was_saved() {
    for kind in [KindOptions::default(), durable()] {
        let rig = Rig::with(kind, Options::default());
        let (old, _) = rig.upgrade(kind, 1);
        for name in ["live", "asleep", "untouched"] {
            rig.start(name).await;
            rig.call(name, "add").await;
        }
        rig.call("untouched", "sleep").await;
        rig.upgrade(kind, 2);
        rig.settle().await;
        for name in ["live", "asleep"] {
            assert_eq!(rig.call(name, "add").await, "2");
        }
        rig.call("asleep", "sleep").await;
        rig.settle().await;
        rig.engine.set_kind(&plugin(), "counter", kind, old).unwrap();
        rig.settle().await;
        for name in ["live", "asleep", "untouched"] {
            assert_eq!(rig.call(name, "get").await, "1 v1", "{name}");
        }
        assert_eq!(rig.told.count(|what| *what == Happened::RolledBack), 2);
        rig.call("live", "add").await;
        rig.call("live", "sleep").await;
        assert_eq!(rig.call("live", "get").await, "2 v1", "once");
    }
}

#[tokio::test]
async fn after_the_probation_nothing_is_restored() {
    let rig = Rig::new();
    let (old, _) = rig.upgrade(KindOptions::default(), 1);
    let pid = rig.start("a").await;
    rig.call("a", "add").await;
    rig.upgrade(KindOptions::default(), 2);
    rig.settle().await;
    assert!(rig.engine.inspect(&pid).unwrap().keeps_before);
    rig.engine.settle_upgrade(&plugin());
    rig.settle().await;
    assert!(!rig.engine.inspect(&pid).unwrap().keeps_before);
    drop(old);
    assert_eq!(rig.call("a", "get").await, "1 v2");
}

#[tokio::test]
async fn a_host_that_died_in_the_probation_can_go_back() {
    let rig = Rig::with(durable(), Options::default());
    rig.start("a").await;
    rig.call("a", "add").await;
    rig.upgrade(durable(), 2);
    rig.settle().await;
    rig.call("a", "add").await;
    rig.line.kill();
    let two = Counters { version: 2, ..rig.counters.clone() };
    let next = Rig::on(rig.disk.clone(), rig.clock.clone(), two, durable(), Options::default());
    assert_eq!(next.call("a", "get").await, "2 v2");
    let one = Counters { version: 1, ..next.counters.clone() };
    next.engine.roll_back_kind(&plugin(), "counter", durable(), Arc::new(one)).unwrap();
    next.settle().await;
    assert_eq!(next.call("a", "get").await, "1 v1");
}

#[tokio::test]
async fn a_durable_one_in_the_store_stays_on_the_old_revision_if_need_be() {
    let rig = Rig::with(durable(), Options::default());
    rig.start("a").await;
    rig.call("a", "add").await;
    let new = Counters { version: 2, seen: Arc::default(), ..rig.counters.clone() };
    *new.seen.bad.lock() = Bad::Error;
    rig.engine.set_kind(&plugin(), "counter", durable(), Arc::new(new)).unwrap();
    assert!(rig.try_call(&named("a"), "crash").await.is_err());
    assert_eq!(rig.call("a", "get").await, "1 v1");
}

/// Ten thousand, half of them asleep, under calls; the state's shape changes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_move_under_calls_and_lose_nothing() {
    const COUNT: usize = 10_000;
    let limits = Limits { live_max: COUNT / 2, ..Limits::default() };
    let rig = Rig::with(KindOptions::default(), Options { limits, ..Options::default() });
    for at in 0..COUNT {
        rig.start_with(&at.to_string(), if at % 2 == 0 { "" } else { "sleep" }).await;
    }
    let callers: Vec<_> = (0..8_usize)
        .map(|caller| {
            let engine = rig.engine.clone();
            tokio::spawn(async move {
                let mut random = fastrand::Rng::with_seed(caller as u64);
                let mut added = vec![0_u32; COUNT];
                for _ in 0..2500 {
                    let at = random.usize(..COUNT);
                    engine.call(None, &named(&at.to_string()), "add".into(), None).await.unwrap();
                    added[at] += 1;
                }
                added
            })
        })
        .collect();
    tokio::task::yield_now().await;
    rig.upgrade(KindOptions::default(), 2);
    let mut added = vec![0; COUNT];
    for caller in callers {
        added.iter_mut().zip(caller.await.unwrap()).for_each(|(sum, count)| *sum += count);
    }
    for (at, count) in added.into_iter().enumerate() {
        assert_eq!(rig.call(&at.to_string(), "get").await, format!("{count} v2"));
    }
    assert_eq!(rig.told.count(|what| matches!(what, Happened::Crashed(_) | Happened::UpgradeFailed(_))), 0);
}
