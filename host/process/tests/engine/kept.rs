use std::num::NonZeroU32;

use skep_process::*;

use crate::keeper::Fault;
use crate::rig::{Bad, Rig, named, plugin, secs};

fn durable() -> KindOptions {
    KindOptions { persistence: Persistence::Durable, ..KindOptions::default() }
}

fn snapshot() -> KindOptions {
    let every_messages = NonZeroU32::new(10).unwrap();
    KindOptions { persistence: Persistence::Snapshot { every_messages, every: secs(5) }, ..KindOptions::default() }
}

fn event_log() -> KindOptions {
    let snapshot_every = NonZeroU32::new(4).unwrap();
    KindOptions { persistence: Persistence::EventLog { snapshot_every }, ..KindOptions::default() }
}

#[tokio::test]
async fn a_durable_one_is_there_after_the_host_died() {
    let rig = Rig::with(durable(), Options::default());
    let pid = rig.start("a").await;
    for _ in 0..3 {
        rig.call("a", "add").await;
    }
    rig.call("a", "after 60000 ring").await;
    let rig = rig.next_host(durable());
    assert_eq!(rig.engine.list(&plugin(), "", None, 0).await.unwrap().processes.len(), 1);
    assert_eq!(rig.engine.totals().processes, 0, "nothing is read that nobody asks for");
    assert_eq!(rig.engine.whereis(&plugin(), "a").await.unwrap(), Some(pid.clone()));
    assert_eq!(rig.try_call(&pid.clone().into(), "get").await.unwrap(), "3 v1");
    let rig = rig.next_host(durable());
    rig.settle().await;
    rig.pass(secs(60)).await;
    assert_eq!(rig.log(), ["a: ring"], "its timer brings it back");
    assert!(matches!(rig.try_start(Some("a"), "").await, Err(StartFailure::NameTaken(there)) if there == pid));
    rig.engine.stop(&named("a"), Reason::NORMAL, None).await.unwrap();
    assert_eq!(rig.disk.record(pid.number), None);
    let rig = rig.next_host(durable());
    assert_eq!(rig.try_call(&named("a"), "get").await, Err(Failure::NotFound));
}

#[tokio::test]
async fn reading_writes_nothing() {
    let rig = Rig::with(durable(), Options::default());
    let pid = rig.start("a").await;
    rig.call("a", "add").await;
    let seq = rig.disk.record(pid.number).unwrap().seq;
    for _ in 0..5 {
        rig.call("a", "get").await;
    }
    assert_eq!(rig.disk.record(pid.number).unwrap().seq, seq);
    rig.call("a", "stage").await;
    assert_eq!((rig.disk.record(pid.number).unwrap().seq, rig.disk.staged()), (seq + 1, 1));
}

#[tokio::test]
async fn a_crash_of_a_durable_one_loses_nothing() {
    let rig = Rig::with(durable(), Options::default());
    rig.start("a").await;
    rig.call("a", "add").await;
    assert!(rig.try_call(&named("a"), "crash").await.is_err());
    assert_eq!(rig.call("a", "add").await, "2");
}

#[tokio::test]
async fn a_conflict_takes_all_back() {
    let rig = Rig::with(durable(), Options::default());
    let pid = rig.start("a").await;
    rig.call("a", "add").await;
    rig.disk.faults.lock().push_back(Fault::Conflict);
    assert_eq!(rig.try_call(&named("a"), "add").await, Err(Failure::Conflict));
    rig.disk.faults.lock().push_back(Fault::Conflict);
    assert_eq!(rig.try_call(&named("a"), "after 1000 x").await, Err(Failure::Conflict));
    rig.settle().await;
    assert_eq!(rig.engine.inspect(&pid).unwrap().timers, [], "the timer as well");
    assert_eq!(rig.engine.totals().timers, 0);
    assert_eq!(rig.call("a", "get").await, "1 v1");
}

#[tokio::test]
async fn what_is_refused_for_good_is_over() {
    let rig = Rig::with(durable(), Options::default());
    rig.start("a").await;
    rig.call("a", "add").await;
    rig.disk.faults.lock().push_back(Fault::TooLarge);
    let refused = rig.try_call(&named("a"), "add").await;
    assert!(matches!(refused, Err(Failure::Other(Error::TooLarge(7)))), "{refused:?}");
    rig.disk.faults.lock().push_back(Fault::TooLarge);
    rig.engine.cast(&named("a"), "add".into()).await.unwrap();
    assert_eq!(rig.call("a", "get").await, "1 v1", "the state is what it was, and answers at once");
    assert_eq!(rig.disk.mail_len(), 0, "the cast does not come again");
    assert_eq!(rig.told.count(|what| matches!(what, Happened::NotCommitted(_))), 2);
}

#[tokio::test]
async fn while_the_store_fails_calls_are_told_so_and_it_heals() {
    let rig = Rig::with(durable(), Options::default());
    rig.start("a").await;
    rig.disk.faults.lock().extend([Fault::Unavailable, Fault::UnknownLost]);
    for _ in 0..2 {
        let failed = rig.try_call(&named("a"), "add").await;
        assert!(matches!(failed, Err(Failure::Other(Error::Unavailable(_)))), "{failed:?}");
    }
    rig.disk.faults.lock().push_back(Fault::UnknownWritten);
    assert_eq!(rig.call("a", "add").await, "1", "the record says what became of it");
    rig.line.deaf.store(true, std::sync::atomic::Ordering::SeqCst);
    rig.disk.faults.lock().push_back(Fault::Unavailable);
    assert!(rig.try_call(&named("a"), "add").await.is_err());
    rig.engine.cast(&named("a"), "add".into()).await.unwrap();
    assert!(rig.try_call(&named("a"), "get").await.is_err());
    rig.line.deaf.store(false, std::sync::atomic::Ordering::SeqCst);
    rig.pass(secs(6)).await;
    assert_eq!(rig.call("a", "get").await, "2 v1", "the cast was in the store");
    assert_eq!(rig.disk.mail_len(), 0);
}

#[tokio::test]
async fn a_cast_in_the_store_survives_the_host() {
    let rig = Rig::with(durable(), Options::default());
    rig.start("a").await;
    let hangs = rig.calling("a", "hang");
    rig.settle().await;
    for _ in 0..3 {
        rig.engine.cast(&named("a"), "add".into()).await.unwrap();
    }
    rig.disk.put_mail(&plugin(), MailTo::Name("nobody".into()), "add", None);
    assert_eq!(rig.disk.mail_len(), 4);
    let next = rig.next_host(durable());
    hangs.abort();
    next.settle().await;
    assert_eq!(next.call("a", "get").await, "3 v1");
    assert_eq!(next.disk.mail_len(), 0, "who is not there gets nothing");
    next.disk.put_mail(&plugin(), MailTo::Name("a".into()), "add", Some(1_700_000_060_000));
    next.pass(secs(5)).await;
    assert_eq!(next.call("a", "get").await, "3 v1");
    next.pass_slowly(secs(60), 12).await;
    assert_eq!(next.call("a", "get").await, "4 v1");
}

#[tokio::test]
async fn a_snapshot_loses_no_more_than_its_bound() {
    let rig = Rig::with(snapshot(), Options::default());
    rig.start("a").await;
    for _ in 0..25 {
        rig.call("a", "add").await;
    }
    let rig = rig.next_host(snapshot());
    assert_eq!(rig.call("a", "get").await, "20 v1");
    rig.call("a", "add").await;
    rig.pass(secs(5)).await;
    let rig = rig.next_host(snapshot());
    assert_eq!(rig.call("a", "get").await, "21 v1", "its time was over");
    rig.call("a", "add").await;
    rig.engine.close().await;
    let rig = rig.next_host(snapshot());
    assert_eq!(rig.call("a", "get").await, "22 v1", "at the end it is written");
}

#[tokio::test]
async fn an_event_log_is_replayed_and_cut() {
    let rig = Rig::with(event_log(), Options::default());
    let pid = rig.start("a").await;
    for count in 1..=11 {
        assert_eq!(rig.call("a", "event").await, count.to_string());
        assert!(rig.disk.events_len(pid.number) < 4);
    }
    let rig = rig.next_host(event_log());
    assert_eq!(rig.call("a", "get").await, "11 v1");
    assert!(rig.try_call(&named("a"), "crash").await.is_err());
    assert_eq!(rig.call("a", "event").await, "12");
    assert_eq!(rig.disk.events_len(pid.number), 0);
}

#[tokio::test]
async fn what_does_not_load_is_quarantined_and_not_lost() {
    let rig = Rig::with(durable(), Options::default());
    let pid = rig.start("a").await;
    rig.call("a", "add").await;
    let rig = rig.next_host(durable());
    *rig.counters.seen.bad.lock() = Bad::Panic;
    let failed = rig.try_call(&named("a"), "get").await;
    assert!(matches!(failed, Err(Failure::Crashed(why)) if why.as_str().starts_with("quarantined")));
    rig.settle().await;
    assert_eq!(rig.state(&pid), Some(ProcessState::Quarantined));
    assert!(rig.try_call(&named("a"), "get").await.is_err(), "at once");
    assert!(rig.disk.record(pid.number).unwrap().quarantined.is_some());
    let (_, _) = rig.upgrade(durable(), 2);
    rig.settle().await;
    assert_eq!(rig.call("a", "get").await, "1 v2", "a new revision can");
    rig.call("a", "add").await;
    assert!(rig.disk.record(pid.number).unwrap().quarantined.is_none());
}

#[tokio::test]
async fn monitors_of_kept_ones_hold_over_hosts() {
    let rig = Rig::with(durable(), Options::default());
    rig.start("a").await;
    rig.start("b").await;
    rig.call("a", "monitor b").await;
    let rig = rig.next_host(durable());
    rig.call("a", "get").await;
    rig.engine.stop(&named("b"), Reason::new("tired"), None).await.unwrap();
    rig.settle().await;
    assert_eq!(rig.log(), ["a: down tired"], "nobody is woken to be terminated");
    let rig = rig.next_host(durable());
    rig.call("a", "get").await;
    rig.settle().await;
    assert_eq!(rig.log(), Vec::<String>::new());
}

#[tokio::test]
async fn one_who_lost_its_process_cannot_write() {
    let rig = Rig::with(durable(), Options::default());
    rig.start("a").await;
    let zombie = rig.disk.line();
    let other = Rig::on(rig.disk.clone(), rig.clock.clone(), rig.counters.clone(), durable(), Options::default());
    drop(zombie);
    assert_eq!(other.call("a", "add").await, "1");
    assert_eq!(rig.try_call(&named("a"), "add").await, Err(Failure::Other(Error::Conflict)));
    assert_eq!(other.call("a", "get").await, "1 v1");
}
