//! The engine from outside.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod client;
mod crdt;
mod diffs;
mod limits;
mod model;
mod stress;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use skep_presence::{Announce, Diff, Options, Presence};
use skep_types::{Clock, ManualClock, TopicId};

const TICK: Duration = Duration::from_millis(50);

/// Keeps what is announced.
#[derive(Default)]
struct Heard(Mutex<Vec<(TopicId, Diff)>>);

impl Announce for Heard {
    fn announce(&self, topic: &TopicId, diff: &Diff) {
        self.0.lock().push((topic.clone(), diff.clone()));
    }
}

/// An engine whose time a test moves.
struct Bench {
    presence: Presence,
    clock: Arc<ManualClock>,
    heard: Arc<Heard>,
}

impl Bench {
    fn new(options: Options) -> Self {
        let clock = Arc::new(ManualClock::at(SystemTime::UNIX_EPOCH));
        let heard = Arc::new(Heard::default());
        let options = Options { clock: Arc::clone(&clock) as _, ..options };
        Self { presence: Presence::new(options, Arc::clone(&heard) as _), clock, heard }
    }

    /// Lets a tick pass and returns the diffs of it.
    fn tick(&self) -> Vec<(TopicId, Diff)> {
        self.clock.advance(TICK);
        self.presence.tick(self.clock.now());
        self.heard()
    }

    fn heard(&self) -> Vec<(TopicId, Diff)> {
        std::mem::take(&mut *self.heard.0.lock())
    }

    /// As `tick`, as JSON.
    fn tick_json(&self) -> Vec<String> {
        self.tick().iter().map(|(_, diff)| diff.to_json()).collect()
    }
}

fn topic(name: &str) -> TopicId {
    format!("test/{name}").parse().unwrap()
}
