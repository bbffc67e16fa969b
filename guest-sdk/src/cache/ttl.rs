//! How long an entry lives.

use std::time::Duration;

use super::host::Lifetime;
use crate::clock::millis;

/// How long an entry lives from its write on. A [`Duration`] is one.
///
/// The bucket's own time to idle, if the manifest sets one, ends an entry that nobody reads whatever this says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ttl {
    /// As long as the manifest says for the bucket.
    #[default]
    Standard,
    /// So long, in whole milliseconds, rounded up. Zero means that nobody ever sees it.
    After(Duration),
    /// Until it is evicted or deleted.
    Unlimited,
    /// As long as the entry that is overwritten has left; as the manifest says if there is none.
    Keep,
}

impl From<Duration> for Ttl {
    fn from(duration: Duration) -> Self {
        Self::After(duration)
    }
}

impl Ttl {
    pub(super) fn lifetime(self) -> Lifetime {
        match self {
            Self::Standard => Lifetime::Standard,
            Self::After(duration) => Lifetime::After(millis(duration)),
            Self::Unlimited => Lifetime::Unlimited,
            Self::Keep => Lifetime::Keep,
        }
    }
}
