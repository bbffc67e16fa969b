//! The admin listener's view of the sockets of clients.

use std::time::UNIX_EPOCH;

use skep_admin::api::{Disconnected, SocketFilter, SocketPage, SocketStatus, SocketTotals};
use skep_admin::{ControlError, ControlFuture, SocketControl};
use skep_channels::{Channels, SocketId, SocketInfo};
use skep_types::{PluginName, TopicId};

use super::{NodeControl, detached};

/// Sockets that are given at once.
const PAGE_MAX: usize = 1000;

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

fn status(info: SocketInfo) -> SocketStatus {
    // A clock from before the epoch is wrong anyway.
    let since = info.since.duration_since(UNIX_EPOCH).unwrap_or_default();
    SocketStatus {
        id: info.id.to_string(),
        name: info.name.map(|name| format!("{}/{name}", info.owner)),
        plugin: info.owner.to_string(),
        mount: info.mount.to_string(),
        peer: info.peer.to_string(),
        transport: info.transport.to_string(),
        channels: info.channels,
        queued: count(info.queued),
        queued_bytes: info.queued_bytes,
        received: info.received,
        sent: info.sent,
        dropped: info.dropped,
        since_ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
    }
}

/// Looks at all sockets, of which there may be many, beside the threads that serve them.
async fn page(
    channels: Channels,
    filter: skep_channels::SocketFilter,
    cursor: Option<SocketId>,
    limit: usize,
) -> Result<skep_channels::SocketPage, ControlError> {
    let page = tokio::task::spawn_blocking(move || channels.page(&filter, cursor, limit)).await;
    page.map_err(|error| ControlError::Refused(format!("the host failed: {error}")))
}

impl NodeControl {
    fn channels(&self) -> Channels {
        self.0.services.sockets.channels.clone()
    }

    /// The engine's filter, if there are such plugins. A mount that nobody has is the beginning of none, which is no error.
    fn socket_filter(&self, filter: SocketFilter) -> Result<skep_channels::SocketFilter, ControlError> {
        let SocketFilter { plugin, mount, name } = filter;
        let owner: Option<PluginName> =
            plugin.map(|plugin| self.plugin(&plugin).map(|plugin| plugin.name().clone())).transpose()?;
        let name: Option<TopicId> = name.map(|name| self.topic(&name)).transpose()?;
        Ok(skep_channels::SocketFilter { owner, mount, name })
    }

    fn no_socket(&self, id: &str) -> ControlError {
        let open = self.channels().counts().sockets;
        ControlError::NotFound(format!(
            "there is no socket `{id}`: it is closed, or never was; {open} are open, which `skep sockets` lists"
        ))
    }

    /// What is counted already: no socket is looked at.
    pub(super) fn socket_totals(&self) -> SocketTotals {
        let channels = self.channels();
        let counts = channels.counts();
        SocketTotals {
            sockets: counts.sockets,
            sockets_max: count(channels.sockets_max()),
            longpoll: counts.sessions,
            opened: counts.opened,
            refused: counts.refused,
            slow: counts.slow,
            joins: counts.joins,
            crashes: counts.crashes,
        }
    }
}

impl SocketControl for NodeControl {
    fn sockets(&self, filter: SocketFilter, cursor: Option<String>, limit: usize) -> ControlFuture<SocketPage> {
        let (channels, filter) = (self.channels(), self.socket_filter(filter));
        Box::pin(async move {
            let cursor = cursor.as_deref().map(str::parse::<SocketId>).transpose();
            let cursor = cursor.map_err(|_| ControlError::Refused("this is no cursor".to_owned()))?;
            let page = page(channels, filter?, cursor, limit.clamp(1, PAGE_MAX)).await?;
            Ok(SocketPage {
                sockets: page.sockets.into_iter().map(status).collect(),
                total: count(page.total),
                cursor: page.cursor.map(|id| id.to_string()),
            })
        })
    }

    fn socket(&self, id: &str) -> Result<SocketStatus, ControlError> {
        let found = id.parse().ok().and_then(|id: SocketId| self.channels().socket(id));
        found.map(status).ok_or_else(|| self.no_socket(id))
    }

    fn disconnect(&self, id: &str) -> Result<Disconnected, ControlError> {
        let found = id.parse().ok().and_then(|id: SocketId| self.channels().socket(id));
        let info = found.filter(|info| self.channels().close(info.id)).ok_or_else(|| self.no_socket(id))?;
        tracing::info!(socket = id, mount = &*info.mount, name = info.name.as_deref(), "disconnected by command");
        Ok(Disconnected { sockets: 1 })
    }

    fn disconnect_named(&self, name: String) -> ControlFuture<Disconnected> {
        let (channels, topic) = (self.channels(), self.topic::<TopicId>(&name));
        detached(async move {
            let topic = topic?;
            // Before it is told: those that are closing are gone soon.
            let filter = skep_channels::SocketFilter { name: Some(topic.clone()), ..Default::default() };
            let sockets = count(page(channels.clone(), filter, None, 0).await?.total);
            channels.disconnect(&topic).map_err(|error| ControlError::Refused(error.to_string()))?;
            tracing::info!(name = %topic, sockets, "disconnected by command");
            Ok(Disconnected { sockets })
        })
    }
}
