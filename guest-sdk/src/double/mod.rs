//! The host's part in native tests: in memory, a world of its own for every thread, and so for every test.

pub(crate) mod cache;
mod flight;
pub(crate) mod presence;
pub(crate) mod pubsub;
mod store;
pub(crate) mod tasks;

use std::{cell::RefCell, collections::BTreeMap, time::Duration};

use store::Store;

/// What a test's calls share.
#[derive(Default)]
pub(crate) struct World {
    now: Duration,
    /// Versions, fences and leases: never the same number twice.
    last_number: u64,
    buckets: BTreeMap<String, Store>,
    pubsub: pubsub::Pubsub,
    presence: presence::Presence,
    tasks: tasks::Tasks,
}

thread_local! {
    static WORLD: RefCell<World> = RefCell::default();
}

impl World {
    fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    /// Every bucket exists, as soon as somebody names it.
    fn bucket(&mut self, name: &str) -> &mut Store {
        self.buckets.entry(name.to_owned()).or_default()
    }
}

/// Moves the clock that entries end by.
pub(crate) fn advance(by: Duration) {
    WORLD.with_borrow_mut(|world| world.now = world.now.saturating_add(by));
}

/// Changes what the manifest would say of a bucket.
pub(crate) fn configure(name: &str, change: impl FnOnce(&mut Rules)) {
    WORLD.with_borrow_mut(|world| change(&mut world.bucket(name).rules));
}

/// What the manifest would say of a bucket.
#[derive(Clone, Default)]
pub(crate) struct Rules {
    pub(crate) ttl: Option<Duration>,
    pub(crate) idle: Option<Duration>,
    pub(crate) stale: Duration,
    pub(crate) full: bool,
    pub(crate) read_only: bool,
    pub(crate) denied: bool,
}
