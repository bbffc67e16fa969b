//! Messages to whoever listens: subscribers of this plugin and others, the clients of event streams, on every node.
//!
//! A topic is a text such as `"orders:42"`, of 1 to 255 bytes without control characters and `*`. It belongs to the
//! plugin; a topic of another one, which the manifest must grant, is written `"shop/orders:42"`. A message reaches
//! those who listen while it is published, at most once, in the order of each publisher.
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use skep_sdk::{prelude::*, pubsub, test};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Order {
//!     id: u32,
//!     item: String,
//! }
//!
//! fn buy(Json(order): Json<Order>) -> Result<StatusCode> {
//!     pubsub::publish(&format!("orders:{}", order.id), &order)?;
//!     Ok(StatusCode::ACCEPTED)
//! }
//!
//! # #[allow(dead_code)]
//! fn on_order(topic: &str, order: Order) -> Result<()> {
//!     cache::bucket("sold")?.increment(&order.item, 1).context(format!("counting {topic}"))?;
//!     Ok(())
//! }
//!
//! let order = Order { id: 7, item: "honey".into() };
//! test::post("/buy").json(&order).send(buy);
//! assert_eq!(test::published()[0].topic(), "orders:7");
//!
//! test::deliver(on_order, "orders:7", &order)?;
//! assert_eq!(cache::bucket("sold")?.counter("honey")?, 1);
//! # Ok::<_, Error>(())
//! ```
//!
//! | you need | use |
//! |---|---|
//! | to tell whoever listens | [`publish`], [`publish_bytes`] |
//! | an event's name, not to oneself, not to other nodes | [`to`] |
//! | to listen | [`#[skep::subscribe("orders:*")]`](crate::skep::subscribe) |
//! | several listeners | [`#[skep::subscribers]`](crate::skep::subscribers) |
//! | to write to browsers | [`#[skep::event_stream]`](crate::skep::event_stream) |
//! | what was published before | [`since`], of a topic that the manifest retains |
//!
//! # Values
//! are JSON, because whoever listens may be a browser or a plugin in another language; [`publish_bytes`] sends any
//! other text or format. Event streams are text, so bytes that are none do not reach their clients whole.
//!
//! # Errors
//! are the SDK's [`Error`](crate::Error) with a [`CapabilityError`](crate::CapabilityError) inside, and name the topic.
//!
//! # Tests
//! In native tests nobody listens: what is published is recorded for [`test::published`](crate::test::published), and
//! [`test::deliver`](crate::test::deliver) hands a message to a subscriber. [`test::topic`](crate::test::topic) says
//! what the manifest would.

mod message;
mod publish;
pub(crate) mod subscriber;

// Both have the same functions: the host's, and those of a double in memory.
#[cfg(target_arch = "wasm32")]
use crate::__private::bindings::imports::skep::plugin::pubsub as host;
#[cfg(not(target_arch = "wasm32"))]
use crate::double::pubsub as host;

pub use message::Message;
pub use publish::{History, Publish, publish, publish_bytes, since, to};
pub use subscriber::{FromMessage, Subscriber};

#[cfg(test)]
mod tests;
