//! The port to guests: what a plugin does for sockets and channels. The host's runtime implements it over wasm, tests over
//! plain Rust.
//!
//! The engine does not trust it: a panic counts as a crash, and JSON is checked. Its futures are dropped when their socket
//! goes, so each must bear that at every await; deadlines are its own matter.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use skep_types::{Failure, PluginName, TopicId, TopicName, TopicSelector};

use crate::address::{ChannelId, ReplyRef};
use crate::socket::SocketRef;
pub use crate::wire::{Body, Frame};

mod raw;

pub use raw::{RawAccepted, RawAction, RawDecision, RawHandler, RawOpening, RawRefusal, RawRequest, RawSocket};

/// Work of a guest on its way.
pub type Working<T> = Pin<Box<dyn Future<Output = Result<T, Crash>> + Send>>;

/// A call of a guest that came to nothing. Its client sees `phx_error`, or `join crashed`, and no reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Crash {
    /// Why, for operators.
    pub reason: String,
}

impl Crash {
    /// A crash for this reason.
    #[must_use]
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }
}

/// A client that wants a socket.
#[derive(Clone, Debug)]
pub struct Connecting {
    /// The URI of its request: absolute, where the client named a host.
    pub uri: String,
    /// The parameters of its request, `vsn` among them.
    pub params: Vec<(String, String)>,
    /// The header fields that the mount lets through.
    pub headers: Vec<(String, String)>,
    /// The token that it authenticates with, decoded.
    pub token: Option<String>,
    /// Its address.
    pub peer: IpAddr,
}

/// A client that may have one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connected {
    /// A name that the socket can be disconnected by: a topic of the plugin, on which `disconnect` is broadcast.
    pub name: Option<TopicName>,
    /// What its channels begin with.
    pub assigns: Bytes,
}

/// A client that may not.
#[derive(Debug)]
pub enum Refused {
    /// The plugin does not want it: 403.
    Denied,
    /// The plugin could not be asked, or there is no room.
    Failed(Failure),
}

/// Decides who gets a socket.
pub trait SocketHandler: Send + Sync + 'static {
    /// Whose it is: names of sockets are topics of this plugin.
    fn owner(&self) -> &PluginName;

    /// A client asks for a socket. The future is dropped if the client leaves meanwhile.
    fn connect(&self, client: Connecting) -> Pin<Box<dyn Future<Output = Result<Connected, Refused>> + Send>>;
}

/// Which channel is meant, and what the host keeps for it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Channel {
    /// Names the channel for as long as it is joined, to push to it and as the owner of its presences.
    pub id: ChannelId,
    /// The topic as the client knows it.
    pub topic: TopicName,
    /// What the plugin keeps with the channel.
    pub assigns: Bytes,
    /// The socket.
    pub socket: SocketRef,
}

/// A client that wants to join.
#[derive(Clone, Debug)]
pub struct Joining {
    /// What it joins with.
    pub params: Body,
    /// How the join can be answered while it is in hand, before [`ChannelHandler::join`] returns. An answer with another status
    /// than `ok` refuses the client.
    pub reply_ref: ReplyRef,
}

/// A message of a client.
#[derive(Clone, Debug)]
pub struct Message {
    /// Its event.
    pub event: String,
    /// What it carries.
    pub body: Body,
    /// How it can be answered later.
    pub reply_ref: ReplyRef,
}

/// A message of pubsub: one that is no broadcast of the channel's own topic, or one of a further topic.
#[derive(Clone, Debug)]
pub struct Info {
    /// Where it was published.
    pub topic: TopicId,
    /// Its number, if the topic keeps messages.
    pub id: Option<u64>,
    /// What happened.
    pub event: Option<Arc<str>>,
    /// What it says; a broadcast's JSON or bytes.
    pub data: Bytes,
}

/// A client that may join.
#[derive(Clone, Debug)]
pub struct Joined {
    /// The reply, unless there was one already.
    pub reply: Body,
    /// What to keep with the channel from now on; as the socket's, if none.
    pub assigns: Option<Bytes>,
    /// What to do behind the reply.
    pub actions: Vec<Action>,
}

/// What a plugin asks for, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Answers the message in hand. Where there is none it is a crash.
    Reply {
        /// `ok` or `error`, or what the clients understand.
        status: String,
        /// The answer.
        body: Body,
    },
    /// Tells the client.
    Push {
        /// The event.
        event: String,
        /// What it carries.
        body: Body,
    },
    /// Tells everyone who has joined the topic, on all nodes, and whoever else listens to it.
    Broadcast {
        /// The event.
        event: String,
        /// What it carries.
        body: Body,
    },
    /// The same, without this channel.
    BroadcastFrom {
        /// The event.
        event: String,
        /// What it carries.
        body: Body,
    },
    /// Keeps this with the channel.
    Assign(Bytes),
    /// Listens to further topics, whose messages come as [`Info`]. A second time changes nothing.
    Subscribe(TopicSelector),
    /// Listens to them no longer.
    Unsubscribe(TopicSelector),
    /// Pushes who is present in the channel's topic, as `presence_state`.
    PresenceState,
    /// Ends the channel. `normal`, `shutdown` and what begins with `shutdown:` are ends in order (`phx_close`); every other
    /// reason is an error (`phx_error`). Actions behind it are not carried out.
    Stop(String),
}

/// What a plugin does in channels whose topics match one pattern of a mount.
pub trait ChannelHandler: Send + Sync + 'static {
    /// Whose it is: a channel's topic is the topic of this name of this plugin.
    fn owner(&self) -> &PluginName;

    /// Events whose broadcasts go to [`Self::handle_out`] in place of the client. Bytes for a client whose version has none go to
    /// neither: passed on, they would end its channel. Default: none.
    fn intercepts(&self) -> &[String] {
        &[]
    }

    /// Whether `presence_state` is pushed after each join. Default: no.
    fn presence(&self) -> bool {
        false
    }

    /// Whether [`Self::terminate`] is to be called. Default: no.
    fn terminates(&self) -> bool {
        false
    }

    /// What [`Channel::assigns`] of its channels are: they go on with another handler only if it says the same. Default: the
    /// plugin's own words, which each of its handlers understands.
    fn keeps(&self) -> &str {
        ""
    }

    /// A client asks to join; [`Err`] inside is a refusal with its reply. The channel listens to its topic already: what is
    /// broadcast meanwhile follows the reply, and so does what is pushed to it.
    fn join(&self, channel: Channel, joining: Joining) -> Working<Result<Joined, Body>>;

    /// A message of the client.
    fn handle_in(&self, channel: Channel, message: Message) -> Working<Vec<Action>>;

    /// A broadcast that is intercepted. Its answer is usually a [push](Action::Push) of it, changed or not.
    fn handle_out(&self, channel: Channel, event: Arc<str>, body: Body) -> Working<Vec<Action>>;

    /// A message of pubsub.
    fn handle_info(&self, channel: Channel, info: Info) -> Working<Vec<Action>>;

    /// The channel has ended: `left`, `closed` (the socket, or a second join), `crashed`, or what it stopped with. It goes on
    /// when the socket is gone.
    fn terminate(&self, channel: Channel, reason: String) -> Working<()>;
}
