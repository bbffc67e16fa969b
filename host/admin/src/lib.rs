//! The admin listener and its client.
//!
//! | module | holds |
//! |---|---|
//! | [`api`] | what is said over the wire, shared by both sides |
//! | [`control`] | the port to the node: whoever implements [`Control`] can be administered |
//! | [`server`] | the listener: loopback and token by default |
//! | [`client`] | what the command line speaks with |
//! | [`logs`] | the log lines of guests and calls, for `skep logs` |

pub mod api;
pub mod client;
pub mod control;
pub mod logs;
pub mod server;

pub use client::{Client, Endpoint};
pub use control::{
    CacheControl, Control, ControlError, ControlFuture, DurableControl, Lines, ProcessControl, SocketControl,
    SqlControl, SupervisionControl, TopicControl,
};
pub use logs::{LogHub, LogLine};
pub use server::AdminServer;
