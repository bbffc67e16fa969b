//! Listeners that take messages at once.

use std::sync::{Arc, Mutex};

use skep_pubsub::{Broadcast, Message, Publish, Sink, SubscribeOptions};

use crate::topic;

fn engine() -> skep_pubsub::PubSub {
    crate::engine(skep_pubsub::Limits::default(), &[]).0
}

/// Takes so many.
struct Takes(Mutex<Vec<String>>, usize);

impl Sink for Takes {
    fn deliver(&self, tag: u64, message: &Arc<Message>) -> bool {
        let mut taken = self.0.lock().unwrap();
        let room = taken.len() < self.1;
        if room {
            taken.push(format!("{tag} {} {:?}", String::from_utf8_lossy(&message.data), message.broadcast));
        }
        room
    }
}

#[test]
fn a_message_is_with_the_sink_before_publish_returns() {
    let pubsub = engine();
    let sink = Arc::new(Takes(Mutex::default(), 4));
    let subscribe = |to: &str, tag| pubsub.subscribe_sink(to.parse().unwrap(), Arc::clone(&sink) as _, tag).unwrap();
    let (exact, prefix) = (subscribe("shop/a", 1), subscribe("shop/*", 2));
    let publish = |data: &'static str| Publish { data: data.into(), ..Publish::default() };
    assert_eq!(pubsub.publish(&topic("shop/a"), publish("x")).unwrap().receivers, 2);
    assert_eq!(*sink.0.lock().unwrap(), ["1 x None", "2 x None"]);
    // The author may be skipped, and a broadcast is marked.
    let marked = Publish { from: Some(exact.id()), broadcast: Some(Broadcast::Json), ..publish("y") };
    assert_eq!(pubsub.publish(&topic("shop/a"), marked).unwrap().receivers, 1);
    drop(prefix);
    pubsub.publish(&topic("shop/a"), publish("z")).unwrap();
    assert_eq!(sink.0.lock().unwrap()[2..], ["2 y Some(Json)", "1 z None"]);
    // What is not taken counts as dropped.
    assert_eq!(pubsub.publish(&topic("shop/a"), publish("!")).unwrap().receivers, 0);
    assert_eq!((pubsub.stats().dropped, pubsub.stats().subscriptions), (1, 1));
    drop(exact);
    assert_eq!((pubsub.stats().topics, pubsub.stats().subscriptions), (0, 0));
}

#[test]
fn a_broadcast_of_another_node_is_one_here_too() {
    let (there, here) = (engine(), engine());
    let subscribe = |pubsub: &skep_pubsub::PubSub| {
        pubsub.subscribe("shop/a".parse().unwrap(), &SubscribeOptions::default()).unwrap()
    };
    let (mut first, mut second) = (subscribe(&there), subscribe(&here));
    let publish = Publish { broadcast: Some(Broadcast::Binary), ..Publish::default() };
    there.publish(&topic("shop/a"), publish).unwrap();
    let Some(skep_pubsub::Delivery::Message(message)) = first.try_recv() else { panic!() };
    here.deliver_remote(&message).unwrap();
    let Some(skep_pubsub::Delivery::Message(message)) = second.try_recv() else { panic!() };
    assert_eq!(message.broadcast, Some(Broadcast::Binary));
}
