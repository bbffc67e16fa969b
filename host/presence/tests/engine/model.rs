//! Random operations against a naive model, with clients that listen.

use std::collections::BTreeMap;

use proptest::prelude::*;
use skep_presence::{Diff, Error, Options, Owner};

use crate::client::Client;
use crate::{Bench, topic};

#[derive(Clone, Debug)]
enum Op {
    Open(u8),
    Close(u8),
    Track(u8, u8, u8),
    Update(u8, u8, u8),
    Untrack(u8, u8, u8),
    /// A client subscribes and lists.
    Watch(u8),
    /// Somebody looks, without following.
    Count(u8),
    Tick,
}

fn op() -> impl Strategy<Value = Op> {
    let (owner, topic, key) = (0..4_u8, 0..2_u8, 0..3_u8);
    let place = (owner.clone(), topic.clone(), key);
    prop_oneof![
        3 => owner.clone().prop_map(Op::Open),
        2 => owner.prop_map(Op::Close),
        6 => place.clone().prop_map(|(o, t, k)| Op::Track(o, t, k)),
        4 => place.clone().prop_map(|(o, t, k)| Op::Update(o, t, k)),
        3 => place.prop_map(|(o, t, k)| Op::Untrack(o, t, k)),
        2 => topic.clone().prop_map(Op::Watch),
        1 => topic.prop_map(Op::Count),
        3 => Just(Op::Tick),
    ]
}

/// What is tracked: by place, its ref and the number in its data.
type Model = BTreeMap<(u8, u8, u8), (String, usize)>;

/// The model's list of a topic: in the order of keys, then of tracking.
fn expected(model: &Model, topic: u8) -> Vec<(String, Vec<(String, usize)>)> {
    let mut keys: BTreeMap<String, Vec<(String, usize)>> = BTreeMap::new();
    for ((_, at, key), meta) in model {
        if *at == topic {
            keys.entry(format!("k{key}")).or_default().push(meta.clone());
        }
    }
    keys.values_mut().for_each(|metas| metas.sort_by_key(|(_, n)| *n));
    keys.into_iter().collect()
}

fn flat(client: &Client) -> Vec<(String, Vec<(String, usize)>)> {
    let meta =
        |meta: &serde_json::Value| (meta["phx_ref"].as_str().unwrap().to_owned(), meta["n"].as_u64().unwrap() as usize);
    client.0.iter().map(|(key, metas)| (key.clone(), metas.iter().map(meta).collect())).collect()
}

/// Runs the operations. Looking at a list changes what later diffs must tell, so one run looks after each step and
/// another never before the end.
fn run(ops: &[Op], look: bool, diff_entries_max: usize) {
    let bench = Bench::new(Options { diff_entries_max, ..Options::default() });
    let topics = [topic("a"), topic("b")];
    let mut owners: BTreeMap<u8, Owner> = BTreeMap::new();
    let mut model = Model::new();
    let mut clients = vec![(0, Client::default()), (1, Client::default())];
    for (n, op) in ops.iter().chain([&Op::Tick]).enumerate() {
        let data = format!("{{\"n\":{n}}}");
        let engine = &bench.presence;
        match *op {
            Op::Open(owner) => match engine.owner(&owner.to_string()) {
                Ok(guard) => assert!(owners.insert(owner, guard).is_none()),
                Err(error) => assert!(error == Error::OwnerTaken && owners.contains_key(&owner)),
            },
            Op::Close(owner) => {
                owners.remove(&owner);
                model.retain(|place, _| place.0 != owner);
            }
            Op::Track(o, t, k) => {
                match engine.track(&o.to_string(), &topics[t as usize], &format!("k{k}"), data.as_bytes()) {
                    Ok(id) => assert!(model.insert((o, t, k), (id.to_string(), n)).is_none()),
                    Err(Error::NoOwner) => assert!(!owners.contains_key(&o)),
                    Err(error) => assert!(error == Error::AlreadyTracked && model.contains_key(&(o, t, k))),
                }
            }
            Op::Update(o, t, k) => {
                match engine.update(&o.to_string(), &topics[t as usize], &format!("k{k}"), data.as_bytes()) {
                    Ok(id) => assert!(model.insert((o, t, k), (id.to_string(), n)).is_some()),
                    Err(Error::NoOwner) => assert!(!owners.contains_key(&o)),
                    Err(error) => assert!(error == Error::NotTracked && !model.contains_key(&(o, t, k))),
                }
            }
            Op::Untrack(o, t, k) => {
                let there = engine.untrack(&o.to_string(), &topics[t as usize], &format!("k{k}"));
                assert_eq!(there, model.remove(&(o, t, k)).is_some());
            }
            Op::Watch(t) => clients.push((t, Client::of(&engine.state_json(&topics[t as usize])))),
            Op::Count(t) => {
                assert_eq!(engine.count(&topics[t as usize]), expected(&model, t).len() as u64);
            }
            Op::Tick => {
                for (id, diff) in bench.tick() {
                    assert!((1..=diff_entries_max).contains(&diff.entries()));
                    clients.iter_mut().filter(|(t, _)| topics[*t as usize] == id).for_each(|(_, client)| {
                        client.apply(&diff.to_json());
                    });
                }
                // Whenever they listed, all who follow a topic know the same now.
                for (t, client) in &clients {
                    assert_eq!(flat(client), expected(&model, *t), "a client of topic {t} after step {n}");
                }
            }
        }
        if look {
            for (t, id) in topics.iter().enumerate() {
                let page = engine.list(id, None, 1000);
                let listed = page.members.iter().map(|member| {
                    (member.key.to_string(), member.metas.iter().map(|meta| meta.id().to_string()).collect::<Vec<_>>())
                });
                let wanted: Vec<_> = expected(&model, t as u8);
                let wanted = wanted.into_iter().map(|(k, metas)| (k, metas.into_iter().map(|(id, _)| id).collect()));
                assert_eq!(listed.collect::<Vec<_>>(), wanted.collect::<Vec<(String, Vec<String>)>>());
            }
        }
    }
    // Clients agree with the list to the letter, previous refs included.
    for (t, client) in &clients {
        assert_eq!(*client, Client::of(&bench.presence.state_json(&topics[*t as usize])));
    }
    drop(owners);
    bench.tick();
    let stats = bench.presence.stats();
    assert_eq!((stats.owners, stats.topics, stats.entries, stats.due), (0, 0, 0, 0), "nothing is left behind");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn lists_and_clients_agree_with_a_naive_model(
        ops in prop::collection::vec(op(), 1..80), look in any::<bool>(), max in prop_oneof![Just(1000), 2..5_usize],
    ) {
        run(&ops, look, max);
    }
}

#[test]
fn a_counted_topic_tells_every_count_that_somebody_may_miss() {
    let modes = skep_presence::Modes(vec![("test/*".parse().unwrap(), skep_presence::Mode::Count)]);
    let bench = Bench::new(Options { modes, ..Options::default() });
    let room = topic("room");
    let owner = bench.presence.owner("o").unwrap();
    for key in ["a", "b", "b2"] {
        bench.presence.track("o", &room, key, b"{}").unwrap();
    }
    assert_eq!(bench.tick(), [(room.clone(), Diff::Count(3))]);
    bench.presence.update("o", &room, "a", b"{\"x\":1}").unwrap();
    assert_eq!(bench.tick(), [], "as many as before");
    bench.presence.track("o", &room, "c", b"{}").unwrap();
    assert_eq!(bench.presence.count(&room), 4);
    assert!(bench.presence.untrack("o", &room, "c"));
    assert_eq!(bench.tick_json(), ["{\"count\":3}"], "somebody has counted 4");
    drop(owner);
    assert_eq!(bench.tick_json(), ["{\"count\":0}"]);
    assert_eq!(bench.presence.stats().topics, 0);
}
