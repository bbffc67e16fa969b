//! Which process.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Handle;
use crate::{__private::bindings::imports::skep::plugin::types as wit, capability::shown, presence::Owner};

/// Names one process for as long as it lives, through sleep, crashes and upgrades; it is never given twice. It is text, so
/// it can be stored and sent.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pid(String);

impl Pid {
    /// The pid as the host gave it.
    pub fn new(pid: impl Into<String>) -> Self {
        Self(pid.into())
    }

    /// The pid as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A process may own presences: they go when it ends.
impl From<&Pid> for Owner {
    fn from(pid: &Pid) -> Self {
        Self::new(pid.as_str())
    }
}

/// Which process: `"hive:7"` by its name, `("shop", "cart:42")` by the name in another plugin, which the manifest must
/// grant; or by a [`Pid`], or a [`Handle`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// That one, and no other that is there after it.
    Pid(Pid),
    /// Whoever has the name when the message is sent.
    Name {
        /// The plugin that registered it; `None` for one's own.
        plugin: Option<String>,
        /// The name there.
        name: String,
    },
}

impl Target {
    pub(crate) fn to_wit(&self) -> wit::Target {
        match self {
            Self::Pid(pid) => wit::Target::Pid(pid.0.clone()),
            Self::Name { plugin, name } => {
                wit::Target::Name(wit::ProcessName { plugin: plugin.clone(), name: name.clone() })
            }
        }
    }

    pub(crate) fn from_wit(target: wit::Target) -> Self {
        match target {
            wit::Target::Pid(pid) => Self::Pid(Pid(pid)),
            wit::Target::Name(wit::ProcessName { plugin, name }) => Self::Name { plugin, name },
        }
    }
}

/// For the log: a pid as it is, a name without what would break a line.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pid(pid) => write!(f, "{pid}"),
            Self::Name { plugin: None, name } => f.write_str(&shown(name)),
            Self::Name { plugin: Some(plugin), name } => write!(f, "{plugin}/{}", shown(name)),
        }
    }
}

impl From<Pid> for Target {
    fn from(pid: Pid) -> Self {
        Self::Pid(pid)
    }
}

impl From<&Pid> for Target {
    fn from(pid: &Pid) -> Self {
        Self::Pid(pid.clone())
    }
}

impl From<&str> for Target {
    fn from(name: &str) -> Self {
        Self::Name { plugin: None, name: name.to_owned() }
    }
}

impl From<String> for Target {
    fn from(name: String) -> Self {
        Self::Name { plugin: None, name }
    }
}

impl From<&String> for Target {
    fn from(name: &String) -> Self {
        name.as_str().into()
    }
}

impl<S: Into<String>, N: Into<String>> From<(S, N)> for Target {
    fn from((plugin, name): (S, N)) -> Self {
        Self::Name { plugin: Some(plugin.into()), name: name.into() }
    }
}

impl From<&Self> for Target {
    fn from(target: &Self) -> Self {
        target.clone()
    }
}

impl<P> From<Handle<P>> for Target {
    fn from(handle: Handle<P>) -> Self {
        handle.into_target()
    }
}

impl<P> From<&Handle<P>> for Target {
    fn from(handle: &Handle<P>) -> Self {
        handle.target().clone()
    }
}
