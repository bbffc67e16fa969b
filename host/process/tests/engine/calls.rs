use std::time::Duration;

use bytes::Bytes;
use skep_process::*;

use crate::rig::{Rig, named, plugin, secs};

#[tokio::test]
async fn a_process_keeps_its_state_between_messages() {
    let rig = Rig::new();
    let pid = rig.start("a").await;
    assert_eq!(rig.call("a", "add").await, "1");
    assert_eq!(rig.call("a", "add").await, "2");
    assert_eq!(rig.try_call(&pid.clone().into(), "get").await.unwrap(), "2 v1");
    rig.engine.cast(&named("a"), "add".into()).await.unwrap();
    rig.engine.send(&named("a"), "add".into()).await.unwrap();
    assert_eq!(rig.call("a", "get").await, "4 v1");
    assert_eq!(rig.engine.whereis(&plugin(), "a").await.unwrap(), Some(pid));
    assert_eq!(rig.engine.whereis(&plugin(), "b").await.unwrap(), None);
    assert_eq!(rig.try_call(&named("b"), "get").await, Err(Failure::NotFound));
}

/// Who calls runs the turn that it begins, and may be kept from its answer by nobody else's message.
#[tokio::test]
async fn who_calls_does_not_wait_for_what_is_behind_its_message() {
    let rig = Rig::new();
    rig.start("a").await;
    let before = rig.engine.totals().messages;
    rig.call("a", "burden 3").await;
    assert_eq!(rig.engine.totals().messages - before, 1);
    rig.settle().await;
    assert_eq!(rig.engine.totals().messages - before, 4);
    assert_eq!(rig.call("a", "get").await, "3 v1");
}

/// What is behind a caller's message waits in the mailbox until its turn goes on, and is not in hand.
#[tokio::test]
async fn who_is_restarted_behind_a_callers_message_has_lost_no_other() {
    let rig = Rig::new();
    let pid = rig.start("a").await;
    rig.call("a", "burden 3").await;
    assert!(rig.engine.restart(&pid));
    rig.settle().await;
    assert_eq!(rig.call("a", "get").await, "3 v1");
}

/// A loop of calls that never wait leaves others their turns.
#[tokio::test]
async fn many_calls_in_a_row_keep_nobody_else_from_working() {
    let rig = Rig::new();
    rig.start("a").await;
    rig.settle().await;
    let turns = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = std::sync::Arc::clone(&turns);
    let other = tokio::spawn(async move {
        loop {
            counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            tokio::task::yield_now().await;
        }
    });
    for _ in 0..320 {
        rig.call("a", "add").await;
    }
    other.abort();
    let turns = turns.load(std::sync::atomic::Ordering::SeqCst);
    assert!(turns >= 20, "{turns} turns of another task beside 320 calls");
}

#[tokio::test]
async fn names_are_of_one_process_at_a_time() {
    let rig = Rig::new();
    let first = rig.start("a").await;
    assert_eq!(rig.try_start(Some("a"), "").await, Err(StartFailure::NameTaken(first.clone())));
    let spec =
        || Spec { kind: "counter".to_owned(), name: Some("a".to_owned()), args: Bytes::new(), supervised: false };
    let there = rig.engine.start_or_get(&plugin(), spec()).await.unwrap();
    assert_eq!(there, Started { pid: first.clone(), was_there: true });
    rig.engine.stop(&first.clone().into(), Reason::NORMAL, None).await.unwrap();
    assert_eq!(rig.log(), ["a: terminate normal"]);
    let second = rig.start("a").await;
    assert_ne!(first, second);
    assert_eq!(rig.try_call(&first.into(), "get").await, Err(Failure::NotFound));
}

#[tokio::test]
async fn of_many_who_start_one_does() {
    let rig = Rig::new();
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let engine = rig.engine.clone();
            let spec =
                Spec { kind: "counter".to_owned(), name: Some("a".to_owned()), args: Bytes::new(), supervised: false };
            tokio::spawn(async move { engine.start_or_get(&plugin(), spec).await.unwrap() })
        })
        .collect();
    let mut new = 0;
    for task in tasks {
        new += usize::from(!task.await.unwrap().was_there);
    }
    assert_eq!(new, 1);
    assert_eq!(rig.counters.seen.inits.load(std::sync::atomic::Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_start_that_fails_leaves_nothing() {
    let rig = Rig::new();
    assert_eq!(rig.try_start(Some("a"), "refuse").await, Err(StartFailure::Failed("said no".to_owned())));
    assert_eq!(rig.try_start(Some("a"), "crash").await, Err(StartFailure::Crashed(Reason::new("told to"))));
    assert!(matches!(rig.try_start(Some("a"), "panic").await, Err(StartFailure::Crashed(_))));
    assert_eq!(rig.try_start(Some("a"), "leave").await, Err(StartFailure::Crashed(Reason::NORMAL)));
    let spec = Spec { kind: "other".to_owned(), name: None, args: Bytes::new(), supervised: false };
    assert_eq!(rig.engine.start(&plugin(), spec).await, Err(StartFailure::Other(Error::NotFound)));
    // All that is left is that they failed: one said no, and that counts, too.
    assert_eq!(rig.engine.totals(), Totals { crashes: 3, ..Totals::default() });
    rig.start("a").await;
}

#[tokio::test]
async fn names_are_listed_in_order_by_prefix() {
    let rig = Rig::new();
    for name in ["b:2", "a:3", "b:1", "b:10", "c"] {
        rig.start(name).await;
    }
    let list = async |prefix: &str, after: Option<&str>, limit| {
        let page = rig.engine.list(&plugin(), prefix, after, limit).await.unwrap();
        (page.processes.into_iter().map(|listed| listed.name.to_string()).collect::<Vec<_>>(), page.cursor)
    };
    assert_eq!(list("", None, 0).await, (["a:3", "b:1", "b:10", "b:2", "c"].map(str::to_owned).to_vec(), None));
    assert_eq!(list("b:", None, 2).await, (["b:1", "b:10"].map(str::to_owned).to_vec(), Some("b:10".to_owned())));
    assert_eq!(list("b:", Some("b:10"), 2).await, (["b:2"].map(str::to_owned).to_vec(), None));
    assert_eq!(list("d", None, 2).await, (vec![], None));
}

#[tokio::test]
async fn an_answer_may_come_later_or_too_late() {
    let rig = Rig::new();
    rig.start("a").await;
    let late = rig.calling("a", "later");
    rig.settle().await;
    assert!(!late.is_finished());
    rig.call("a", "answer").await;
    assert_eq!(late.await.unwrap().unwrap(), "at last");
    let late = rig.calling("a", "later");
    rig.settle().await;
    rig.pass(secs(5)).await;
    assert!(matches!(late.await.unwrap(), Err(Failure::Timeout(_))));
    assert_eq!(rig.call("a", "answer").await, "ok", "nobody waits for it any more");
}

#[tokio::test]
async fn a_call_that_is_overdue_is_skipped() {
    let rig = Rig::new();
    rig.start("a").await;
    let hangs = rig.calling("a", "hang");
    let waits = rig.calling("a", "add");
    rig.settle().await;
    rig.pass(secs(5)).await;
    assert!(matches!(hangs.await.unwrap(), Err(Failure::Timeout(text)) if text.contains("is handling a message")));
    assert!(matches!(waits.await.unwrap(), Err(Failure::Timeout(_))));
    rig.pass(secs(15)).await;
    assert_eq!(rig.call("a", "get").await, "0 v1", "twice the deadline is over, and it begins anew");
    assert_eq!(rig.told.count(|what| *what == Happened::Skipped), 1);
}

#[tokio::test]
async fn two_who_call_each_other_are_told_so() {
    let rig = Rig::new();
    rig.start("a").await;
    rig.start("b").await;
    let call = rig.calling("a", "call b call a get");
    rig.settle().await;
    rig.pass(secs(2)).await;
    let text = call.await.unwrap().unwrap();
    // Both wait for as long; whose time is over first says it.
    assert!(text.contains("which is the caller"), "{text}");
}

#[tokio::test]
async fn a_caller_that_leaves_does_not_disturb() {
    let rig = Rig::new();
    rig.start("a").await;
    let call = rig.calling("a", "add");
    rig.settle().await;
    call.abort();
    let call = rig.calling("a", "add");
    tokio::task::yield_now().await;
    call.abort();
    rig.settle().await;
    assert_eq!(rig.call("a", "get").await, "2 v1");
}

#[tokio::test]
async fn a_full_mailbox_refuses_and_its_neighbour_does_not() {
    let kind = KindOptions { mailbox: std::num::NonZeroU32::new(3).unwrap(), ..KindOptions::default() };
    let rig = Rig::with(kind, Options::default());
    rig.start("a").await;
    rig.start("b").await;
    let hangs = rig.calling("a", "hang");
    rig.settle().await;
    for _ in 0..3 {
        rig.engine.cast(&named("a"), "add".into()).await.unwrap();
    }
    assert_eq!(rig.engine.cast(&named("a"), "add".into()).await, Err(Failure::Full));
    assert_eq!(rig.engine.send(&named("a"), "add".into()).await, Err(Failure::Full));
    assert_eq!(rig.try_call(&named("a"), "add").await, Err(Failure::Full));
    assert_eq!(rig.call("b", "add").await, "1");
    hangs.abort();
    assert_eq!(rig.told.count(|what| *what == Happened::MailboxFull), 3);
}

#[tokio::test]
async fn there_are_bounds() {
    let kind = KindOptions { max: 2, ..KindOptions::default() };
    let limits =
        Limits { message_bytes_max: skep_types::ByteSize(64), timers_max: 1, links_max: 1, ..Limits::default() };
    let rig = Rig::with(kind, Options { limits, ..Options::default() });
    rig.start("a").await;
    rig.start("b").await;
    assert!(matches!(rig.try_start(Some("c"), "").await, Err(StartFailure::Other(Error::Full(_)))));
    let long = Bytes::from(vec![b'x'; 65]);
    assert_eq!(rig.engine.call(None, &named("a"), long, None).await, Err(Failure::Other(Error::TooLarge(64))));
    assert_eq!(rig.call("a", "after 1000 x").await, "1");
    assert!(rig.call("a", "after 1000 x").await.starts_with("full"));
    assert_eq!(rig.call("a", "link b").await, "ok");
    assert!(rig.call("a", "monitor b").await.starts_with("full"));
    assert_eq!(rig.call("b", "add").await, "1");
}

#[tokio::test]
async fn a_stop_waits_for_what_is_in_hand_and_then_kills() {
    let rig = Rig::new();
    let pid = rig.start("a").await;
    let hangs = rig.calling("a", "hang");
    rig.settle().await;
    let engine = rig.engine.clone();
    let stop = tokio::spawn(async move { engine.stop(&named("a"), Reason::SHUTDOWN, Some(secs(1))).await });
    rig.settle().await;
    assert!(!stop.is_finished());
    rig.pass(Duration::from_millis(1000)).await;
    stop.await.unwrap().unwrap();
    assert!(matches!(hangs.await.unwrap(), Err(Failure::Crashed(_))));
    assert_eq!(rig.state(&pid), None);
    assert_eq!(rig.engine.stop(&named("a"), Reason::SHUTDOWN, None).await, Err(Failure::NotFound));
}

#[tokio::test]
async fn its_own_stop_answers_first() {
    let rig = Rig::new();
    rig.start("a").await;
    assert_eq!(rig.call("a", "stop normal").await, "bye");
    rig.settle().await;
    assert_eq!(rig.try_call(&named("a"), "get").await, Err(Failure::NotFound));
    rig.start("a").await;
    assert_eq!(rig.try_call(&named("a"), "leave").await, Err(Failure::Crashed(Reason::NORMAL)));
}

#[tokio::test]
async fn what_is_for_processes_is_for_processes_at_work() {
    let rig = Rig::new();
    let pid = rig.start("a").await;
    rig.settle().await;
    assert!(matches!(rig.engine.send_after(&pid, Bytes::new(), secs(1)), Err(Error::Invalid(_))));
    assert!(matches!(rig.engine.monitor(&pid, &named("a")).await, Err(Error::Invalid(_))));
}

#[tokio::test]
async fn topics_reach_those_who_subscribed() {
    let rig = Rig::new();
    let pid = rig.start("a").await;
    let message = || Published { topic: "t:1".into(), id: None, event: None, data: Bytes::new() };
    rig.engine.publish(&pid, message());
    rig.call("a", "subscribe t:*").await;
    rig.engine.publish(&pid, message());
    rig.settle().await;
    assert_eq!(rig.log(), ["a: published t:1"]);
    assert_eq!(*rig.topics.0.lock(), ["t:*"]);
    rig.engine.stop(&pid.into(), Reason::NORMAL, None).await.unwrap();
    assert!(rig.topics.0.lock().is_empty());
}
