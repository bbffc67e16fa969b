//! The port to plugins that speak a protocol of their own: sockets without channels.

use std::pin::Pin;

use bytes::Bytes;
use skep_types::{Call, Failure, PluginName, TopicSelector};

use super::{Frame, Info, Working};
use crate::address::ChannelId;
use crate::socket::SocketRef;

/// What a client asked with: its request, before it is upgraded.
#[derive(Clone, Debug)]
pub struct RawRequest {
    /// Who asks. The client's address is that of the socket.
    pub call: Call,
    /// The URI of its request: absolute, where the client named a host.
    pub uri: String,
    /// Its header fields, as they came.
    pub headers: Vec<(String, Bytes)>,
    /// The subprotocols that it offers, in its order.
    pub protocols: Vec<String>,
}

/// A client that wants a socket without channels.
#[derive(Clone, Debug)]
pub struct RawOpening {
    /// Names the socket from now on, also as the owner of presences. What is sent to it meanwhile goes out first.
    pub id: ChannelId,
    /// What the client asked with.
    pub request: RawRequest,
}

/// Whether a client may have a socket without channels.
#[derive(Clone, Debug, PartialEq)]
pub enum RawDecision {
    /// It may.
    Accept(RawAccepted),
    /// It may not, and gets this.
    Refuse(RawRefusal),
}

/// A client that may have its socket.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RawAccepted {
    /// The subprotocol to speak: one of those that were offered. Another one is a failure.
    pub protocol: Option<String>,
    /// What to keep with the socket.
    pub assigns: Bytes,
    /// What to do first. One that breaks a rule is a failure, and the client has no socket.
    pub actions: Vec<RawAction>,
}

/// The answer to a client that may not: one of HTTP, which this engine does not look at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawRefusal {
    /// Its status.
    pub status: u16,
    /// Its header fields.
    pub headers: Vec<(String, Bytes)>,
    /// Its body.
    pub body: Bytes,
}

/// What a plugin asks for on a socket without channels, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum RawAction {
    /// Tells the client.
    Send(Frame),
    /// Keeps this with the socket.
    Assign(Bytes),
    /// Listens to topics, whose messages come as [`Info`]. A second time changes nothing.
    Subscribe(TopicSelector),
    /// Listens to them no longer.
    Unsubscribe(TopicSelector),
    /// Closes the socket, with a code (1000, or 3000 to 4999) and a reason of at most 123 bytes. Actions behind it are not
    /// carried out.
    Close(u16, String),
}

/// A socket without channels: frames of the plugin's own making.
#[derive(Clone, Debug)]
pub struct RawSocket {
    /// Names it, also as the owner of presences.
    pub id: ChannelId,
    /// What the plugin keeps with it.
    pub assigns: Bytes,
    /// The socket.
    pub socket: SocketRef,
}

/// What a plugin does on sockets without channels. The calls of one socket come one after the other.
pub trait RawHandler: Send + Sync + 'static {
    /// Whose it is: what its sockets are known by begins with this name.
    fn owner(&self) -> &PluginName;

    /// A client asks for a socket. The future is dropped if the client leaves meanwhile.
    fn open(&self, opening: RawOpening) -> Pin<Box<dyn Future<Output = Result<RawDecision, Failure>> + Send>>;

    /// A frame of the client. After a crash the socket is closed with 1011.
    fn message(&self, socket: RawSocket, frame: Frame) -> Working<Vec<RawAction>>;

    /// A message of pubsub. After a crash the socket is closed with 1011.
    fn info(&self, socket: RawSocket, info: Info) -> Working<Vec<RawAction>>;

    /// The socket has ended, with this code: the client's or the host's, 1006 if the connection broke off, 1011 after a crash.
    /// It goes on when the socket is gone.
    fn close(&self, socket: RawSocket, code: u16) -> Working<()>;
}
