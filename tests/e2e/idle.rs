//! The places that instances are in, at work and idle.

use std::pin::pin;
use std::sync::Arc;

use futures_util::FutureExt as _;
use skep_tests::guests;
use skep_types::{FailureKind, Instances};

use crate::direct::{body, get, load_with, runtime_with};

#[tokio::test(flavor = "multi_thread")]
async fn instances_at_work_leave_others_places_to_be_idle_in() {
    // Two may be idle.
    let runtime = runtime_with(|options| (options.instances, options.processes) = (8, 0));
    let wasm = guests::hostile_fast();
    let reused = || load_with(&runtime, &wasm, |spec| spec.instances = Instances::Reuse(100));
    let (busy, other) = (reused().await, reused().await);
    let two = async |path| tokio::join!(body(&busy, path), body(&busy, path));
    // At the same time, so that there are two.
    two("/sleep?ms=50").await;
    assert_eq!([body(&other, "/counter").await, body(&other, "/counter").await], ["1", "1"], "all places are taken");
    let mut long = pin!(two("/sleep?ms=60000"));
    assert!(long.as_mut().now_or_never().is_none());
    assert_eq!([body(&other, "/counter").await, body(&other, "/counter").await], ["1", "2"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_place_is_nobodys_as_long_as_an_instance_is_in_it() {
    // As many instances as places, and none beside.
    let runtime = runtime_with(|options| (options.instances, options.processes) = (2, 0));
    for wasm in [guests::hostile_fast(), guests::hostile()] {
        let revision = load_with(&runtime, &wasm, |spec| spec.limits.concurrency = 2).await;
        let calls = (0..4).map(|_| {
            let revision = Arc::clone(&revision);
            tokio::spawn(async move {
                for _ in 0..200 {
                    let failure = get(&revision, "/trap").await.err().unwrap();
                    assert_eq!(failure.kind, FailureKind::Trap, "{failure}");
                }
            })
        });
        for call in calls.collect::<Vec<_>>() {
            call.await.unwrap();
        }
    }
}
