//! Channels: the mounts where Phoenix clients open sockets, which plugins' topics they carry, and raw WebSockets.

use std::collections::BTreeMap;

use skep_types::{HandlerName, PluginName, TopicPattern};

use crate::read::{Item, Read, Section};
pub use claims::{Brings, Clash, clashes};
pub use mount::{InvalidMount, Mount, MountSelector};
pub use socket::{Longpoll, SocketConfig, SocketConnect};
pub use transport::{SocketLimits, SocketOrigins, SocketOverflow, WebSocketConfig};

mod claims;
pub(crate) mod mount;
mod socket;
pub(crate) mod transport;

/// As in a binary frame, which has one byte for the length.
const EVENT_BYTES_MAX: usize = 255;
/// As in the contract.
const INTERCEPTS_MAX: usize = 100;
/// Mounts and patterns of a plugin, each: more are not written by hand.
const ENTRIES_MAX: usize = 100;

/// `[plugins.NAME.channels."room:*"]`: channels of a plugin. Those that the component has and the manifest does not name have the
/// defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChannelConfig {
    /// The sockets on which clients may join them, of the plugin or granted ones of others. Default: all of the plugin's own.
    pub sockets: Option<Vec<MountSelector>>,
    /// The kind of the plugin's processes that each joined client gets one of. Default: none, they are handed in and out.
    pub process: Option<HandlerName>,
    /// Broadcasts that are not written to the clients, but given to the channel, by their events. Default: what the component
    /// says; of a process, none. At most 100.
    pub intercept: Option<Vec<String>>,
}

impl ChannelConfig {
    /// Whether clients of this plugin's mount may join them, in a plugin of this name.
    #[must_use]
    pub fn is_on(&self, own: &PluginName, owner: &PluginName, mount: &Mount) -> bool {
        match &self.sockets {
            None => own == owner,
            Some(sockets) => {
                sockets.iter().any(|socket| socket.owner.as_ref().unwrap_or(own) == owner && socket.mount == *mount)
            }
        }
    }
}

/// Reads the mounts of a plugin.
pub(crate) fn read_sockets(item: &Item<'_>) -> Option<BTreeMap<Mount, SocketConfig>> {
    let sockets = item.map("a table for each mount, `[plugins.NAME.sockets.\"/socket\"]`")?;
    few(item, sockets.len())?;
    Some(sockets)
}

/// Reads the channels of a plugin.
pub(crate) fn read(item: &Item<'_>) -> Option<BTreeMap<TopicPattern, ChannelConfig>> {
    let channels = item.map("a table for each pattern of topics, `[plugins.NAME.channels.\"room:*\"]`")?;
    few(item, channels.len())?;
    Some(channels)
}

fn few(item: &Item<'_>, entries: usize) -> Option<()> {
    if entries > ENTRIES_MAX {
        return item.fail(format!("has {entries} entries; a plugin has at most {ENTRIES_MAX}"));
    }
    Some(())
}

impl Read for ChannelConfig {
    fn read(item: &Item<'_>) -> Option<Self> {
        let mut table = item.section()?;
        let channel =
            Self { sockets: table.get("sockets"), process: read_kind(&mut table), intercept: read_events(&mut table) };
        if channel.sockets.as_ref().is_some_and(Vec::is_empty) {
            let path = crate::read::join(&item.path, "sockets");
            item.reading.report(&path, "is empty, so nobody could join; leave it away for all sockets of the plugin");
        }
        table.finish();
        Some(channel)
    }
}

fn read_kind(table: &mut Section<'_>) -> Option<HandlerName> {
    table.item("process")?.parse("the name of a kind of processes, such as \"room\"")
}

fn read_events(table: &mut Section<'_>) -> Option<Vec<String>> {
    let item = table.item("intercept")?;
    let events = Vec::<Event>::read(&item)?;
    if events.len() > INTERCEPTS_MAX {
        return item.fail(format!("has {} events; a channel intercepts at most {INTERCEPTS_MAX}", events.len()));
    }
    Some(events.into_iter().map(|Event(event)| event).collect())
}

/// What a client calls a message.
struct Event(String);

impl Read for Event {
    fn read(item: &Item<'_>) -> Option<Self> {
        let event = String::read(item)?;
        let fits = (1..=EVENT_BYTES_MAX).contains(&event.len()) && !event.contains(['\r', '\n']);
        if fits {
            Some(Self(event))
        } else {
            item.fail(format!("is not an event: use 1 to {EVENT_BYTES_MAX} bytes without line breaks"))
        }
    }
}
