//! What the manifest says of a bucket, and how time goes by, in native tests.

use std::time::Duration;

use crate::double;

/// Lets so much time go by: entries end, as they would in the host.
///
/// The clock stands still otherwise, and whoever would have to wait (for a lock that is held, for a key that somebody
/// loads) has waited in vain. A test has a clock, and buckets, of its own: those of its thread.
///
/// ```
/// use std::time::Duration;
/// use skep_sdk::{prelude::*, test};
///
/// let sessions = cache::bucket("sessions")?;
/// sessions.put_for("7", "maja", Duration::from_secs(60))?;
/// test::advance(Duration::from_secs(60));
/// assert_eq!(sessions.get::<String>("7")?, None);
/// # Ok::<_, Error>(())
/// ```
pub fn advance(by: Duration) {
    double::advance(by);
}

/// Says of a bucket what the manifest would. By default there is every bucket, its entries end by their own time only,
/// and it has room for all of them. What is said holds at once, for the bucket's entries too.
///
/// ```
/// use std::time::Duration;
/// use skep_sdk::{prelude::*, test};
///
/// test::bucket("sessions").ttl(Duration::from_secs(1800)).idle(Duration::from_secs(600));
/// test::bucket("secrets").deny();
/// assert!(cache::bucket("secrets").is_err());
/// ```
pub fn bucket(name: &str) -> TestBucket {
    TestBucket { name: name.to_owned() }
}

/// A bucket of the test, from [`bucket`].
#[derive(Clone, Debug)]
pub struct TestBucket {
    name: String,
}

#[allow(clippy::must_use_candidate, reason = "each of them does what it says; the chain may end anywhere")]
impl TestBucket {
    /// How long an entry lives that is written with the standard lifetime from now on.
    pub fn ttl(self, ttl: Duration) -> Self {
        self.with(|rules| rules.ttl = Some(ttl))
    }

    /// How long an entry lives that nobody reads or writes.
    pub fn idle(self, idle: Duration) -> Self {
        self.with(|rules| rules.idle = Some(idle))
    }

    /// How long an entry is kept past its end for whoever takes a stale value.
    pub fn stale(self, stale: Duration) -> Self {
        self.with(|rules| rules.stale = stale)
    }

    /// Has no room for another key: writing one is [`Full`](crate::CapabilityError::Full).
    pub fn full(self) -> Self {
        self.with(|rules| rules.full = true)
    }

    /// Granted for reading only, as a bucket of another plugin may be.
    pub fn read_only(self) -> Self {
        self.with(|rules| rules.read_only = true)
    }

    /// Neither declared nor granted. What was opened before stays open.
    pub fn deny(self) -> Self {
        self.with(|rules| rules.denied = true)
    }

    fn with(self, change: impl FnOnce(&mut double::Rules)) -> Self {
        double::configure(&self.name, change);
        self
    }
}
