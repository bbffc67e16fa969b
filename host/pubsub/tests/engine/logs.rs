use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use skep_pubsub::{Error, Limits, MESSAGE_OVERHEAD, Options, PubSub, Resumed, Retain, SubscribeOptions};
use skep_types::ByteSize;

use crate::{START_MS, engine, publish, read, topic};

fn keep(messages: usize) -> Retain {
    Retain { messages: NonZeroUsize::new(messages).unwrap(), ..Retain::default() }
}

fn since(pubsub: &PubSub, of: &str, after: Option<u64>) -> (Vec<u64>, bool) {
    let history = pubsub.since(&topic(of), after, 100).unwrap();
    (history.messages.iter().map(|message| message.id.unwrap()).collect(), history.complete)
}

#[test]
fn ids_begin_with_the_clock_and_a_former_life_is_noticed() {
    let (first, clock) = engine(Limits::default(), &[("a/*", keep(3))]);
    let base = START_MS * 1024;
    let ids: Vec<_> = (0..5).map(|n| publish(&first, "a/t", &n.to_string()).id.unwrap()).collect();
    assert_eq!(ids, (base..base + 5).collect::<Vec<_>>());
    assert!(base < 1 << 53);
    assert_eq!(since(&first, "a/t", None), (vec![base + 2, base + 3, base + 4], false));
    assert_eq!(since(&first, "a/t", Some(base + 1)), (vec![base + 2, base + 3, base + 4], true));
    assert_eq!(since(&first, "a/t", Some(base)), (vec![base + 2, base + 3, base + 4], false));
    assert_eq!(since(&first, "a/t", Some(base + 4)), (vec![], true));
    assert!(!since(&first, "a/t", Some(base + 5)).1);
    assert!(!since(&first, "a/t", Some(7)).1);
    assert_eq!(since(&first, "a/none", None), (vec![], true));
    assert_eq!(first.since(&topic("b/t"), None, 1).unwrap_err(), Error::NotRetained);

    clock.advance(Duration::from_millis(1));
    let retain = vec![("a/*".parse().unwrap(), keep(3))];
    let second = PubSub::new(Options { retain, ..Options::new(clock) });
    let id = publish(&second, "a/t", "x").id.unwrap();
    assert!(id > base + 4);
    assert_eq!(since(&second, "a/t", Some(base + 4)), (vec![id], false));
}

#[test]
fn a_resumed_subscription_reads_the_log_first_whatever_its_queue() {
    let (pubsub, _) = engine(Limits::default(), &[("a/*", keep(100))]);
    let first = publish(&pubsub, "a/t", "0").id.unwrap();
    for n in 1..10 {
        publish(&pubsub, "a/t", &n.to_string());
    }
    let options = SubscribeOptions { queue: NonZeroUsize::MIN, after: Some(first + 4), ..SubscribeOptions::default() };
    let mut resumed = pubsub.subscribe("a/t".parse().unwrap(), &options).unwrap();
    assert_eq!(resumed.resumed(), Some(Resumed { complete: true }));
    assert_eq!(resumed.counts().backlog, 5);
    publish(&pubsub, "a/t", "10");
    publish(&pubsub, "a/t", "11");
    assert_eq!(read(&mut resumed), ["5", "6", "7", "8", "9", "-1", "11"]);
    for nothing in ["b/t", "a/t*"] {
        let none = pubsub.subscribe(nothing.parse().unwrap(), &options).unwrap();
        assert_eq!((none.resumed(), none.counts().backlog), (Some(Resumed { complete: false }), 0));
    }
}

#[test]
fn age_empties_a_log_and_a_sweep_forgets_it() {
    let (pubsub, clock) = engine(Limits::default(), &[("a/*", Retain { age: Duration::from_secs(10), ..keep(9) })]);
    for n in 0..5 {
        publish(&pubsub, &format!("a/{n}"), "x");
    }
    clock.advance(Duration::from_secs(10));
    let last = publish(&pubsub, "a/0", "y").id.unwrap();
    assert_eq!(since(&pubsub, "a/0", None), (vec![last], false));
    assert_eq!(pubsub.stats().topics, 5);
    let swept = (0..3).map(|_| pubsub.sweep(2)).fold((0, 0), |sum, s| (sum.0 + s.messages, sum.1 + s.topics));
    assert_eq!(swept.0, 4);
    while pubsub.sweep(2).topics > 0 {}
    assert_eq!((pubsub.stats().topics, pubsub.stats().logs), (1, 1));
    assert_eq!(pubsub.stats().retained_bytes, MESSAGE_OVERHEAD + 1);
}

#[test]
fn the_largest_log_gives_way_to_the_budget() {
    let limits = Limits { retained_bytes_max: ByteSize(10 * (MESSAGE_OVERHEAD + 1)), ..Limits::default() };
    let (pubsub, _) = engine(limits, &[("a/*", keep(1000))]);
    publish(&pubsub, "a/small", "x");
    for _ in 0..50 {
        publish(&pubsub, "a/large", "y");
        assert!(pubsub.stats().retained_bytes <= limits.retained_bytes_max.0);
    }
    assert_eq!(since(&pubsub, "a/small", None).0.len(), 1);
    assert_eq!(since(&pubsub, "a/large", None).0.len(), 9);
}

#[test]
fn a_reload_drops_and_keeps_logs_and_ids_still_grow() {
    let (pubsub, _) = engine(Limits::default(), &[("a/*", keep(10))]);
    let before = publish(&pubsub, "a/gone", "x").id.unwrap();
    let kept: Vec<_> = (0..5).map(|_| publish(&pubsub, "a/kept", "x").id.unwrap()).collect();
    pubsub.set_retention(vec![("a/kept".parse().unwrap(), keep(2))]);
    assert_eq!(since(&pubsub, "a/kept", None), (kept[3..].to_vec(), false));
    assert_eq!(pubsub.since(&topic("a/gone"), None, 1).unwrap_err(), Error::NotRetained);
    assert_eq!(publish(&pubsub, "a/gone", "x").id, None);
    assert_eq!((pubsub.stats().topics, pubsub.stats().logs), (1, 1));
    pubsub.set_retention(vec![("a/*".parse().unwrap(), keep(10))]);
    // In the same millisecond, and though the log knows nothing of the one before.
    let after = publish(&pubsub, "a/gone", "x").id.unwrap();
    assert!(after > before + 1);
    assert_eq!(since(&pubsub, "a/gone", Some(before)), (vec![after], false));
}

#[test]
fn one_message_is_shared_by_log_and_listeners_with_its_encodings() {
    let (pubsub, _) = engine(Limits::default(), &[("a/*", keep(10))]);
    let mut listener = pubsub.subscribe("a/*".parse().unwrap(), &SubscribeOptions::default()).unwrap();
    publish(&pubsub, "a/t", "x\ny");
    let Some(skep_pubsub::Delivery::Message(heard)) = listener.try_recv() else { panic!("no message") };
    let kept = pubsub.since(&topic("a/t"), None, 1).unwrap().messages.remove(0);
    assert!(Arc::ptr_eq(&heard, &kept));
    assert_eq!(heard.sse().as_ptr(), kept.sse().as_ptr());
    assert_eq!(heard.sse(), &format!("id: {}\ndata: x\ndata: y\n\n", START_MS * 1024));
}
