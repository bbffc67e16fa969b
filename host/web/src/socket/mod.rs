//! Sockets of clients: WebSockets and longpoll sessions, which lead to the channels engine.
//!
//! | module | holds |
//! |---|---|
//! | `endpoint` | [`SocketEndpoint`]: what a route leads to; who may connect |
//! | `origin` | which pages may connect |
//! | `task` | one WebSocket as one small task |
//! | `connection` | what it is read from and written to, by its task and by the engine's flushers |
//! | `read`, `write` | its frames: buffers that are there while something waits, and only then |
//! | `longpoll` | polls and posts |
//!
//! The codec of frame headers and the handshake are tungstenite's. Its own socket is not used: it keeps a read buffer for
//! each socket, and a write buffer that stays as large as the largest message was; here an idle socket has neither.

mod connection;
mod endpoint;
mod longpoll;
mod origin;
mod read;
mod task;
#[cfg(test)]
mod task_tests;
mod write;

pub use endpoint::{EndpointOptions, SocketEndpoint};
pub use origin::{InvalidOrigin, OriginPattern, Origins};
