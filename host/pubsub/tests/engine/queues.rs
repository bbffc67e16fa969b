use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use skep_pubsub::{CloseReason, Limits, MESSAGE_OVERHEAD, Overflow, PubSub, Publish, SubscribeOptions, Subscription};
use skep_types::ByteSize;

use crate::{engine, publish, read, text, topic};

fn listen(pubsub: &PubSub, to: &str, overflow: Overflow) -> Subscription {
    let options = SubscribeOptions { queue: NonZeroUsize::new(3).unwrap(), overflow, ..SubscribeOptions::default() };
    pubsub.subscribe(to.parse().unwrap(), &options).unwrap()
}

#[test]
fn full_queues_lose_what_their_policy_says_and_neighbours_nothing() {
    let (pubsub, _) = engine(Limits::default(), &[]);
    let mut oldest = listen(&pubsub, "a/t", Overflow::DropOldest);
    let mut newest = listen(&pubsub, "a/t", Overflow::DropNewest);
    let mut closing = listen(&pubsub, "a/t", Overflow::Close);
    let mut neighbour = pubsub.subscribe("a/*".parse().unwrap(), &SubscribeOptions::default()).unwrap();
    for data in ["1", "2", "3", "4", "5"] {
        publish(&pubsub, "a/t", data);
    }
    assert_eq!(newest.try_recv().map(|d| crate::show(&d)).unwrap(), "1");
    assert_eq!(publish(&pubsub, "a/t", "6").receivers, 3);
    assert_eq!(read(&mut oldest), ["-3", "4", "5", "6"]);
    assert_eq!(read(&mut newest), ["2", "3", "-2", "6"]);
    assert_eq!(closing.close_reason(), Some(CloseReason::Overflow));
    assert_eq!(read(&mut closing), ["1", "2", "3"]);
    assert_eq!(read(&mut neighbour), ["1", "2", "3", "4", "5", "6"]);
    let counts = oldest.counts();
    assert_eq!((counts.delivered, counts.dropped, counts.queued, counts.queued_bytes), (3, 3, 0, 0));
    assert_eq!(pubsub.stats().dropped, 3 + 2 + 1);
}

#[test]
fn bytes_bound_a_queue_too_but_an_empty_one_takes_anything() {
    let (pubsub, _) = engine(Limits::default(), &[]);
    let queue_bytes = ByteSize(2 * (MESSAGE_OVERHEAD + 10));
    let options = SubscribeOptions { queue_bytes, ..SubscribeOptions::default() };
    let mut small = pubsub.subscribe("a/t".parse().unwrap(), &options).unwrap();
    for data in ["aaaaaaaaaa", "bbbbbbbbbb", "cccccccccc"] {
        publish(&pubsub, "a/t", data);
    }
    assert_eq!(small.counts().queued_bytes, queue_bytes.0);
    assert_eq!(read(&mut small), ["-1", "bbbbbbbbbb", "cccccccccc"]);
    let large = "x".repeat(5000);
    publish(&pubsub, "a/t", &large);
    assert_eq!(read(&mut small), [large]);
}

#[test]
fn a_second_subscription_hears_it_twice_and_the_author_may_be_skipped() {
    let (pubsub, _) = engine(Limits::default(), &[]);
    let (mut one, mut two) = (listen(&pubsub, "a/t", Overflow::Close), listen(&pubsub, "a/t", Overflow::Close));
    let mut prefix = listen(&pubsub, "a/*", Overflow::Close);
    let from = Publish { from: Some(one.id()), ..text("x") };
    assert_eq!(pubsub.publish(&topic("a/t"), from).unwrap().receivers, 2);
    assert_eq!((read(&mut one).len(), read(&mut two).len(), read(&mut prefix).len()), (0, 1, 1));
    drop(two);
    assert_eq!(publish(&pubsub, "a/t", "y").receivers, 2);
    drop((one, prefix));
    assert_eq!(publish(&pubsub, "a/t", "z").receivers, 0);
    assert_eq!((pubsub.stats().subscriptions, pubsub.stats().topics), (0, 0));
}

struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn only_a_listener_that_waits_is_woken_and_only_once() {
    let (pubsub, _) = engine(Limits::default(), &[]);
    let mut subscription = listen(&pubsub, "a/t", Overflow::Close);
    let count = Arc::new(Count(AtomicUsize::new(0)));
    let waker = Waker::from(Arc::clone(&count));
    let mut cx = Context::from_waker(&waker);
    publish(&pubsub, "a/t", "1");
    assert!(subscription.poll_recv(&mut cx).is_ready());
    assert!(subscription.poll_recv(&mut cx).is_pending());
    for data in ["2", "3", "4"] {
        publish(&pubsub, "a/t", data);
    }
    assert_eq!(count.0.load(Ordering::SeqCst), 1);
    assert_eq!(read(&mut subscription), ["2", "3", "4"]);
    assert!(subscription.poll_recv(&mut cx).is_pending());
    for data in ["5", "6", "7", "too much"] {
        publish(&pubsub, "a/t", data);
    }
    assert_eq!(count.0.load(Ordering::SeqCst), 2);
    assert_eq!(read(&mut subscription), ["5", "6", "7"]);
    assert!(matches!(subscription.poll_recv(&mut cx), Poll::Ready(None)));
}

#[tokio::test]
async fn many_are_received_at_once_and_then_the_end() {
    let (pubsub, _) = engine(Limits::default(), &[]);
    let mut subscription = listen(&pubsub, "a/t", Overflow::Close);
    for data in ["1", "2", "3", "4"] {
        publish(&pubsub, "a/t", data);
    }
    assert_eq!(subscription.recv_many(2).await.len(), 2);
    assert_eq!(subscription.recv_many(2).await.len(), 1);
    assert!(subscription.recv().await.is_none() && subscription.recv_many(2).await.is_empty());
}
