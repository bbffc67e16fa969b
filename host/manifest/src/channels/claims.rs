//! Which plugin's channels are joined on which socket. Patterns may overlap, and the most exact one is joined; the same one is
//! for one plugin, as a route is.

use std::collections::BTreeMap;

use skep_types::{PluginName, TopicPattern};

use super::MountSelector;
use crate::plugin::PluginConfig;

/// A plugin with what it brings to sockets.
#[derive(Clone, Debug)]
pub struct Brings<'a> {
    /// Its name.
    pub plugin: &'a PluginName,
    /// Its entry.
    pub config: &'a PluginConfig,
    /// The channels that its component has, as far as that is known. Those that the entry names need not be among them.
    pub component: Vec<&'a TopicPattern>,
}

/// Two plugins that have the same channels on one socket.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the plugins `{first}` and `{second}` both have the channels `{topics}` on the socket `{socket}`, and a client's join has \
     one plugin to go to: write in `[plugins.NAME.channels.\"{topics}\"]` of one of them on which other `sockets` they are"
)]
pub struct Clash {
    /// The one that comes first.
    pub first: PluginName,
    /// The other.
    pub second: PluginName,
    /// Which channels.
    pub topics: TopicPattern,
    /// Where, with the plugin whose mount it is.
    pub socket: MountSelector,
}

/// What several of these plugins have, each against the first that has it.
#[must_use]
pub fn clashes<'a>(plugins: impl IntoIterator<Item = Brings<'a>>) -> Vec<Clash> {
    let (mut taken, mut clashes) = (BTreeMap::new(), Vec::new());
    for Brings { plugin, config, component } in plugins {
        let component = component.into_iter().filter(|topics| !config.channels.contains_key(topics));
        for topics in config.channels.keys().chain(component) {
            for socket in config.places(plugin, topics) {
                let first = taken.entry((socket.clone(), topics)).or_insert(plugin);
                if *first != plugin {
                    let (first, second) = (PluginName::clone(first), plugin.clone());
                    clashes.push(Clash { first, second, topics: topics.clone(), socket });
                }
            }
        }
    }
    clashes
}

impl PluginConfig {
    /// The sockets where these channels of the plugin are joined.
    fn places(&self, own: &PluginName, topics: &TopicPattern) -> Vec<MountSelector> {
        let of = |owner: Option<&PluginName>, mount| MountSelector { owner: owner.or(Some(own)).cloned(), mount };
        match self.channels.get(topics).and_then(|channel| channel.sockets.as_ref()) {
            Some(sockets) => sockets.iter().map(|socket| of(socket.owner.as_ref(), socket.mount.clone())).collect(),
            None => self.sockets.keys().map(|mount| of(None, mount.clone())).collect(),
        }
    }
}
