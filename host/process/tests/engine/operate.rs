use skep_process::*;

use crate::rig::{Rig, named, plugin, secs};

#[tokio::test]
async fn operators_see_what_there_is() {
    let rig = Rig::new();
    for name in ["a", "b", "c"] {
        rig.start(name).await;
    }
    rig.call("b", "add").await;
    rig.call("b", "add").await;
    assert!(rig.try_call(&named("c"), "crash").await.is_err());
    rig.call("a", "sleep").await;
    rig.settle().await;
    let names = |filter: Filter| -> Vec<String> {
        let page = rig.engine.page(&filter);
        page.processes.into_iter().map(|view| view.name.unwrap().to_string()).collect()
    };
    assert_eq!(names(Filter::default()), ["a", "b", "c"]);
    assert_eq!(names(Filter { sort: Sort::Messages, limit: 1, ..Filter::default() }), ["b"]);
    assert_eq!(names(Filter { sort: Sort::Crashes, limit: 1, ..Filter::default() }), ["c"]);
    assert_eq!(names(Filter { state: Some(ProcessState::Asleep), ..Filter::default() }), ["a"]);
    assert_eq!(names(Filter { prefix: Some("b".to_owned()), ..Filter::default() }), ["b"]);
    assert_eq!(names(Filter { skip: 2, ..Filter::default() }), ["c"]);
    let counts = rig.engine.counts();
    assert_eq!((counts.len(), counts[0].states), (1, [0, 2, 0, 1, 0, 0, 0, 0]));
    rig.engine.remove_kind(&plugin(), "counter");
    rig.settle().await;
    assert_eq!(rig.engine.totals().processes, 0);
}

#[tokio::test]
async fn a_host_that_stops_waits_for_what_is_in_hand() {
    let rig = Rig::new();
    rig.start("a").await;
    let hangs = rig.calling("a", "hang");
    rig.settle().await;
    let engine = rig.engine.clone();
    let close = tokio::spawn(async move { engine.close().await });
    rig.settle().await;
    assert!(!close.is_finished());
    assert_eq!(rig.try_call(&named("a"), "get").await, Err(Failure::Other(Error::Stopping)));
    rig.pass(secs(5)).await;
    close.await.unwrap();
    assert!(hangs.await.unwrap().is_err());
}

#[tokio::test]
async fn contradictions_are_refused() {
    let rig = Rig::new();
    rig.start("a").await;
    let durable = KindOptions { persistence: Persistence::Durable, ..KindOptions::default() };
    let behaviour = || std::sync::Arc::new(rig.counters.clone());
    let invalid = |set: Result<(), Error>| assert!(matches!(set, Err(Error::Invalid(_))), "{set:?}");
    invalid(rig.engine.set_kind(&plugin(), "Counter", KindOptions::default(), behaviour()));
    invalid(rig.engine.set_kind(&plugin(), "counter", durable, behaviour()));
    let unsaved = crate::rig::Counters { saves: false, ..rig.counters.clone() };
    invalid(rig.engine.set_kind(&plugin(), "other", durable, std::sync::Arc::new(unsaved)));
}
