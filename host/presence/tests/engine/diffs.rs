//! What is announced, to the letter.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use skep_presence::{Announce, Diff, Options, Presence};
use skep_types::{Clock, ManualClock, SystemClock, TopicId};

use crate::{Bench, TICK, topic};

#[test]
fn an_update_is_a_leave_and_a_join_in_one_diff() {
    let bench = Bench::new(Options::default());
    let (room, engine) = (topic("room"), &bench.presence);
    let owner = engine.owner("o").unwrap();
    let first = engine.track("o", &room, "u\"1", b"{\"a\":1}").unwrap();
    assert_eq!(bench.heard(), [], "not before the tick");
    let joined = format!(r#"{{"u\"1":{{"metas":[{{"phx_ref":"{first}","a":1}}]}}}}"#);
    assert_eq!(engine.state_json(&room), joined);
    assert_eq!(bench.tick_json(), [format!(r#"{{"joins":{joined},"leaves":{{}}}}"#)]);
    engine.update("o", &room, "u\"1", b"{\"a\":2}").unwrap();
    let last = engine.update("o", &room, "u\"1", b"{}").unwrap();
    let updated = format!(r#"{{"u\"1":{{"metas":[{{"phx_ref":"{last}","phx_ref_prev":"{first}"}}]}}}}"#);
    assert_eq!(bench.tick_json(), [format!(r#"{{"joins":{updated},"leaves":{joined}}}"#)]);
    assert_eq!(engine.state_json(&room), updated, "the previous ref stays");
    drop(owner);
    assert_eq!(bench.tick_json(), [format!(r#"{{"joins":{{}},"leaves":{updated}}}"#)]);
}

#[test]
fn only_the_net_effect_of_a_tick_is_told() {
    let bench = Bench::new(Options::default());
    let (room, engine) = (topic("room"), &bench.presence);
    let (one, _two) = (engine.owner("1").unwrap(), engine.owner("2").unwrap());
    engine.track("1", &room, "k", b"{}").unwrap();
    assert!(engine.untrack("1", &room, "k") && !engine.untrack("1", &room, "k"));
    assert_eq!(bench.tick(), [], "came and went");
    let first = engine.track("1", &room, "k", b"{}").unwrap();
    let second = engine.update("1", &room, "k", b"{\"b\":1}").unwrap();
    let meta = format!(r#"{{"k":{{"metas":[{{"phx_ref":"{second}","phx_ref_prev":"{first}","b":1}}]}}}}"#);
    assert_eq!(bench.tick_json(), [format!(r#"{{"joins":{meta},"leaves":{{}}}}"#)], "one join with the last data");
    drop(one);
    let third = engine.track("2", &room, "k", b"{}").unwrap();
    let joined = format!(r#"{{"k":{{"metas":[{{"phx_ref":"{third}"}}]}}}}"#);
    assert_eq!(bench.tick_json(), [format!(r#"{{"joins":{joined},"leaves":{meta}}}"#)], "another owner, same key");
}

#[test]
fn there_is_one_diff_for_each_topic_and_tick() {
    let bench = Bench::new(Options::default());
    let _owner = bench.presence.owner("o").unwrap();
    for n in 0..10 {
        bench.presence.track("o", &topic("a"), &n.to_string(), b"{}").unwrap();
        bench.clock.advance(TICK / 10);
        bench.presence.track("o", &topic("b"), &n.to_string(), b"{}").unwrap();
    }
    bench.presence.tick(bench.clock.now());
    let heard: Vec<_> = bench.heard().into_iter().map(|(topic, diff)| (topic, diff.entries())).collect();
    assert_eq!(heard, [(topic("a"), 10)], "the other began later");
    let due = bench.presence.next_due().unwrap();
    assert_eq!(due, bench.clock.now() + TICK / 10);
    bench.clock.advance(TICK / 10);
    bench.presence.tick(bench.clock.now());
    assert_eq!((bench.heard().len(), bench.presence.next_due()), (1, None));
}

#[test]
fn a_storm_is_cut_into_bounded_diffs() {
    let bench = Bench::new(Options { diff_entries_max: 100, ..Options::default() });
    let (room, engine) = (topic("room"), &bench.presence);
    let owners: Vec<_> = (0..1000).map(|n| engine.owner(&n.to_string()).unwrap()).collect();
    for owner in &owners {
        engine.track(owner.id(), &room, owner.id(), b"{}").unwrap();
    }
    assert_eq!(bench.tick().len(), 10);
    for owner in &owners {
        engine.update(owner.id(), &room, owner.id(), b"{}").unwrap();
    }
    let diffs = bench.tick();
    assert_eq!(diffs.len(), 20);
    for (_, diff) in &diffs {
        let Diff::Members { joins, leaves } = diff else { panic!("{diff:?}") };
        let keys = |members: &[skep_presence::Member]| members.iter().map(|m| m.key.clone()).collect::<Vec<_>>();
        assert_eq!((diff.entries(), keys(joins)), (100, keys(leaves)), "no update is torn apart");
    }
    drop(owners);
    assert_eq!(bench.tick().len(), 10);
}

#[test]
fn diffs_are_cut_by_their_bytes_too() {
    let bench = Bench::new(Options { diff_bytes_max: 20_000, ..Options::default() });
    let (room, engine) = (topic("room"), &bench.presence);
    let owner = engine.owner("o").unwrap();
    let data = format!("{{\"d\":\"{}\"}}", "x".repeat(4000));
    for n in 0..20 {
        engine.track("o", &room, &format!("\u{1}{n}"), data.as_bytes()).unwrap();
    }
    for round in 0..3 {
        let diffs = bench.tick();
        assert!(diffs.len() >= 5, "{} diffs in round {round}", diffs.len());
        assert!(diffs.iter().all(|(_, diff)| diff.to_json().len() <= 20_000));
        match round {
            0 => (0..20).for_each(|n| _ = engine.update("o", &room, &format!("\u{1}{n}"), data.as_bytes()).unwrap()),
            1 => (0..20).for_each(|n| assert!(engine.untrack("o", &room, &format!("\u{1}{n}")))),
            _ => drop(bench.tick()),
        }
    }
    drop(owner);
}

/// A subscriber that uses the engine while it is told.
#[derive(Default)]
struct Nosy(Mutex<Option<Presence>>, Mutex<Vec<usize>>);

impl Announce for Nosy {
    fn announce(&self, topic: &TopicId, _: &Diff) {
        let engine = self.0.lock().clone().unwrap();
        let owner = engine.owner("nosy").unwrap();
        engine.track("nosy", topic, "nosy", b"{}").unwrap();
        self.1.lock().push(engine.list(topic, None, 10).members.len());
        engine.tick(SystemClock.now() + Duration::from_secs(60));
        drop(owner);
    }
}

#[test]
fn a_subscriber_may_use_the_engine() {
    let clock = Arc::new(ManualClock::at(std::time::SystemTime::UNIX_EPOCH));
    let nosy = Arc::new(Nosy::default());
    let options = Options { clock: Arc::clone(&clock) as _, ..Options::default() };
    let engine = Presence::new(options, Arc::clone(&nosy) as _);
    *nosy.0.lock() = Some(engine.clone());
    let _owner = engine.owner("o").unwrap();
    engine.track("o", &topic("room"), "k", b"{}").unwrap();
    engine.tick(clock.now() + TICK);
    assert_eq!(*nosy.1.lock(), [2]);
    assert_eq!(engine.count(&topic("room")), 1);
    *nosy.0.lock() = None;
}

#[tokio::test(start_paused = true)]
async fn the_service_sleeps_until_something_changes() {
    struct Told(tokio::sync::mpsc::Sender<String>);
    impl Announce for Told {
        fn announce(&self, _: &TopicId, diff: &Diff) {
            self.0.try_send(diff.to_json()).unwrap();
        }
    }
    let (sender, mut told) = tokio::sync::mpsc::channel(10);
    let engine = Presence::new(Options { tick: Duration::ZERO, ..Options::default() }, Arc::new(Told(sender)));
    let (cancel, cancelled) = tokio::sync::oneshot::channel::<()>();
    let service = tokio::spawn(engine.service().run(async { drop(cancelled.await) }));
    tokio::task::yield_now().await;
    for n in 0..3 {
        let owner = engine.owner("o").unwrap();
        engine.track("o", &topic("room"), &n.to_string(), b"{}").unwrap();
        assert!(told.recv().await.unwrap().starts_with("{\"joins\":{\""));
        drop(owner);
        assert!(told.recv().await.unwrap().starts_with("{\"joins\":{},"));
    }
    drop(cancel);
    service.await.unwrap();
}
