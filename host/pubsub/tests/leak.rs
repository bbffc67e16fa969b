//! What is left behind, in memory of the process. A binary of its own: other tests would be measured too.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use skep_pubsub::{Options, PubSub, Publish, Retain, SubscribeOptions};
use skep_types::ManualClock;

fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

#[test]
fn idle_subscriptions_are_small_and_topics_leave_nothing() {
    const MANY: u64 = 200_000;
    let clock = Arc::new(ManualClock::at(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)));
    let retain = vec![("log/*".parse().unwrap(), Retain { age: Duration::from_secs(1), ..Retain::default() })];
    let pubsub = PubSub::new(Options { retain, ..Options::new(Arc::clone(&clock) as Arc<_>) });
    let publish = |to: &str| pubsub.publish(&to.parse().unwrap(), Publish::default()).unwrap();

    let before = resident();
    for n in 0..1_000_000 {
        publish(&format!("a/{n}"));
    }
    let unheard = resident().saturating_sub(before);
    println!("a million topics that nobody hears: {unheard} bytes");
    assert!(unheard < 4 << 20 && pubsub.stats().topics == 0);

    let before = resident();
    let options = SubscribeOptions::default();
    let all: Vec<_> = (0..MANY).map(|_| pubsub.subscribe("a/t".parse().unwrap(), &options).unwrap()).collect();
    let each = resident().saturating_sub(before) / MANY;
    println!("{each} bytes for an idle subscription");
    assert!(each < 500);
    drop(all);

    let all: Vec<_> =
        (0..MANY).map(|n| pubsub.subscribe(format!("a/{n}").parse().unwrap(), &options).unwrap()).collect();
    let each = resident().saturating_sub(before) / MANY;
    println!("{each} bytes for one with a topic of its own, its name among them");
    assert!(each < 1000);
    drop(all);

    for n in 0..MANY {
        publish(&format!("log/{n}"));
    }
    assert!(pubsub.stats().topics > 0);
    clock.advance(Duration::from_secs(2));
    // A sweep that forgets shortens the list it goes through, so one round does not meet everything.
    for _ in 0..MANY / 100 {
        pubsub.sweep(1000);
    }
    let stats = pubsub.stats();
    assert_eq!((stats.topics, stats.logs, stats.retained_bytes, stats.subscriptions), (0, 0, 0, 0));
}
