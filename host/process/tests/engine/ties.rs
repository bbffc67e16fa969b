use skep_process::*;

use crate::rig::{Rig, named, plugin};

#[tokio::test]
async fn down_comes_once_when_it_has_ended_for_good() {
    let rig = Rig::new();
    rig.start("a").await;
    rig.start("b").await;
    rig.call("a", "monitor b").await;
    assert!(rig.try_call(&named("b"), "crash").await.is_err());
    rig.settle().await;
    assert!(rig.log().is_empty(), "it is there again");
    rig.engine.stop(&named("b"), Reason::new("tired"), None).await.unwrap();
    rig.settle().await;
    assert_eq!(rig.log(), ["b: terminate tired", "a: down tired"]);
    rig.call("a", "monitor b").await;
    rig.settle().await;
    assert_eq!(rig.log(), ["a: down noproc"]);
}

#[tokio::test]
async fn after_demonitor_nothing_comes() {
    let rig = Rig::new();
    rig.start("a").await;
    let b = rig.start("b").await;
    let monitor = rig.call("a", "monitor b").await;
    assert_eq!(rig.engine.inspect(&b).unwrap().watchers, 1);
    rig.call("a", &format!("demonitor {monitor}")).await;
    assert_eq!(rig.engine.inspect(&b).unwrap().watchers, 0);
    rig.engine.stop(&named("b"), Reason::NORMAL, None).await.unwrap();
    rig.settle().await;
    assert_eq!(rig.log(), ["b: terminate normal"]);
}

#[tokio::test]
async fn a_watcher_that_ends_is_forgotten() {
    let rig = Rig::new();
    rig.start("a").await;
    let b = rig.start("b").await;
    rig.call("a", "monitor b").await;
    rig.engine.stop(&named("a"), Reason::NORMAL, None).await.unwrap();
    assert_eq!(rig.engine.inspect(&b).unwrap().watchers, 0);
}

#[tokio::test]
async fn a_link_passes_a_crash_on_and_a_normal_end_not() {
    let rig = Rig::with(
        KindOptions { restart: skep_supervision::Restart::Temporary, ..KindOptions::default() },
        Options::default(),
    );
    for name in ["a", "b", "c", "d"] {
        rig.start(name).await;
    }
    rig.call("a", "link b").await;
    rig.call("b", "link c").await;
    rig.call("c", "link d").await;
    rig.engine.stop(&named("d"), Reason::SHUTDOWN, None).await.unwrap();
    rig.settle().await;
    rig.call("c", "get").await;
    let (engine, target) = (rig.engine.clone(), named("c"));
    let ended = tokio::spawn(async move { engine.ended(&target).await });
    let hangs = rig.calling("b", "hang");
    rig.settle().await;
    assert!(rig.try_call(&named("a"), "crash").await.is_err());
    rig.settle().await;
    assert_eq!(ended.await.unwrap().as_str(), "told to", "the reason passes on");
    assert!(hangs.await.unwrap().is_err(), "it does not finish what it does");
    assert_eq!(rig.engine.list(&plugin(), "", None, 0).await.unwrap().processes, []);
}

#[tokio::test]
async fn who_traps_exits_is_told() {
    let rig = Rig::with(
        KindOptions { restart: skep_supervision::Restart::Temporary, ..KindOptions::default() },
        Options::default(),
    );
    for name in ["a", "b", "c"] {
        rig.start(name).await;
    }
    rig.call("a", "trap").await;
    rig.call("a", "link b").await;
    rig.call("c", "link a").await;
    rig.call("c", "unlink a").await;
    assert!(rig.try_call(&named("b"), "crash").await.is_err());
    assert!(rig.try_call(&named("c"), "crash").await.is_err());
    rig.settle().await;
    assert_eq!(rig.log(), ["a: exit told to"]);
    rig.call("a", "link b").await;
    let gone: Pid = "shop/counter/0000000000000".parse().unwrap();
    rig.call("a", &format!("link {gone}")).await;
    rig.settle().await;
    assert_eq!(rig.log(), ["a: exit noproc"]);
}
