//! One socket: what everybody shares of it, and what it is made of.
//!
//! | module | holds |
//! |---|---|
//! | `state` | what is behind the socket's lock: its outbound queue and its channels |
//! | `record` | a channel, and what waits for its handler |
//! | `receive` | what a client's message does |
//! | `deliver` | what a message of pubsub does |
//! | `next` | which call of a guest is next, and how channels end |
//! | `driver` | [`Socket`]: what a transport holds and polls |
//! | `line` | frames that go out without a turn of the socket's own task |
//! | `ties` | what lives as long as a channel or its socket, and the end of both |
//! | `act` | what the guests' answers do |
//! | `raw` | the same for sockets without channels |
//! | `rate` | token buckets |
//!
//! The lock is a leaf: nothing is awaited, published or subscribed while it is held.

mod act;
mod deliver;
mod driver;
mod line;
mod next;
mod rate;
pub(crate) mod raw;
mod receive;
mod record;
mod state;
mod ties;

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock, Weak};
use std::time::SystemTime;

use bytes::Bytes;
use parking_lot::Mutex;
use skep_types::TopicName;

use crate::address::SocketId;
use crate::mount::Mount;
use crate::options::SocketOptions;
use crate::wire::Version;

pub(crate) use act::{checked, publish};
pub use driver::Socket;
pub(crate) use line::Flusher;
pub use line::{Line, Outbound};
pub(crate) use record::{Early, Mail, Phase};
pub(crate) use state::State;

/// Why a socket is closed, as its client sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    /// The code of the close frame.
    pub code: u16,
    /// Its reason: at most 123 bytes go out.
    pub reason: Cow<'static, str>,
}

impl Close {
    pub(crate) const fn new(code: u16, reason: &'static str) -> Self {
        Self { code, reason: Cow::Borrowed(reason) }
    }

    /// Nobody has said anything for too long.
    pub(crate) const IDLE: Self = Self::new(1000, "idle");
    /// Disconnected by name or by an operator: the client comes back by itself.
    pub(crate) const DISCONNECTED: Self = Self::new(1001, "disconnected");
    /// No message of the protocol.
    pub(crate) const MALFORMED: Self = Self::new(1011, "malformed message");
    /// The connection broke off, which no frame says.
    pub(crate) const BROKEN: u16 = 1006;
    /// The plugin has crashed on a socket without channels.
    pub(crate) const CRASHED: Self = Self::new(1011, "internal error");
    /// The host goes away.
    pub(crate) const DRAIN: Self = Self::new(1012, "service restart");
    /// The client does not read.
    pub(crate) const SLOW: Self = Self::new(1013, "the client reads too slowly");
}

/// How frames travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A WebSocket.
    WebSocket,
    /// Polls and posts.
    LongPoll,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WebSocket => "websocket",
            Self::LongPoll => "longpoll",
        })
    }
}

/// What a socket speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speaks {
    /// Phoenix's protocol.
    Phoenix(Version),
    /// Frames of a plugin's own making.
    Raw,
}

/// What is known of a socket from its first moment to its last.
pub(crate) struct Shared {
    pub(crate) id: SocketId,
    pub(crate) name: Option<TopicName>,
    pub(crate) mount: Arc<Mount>,
    pub(crate) options: Arc<SocketOptions>,
    pub(crate) peer: IpAddr,
    pub(crate) since: SystemTime,
    pub(crate) transport: Transport,
    pub(crate) speaks: Speaks,
    /// What every channel begins with.
    pub(crate) assigns: Bytes,
    state: Mutex<State>,
    line: OnceLock<Arc<dyn Line>>,
    flusher: Option<Arc<Flusher>>,
    /// This, for flushers.
    me: Weak<Self>,
}

impl Shared {
    #[expect(clippy::too_many_arguments, reason = "one caller, which has all of this")]
    pub(crate) fn new(
        id: SocketId,
        name: Option<TopicName>,
        mount: Arc<Mount>,
        options: Arc<SocketOptions>,
        peer: IpAddr,
        since: SystemTime,
        transport: Transport,
        speaks: Speaks,
        assigns: Bytes,
        flusher: Option<Arc<Flusher>>,
    ) -> Arc<Self> {
        let mut state = State::default();
        if speaks == Speaks::Raw {
            state.channels.extend(Self::raw_record());
            state.next_serial = 1;
        }
        let state = Mutex::new(state);
        let line = OnceLock::new();
        Arc::new_cyclic(|me| Self {
            id,
            name,
            mount,
            options,
            peer,
            since,
            transport,
            speaks,
            assigns,
            state,
            line,
            flusher,
            me: Weak::clone(me),
        })
    }

    /// Changes the state, and wakes the driver if the change asks for it. Where it has only brought frames, the driver sleeps
    /// on, and a flusher writes them.
    pub(crate) fn update<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.lock();
        let result = change(&mut state);
        let (wakes, flushes) = (std::mem::take(&mut state.wake), std::mem::take(&mut state.flush));
        if !(wakes || flushes) || state.waker.is_none() {
            // A driver that is awake looks at everything.
            return result;
        }
        let flusher = self.flusher.as_ref().filter(|_| !wakes && self.line.get().is_some());
        if let Some(flusher) = flusher {
            let is_known = std::mem::replace(&mut state.flushing, true);
            drop(state);
            if let (false, Some(me)) = (is_known, self.me.upgrade()) {
                flusher.push(me);
            }
            return result;
        }
        let waker = state.waker.take();
        // The woken driver may run on another core at once and would meet the lock.
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        result
    }

    /// Closes the socket; the first reason counts.
    pub(crate) fn close(&self, close: Close) {
        self.update(|state| state.close(close));
    }

    /// The version of Phoenix's protocol; raw sockets have no frames that depend on it.
    pub(crate) fn version(&self) -> Version {
        match self.speaks {
            Speaks::Phoenix(version) => version,
            Speaks::Raw => Version::V2,
        }
    }
}

/// A socket, as guests' adapters see it.
#[derive(Clone)]
pub struct SocketRef(pub(crate) Arc<Shared>);

impl SocketRef {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> SocketId {
        self.0.id
    }

    /// The name that it can be disconnected by.
    #[must_use]
    pub fn name(&self) -> Option<&TopicName> {
        self.0.name.as_ref()
    }

    /// The mount where it was opened.
    #[must_use]
    pub fn mount(&self) -> &str {
        self.0.mount.name()
    }

    /// The client's address.
    #[must_use]
    pub fn peer(&self) -> IpAddr {
        self.0.peer
    }

    /// How frames travel.
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.0.transport
    }
}

impl fmt::Debug for SocketRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SocketRef").field(&self.0.id).finish()
    }
}
