//! The replicated state: merging in any order, and nodes that come and go.

use std::collections::BTreeSet;

use proptest::prelude::*;
use skep_presence::state::{Delta, Digest, Entry, State};
use skep_presence::{Options, Replica};

use crate::client::Client;
use crate::{Bench, topic};

#[derive(Clone, Debug)]
enum Op {
    Join(usize),
    Leave(usize, usize),
    /// A node writes down what another, by a digest of some time ago, does not know.
    Send(usize, usize, usize),
    /// A node takes one of the messages in, in whatever order and however often.
    Deliver(usize, usize),
    Restart(usize),
}

fn op() -> impl Strategy<Value = Op> {
    let (node, any) = (0..3_usize, 0..1000_usize);
    prop_oneof![
        4 => node.clone().prop_map(Op::Join),
        3 => (node.clone(), any.clone()).prop_map(|(n, at)| Op::Leave(n, at)),
        3 => (node.clone(), node.clone(), any.clone()).prop_map(|(n, to, at)| Op::Send(n, to, at)),
        4 => (node.clone(), any).prop_map(|(n, at)| Op::Deliver(n, at)),
        1 => node.prop_map(Op::Restart),
    ]
}

fn replica(node: usize, life: u64) -> Replica {
    Replica::new(&format!("n{node}"), life)
}

fn seen(state: &State) -> BTreeSet<String> {
    state.visible().map(|entry| entry.id().to_string()).collect()
}

struct Cluster {
    states: Vec<State>,
    lives: [u64; 3],
    digests: Vec<Digest>,
    messages: Vec<Delta>,
}

fn play(ops: &[Op]) -> Cluster {
    let states = (0..3).map(|node| State::new(replica(node, 0))).collect();
    let mut cluster = Cluster { states, lives: [0; 3], digests: vec![Digest::default()], messages: Vec::new() };
    let room = topic("room");
    for op in ops {
        match *op {
            Op::Join(node) => {
                cluster.states[node].insert("o", &room, "k", b"{}").unwrap();
            }
            Op::Leave(node, at) => {
                let state = &mut cluster.states[node];
                let local = replica(node, cluster.lives[node]);
                let own: Vec<_> = state.visible().filter(|entry| *entry.replica() == local).cloned().collect();
                if !own.is_empty() {
                    assert!(state.leave(&own[at % own.len()]));
                }
            }
            Op::Send(from, to, at) => {
                cluster.digests.push(cluster.states[to].digest());
                let digest = &cluster.digests[at % cluster.digests.len()];
                cluster.messages.push(cluster.states[from].delta_since(digest));
            }
            Op::Deliver(node, at) if !cluster.messages.is_empty() => {
                let message = &cluster.messages[at % cluster.messages.len()];
                // What merging reports is exactly what changes for who looks.
                let mut shown = seen(&cluster.states[node]);
                let changes = cluster.states[node].merge(message);
                let id = |entry: &std::sync::Arc<Entry>| entry.id().to_string();
                assert!(changes.leaves.iter().map(id).all(|id| shown.remove(&id)));
                assert!(changes.joins.iter().map(id).all(|id| shown.insert(id)));
                assert_eq!(shown, seen(&cluster.states[node]));
            }
            Op::Deliver(..) => {}
            Op::Restart(node) => {
                cluster.lives[node] += 1;
                cluster.states[node] = State::new(replica(node, cluster.lives[node]));
            }
        }
    }
    cluster
}

/// What a state knows: everything but which replicas are shown.
fn knows(state: &State) -> (Delta, BTreeSet<String>) {
    (state.whole(), seen(state))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn merging_is_commutative_associative_and_idempotent(ops in prop::collection::vec(op(), 1..60)) {
        let cluster = play(&ops);
        let start = State::new(Replica::new("reader", 0));
        let with = |deltas: &[&Delta]| {
            let mut state = start.clone();
            deltas.iter().for_each(|delta| { state.merge(delta); });
            knows(&state)
        };
        for trio in cluster.messages.windows(3) {
            let [a, b, c] = trio else { unreachable!() };
            let all = with(&[a, b, c]);
            prop_assert_eq!(&with(&[c, a, b]), &all);
            prop_assert_eq!(&with(&[b, b, a, c, a]), &all);
            let (mut left, mut right) = (a.clone(), b.clone());
            left.merge(b);
            right.merge(c);
            prop_assert_eq!(&with(&[&left, c]), &all);
            prop_assert_eq!(&with(&[a, &right]), &all);
        }
    }

    #[test]
    fn replicas_that_have_exchanged_all_agree(ops in prop::collection::vec(op(), 1..80)) {
        let mut cluster = play(&ops);
        for _ in 0..2 {
            for (from, to) in [(0, 1), (1, 2), (2, 0), (1, 0), (2, 1), (0, 2)] {
                let delta = cluster.states[from].delta_since(&cluster.states[to].digest());
                cluster.states[to].merge(&delta);
            }
        }
        let own = |node: usize| {
            let local = replica(node, cluster.lives[node]);
            cluster.states[node].visible().filter(move |e| *e.replica() == local).map(|e| e.id().to_string())
        };
        let union: BTreeSet<String> = (0..3).flat_map(own).collect();
        for state in &cluster.states {
            prop_assert_eq!(&seen(state), &union);
            for other in &cluster.states {
                prop_assert!(state.delta_since(&other.digest()).is_empty());
            }
        }
    }

    #[test]
    fn down_hides_and_up_restores(ops in prop::collection::vec(op(), 1..60), node in 0..3_usize) {
        let cluster = play(&ops);
        let mut reader = State::new(Replica::new("reader", 0));
        for state in &cluster.states {
            reader.merge(&state.whole());
        }
        let (before, lost) = (seen(&reader), replica(node, cluster.lives[node]));
        let hidden = reader.down(&lost).leaves.len();
        prop_assert!(reader.visible().all(|entry| *entry.replica() != lost));
        prop_assert_eq!(seen(&reader).len() + hidden, before.len());
        reader.merge(&cluster.states[node].whole());
        prop_assert_eq!(seen(&reader).len() + hidden, before.len(), "news do not show what is down");
        prop_assert_eq!(reader.up(&lost).joins.len(), hidden);
        prop_assert_eq!(seen(&reader), before.clone());
        reader.permdown(&lost);
        prop_assert!(reader.up(&lost).joins.is_empty(), "discarded");
        reader.merge(&cluster.states[node].delta_since(&reader.digest()));
        prop_assert_eq!(seen(&reader), before, "one that comes back is sent for as a whole");
    }
}

#[test]
fn a_new_life_of_a_node_ends_the_old_one_at_once() {
    let room = topic("room");
    let (mut old, mut new) = (State::new(replica(0, 1)), State::new(replica(0, 2)));
    old.insert("o", &room, "ghost", b"{}").unwrap();
    let mut reader = State::new(replica(1, 0));
    assert_eq!(reader.merge(&old.whole()).joins.len(), 1);
    new.insert("o", &room, "k", b"{}").unwrap();
    let changes = reader.merge(&new.whole());
    assert_eq!((changes.joins[0].key(), changes.leaves[0].key()), ("k", "ghost"));
    assert_eq!(reader.merge(&old.whole()), Default::default(), "late news of the old life");
    let idle = State::new(replica(0, 3));
    assert_eq!(reader.merge(&idle.delta_since(&reader.digest())).leaves.len(), 1, "a life without entries is one too");
}

#[test]
fn one_who_missed_more_leaves_than_are_remembered_is_told_all() {
    let room = topic("room");
    let (mut writer, mut reader) = (State::new(replica(0, 0)), State::new(replica(1, 0)));
    let first = writer.insert("o", &room, "first", b"{}").unwrap();
    reader.merge(&writer.whole());
    writer.leave(&first);
    for _ in 0..skep_presence::state::REMOVALS_MAX {
        let entry = writer.insert("o", &room, "k", b"{}").unwrap();
        writer.leave(&entry);
    }
    let delta = writer.delta_since(&reader.digest());
    assert_eq!(reader.merge(&delta).leaves.len(), 1);
    let small = {
        writer.insert("o", &room, "last", b"{}").unwrap();
        writer.delta_since(&reader.digest())
    };
    assert_eq!(small.parts().next().unwrap().1.entries().count(), 1);
}

#[test]
fn remote_entries_are_listed_announced_and_hidden() {
    let bench = Bench::new(Options::default());
    let room = topic("room");
    let mut other = State::new(replica(0, 1));
    other.insert("o", &room, "far", b"{}").unwrap();
    let mut client = Client::default();
    let mut after = |bench: &Bench| {
        bench.tick_json().iter().for_each(|diff| client.apply(diff));
        assert_eq!(client, Client::of(&bench.presence.state_json(&room)));
        client.0.len()
    };
    bench.presence.merge(&other.whole());
    assert_eq!(after(&bench), 1);
    bench.presence.down(&replica(0, 1));
    bench.presence.up(&replica(0, 1));
    assert_eq!(bench.tick(), [], "back within a tick");
    bench.presence.down(&replica(0, 1));
    assert_eq!(after(&bench), 0);
    assert_eq!(bench.presence.stats().topics, 0);
    bench.presence.up(&replica(0, 1));
    assert_eq!(after(&bench), 1);
}
