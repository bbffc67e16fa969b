//! Measures the engine beside tokio's broadcast channel, in one run.
//!
//! `cargo bench -p skep-pubsub` prints tables of nanoseconds and, where there is something to compare, ratios.

#![allow(clippy::print_stdout, clippy::disallowed_methods, clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use skep_pubsub::{Options, PubSub, Publish, Retain, SubscribeOptions, Subscription, TopicId};
use skep_types::{ByteSize, SystemClock};
use tokio::sync::broadcast;

const DATA: &[u8] = &[b'x'; 100];

fn engine(retain: &[(&str, Retain)]) -> PubSub {
    let retain = retain.iter().map(|(text, retain)| (text.parse().unwrap(), *retain)).collect();
    PubSub::new(Options { retain, ..Options::new(Arc::new(SystemClock)) })
}

fn topic(text: &str) -> TopicId {
    text.parse().unwrap()
}

fn listen(pubsub: &PubSub, to: &str, count: usize) -> Vec<Subscription> {
    let options = SubscribeOptions::default();
    (0..count).map(|_| pubsub.subscribe(to.parse().unwrap(), &options).unwrap()).collect()
}

fn message() -> Publish {
    Publish { data: Bytes::from_static(DATA), ..Publish::default() }
}

/// Nanoseconds of one call. Of many runs the fastest tenth ends here: on a machine that does other work too, the others
/// measure its scheduler. `between` is not measured.
fn time(calls: usize, mut call: impl FnMut(), mut between: impl FnMut()) -> f64 {
    let began = Instant::now();
    let mut runs = Vec::new();
    while runs.len() < 20 || (runs.len() < 2000 && began.elapsed() < Duration::from_millis(800)) {
        let start = Instant::now();
        for _ in 0..calls {
            call();
        }
        runs.push(start.elapsed().as_nanos() as f64 / calls as f64);
        between();
    }
    runs.sort_by(f64::total_cmp);
    runs[runs.len() / 10]
}

fn queues_only(count: usize) -> (f64, f64) {
    let calls = (2_000 / count).clamp(5, 500);
    let (pubsub, to) = (engine(&[]), topic("a/t"));
    let mut all = listen(&pubsub, "a/t", count);
    let own = time(
        calls,
        || assert_eq!(pubsub.publish(&to, message()).unwrap().receivers, count),
        || all.iter_mut().for_each(|one| while one.try_recv().is_some() {}),
    );
    let (sender, _) = broadcast::channel(1024);
    let mut all: Vec<_> = (0..count).map(|_| sender.subscribe()).collect();
    let other = time(
        calls,
        || assert_eq!(sender.send(Bytes::from_static(DATA)).unwrap(), count),
        || all.iter_mut().for_each(|one| while one.try_recv().is_ok() {}),
    );
    (own / count as f64, other / count as f64)
}

/// The time of the publish itself, and the time until the last of the tasks has the message.
struct Parked {
    publish: f64,
    heard: f64,
}

/// The tasks count what they hear; the publisher, a task of the runtime as in the host, waits until all have heard.
async fn parked(count: usize, heard: Arc<AtomicUsize>, publish: impl Fn() + Send + 'static) -> Parked {
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let (mut publishes, mut all) = (Vec::new(), Vec::new());
        let began = Instant::now();
        while publishes.len() < 30 || (publishes.len() < 2000 && began.elapsed() < Duration::from_millis(800)) {
            heard.store(0, Ordering::Relaxed);
            let start = Instant::now();
            publish();
            publishes.push(start.elapsed().as_nanos() as f64 / count as f64);
            while heard.load(Ordering::Relaxed) < count {
                tokio::task::yield_now().await;
            }
            all.push(start.elapsed().as_nanos() as f64 / count as f64);
            // The last one to hear may not wait again yet.
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
        publishes.sort_by(f64::total_cmp);
        all.sort_by(f64::total_cmp);
        Parked { publish: publishes[publishes.len() / 10], heard: all[all.len() / 10] }
    })
    .await
    .unwrap()
}

async fn parked_own(count: usize) -> Parked {
    let (pubsub, heard) = (engine(&[]), Arc::new(AtomicUsize::new(0)));
    for mut one in listen(&pubsub, "a/t", count) {
        let heard = Arc::clone(&heard);
        tokio::spawn(async move {
            while one.recv().await.is_some() {
                heard.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    let to = topic("a/t");
    parked(count, heard, move || {
        _ = pubsub.publish(&to, message()).unwrap();
    })
    .await
}

async fn parked_broadcast(count: usize) -> Parked {
    let (sender, _) = broadcast::channel(1024);
    let heard = Arc::new(AtomicUsize::new(0));
    for _ in 0..count {
        let (mut one, heard) = (sender.subscribe(), Arc::clone(&heard));
        tokio::spawn(async move {
            while one.recv().await.is_ok() {
                heard.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    parked(count, heard, move || {
        _ = sender.send(Bytes::from_static(DATA)).unwrap();
    })
    .await
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap()
}

fn row(name: &str, own: f64, other: Option<f64>) {
    match other {
        Some(other) => println!("{name:<52}{own:>10.0}{other:>12.0}{:>10.2}", own / other),
        None => println!("{name:<52}{own:>10.0}"),
    }
}

fn publish_to(pubsub: &PubSub, to: &str) -> f64 {
    let to = topic(to);
    time(
        1000,
        || {
            _ = pubsub.publish(&to, message()).unwrap();
        },
        || (),
    )
}

fn single() {
    let pubsub = engine(&[]);
    row("publish to nobody", publish_to(&pubsub, "a/t"), None);
    let prefixes: Vec<_> =
        (0..1000).flat_map(|n| listen(&pubsub, &format!("a/{n:x}{}*", "-".repeat(n % 20)), 1)).collect();
    row("publish to nobody, 1,000 prefixes", publish_to(&pubsub, "a/zoo:with-a-name-of-more-than-20"), None);
    let mut one = listen(&pubsub, "a/zoo:with-a-name-of-more-than-20", 1).remove(0);
    let to = topic("a/zoo:with-a-name-of-more-than-20");
    let call = || {
        _ = pubsub.publish(&to, message()).unwrap();
    };
    row("publish to 1, 1,000 prefixes that do not match", time(500, call, || while one.try_recv().is_some() {}), None);
    drop((prefixes, one));

    let keep = Retain { messages: NonZeroUsize::new(1000).unwrap(), bytes: ByteSize::mib(8), ..Retain::default() };
    let pubsub = engine(&[("a/*", keep)]);
    row("publish to a log of 1,000 messages", publish_to(&pubsub, "a/log"), None);
    let last = pubsub.publish(&topic("a/log"), message()).unwrap().id.unwrap();
    for behind in [0, 10, 999] {
        let options = SubscribeOptions { after: Some(last - behind), ..SubscribeOptions::default() };
        let call = || {
            let mut one = pubsub.subscribe("a/log".parse().unwrap(), &options).unwrap();
            assert!(one.resumed().unwrap().complete);
            for _ in 0..behind {
                assert!(one.try_recv().is_some());
            }
        };
        row(&format!("resume, read {behind} messages, unsubscribe"), time(20, call, || ()), None);
    }
    let pubsub = engine(&[]);
    // The fastest of some rounds: in the first, the system hands out the memory.
    let mut fastest = [f64::INFINITY; 2];
    for _ in 0..5 {
        let start = Instant::now();
        let all = listen(&pubsub, "a/t", 100_000);
        fastest[0] = fastest[0].min(start.elapsed().as_nanos() as f64 / 1e5);
        let start = Instant::now();
        drop(all);
        fastest[1] = fastest[1].min(start.elapsed().as_nanos() as f64 / 1e5);
    }
    row("subscribe, 100,000 to one topic, each", fastest[0], None);
    row("unsubscribe, each", fastest[1], None);
}

fn main() {
    println!("\n{:<52}{:>10}{:>12}{:>10}", "ns per delivery", "skep", "broadcast", "ratio");
    for count in [1, 100, 10_000] {
        let (own, other) = queues_only(count);
        row(&format!("into {count} queues"), own, Some(other));
    }
    for count in [1, 100, 10_000] {
        let own = runtime().block_on(parked_own(count));
        let other = runtime().block_on(parked_broadcast(count));
        row(&format!("to {count} waiting tasks: the publish"), own.publish, Some(other.publish));
        row(&format!("to {count} waiting tasks: until all have it"), own.heard, Some(other.heard));
    }
    println!("\n{:<52}{:>10}", "ns per call", "skep");
    single();
}
