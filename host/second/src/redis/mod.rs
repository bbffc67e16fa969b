//! A Redis as the second tier.
//!
//! | module | holds |
//! |---|---|
//! | `link` | the connection and its breaker; who is told of changes |
//! | `health` | when the breaker opens |
//! | `scripts` | the questions and their answers |
//! | `plain` | storing without a script |

mod health;
mod link;
mod plain;
mod scripts;

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::time::Duration;

use skep_types::BucketId;
use tokio::sync::watch;

use crate::form::Names;
use crate::port::{Answer, Edit, Edited, Listener, Second, Seen, Standing};
pub use link::{Invalid, Link, Options};
use scripts::Asked;

/// One bucket in a Redis.
#[derive(Debug)]
pub struct InRedis {
    link: Arc<Link>,
    id: BucketId,
    names: Names,
    value_bytes: AtomicU64,
    /// The generation as it was last seen; 0 if it is not known.
    generation: AtomicU64,
}

impl InRedis {
    /// The bucket of this name behind a connection. Values that are longer are none to it, however they came there.
    #[must_use]
    pub fn new(link: Arc<Link>, id: BucketId, value_bytes: u64) -> Self {
        let names = Names::new(&link.options().prefix, &id);
        Self { link, id, names, value_bytes: AtomicU64::new(value_bytes), generation: AtomicU64::new(0) }
    }

    /// Another limit for values, from now on.
    pub fn set_value_bytes(&self, value_bytes: u64) {
        self.value_bytes.store(value_bytes, Relaxed);
    }

    fn asked(&self) -> Asked<'_> {
        Asked { names: &self.names, value_bytes: self.value_bytes.load(Relaxed), generation: &self.generation }
    }
}

impl Second for InRedis {
    fn read<'a>(&'a self, keys: &'a [Box<str>]) -> Answer<'a, Vec<Seen>> {
        let scripts = self.link.scripts();
        Box::pin(self.link.ask(async move |connection| scripts.read(connection, &self.asked(), keys).await))
    }

    fn edit<'a>(&'a self, key: &'a str, edit: Edit<'a>) -> Answer<'a, Edited> {
        let scripts = self.link.scripts();
        Box::pin(self.link.ask(async move |connection| scripts.edit(connection, &self.asked(), key, edit).await))
    }

    fn clear(&self) -> Answer<'_, ()> {
        let scripts = self.link.scripts();
        Box::pin(self.link.ask(async move |connection| scripts.clear(connection, &self.names).await))
    }

    fn standing(&self) -> watch::Receiver<Standing> {
        self.link.standing()
    }

    fn patience(&self) -> Duration {
        self.link.options().timeout
    }

    fn tell(&self, listener: Weak<dyn Listener>) {
        self.link.listen(self.id.to_string(), listener);
    }
}
