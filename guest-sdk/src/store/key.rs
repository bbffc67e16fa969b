//! Where something is.

use std::fmt;

use super::host;
use crate::capability::shown;

/// A key of this plugin's data, which a text is; or of another plugin's, from [`Space::key`](super::Space::key).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    space: Option<String>,
    key: String,
}

impl Key {
    pub(super) fn new(space: Option<&str>, key: impl Into<String>) -> Self {
        Self { space: space.map(str::to_owned), key: key.into() }
    }

    /// Whose data it is; `None` for this plugin's own.
    #[must_use]
    pub fn space(&self) -> Option<&str> {
        self.space.as_deref()
    }

    /// The key there.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.key
    }

    pub(super) fn place(&self) -> host::Place {
        host::Place { space: self.space.clone(), key: self.key.clone() }
    }

    pub(super) fn from_place(place: host::Place) -> Self {
        Self { space: place.space, key: place.key }
    }

    /// For the log: "reading `cart:7` in the store".
    pub(super) fn doing(&self, verb: &str) -> String {
        match &self.space {
            None => format!("{verb} `{}` in the store", shown(&self.key)),
            Some(space) => format!("{verb} `{}` in the store of `{space}`", shown(&self.key)),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.space {
            None => f.write_str(&self.key),
            Some(space) => write!(f, "{space}/{}", self.key),
        }
    }
}

impl From<&str> for Key {
    fn from(key: &str) -> Self {
        Self::new(None, key)
    }
}

impl From<String> for Key {
    fn from(key: String) -> Self {
        Self { space: None, key }
    }
}

impl From<&String> for Key {
    fn from(key: &String) -> Self {
        Self::new(None, key)
    }
}

impl From<&Key> for Key {
    fn from(key: &Key) -> Self {
        key.clone()
    }
}
