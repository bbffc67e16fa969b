//! Clients, guests and whoever speaks to them from outside do what comes to their mind, and a naive model says what each client
//! is told, and what each guest is called for.

mod guest;
mod house;
mod naive;
mod run;
mod said;

use proptest::prelude::*;

use naive::Limits;
use run::run;

const SLOTS: usize = 3;

/// Which join a client means.
#[derive(Clone, Copy, Debug)]
enum Which {
    Last,
    Stale,
    Null,
}

/// A client's message on one topic.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// Whether its guest waits with the answer, and what that is.
    Join(Which, bool, &'static str),
    Push(Which, bool, &'static str),
    Leave(Which),
}

#[derive(Clone, Debug)]
enum Op {
    Connect(usize, bool),
    /// Messages that come at once.
    Send(usize, usize, Vec<Act>),
    Heartbeat(usize),
    Malformed(usize),
    TooLarge(usize),
    /// The client's connection is cut.
    Drop(usize),
    /// The client reads, or does not any more.
    Reads(usize, bool),
    /// The call that a topic's guest waits in goes on.
    Release(usize, usize),
    Broadcast(&'static str, usize, bool, bool),
    BroadcastFrom(usize, usize),
    /// Into a topic of the plugin, or of another one.
    Publish(bool, Option<usize>),
    Tell(usize, usize),
    Reply(usize, usize, bool),
    Stop(usize, usize, bool),
    Swap(usize),
    Disconnect(usize),
    Close(usize),
    Advance(u64),
}

fn which() -> impl Strategy<Value = Which> {
    prop_oneof![8 => Just(Which::Last), 1 => Just(Which::Stale), 1 => Just(Which::Null)]
}

fn act() -> impl Strategy<Value = Act> {
    let join = prop::sample::select(vec![
        "plain", "plain", "plain", "deny", "crash", "panic", "bad json", "greet", "linger", "track",
    ]);
    let push = prop::sample::select(vec![
        "echo", "push", "shout", "others", "secret", "linger", "listen", "unlisten", "crash", "panic", "bad json",
        "stop", "give up", "silence",
    ]);
    prop_oneof![
        5 => (which(), prop::bool::weighted(0.3), join).prop_map(|(which, held, what)| Act::Join(which, held, what)),
        8 => (which(), prop::bool::weighted(0.2), push).prop_map(|(which, held, what)| Act::Push(which, held, what)),
        2 => which().prop_map(Act::Leave),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let slot = || 0..SLOTS;
    let topic = || prop_oneof![4 => Just(0_usize), 2 => Just(1), 1 => Just(2)];
    let event = prop::sample::select(vec!["news", "news", "secret"]);
    prop_oneof![
        4 => (slot(), prop::bool::weighted(0.2)).prop_map(|(s, old)| Op::Connect(s, old)),
        24 => (slot(), topic(), prop::collection::vec(act(), 1..4)).prop_map(|(s, t, acts)| Op::Send(s, t, acts)),
        1 => slot().prop_map(Op::Heartbeat),
        1 => prop_oneof![slot().prop_map(Op::Malformed), slot().prop_map(Op::TooLarge), slot().prop_map(Op::Drop)],
        3 => (slot(), any::<bool>()).prop_map(|(s, reads)| Op::Reads(s, reads)),
        8 => (slot(), topic()).prop_map(|(s, t)| Op::Release(s, t)),
        8 => (event, topic(), prop::bool::weighted(0.1), prop::bool::weighted(0.2))
            .prop_map(|(e, t, other, binary)| Op::Broadcast(e, t, other, binary)),
        2 => (slot(), topic()).prop_map(|(s, t)| Op::BroadcastFrom(s, t)),
        3 => (prop::bool::weighted(0.1), prop::option::of(topic())).prop_map(|(other, t)| Op::Publish(other, t)),
        2 => (slot(), topic()).prop_map(|(s, t)| Op::Tell(s, t)),
        2 => (slot(), topic(), prop::bool::weighted(0.3)).prop_map(|(s, t, refuses)| Op::Reply(s, t, refuses)),
        2 => (slot(), topic(), any::<bool>()).prop_map(|(s, t, in_order)| Op::Stop(s, t, in_order)),
        2 => (0..run::TABLES).prop_map(Op::Swap),
        1 => prop_oneof![slot().prop_map(Op::Disconnect), slot().prop_map(Op::Close)],
        2 => (1..25_000_u64).prop_map(Op::Advance),
    ]
}

fn limits() -> impl Strategy<Value = Limits> {
    (
        prop::sample::select(vec![1, 2, 100]),
        prop::sample::select(vec![2, 6, 1024, 1024]),
        prop::sample::select(vec![400, 1 << 20, 1 << 20]),
        any::<bool>(),
        prop::sample::select(vec![1, 3, 64]),
        prop::sample::select(vec![1, 3, 1000]),
        prop::sample::select(vec![(1, 2), (50, 200)]),
        prop::sample::select(vec![(2, 5), (1000, 2000), (1000, 2000)]),
    )
        .prop_map(|(channels, queue, queue_bytes, drops_broadcasts, mailbox, infos, joins, messages)| Limits {
            channels,
            queue,
            queue_bytes,
            drops_broadcasts,
            mailbox,
            infos,
            joins,
            messages,
            idle_ms: 30_000,
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_client_is_told_what_the_model_says(limits in limits(), ops in prop::collection::vec(op(), 1..120)) {
        run(limits, &ops);
    }
}
