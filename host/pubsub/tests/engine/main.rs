//! The engine from outside, with a clock that the tests move.
//!
//! | module | shows |
//! |---|---|
//! | `model` | every delivery, id and count agrees with a naive model, whatever the order and the time |
//! | `queues` | full queues lose what their policy says, and their neighbours nothing |
//! | `logs` | retention, resuming, the budget of the host, reloads |
//! | `limits` | what is refused, and what an operator sees |
//! | `sinks` | listeners that take messages at once |
//! | `stress` | threads lose no order, no wake-up and no message |

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod limits;
mod logs;
mod model;
mod queues;
mod sinks;
mod stress;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use skep_pubsub::{Delivery, Limits, Options, PubSub, Publish, Published, Retain, Subscription, TopicId};
use skep_types::ManualClock;

const START_MS: u64 = 1_700_000_000_000;

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(SystemTime::UNIX_EPOCH + Duration::from_millis(START_MS)))
}

fn engine(limits: Limits, retain: &[(&str, Retain)]) -> (PubSub, Arc<ManualClock>) {
    let clock = clock();
    let retain = retain.iter().map(|(text, retain)| (text.parse().unwrap(), *retain)).collect();
    (PubSub::new(Options { limits, retain, ..Options::new(Arc::clone(&clock) as Arc<_>) }), clock)
}

fn topic(text: &str) -> TopicId {
    text.parse().unwrap()
}

fn text(data: &str) -> Publish {
    Publish { data: data.to_owned().into(), ..Publish::default() }
}

fn publish(pubsub: &PubSub, to: &str, data: &str) -> Published {
    pubsub.publish(&topic(to), text(data)).unwrap()
}

/// What is there to read, as text: `-3` where three are missing.
fn read(subscription: &mut Subscription) -> Vec<String> {
    std::iter::from_fn(|| subscription.try_recv()).map(|delivery| show(&delivery)).collect()
}

fn show(delivery: &Delivery) -> String {
    match delivery {
        Delivery::Message(message) => String::from_utf8(message.data.to_vec()).unwrap(),
        Delivery::Missed(count) => format!("-{count}"),
    }
}
