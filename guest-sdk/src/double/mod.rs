//! The host's part in native tests: in memory, a world of its own for every thread, and so for every test.

pub(crate) mod cache;
pub(crate) mod channels;
pub(crate) mod durable;
mod flight;
pub(crate) mod jobs;
pub(crate) mod presence;
pub(crate) mod processes;
pub(crate) mod pubsub;
#[cfg(feature = "test-sql")]
pub(crate) mod sql;
#[cfg(not(feature = "test-sql"))]
#[path = "no_sql.rs"]
pub(crate) mod sql;
mod store;
pub(crate) mod tasks;
pub(crate) mod websockets;

use std::{
    cell::RefCell,
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use store::Store;

/// What a test's calls share.
pub(crate) struct World {
    /// When the test began, in whole milliseconds since the Unix epoch.
    began: Duration,
    /// How far the test has moved the clock.
    now: Duration,
    /// Versions, fences and leases: never the same number twice.
    last_number: u64,
    buckets: BTreeMap<String, Store>,
    pubsub: pubsub::Pubsub,
    presence: presence::Presence,
    tasks: tasks::Tasks,
    durable: durable::Durable,
    jobs: jobs::Jobs,
    processes: processes::Processes,
    channels: channels::Channels,
    websockets: websockets::WebSockets,
    #[cfg(feature = "test-sql")]
    databases: sql::Databases,
}

impl Default for World {
    #[allow(clippy::disallowed_methods, reason = "a test's clock begins at the time that its own code sees")]
    fn default() -> Self {
        let began_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
        Self {
            began: Duration::from_millis(began_ms.try_into().unwrap_or(0)),
            now: Duration::ZERO,
            last_number: 0,
            buckets: BTreeMap::new(),
            pubsub: pubsub::Pubsub::default(),
            presence: presence::Presence::default(),
            tasks: tasks::Tasks::default(),
            durable: durable::Durable::default(),
            jobs: jobs::Jobs::default(),
            processes: processes::Processes::default(),
            channels: channels::Channels::default(),
            websockets: websockets::WebSockets::default(),
            #[cfg(feature = "test-sql")]
            databases: sql::Databases::default(),
        }
    }
}

thread_local! {
    static WORLD: RefCell<World> = RefCell::default();
}

impl World {
    fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    /// The time of day, in milliseconds since the Unix epoch.
    fn timestamp(&self) -> u64 {
        self.began.saturating_add(self.now).as_millis().try_into().unwrap_or(u64::MAX)
    }

    /// Every bucket exists, as soon as somebody names it.
    fn bucket(&mut self, name: &str) -> &mut Store {
        self.buckets.entry(name.to_owned()).or_default()
    }
}

/// The time of day.
pub(crate) fn wall() -> SystemTime {
    crate::clock::moment(WORLD.with_borrow(World::timestamp))
}

/// Moves the clock that entries end by, and has timers fire.
pub(crate) fn advance(by: Duration) {
    processes::advance(by);
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
