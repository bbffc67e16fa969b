//! Who is there: which users look at a page, which devices are online.
//!
//! Each presence lives and dies with something that the host owns, such as the event stream of a browser or a
//! [process](crate::process), so nothing that happens to a guest, a connection or a node leaves a ghost. A topic has keys (a user), and a key has one
//! presence for each owner (the user's tabs). Changes reach whoever listens to the topic, gathered for a moment, as the
//! event `presence_diff`.
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use skep_sdk::{prelude::*, presence, test};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Seen {
//!     page: String,
//! }
//!
//! fn open(Query(user): Query<User>, opening: Opening) -> Result<EventStream> {
//!     opening.track(&user.name, &Seen { page: "start".into() })?;
//!     Ok(EventStream::new())
//! }
//!
//! fn who() -> Result<Json<Vec<String>>> {
//!     Ok(Json(presence::list("lobby").map(|member| Ok(member?.key)).collect::<Result<_>>()?))
//! }
//! # #[derive(Deserialize)] struct User { name: String }
//!
//! let stream = test::get("/live?name=maja").open("lobby", open);
//! assert_eq!(test::get("/who").send(who).json::<Vec<String>>(), ["maja"]);
//! stream.close();
//! assert_eq!(presence::count("lobby")?, 0);
//! # Ok::<_, Error>(())
//! ```
//!
//! In a channel [`Presence::track`] says that somebody is there for as long as the client has joined its topic, and
//! [`Presence::push`] tells that client who is. In a process [`Ctx::track`](crate::process::Ctx::track) says that somebody is there for as long as the process is.
//!
//! What a presence says of itself is any serde type that makes a JSON object of at most 4 KiB. Topics are those of
//! [`pubsub`](crate::pubsub), and so are the grants: tracking publishes, looking subscribes.
//!
//! # Errors
//! are the SDK's [`Error`](crate::Error) with a [`CapabilityError`](crate::CapabilityError) inside, and name the topic.
//!
//! # Tests
//! In native tests a stream opened by [`TestRequest::open`](crate::test::TestRequest::open) is an owner until it is
//! closed, and [`test::owner`](crate::test::owner) makes one without a stream. Diffs are not published.

mod list;
mod member;
mod of_channel;
mod owner;
mod track;

// Both have the same functions: the host's, and those of a double in memory.
#[cfg(target_arch = "wasm32")]
use crate::__private::bindings::imports::skep::plugin::presence as host;
#[cfg(not(target_arch = "wasm32"))]
use crate::double::presence as host;

pub use list::{Members, count, get, list, state};
pub use member::{Member, Meta};
pub use of_channel::Presence;
pub use owner::Owner;
pub use track::{track, untrack, update};

#[cfg(test)]
mod tests;
