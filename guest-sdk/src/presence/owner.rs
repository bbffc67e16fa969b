//! What a presence lives with.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a presence lives with: an event stream, a channel or a WebSocket of this plugin, or the process that calls, whose
/// [`Pid`](crate::process::Pid) is one. It is text, so it can be stored, or handed to the client and come back with a later
/// request; check who sends it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Owner(String);

impl Owner {
    /// The id as the host gave it.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
