use std::num::NonZeroUsize;
use std::time::Duration;

use skep_pubsub::{Delivery, Limits, Message, PubSub, Retain, SubscribeOptions, Subscription};

use crate::{engine, text, topic};

const PUBLISHERS: usize = 3;
const EACH: usize = 3_000;
const TOTAL: usize = PUBLISHERS * EACH;

fn roomy() -> SubscribeOptions {
    SubscribeOptions { queue: NonZeroUsize::new(2 * TOTAL).unwrap(), ..SubscribeOptions::default() }
}

fn retained() -> PubSub {
    let retain = Retain {
        messages: NonZeroUsize::new(2 * TOTAL).unwrap(),
        bytes: skep_types::ByteSize::mib(64),
        ..Retain::default()
    };
    engine(Limits::default(), &[("a/log", retain)]).0
}

/// Each publisher writes its number and a count, alternating between the topics.
fn publishers(pubsub: &PubSub, topics: &'static [&'static str]) -> Vec<std::thread::JoinHandle<()>> {
    let start = |publisher: usize| {
        let pubsub = pubsub.clone();
        std::thread::spawn(move || {
            for count in 0..EACH {
                let to = topic(topics[count % topics.len()]);
                pubsub.publish(&to, text(&format!("{publisher} {count}"))).unwrap();
            }
        })
    };
    (0..PUBLISHERS).map(start).collect()
}

async fn next(subscription: &mut Subscription) -> std::sync::Arc<Message> {
    let delivery = tokio::time::timeout(Duration::from_secs(60), subscription.recv()).await;
    match delivery.expect("a lost wake-up or message") {
        Some(Delivery::Message(message)) => message,
        other => panic!("{other:?}"),
    }
}

/// Reads so many messages, of each publisher in its order, and ids in theirs.
async fn all(mut subscription: Subscription, total: usize) {
    let (mut counts, mut last) = ([None; PUBLISHERS], 0);
    for _ in 0..total {
        let message = next(&mut subscription).await;
        let data = std::str::from_utf8(&message.data).unwrap();
        let (publisher, count) = data.split_once(' ').unwrap();
        let (publisher, count): (usize, usize) = (publisher.parse().unwrap(), count.parse().unwrap());
        assert!(counts[publisher].is_none_or(|before| before < count), "{data} after {counts:?}");
        counts[publisher] = Some(count);
        if let Some(id) = message.id {
            assert!(id > last);
            last = id;
        }
    }
    assert!(subscription.try_recv().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_publisher_is_heard_in_its_order() {
    let pubsub = retained();
    let topics: &[&str] = &["a/log", "a/plain"];
    let mut tasks = Vec::new();
    for to in ["a/*", "a/log", "a/plain", "a/l*", "a/*"] {
        let total = if to == "a/*" { TOTAL } else { TOTAL / 2 };
        tasks.push(tokio::spawn(all(pubsub.subscribe(to.parse().unwrap(), &roomy()).unwrap(), total)));
    }
    let publishers = publishers(&pubsub, topics);
    // Others come and go all the while.
    while publishers.iter().any(|publisher| !publisher.is_finished()) {
        for to in ["a/log", "a/plain", "a/pl*", "a/x*"] {
            drop(pubsub.subscribe(to.parse().unwrap(), &SubscribeOptions::default()).unwrap());
        }
        tokio::task::yield_now().await;
    }
    for task in tasks {
        task.await.unwrap();
    }
    drop(publishers);
    assert_eq!((pubsub.stats().subscriptions, pubsub.stats().topics), (0, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_resumes_again_and_again_has_no_gap_and_no_duplicate() {
    let pubsub = retained();
    let first = pubsub.publish(&topic("a/log"), text("9 0")).unwrap().id.unwrap();
    let reader = |every: usize| {
        let pubsub = pubsub.clone();
        tokio::spawn(async move {
            let mut seen = first;
            while seen < first + TOTAL as u64 {
                let options = SubscribeOptions { after: Some(seen), ..roomy() };
                let mut subscription = pubsub.subscribe("a/log".parse().unwrap(), &options).unwrap();
                assert!(subscription.resumed().unwrap().complete);
                for _ in 0..every {
                    if seen == first + TOTAL as u64 {
                        break;
                    }
                    seen += 1;
                    assert_eq!(next(&mut subscription).await.id, Some(seen));
                }
            }
        })
    };
    let readers: Vec<_> = [1, 2, 7, 100].into_iter().map(reader).collect();
    let publishers = publishers(&pubsub, &["a/log"]);
    for reader in readers {
        reader.await.unwrap();
    }
    for publisher in publishers {
        publisher.join().unwrap();
    }
}

#[test]
fn topics_that_come_and_go_under_load_leave_nothing() {
    let (pubsub, clock) = engine(Limits::default(), &[("a/log", Retain { age: Duration::ZERO, ..Retain::default() })]);
    let churn = |topics: &'static [&'static str]| {
        let pubsub = pubsub.clone();
        std::thread::spawn(move || {
            for count in 0..5_000 {
                let name = topics[count % topics.len()];
                let mut own = pubsub.subscribe(name.parse().unwrap(), &SubscribeOptions::default()).unwrap();
                let id = pubsub.publish(&topic("a/log"), text("x")).unwrap().id;
                pubsub.publish(&topic("a/plain"), text("x")).unwrap();
                assert!(id.is_some() && own.try_recv().is_some(), "a subscriber must hear what comes after it");
                if count % 50 == 0 {
                    pubsub.sweep(10);
                }
            }
        })
    };
    let threads: Vec<_> = [&["a/log"][..], &["a/plain"], &["a/log", "a/plain", "a/*"]].into_iter().map(churn).collect();
    for thread in threads {
        thread.join().unwrap();
    }
    clock.advance(Duration::from_secs(1));
    pubsub.sweep(10);
    let stats = pubsub.stats();
    assert_eq!((stats.topics, stats.subscriptions, stats.logs, stats.retained_bytes), (0, 0, 0, 0));
}
