//! Mounts: where sockets are opened, and who handles which topics there. What a mount leads to can be swapped while its
//! sockets are open.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use foldhash::fast::RandomState;
use skep_types::{PluginName, TopicName, TopicPattern};

use crate::options::SocketOptions;
use crate::port::{ChannelHandler, RawHandler, SocketHandler};

/// A mount. Its name and its sockets stay when what it leads to is swapped.
pub struct Mount {
    pub(crate) name: Arc<str>,
    pub(crate) target: ArcSwap<Target>,
}

/// What a mount leads to.
pub struct Target {
    /// How sockets are bounded. Those that are open keep the options that they were opened with.
    pub options: Arc<SocketOptions>,
    /// What its sockets speak.
    pub speech: Speech,
}

/// What the sockets of a mount speak.
pub enum Speech {
    /// Phoenix's channels.
    Channels {
        /// Decides who gets a socket.
        socket: Arc<dyn SocketHandler>,
        /// Who handles which topics.
        table: Table,
    },
    /// Frames of a plugin's own making, whose handler decides who gets a socket, too.
    Raw(Arc<dyn RawHandler>),
}

impl Target {
    /// Whose plugin lets sockets in.
    pub(crate) fn owner(&self) -> &PluginName {
        match &self.speech {
            Speech::Channels { socket, .. } => socket.owner(),
            Speech::Raw(handler) => handler.owner(),
        }
    }
}

/// Who handles which topics: an exact name first, then the longest prefix.
#[derive(Default)]
pub struct Table {
    exact: HashMap<TopicName, Arc<dyn ChannelHandler>, RandomState>,
    /// The longest first.
    prefixes: Vec<(Arc<str>, Arc<dyn ChannelHandler>)>,
}

impl Table {
    /// A table of these; of several with the same pattern the last counts.
    #[must_use]
    pub fn new(handlers: impl IntoIterator<Item = (TopicPattern, Arc<dyn ChannelHandler>)>) -> Self {
        let mut table = Self::default();
        for (pattern, handler) in handlers {
            match pattern {
                TopicPattern::Exact(name) => {
                    table.exact.insert(name, handler);
                }
                TopicPattern::Prefix(prefix) => {
                    table.prefixes.retain(|(other, _)| *other != prefix);
                    table.prefixes.push((prefix, handler));
                }
            }
        }
        table.prefixes.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        table
    }

    /// Who handles a topic.
    #[must_use]
    pub fn find(&self, topic: &TopicName) -> Option<&Arc<dyn ChannelHandler>> {
        let by_prefix = || self.prefixes.iter().find(|(prefix, _)| topic.as_str().starts_with(&**prefix));
        self.exact.get(topic).or_else(|| by_prefix().map(|(_, handler)| handler))
    }
}

impl Mount {
    /// A mount that leads there.
    #[must_use]
    pub fn new(name: &str, target: Target) -> Arc<Self> {
        Arc::new(Self { name: name.into(), target: ArcSwap::from_pointee(target) })
    }

    /// Its name, for operators.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How sockets that are opened now are bounded.
    #[must_use]
    pub fn options(&self) -> Arc<SocketOptions> {
        Arc::clone(&self.target.load().options)
    }

    /// Whether its sockets speak Phoenix's protocol.
    #[must_use]
    pub fn has_channels(&self) -> bool {
        matches!(self.target.load().speech, Speech::Channels { .. })
    }

    /// Who handles a topic now.
    pub(crate) fn find(&self, topic: &TopicName) -> Option<Arc<dyn ChannelHandler>> {
        match &self.target.load().speech {
            Speech::Channels { table, .. } => table.find(topic).cloned(),
            Speech::Raw(_) => None,
        }
    }

    /// Who handles raw sockets now.
    pub(crate) fn raw(&self) -> Option<Arc<dyn RawHandler>> {
        match &self.target.load().speech {
            Speech::Channels { .. } => None,
            Speech::Raw(handler) => Some(Arc::clone(handler)),
        }
    }
}

impl fmt::Debug for Mount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Mount").field(&self.name).finish()
    }
}
