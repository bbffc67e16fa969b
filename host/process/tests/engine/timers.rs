use skep_process::*;

use crate::rig::{Rig, named, secs};

#[tokio::test]
async fn a_timer_comes_once_and_an_interval_does_not_pile_up() {
    let rig = Rig::new();
    rig.start("a").await;
    rig.call("a", "after 1000 once").await;
    rig.call("a", "every 300 tick").await;
    rig.pass(secs(1)).await;
    assert_eq!(rig.log(), ["a: tick", "a: once"]);
    rig.pass(std::time::Duration::from_millis(199)).await;
    assert_eq!(rig.log(), Vec::<String>::new());
    rig.pass(std::time::Duration::from_millis(1)).await;
    assert_eq!(rig.log(), ["a: tick"], "what was missed is not made up for");
    let hangs = rig.calling("a", "hang");
    rig.settle().await;
    rig.pass_slowly(secs(3), 10).await;
    let pid = rig.engine.whereis(&crate::rig::plugin(), "a").await.unwrap().unwrap();
    assert_eq!(rig.engine.inspect(&pid).unwrap().view.mailbox, 1);
    hangs.abort();
}

#[tokio::test]
async fn a_cancelled_timer_says_nothing_even_from_the_mailbox() {
    let rig = Rig::new();
    rig.start("a").await;
    let timer = rig.call("a", "after 1000 once").await;
    assert_eq!(rig.call("a", &format!("cancel {timer}")).await, "true");
    assert_eq!(rig.call("a", &format!("cancel {timer}")).await, "false");
    let timer = rig.call("a", "after 1000 twice").await;
    rig.settle().await;
    // It is due while its owner is busy cancelling it.
    let cancel = rig.calling("a", &format!("cancel {timer}"));
    rig.clock.advance(secs(1));
    rig.engine.look();
    assert_eq!(cancel.await.unwrap().unwrap(), "true");
    rig.settle().await;
    assert_eq!(rig.log(), Vec::<String>::new());
    assert_eq!(rig.engine.totals().timers, 0);
}

#[tokio::test]
async fn timers_survive_sleep_and_crash_and_end_with_their_process() {
    let rig = Rig::new();
    let pid = rig.start("a").await;
    rig.call("a", "after 30000 once").await;
    assert!(rig.try_call(&named("a"), "crash").await.is_err());
    rig.pass(secs(11)).await;
    assert_eq!(rig.state(&pid), Some(ProcessState::Asleep));
    rig.pass(secs(20)).await;
    assert_eq!(rig.log(), ["a: once"]);
    rig.call("a", "every 1000 tick").await;
    rig.engine.stop(&pid.into(), Reason::NORMAL, None).await.unwrap();
    assert_eq!(rig.engine.totals().timers, 0);
}
