//! What an operator sees.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use skep_types::{PluginName, TopicId};

use crate::address::SocketId;
use crate::counters::Stats;
use crate::hub::Channels;
use crate::socket::{Phase, Shared, Transport};

/// A socket.
#[derive(Clone, Debug)]
pub struct SocketInfo {
    /// Its id.
    pub id: SocketId,
    /// The plugin that let it in: the mount's.
    pub owner: PluginName,
    /// The name that it can be disconnected by, a topic of that plugin.
    pub name: Option<String>,
    /// Where it was opened.
    pub mount: Arc<str>,
    /// The client's address.
    pub peer: IpAddr,
    /// How frames travel.
    pub transport: Transport,
    /// Topics that it has joined.
    pub channels: Vec<String>,
    /// Frames that wait for the client.
    pub queued: usize,
    /// What they count as, in bytes.
    pub queued_bytes: u64,
    /// Frames of the client.
    pub received: u64,
    /// Frames that the transport took.
    pub sent: u64,
    /// Messages that were dropped because a queue of it was full.
    pub dropped: u64,
    /// When it was opened.
    pub since: SystemTime,
}

/// Which sockets. An absent part says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SocketFilter {
    /// Those that this plugin let in.
    pub owner: Option<PluginName>,
    /// Those of mounts whose names begin so.
    pub mount: Option<String>,
    /// Those that this name would [disconnect](Channels::disconnect).
    pub name: Option<TopicId>,
}

/// Sockets in the order of their ids, which is that of their opening.
#[derive(Clone, Debug)]
pub struct SocketPage {
    /// The sockets.
    pub sockets: Vec<SocketInfo>,
    /// How many pass, on all pages.
    pub total: usize,
    /// Where to go on; none at the end.
    pub cursor: Option<SocketId>,
}

/// Who let a socket in. What a mount leads to is swapped, but not to another plugin's.
fn owner(shared: &Shared) -> PluginName {
    shared.mount.target.load().owner().clone()
}

impl SocketFilter {
    fn passes(&self, shared: &Shared) -> bool {
        let is_named = |id: &TopicId| shared.name.as_ref() == Some(&id.name) && owner(shared) == id.owner;
        self.mount.as_ref().is_none_or(|prefix| shared.mount.name().starts_with(prefix))
            && self.name.as_ref().is_none_or(is_named)
            && self.owner.as_ref().is_none_or(|plugin| owner(shared) == *plugin)
    }
}

impl SocketInfo {
    fn of(shared: &Shared) -> Self {
        shared.update(|state| Self {
            id: shared.id,
            owner: owner(shared),
            name: shared.name.as_ref().map(ToString::to_string),
            mount: Arc::clone(&shared.mount.name),
            peer: shared.peer,
            transport: shared.transport,
            channels: {
                let joined = state.channels.iter().filter(|record| record.phase == Phase::Joined);
                joined.filter(|record| record.handler.is_some()).map(|record| record.topic.to_string()).collect()
            },
            queued: state.queued(),
            queued_bytes: state.queued_bytes(),
            received: state.received,
            sent: state.sent,
            dropped: state.dropped,
            since: shared.since,
        })
    }
}

impl Channels {
    /// Sockets in the order of their ids, from behind the cursor on; at most `limit`. It looks at every socket of the host,
    /// so it is for people, not for requests.
    #[must_use]
    pub fn sockets(&self, cursor: Option<SocketId>, limit: usize) -> Vec<SocketInfo> {
        self.page(&SocketFilter::default(), cursor, limit).sockets
    }

    /// A page of the sockets that pass, from behind the cursor on; at most `limit`, and with 0 only how many there are. It
    /// looks at every socket of the host, so it is for people, not for requests.
    #[must_use]
    pub fn page(&self, filter: &SocketFilter, cursor: Option<SocketId>, limit: usize) -> SocketPage {
        let passing = self.0.sockets.iter().filter(|entry| filter.passes(entry.value()));
        let mut ids: Vec<_> = passing.map(|entry| *entry.key()).collect();
        let total = ids.len();
        ids.retain(|id| cursor.is_none_or(|cursor| *id > cursor));
        ids.sort_unstable();
        let has_more = ids.len() > limit;
        ids.truncate(limit);
        let cursor = ids.last().copied().filter(|_| has_more);
        SocketPage { sockets: ids.into_iter().filter_map(|id| self.socket(id)).collect(), total, cursor }
    }

    /// One socket.
    #[must_use]
    pub fn socket(&self, id: SocketId) -> Option<SocketInfo> {
        self.0.find(id).map(|shared| SocketInfo::of(&shared))
    }

    /// The counts of the engine. It walks the sockets.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let mut stats = self.counts();
        for entry in &self.0.sockets {
            let of = |state: &mut crate::socket::State| (state.received, state.sent, state.dropped);
            let (received, sent, dropped) = entry.value().update(of);
            stats.received += received;
            stats.sent += sent;
            stats.dropped += dropped;
        }
        stats
    }

    /// The same, but frames and dropped messages only of sockets that have ended: it looks at none that is open.
    #[must_use]
    pub fn counts(&self) -> Stats {
        let hub = &*self.0;
        Stats { sockets: hub.count() as u64, sessions: hub.sessions.len() as u64, ..hub.counters.read() }
    }

    /// How many sockets may be open at once.
    #[must_use]
    pub fn sockets_max(&self) -> usize {
        self.0.options.sockets_max
    }
}
