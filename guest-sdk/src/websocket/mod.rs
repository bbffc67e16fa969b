//! WebSockets that speak a protocol of this plugin's own, on a route that the manifest marks `websocket`. For clients that
//! know Phoenix's channels there is [`channel`](crate::channel), which has more to offer.
//!
//! A type whose functions stand under [`#[skep::websocket]`](crate::skep::websocket) is what one client is remembered by:
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use skep_sdk::{prelude::*, test, websocket::Frame};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Ticker {
//!     asked: u32,
//! }
//!
//! #[skep::websocket]
//! impl Ticker {
//!     fn open(Query(stock): Query<Stock>) -> Accepted<Self> {
//!         Accepted::new(Ticker { asked: 0 }).subscribe(format!("price:{}", stock.name))
//!     }
//!
//!     fn message(&mut self, frame: Frame, socket: &mut WebSocket) -> Result<()> {
//!         self.asked += 1;
//!         socket.send_json(&json!({"asked": self.asked, "bytes": frame.as_bytes().len()}))
//!     }
//!
//!     fn handle_info(&mut self, price: Message, socket: &mut WebSocket) -> Result<()> {
//!         socket.send(price.text()?);
//!         Ok(())
//!     }
//! }
//! # #[derive(Deserialize)] struct Stock { name: String }
//! # use skep_sdk::websocket::Accepted;
//!
//! let ticker = test::get("/ticker?name=honey").open_websocket::<Ticker>().unwrap();
//! ticker.send("hi");
//! pubsub::publish_bytes("price:honey", "7")?;
//! assert_eq!(ticker.received(), [Frame::from(r#"{"asked":1,"bytes":2}"#), Frame::from("7")]);
//! # Ok::<_, Error>(())
//! ```
//!
//! # Where it lives
//! The socket belongs to the host, as those of channels do: no reload, upgrade or crash of this plugin closes one that is not in
//! the middle of a message. Each message is a call of its own; what is remembered is handed in, as JSON, and kept again when the
//! function returns.
//!
//! # Errors
//! An error of `open` is the answer to the client that is refused. One of `message` or `handle_info` closes the socket, with the
//! code 4000 and its status, 4400 for what the client said that cannot be read, and the words that it has for clients. What was sent before it
//! is sent.

pub(crate) mod export;
mod frame;
mod open;
mod socket;

// Both have the same functions: the host's, and those of a double in memory.
#[cfg(target_arch = "wasm32")]
use crate::__private::bindings::imports::skep::plugin::websocket as host;
#[cfg(not(target_arch = "wasm32"))]
use crate::double::websockets as host;

pub use export::Talks;
pub use frame::{Frame, FromFrame};
pub use open::{Accepted, Opens, Upgrade};
pub use socket::{WebSocket, WebSocketId};

#[cfg(test)]
mod tests;
