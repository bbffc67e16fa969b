//! The handle's side of sockets without channels: opening them, and what anybody of their plugin does to them.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use futures_util::FutureExt as _;
use skep_types::{Failure, FailureKind, Phase, PluginName};

use super::{Channels, Place, full};
use crate::address::{ChannelId, SocketId};
use crate::error::Error;
use crate::mount::{Mount, Speech};
use crate::port::{Crash, Frame, RawDecision, RawOpening, RawRefusal, RawRequest, Refused};
use crate::socket::{Close, Shared, Socket, Speaks, Transport, raw};

/// What became of a client that asked for a socket without channels.
pub enum RawOpened {
    /// It has one.
    Accepted {
        /// The socket.
        socket: Socket,
        /// The subprotocol that is spoken: one of those that the client offered.
        protocol: Option<String>,
    },
    /// The plugin does not want it, and says this.
    Refused(RawRefusal),
}

impl Channels {
    /// Asks the mount's plugin whether a client may have a socket without channels, and opens it. The socket has its id before
    /// the plugin is asked: presences can be tracked with it, and it can be sent to. Dropping the future gives up.
    ///
    /// # Errors
    /// If the plugin could not be asked or broke a rule, at `sockets_max`, while the host drains, and if the mount has channels.
    pub async fn connect_raw(&self, mount: &Arc<Mount>, request: RawRequest) -> Result<RawOpened, Failure> {
        let opened = self.open_raw(mount, request).await;
        match &opened {
            Ok(RawOpened::Accepted { .. }) => self.0.counters.opened(),
            Ok(RawOpened::Refused(_)) | Err(_) => self.0.counters.refused(),
        }
        opened
    }

    async fn open_raw(&self, mount: &Arc<Mount>, request: RawRequest) -> Result<RawOpened, Failure> {
        let hub = &self.0;
        let place = Place::take(hub).map_err(failure)?;
        let (handler, options) = {
            let target = mount.target.load();
            let Speech::Raw(handler) = &target.speech else {
                return Err(Failure::new(FailureKind::Internal, Phase::Queue, "the mount has channels"));
            };
            (Arc::clone(handler), Arc::clone(&target.options))
        };
        let (id, since, peer) =
            (SocketId(hub.next.fetch_add(1, Relaxed)), hub.options.clock.wall(), request.call.client);
        let (transport, speaks) = (Transport::WebSocket, Speaks::Raw);
        let (mount, flusher) = (Arc::clone(mount), hub.flusher());
        let shared = Shared::new(id, None, mount, options, peer, since, transport, speaks, Bytes::new(), flusher);
        // If the client leaves, or is refused, it is dropped, and was never there.
        let mut socket = hub.enter(place, shared, None);
        let id = socket.own_presences(handler.owner()).map_err(|crash| failure(full(crash.reason)))?;
        let protocols = request.protocols.clone();
        let asked = AssertUnwindSafe(async { handler.open(RawOpening { id, request }).await }).catch_unwind().await;
        let panicked = || Failure::new(FailureKind::Internal, Phase::Handle, "the host's own code panicked");
        let accepted = match asked.map_err(|_| panicked())?? {
            RawDecision::Refuse(refusal) => return Ok(RawOpened::Refused(refusal)),
            RawDecision::Accept(accepted) => accepted,
        };
        let protocol = accepted.protocol;
        if protocol.as_ref().is_some_and(|protocol| !protocols.contains(protocol)) {
            return Err(broken(Crash::new("a subprotocol that the client did not offer")));
        }
        socket.opened_raw(accepted.assigns, accepted.actions).map_err(broken)?;
        Ok(RawOpened::Accepted { socket, protocol })
    }

    /// Tells the client of a socket without channels, of this plugin.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it has ended, or is another plugin's; [`Error::Invalid`] for a text that is none.
    pub fn send_raw(&self, owner: &PluginName, id: ChannelId, frame: Frame) -> Result<(), Error> {
        raw::checked(&frame)?;
        let shared = self.raw(owner, id)?;
        shared.update(|state| state.send(&shared.options, frame, false));
        Ok(())
    }

    /// Closes a socket without channels, of this plugin, when what waits is written.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it has ended, or is another plugin's; [`Error::Invalid`] for a code other than 1000 and 3000 to
    /// 4999, and for a reason of more than 123 bytes.
    pub fn close_raw(&self, owner: &PluginName, id: ChannelId, code: u16, reason: &str) -> Result<(), Error> {
        let close = Close::asked(code, reason.to_owned())?;
        self.raw(owner, id)?.close(close);
        Ok(())
    }

    /// A socket without channels of a plugin, if its end has not begun.
    fn raw(&self, owner: &PluginName, id: ChannelId) -> Result<Arc<Shared>, Error> {
        let shared = self.0.find(id.socket).filter(|shared| shared.speaks == Speaks::Raw).ok_or(Error::NotFound)?;
        let is_open = shared.update(|state| state.closing.is_none() && state.record(id.serial).is_some());
        let is_owned = shared.mount.target.load().owner() == owner;
        if is_open && is_owned { Ok(shared) } else { Err(Error::NotFound) }
    }
}

fn failure(refused: Refused) -> Failure {
    match refused {
        Refused::Failed(failure) => failure,
        Refused::Denied => Failure::new(FailureKind::Internal, Phase::Queue, "refused without a reason"),
    }
}

/// What a plugin said that breaks a rule.
fn broken(crash: Crash) -> Failure {
    Failure::new(FailureKind::BadAnswer, Phase::Handle, crash.reason)
}
