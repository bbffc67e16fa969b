//! The channels engine: Phoenix's socket protocol, in front of guests. Sockets belong to the host; a guest is called, and
//! gone before its answer is written.
//!
//! | module | holds |
//! |---|---|
//! | [`hub`] | the handle: opening sockets, broadcasts, pushes, replies, drain |
//! | [`mount`] | where sockets are opened, and who handles which topics there |
//! | [`port`] | the port to guests |
//! | [`wire`] | the protocol's versions 1 and 2, as functions over bytes |
//! | [`socket`] | one socket: its queue, its channels, its bounds; what a transport holds |
//! | [`longpoll`] | sockets whose transport is polls and posts |
//! | [`options`] | bounds and policies |
//! | [`address`] | names of sockets, channels and messages that wait for a reply |
//! | [`view`], `counters` | what an operator sees |
//! | `call` | calls of guests on their way |
//!
//! Nothing here knows wasm, HTTP or a manifest. A transport is a task that holds a [`Socket`]: it hands in frames while the
//! socket [accepts](Socket::accepts) them, polls it, and writes what it [takes](Socket::take).
//!
//! What tells a broadcast from other messages of pubsub is its mark ([`skep_pubsub::Broadcast`]): its event is Phoenix's, its
//! data the payload. Everybody else who listens to the topic (event streams, subscribers, processes) sees a message with
//! this event and this data. A message without the mark on a channel's topic goes to the channel's `handle_info`.

pub mod address;
mod call;
mod counters;
pub mod error;
pub mod hub;
pub mod longpoll;
pub mod mount;
pub mod options;
pub mod port;
pub mod socket;
pub mod view;
pub mod wire;

pub use address::{ChannelId, InvalidAddress, ReplyRef, SocketId};
pub use counters::Stats;
pub use error::Error;
pub use hub::{Channels, Drain, RawOpened};
pub use longpoll::{Polled, Posted};
pub use mount::{Mount, Speech, Table, Target};
pub use options::{Options, Rate, SlowClient, SocketOptions};
pub use port::{
    Action, Channel, ChannelHandler, Connected, Connecting, Crash, Info, Joined, Joining, Message, RawAccepted,
    RawAction, RawDecision, RawHandler, RawOpening, RawRefusal, RawRequest, RawSocket, Refused, SocketHandler, Working,
};
pub use socket::{Close, Line, Outbound, Socket, SocketRef, Transport};
pub use view::{SocketFilter, SocketInfo, SocketPage};
pub use wire::{Body, Frame, Ref, UnknownVersion, Version};
