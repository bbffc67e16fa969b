//! What an operator sees.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use crate::address::SocketId;
use crate::counters::Stats;
use crate::hub::Channels;
use crate::socket::{Phase, Shared, Transport};

/// A socket.
#[derive(Clone, Debug)]
pub struct SocketInfo {
    /// Its id.
    pub id: SocketId,
    /// The name that it can be disconnected by.
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

impl SocketInfo {
    fn of(shared: &Shared) -> Self {
        shared.update(|state| Self {
            id: shared.id,
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
        let hub = &*self.0;
        let behind = |id: &SocketId| cursor.is_none_or(|cursor| *id > cursor);
        let mut ids: Vec<_> = hub.sockets.iter().map(|entry| *entry.key()).filter(behind).collect();
        ids.sort_unstable();
        ids.truncate(limit);
        ids.into_iter().filter_map(|id| self.socket(id)).collect()
    }

    /// One socket.
    #[must_use]
    pub fn socket(&self, id: SocketId) -> Option<SocketInfo> {
        self.0.find(id).map(|shared| SocketInfo::of(&shared))
    }

    /// The counts of the engine. It walks the sockets.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let hub = &*self.0;
        let mut stats = hub.counters.read();
        for entry in &hub.sockets {
            let of = |state: &mut crate::socket::State| (state.received, state.sent, state.dropped);
            let (received, sent, dropped) = entry.value().update(of);
            stats.received += received;
            stats.sent += sent;
            stats.dropped += dropped;
        }
        stats.sockets = hub.count() as u64;
        stats.sessions = hub.sessions.len() as u64;
        stats
    }
}
