//! What the manifest would grant, and commits that fail, in native tests.

use crate::{__private::bindings::imports::skep::plugin::types as wit, CapabilityError, double::durable as double};

/// Says of another plugin's data what the manifest would. By default all of it is granted, for writing too.
///
/// ```
/// use skep_sdk::{prelude::*, test};
///
/// test::store_space("shop").read_only();
/// test::store_space("bank").deny();
/// assert!(store::space("shop").set("price", &7).is_err());
/// assert!(store::space("bank").get::<u32>("balance").is_err());
/// ```
pub fn store_space(plugin: &str) -> TestSpace {
    TestSpace { plugin: plugin.to_owned() }
}

/// Another plugin's data in the test, from [`store_space`].
#[derive(Clone, Debug)]
pub struct TestSpace {
    plugin: String,
}

#[allow(clippy::must_use_candidate, reason = "each of them does what it says; the chain may end anywhere")]
impl TestSpace {
    /// Granted for reading only.
    pub fn read_only(self) -> Self {
        double::configure(&self.plugin, |rules| rules.read_only = true);
        self
    }

    /// Not granted.
    pub fn deny(self) -> Self {
        double::configure(&self.plugin, |rules| rules.denied = true);
        self
    }
}

/// Has the next write to the store fail so, be it data, a job or a commit of both. Nothing of it is written.
///
/// ```
/// use skep_sdk::{CapabilityError, prelude::*, store::CommitError, test};
///
/// test::fail_commit(CapabilityError::OutcomeUnknown);
/// let refused = store::atomic().set("a", &1).commit().unwrap_err();
/// assert!(matches!(refused, CommitError::OutcomeUnknown));
/// ```
pub fn fail_commit(error: CapabilityError) {
    double::fail(to_wit(error));
}

/// As the host would say it.
pub(super) fn to_wit(error: CapabilityError) -> wit::Error {
    match error {
        CapabilityError::Denied(why) => wit::Error::Denied(why),
        CapabilityError::Invalid(why) => wit::Error::Invalid(why),
        CapabilityError::TooLarge { limit_bytes } => wit::Error::TooLarge(limit_bytes),
        CapabilityError::Full => wit::Error::Full,
        CapabilityError::NotFound => wit::Error::NotFound,
        CapabilityError::Conflict => wit::Error::Conflict,
        CapabilityError::Timeout => wit::Error::Timeout,
        CapabilityError::Crashed => wit::Error::Crashed,
        CapabilityError::Unavailable(why) => wit::Error::Unavailable(why),
        CapabilityError::OutcomeUnknown => wit::Error::OutcomeUnknown,
    }
}
