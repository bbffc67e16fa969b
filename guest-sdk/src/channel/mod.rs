//! Channels: conversations over a socket that Phoenix clients speak, phoenix.js and its kin for Swift, Kotlin and others.
//!
//! A client opens one socket, at a mount that the manifest names, and joins topics on it. A type of this plugin whose functions
//! stand under [`#[skep::channel("room:*")]`](crate::skep::channel) is what it joins; the type is what one joined client is
//! remembered by:
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use skep_sdk::{prelude::*, test};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Room {
//!     user: String,
//!     said: u32,
//! }
//!
//! #[derive(Deserialize)]
//! #[serde(rename_all = "snake_case")]
//! enum In {
//!     NewMsg { body: String },
//!     Count,
//! }
//!
//! #[skep::channel("room:*")]
//! impl Room {
//!     fn join(user: String, socket: &mut Socket) -> Result<Self> {
//!         if socket.subtopic() == "secret" {
//!             return Err(Error::new(StatusCode::FORBIDDEN, "unauthorized"));     // {"reason": "unauthorized"}
//!         }
//!         Ok(Room { user, said: 0 })
//!     }
//!
//!     fn handle_in(&mut self, message: In, socket: &mut Socket) -> Result<Option<Json<u32>>> {
//!         match message {
//!             In::NewMsg { body } => {
//!                 self.said += 1;
//!                 socket.broadcast("new_msg", &json!({"user": self.user, "body": body}))?;
//!                 Ok(None)                                                        // no reply
//!             }
//!             In::Count => Ok(Some(Json(self.said))),
//!         }
//!     }
//! }
//!
//! let maja = test::socket().join::<Room>("room:7", "maja").unwrap();
//! let willi = test::socket().join::<Room>("room:7", "willi").unwrap();
//! maja.push("new_msg", &json!({"body": "hi"}));
//! assert_eq!(willi.received()[0].json::<serde_json::Value>(), json!({"user": "maja", "body": "hi"}));
//! assert_eq!(maja.push("count", &json!({})).ok::<u32>(), 1);
//! assert_eq!(test::socket().join::<Room>("room:secret", "maja").unwrap_err()["reason"], "unauthorized");
//! # use skep_sdk::serde_json;
//! # Ok::<_, Error>(())
//! ```
//!
//! | you need | use |
//! |---|---|
//! | to say who may open a socket | [`#[skep::socket]`](crate::skep::socket), with [`Connecting`] and [`Connected`] |
//! | to say something to the client | [`Socket::push`] |
//! | to all in the topic | [`Socket::broadcast`], [`Socket::broadcast_from`]; [`broadcast`] from anywhere |
//! | to reply later | [`Socket::reply_later`] |
//! | to push from elsewhere | [`Socket::id`], which can be kept and sent, and [`push`] |
//! | who is there | [`Presence`](crate::presence::Presence) |
//! | to hear of other topics | [`Socket::subscribe`] and `handle_info` |
//! | to end it | [`Socket::stop`]; [`disconnect`] closes a user's sockets |
//! | to change what a client gets of a broadcast | `#[skep::channel("room:*", intercept = ["new_msg"])]` and `handle_out` |
//! | several channels in a plugin | [`#[skep::channels]`](crate::skep::channels) |
//! | state that is not copied for each message | `#[skep::channel("room:*", process)]`: see [`Live`] |
//!
//! # Where it lives
//! The socket belongs to the host: a reload, an upgrade or a crash of this plugin closes none. Each message is a call of its own;
//! what the channel remembers is handed in, as JSON, and kept again when the function returns. It outlives the revision that
//! wrote it, so a field that a later one adds needs `#[serde(default)]`. Of what a function does that crashes, nothing happens; its
//! client sees `phx_error` and joins again.
//!
//! # Errors
//! An error of `join` refuses the client, one of `handle_in` is the reply `"error"`; both say `{"reason": ..}`, with the words
//! that an [`Error`](crate::Error) has for clients, and `code`, if it has one. The channel goes on: what it did and remembers from
//! before the error stays. Those of the others are logged. What a client says that cannot be read is such an error; an event that nobody knows ends the channel: see
//! [`unknown_event`].
//!
//! # Tests
//! In native tests sockets and channels live in memory: [`test::socket`](crate::test::socket) is one without `connect`,
//! [`TestRequest::connect`](crate::test::TestRequest::connect) asks for it.

pub(crate) mod answer;
mod behaviour;
pub(crate) mod connect;
mod end;
pub(crate) mod export;
mod incoming;
pub(crate) mod live;
mod payload;
mod socket;
mod tell;

// Both have the same functions: the host's, and those of a double in memory.
#[cfg(target_arch = "wasm32")]
use crate::__private::bindings::imports::skep::plugin::channel as host;
#[cfg(not(target_arch = "wasm32"))]
use crate::double::channels as host;

pub use answer::{Answer, Reply, ReplyTo, Status};
pub use behaviour::{Channel, Joined, Joins};
pub use connect::{Connected, Connecting, Connects};
pub use end::End;
pub use incoming::{FromIncoming, Incoming, unknown_event};
pub use live::{Joining, Live, Told};
pub use payload::{FromPayload, Payload};
pub use socket::Socket;
pub use tell::{ChannelId, broadcast, broadcast_payload, disconnect, push, push_payload};

#[cfg(test)]
mod tests;
