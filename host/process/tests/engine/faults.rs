//! Random faults of the store and deaths of the host: what was acknowledged is there, and nothing is there twice.

use std::num::NonZeroU32;

use proptest::prelude::*;
use skep_process::*;

use crate::keeper::Fault;
use crate::rig::{Rig, named, secs};

#[derive(Clone, Debug)]
enum Step {
    Call,
    Cast,
    Crash,
    Sleep,
    Kill,
    Fault(Fault),
    /// The host dies, in the middle of a call or not.
    Die {
        calling: bool,
    },
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let fault = prop_oneof![
        Just(Fault::Unavailable),
        Just(Fault::UnknownWritten),
        Just(Fault::UnknownLost),
        Just(Fault::Conflict),
        Just(Fault::Slow),
        Just(Fault::HangWritten),
        Just(Fault::HangForgotten),
    ];
    prop_oneof![
        8 => Just(Step::Call),
        3 => Just(Step::Cast),
        1 => Just(Step::Crash),
        1 => Just(Step::Sleep),
        1 => Just(Step::Kill),
        3 => fault.prop_map(Step::Fault),
        1 => any::<bool>().prop_map(|calling| Step::Die { calling }),
        2 => (0_u64..8).prop_map(Step::Pass),
    ]
}

/// What may be in the counter.
#[derive(Debug, Default)]
struct Bounds {
    low: u64,
    high: u64,
}

async fn run(kind: KindOptions, word: &str, steps: Vec<Step>) {
    let mut rig = Rig::with(kind, Options::default());
    rig.start("a").await;
    let mut bounds = Bounds::default();
    for step in steps {
        match step {
            Step::Call => {
                let call = rig.calling("a", word);
                rig.settle().await;
                for _ in 0..8 {
                    if !call.is_finished() {
                        rig.pass(secs(1)).await;
                    }
                }
                match call.await.unwrap() {
                    Ok(_) => {
                        bounds.low += 1;
                        bounds.high += 1;
                    }
                    // It may come to something yet: it waits for a store that does not answer.
                    Err(Failure::Timeout(_) | Failure::Other(Error::OutcomeUnknown)) => bounds.high += 1,
                    Err(_) => {}
                }
            }
            Step::Cast => {
                if rig.engine.cast(&named("a"), word.to_owned().into()).await.is_ok() {
                    // A conflict or a crash may undo it.
                    bounds.high += 1;
                }
            }
            Step::Crash => drop(rig.engine.send(&named("a"), "crash".into()).await),
            Step::Sleep => drop(rig.engine.send(&named("a"), "sleep".into()).await),
            Step::Kill => {
                let pid = rig.engine.whereis(&crate::rig::plugin(), "a").await;
                if let Ok(Some(pid)) = pid {
                    rig.engine.kill(&pid);
                }
            }
            Step::Fault(fault) => rig.disk.faults.lock().push_back(fault),
            Step::Die { calling } => {
                let call = calling.then(|| rig.calling("a", word));
                for _ in 0..5 {
                    tokio::task::yield_now().await;
                }
                if let Some(call) = call {
                    bounds.high += 1;
                    if call.is_finished() && call.await.unwrap().is_ok() {
                        bounds.low += 1;
                    }
                }
                rig.disk.faults.lock().clear();
                rig = rig.next_host(kind);
            }
            Step::Pass(time) => rig.pass(secs(time)).await,
        }
    }
    rig.disk.faults.lock().clear();
    let rig = rig.next_host(kind);
    rig.settle().await;
    rig.pass(secs(10)).await;
    let text = rig.call("a", "get").await;
    let count: u64 = text.split(' ').next().unwrap().parse().unwrap();
    assert!((bounds.low..=bounds.high).contains(&count), "{count} is not within {bounds:?}");
}

fn on_a_runtime(run: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(run);
}

/// The mail of the cast is given up by the next host, whose store is away, before the commit comes that handles it.
#[test]
fn a_commit_of_a_dead_host_that_comes_late_is_refused() {
    let snapshot_every = NonZeroU32::new(3).unwrap();
    let kind = KindOptions { persistence: Persistence::EventLog { snapshot_every }, ..KindOptions::default() };
    let (slow, away) = (Step::Fault(Fault::Slow), Step::Fault(Fault::Unavailable));
    let steps = vec![Step::Cast, slow, Step::Die { calling: false }, away, Step::Call, Step::Call];
    on_a_runtime(run(kind, "event", steps));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_durable_counter_is_what_was_acknowledged(steps in prop::collection::vec(step(), 1..40)) {
        let kind = KindOptions { persistence: Persistence::Durable, ..KindOptions::default() };
        on_a_runtime(run(kind, "add", steps));
    }

    #[test]
    fn so_is_an_event_log(steps in prop::collection::vec(step(), 1..40)) {
        let snapshot_every = NonZeroU32::new(3).unwrap();
        let kind = KindOptions { persistence: Persistence::EventLog { snapshot_every }, ..KindOptions::default() };
        on_a_runtime(run(kind, "event", steps));
    }

    /// Without casts, crashes of its own and faults, it is exactly what was acknowledged.
    #[test]
    fn without_doubts_it_is_exact(adds in prop::collection::vec(1_u64..5, 1..10)) {
        on_a_runtime(async {
            let kind = KindOptions { persistence: Persistence::Durable, ..KindOptions::default() };
            let mut rig = Rig::with(kind, Options::default());
            rig.start("a").await;
            let mut sum = 0;
            for add in adds {
                for _ in 0..add {
                    rig.disk.faults.lock().push_back(Fault::UnknownWritten);
                    rig.call("a", "add").await;
                    sum += 1;
                }
                rig = rig.next_host(kind);
                assert_eq!(rig.call("a", "get").await, format!("{sum} v1"));
            }
        });
    }

    /// A snapshot loses fewer messages than it may, however often the host dies.
    #[test]
    fn a_snapshot_loses_less_than_its_bound(
        adds in prop::collection::vec((1_u64..30, any::<bool>()), 1..10),
        every in 1_u32..10,
    ) {
        on_a_runtime(async {
            let every_messages = NonZeroU32::new(every).unwrap();
            let persistence = Persistence::Snapshot { every_messages, every: secs(5) };
            let kind = KindOptions { persistence, ..KindOptions::default() };
            let mut rig = Rig::with(kind, Options::default());
            rig.start("a").await;
            for (add, pass) in adds {
                let mut last = 0;
                for _ in 0..add {
                    last = rig.call("a", "add").await.parse::<u64>().unwrap();
                }
                if pass {
                    rig.pass(secs(5)).await;
                }
                rig = rig.next_host(kind);
                let text = rig.call("a", "get").await;
                let count: u64 = text.split(' ').next().unwrap().parse().unwrap();
                assert!(count <= last && last - count < u64::from(every), "{count} of {last}");
                assert!(!pass || count == last);
            }
        });
    }
}
