use skep_process::*;
use skep_supervision::Restart;

use crate::rig::{Rig, named, secs};

#[tokio::test]
async fn a_crash_loses_the_message_in_hand_and_no_other() {
    let rig = Rig::new();
    let pid = rig.start("a").await;
    rig.call("a", "add").await;
    let late = rig.calling("a", "later");
    let crash = rig.calling("a", "crash");
    let next = rig.calling("a", "add");
    let told = Failure::Crashed(Reason::new("told to"));
    assert_eq!(crash.await.unwrap(), Err(told.clone()));
    assert_eq!(late.await.unwrap(), Err(told), "what it owed is lost with it");
    assert_eq!(next.await.unwrap().unwrap(), "1", "its init ran again");
    let about = rig.engine.inspect(&pid).unwrap();
    assert_eq!((about.view.crashes, about.view.trouble), (1, Some(Reason::new("told to"))));
}

#[tokio::test]
async fn a_panic_is_a_crash() {
    let rig = Rig::new();
    rig.start("a").await;
    let Err(Failure::Crashed(reason)) = rig.try_call(&named("a"), "panic").await else { panic!() };
    assert_eq!(reason.as_str(), "the host panicked: told to");
    assert_eq!(rig.call("a", "get").await, "0 v1");
}

#[tokio::test]
async fn a_temporary_one_is_not_started_again() {
    let rig = Rig::with(KindOptions { restart: Restart::Temporary, ..KindOptions::default() }, Options::default());
    let pid = rig.start("a").await;
    assert!(rig.try_call(&named("a"), "crash").await.is_err());
    rig.settle().await;
    assert_eq!(rig.state(&pid), None);
}

#[tokio::test]
async fn an_abnormal_stop_of_its_own_is_a_crash() {
    let rig = Rig::new();
    let pid = rig.start("a").await;
    assert_eq!(rig.call("a", "stop boom").await, "bye");
    rig.settle().await;
    assert_eq!(rig.state(&pid), Some(ProcessState::Idle));
    assert_eq!(rig.told.count(|what| *what == Happened::Restarted), 1);
}

#[tokio::test]
async fn beyond_its_budget_it_backs_off_and_messages_wait() {
    let rig = Rig::new();
    let pid = rig.start("a").await;
    for _ in 0..4 {
        assert!(rig.try_call(&named("a"), "crash").await.is_err());
    }
    rig.settle().await;
    assert_eq!(rig.state(&pid), Some(ProcessState::BackingOff));
    let waits = rig.calling("a", "add");
    rig.settle().await;
    assert!(!waits.is_finished());
    rig.pass(secs(2)).await;
    assert_eq!(waits.await.unwrap().unwrap(), "1");
    assert_eq!(rig.told.count(|what| matches!(what, Happened::BackingOff { round: 1, .. })), 1);
    rig.pass(secs(60)).await;
    assert_eq!(rig.told.count(|what| *what == Happened::Healed), 1);
}

#[tokio::test]
async fn after_ten_rounds_it_gives_up_until_somebody_helps() {
    let rig = Rig::new();
    let pid = rig.start("a").await;
    let engine = rig.engine.clone();
    let target = Target::Pid(pid.clone());
    let ended = tokio::spawn(async move { engine.ended(&target).await });
    rig.settle().await;
    // No round lives for long enough to heal.
    while rig.state(&pid) != Some(ProcessState::GaveUp) {
        for _ in 0..4 {
            rig.engine.cast(&named("a"), "crash".into()).await.unwrap();
        }
        rig.settle().await;
        let again_in = rig.engine.inspect(&pid).and_then(|about| about.again_in);
        rig.pass(again_in.unwrap_or_default()).await;
    }
    assert!(
        matches!(rig.try_call(&named("a"), "get").await, Err(Failure::Crashed(why)) if why.as_str().starts_with("gave up"))
    );
    assert_eq!(ended.await.unwrap().as_str(), "told to", "for everybody else it has ended");
    assert_eq!(rig.told.count(|what| *what == Happened::GaveUp { rounds: 10 }), 1);
    assert!(rig.engine.restart(&pid));
    rig.settle().await;
    assert_eq!(rig.call("a", "add").await, "1");
}

#[tokio::test]
async fn endless_work_ends_after_twice_its_time() {
    let rig = Rig::new();
    rig.start("a").await;
    let engine = rig.engine.clone();
    let hangs = tokio::spawn(async move { engine.call(None, &named("a"), "hang".into(), Some(secs(100))).await });
    rig.settle().await;
    rig.pass(secs(19)).await;
    assert!(!hangs.is_finished());
    rig.pass(secs(1)).await;
    assert!(matches!(hangs.await.unwrap(), Err(Failure::Crashed(_))));
    assert_eq!(rig.call("a", "add").await, "1");
}

#[tokio::test]
async fn a_kill_cuts_off_and_a_restart_starts_whatever_the_budget() {
    let rig = Rig::with(KindOptions { restart: Restart::Temporary, ..KindOptions::default() }, Options::default());
    let pid = rig.start("a").await;
    let hangs = rig.calling("a", "hang");
    rig.settle().await;
    for _ in 0..10 {
        assert!(rig.engine.restart(&pid));
        rig.settle().await;
    }
    assert_eq!(hangs.await.unwrap(), Err(Failure::Crashed(Reason::KILLED)));
    assert_eq!(rig.call("a", "add").await, "1");
    assert!(rig.engine.kill(&pid));
    rig.settle().await;
    assert_eq!(rig.state(&pid), None);
    assert!(!rig.engine.kill(&pid));
}

#[tokio::test]
async fn what_init_sets_is_set_once() {
    let rig = Rig::new();
    let pid = rig.start_with("a", "every 1000 tick").await;
    rig.call("a", "after 1500 once").await;
    for _ in 0..3 {
        assert!(rig.try_call(&named("a"), "crash").await.is_err());
    }
    rig.settle().await;
    assert_eq!(rig.engine.inspect(&pid).unwrap().timers.len(), 2);
    rig.pass(secs(1)).await;
    rig.pass(secs(1)).await;
    assert_eq!(rig.log(), ["a: tick", "a: once", "a: tick"]);
}
