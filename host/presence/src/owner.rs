//! The guard that everything tracked lives and dies with.

use std::fmt;
use std::sync::Arc;

use crate::presence::Presence;

/// Held beside what owns presences: a stream, a socket, a process. While it is held, its id may be tracked; dropping it
/// untracks everything of it at once.
#[must_use = "dropping it untracks everything of this owner"]
pub struct Owner {
    pub(crate) presence: Presence,
    pub(crate) id: Arc<str>,
}

impl Owner {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.presence.end(&self.id);
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Owner").field(&self.id).finish()
    }
}
