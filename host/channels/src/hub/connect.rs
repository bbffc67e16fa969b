//! Opening sockets.

use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::Duration;

use skep_pubsub::{SinkSubscription, TopicPattern, TopicSelector};
use skep_types::{Failure, FailureKind, Phase};

use super::{Channels, Hub};
use crate::address::SocketId;
use crate::mount::{Mount, Speech};
use crate::port::{Connected, Connecting, Refused};
use crate::socket::{Close, Flusher, Shared, Socket, Speaks, Transport};
use crate::wire::Version;

/// How long a client is told to wait that finds no room.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(5);

impl Channels {
    /// Asks the mount's plugin whether a client may have a socket, and opens it. Dropping the future gives up.
    ///
    /// # Errors
    /// [`Refused::Denied`] if the plugin does not want the client, or the mount has no channels; [`Refused::Failed`] if it could not
    /// be asked, at `sockets_max`, or while the host drains.
    pub async fn connect(
        &self,
        mount: &Arc<Mount>,
        client: Connecting,
        version: Version,
        transport: Transport,
    ) -> Result<Socket, Refused> {
        let opened = self.open(mount, client, version, transport).await;
        match &opened {
            Ok(_) => self.0.counters.opened(),
            Err(_) => self.0.counters.refused(),
        }
        opened
    }

    async fn open(
        &self,
        mount: &Arc<Mount>,
        client: Connecting,
        version: Version,
        transport: Transport,
    ) -> Result<Socket, Refused> {
        let place = Place::take(&self.0)?;
        let peer = client.peer;
        let (asked, options, owner) = {
            let target = mount.target.load();
            let Speech::Channels { socket, .. } = &target.speech else { return Err(Refused::Denied) };
            (socket.connect(client), Arc::clone(&target.options), socket.owner().clone())
        };
        let Connected { name, assigns } = asked.await?;
        let hub = &self.0;
        let id = SocketId(hub.next.fetch_add(1, Relaxed));
        let (since, speaks) = (hub.options.clock.wall(), Speaks::Phoenix(version));
        let (mount, flusher) = (Arc::clone(mount), hub.flusher());
        let shared = Shared::new(id, name, mount, options, peer, since, transport, speaks, assigns, flusher);
        let named = shared.name.clone().map(|name| {
            let selector = TopicSelector { owner, pattern: TopicPattern::Exact(name) };
            hub.options.pubsub.subscribe_sink(selector, Arc::clone(&shared) as _, 0)
        });
        let named = named.transpose().map_err(|error| full(error.to_string()))?;
        Ok(hub.enter(place, shared, named))
    }
}

impl Hub {
    /// A socket that is there from now on, until it is dropped.
    pub(super) fn enter(
        self: &Arc<Self>,
        place: Place<'_>,
        shared: Arc<Shared>,
        named: Option<SinkSubscription>,
    ) -> Socket {
        self.sockets.insert(shared.id, Arc::clone(&shared));
        place.keep();
        let mut socket = Socket::new(Arc::clone(self), shared, named);
        if self.draining.load(SeqCst) {
            // It was opened while the others were being closed.
            socket.close(Close::DRAIN.code, "service restart");
        }
        socket
    }

    pub(super) fn flusher(&self) -> Option<Arc<Flusher>> {
        self.flusher.get_or_init(Flusher::new).clone()
    }
}

/// Room for one socket.
pub(super) struct Place<'a>(&'a Hub);

impl<'a> Place<'a> {
    pub(super) fn take(hub: &'a Hub) -> Result<Self, Refused> {
        let place = Self(hub);
        let before = hub.places.fetch_add(1, SeqCst);
        if hub.draining.load(SeqCst) {
            return Err(full("the host is about to end".to_owned()));
        }
        if before >= hub.options.sockets_max {
            return Err(full(format!("{before} sockets are open")));
        }
        Ok(place)
    }

    /// The socket gives it back.
    fn keep(self) {
        std::mem::forget(self);
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.leave();
    }
}

pub(super) fn full(detail: String) -> Refused {
    Refused::Failed(Failure::new(FailureKind::Overloaded, Phase::Queue, detail).retry_after(RETRY_AFTER))
}
