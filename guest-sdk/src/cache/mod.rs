//! Buckets of the host's memory: what outlives a request, for a while, and is shared by all instances of a plugin.
//!
//! The manifest declares a bucket, `[plugins.shop.caches.sessions]`, with its limits and lifetimes; a plugin opens it by
//! its name, and one that another plugin shares as `"owner/name"`.
//!
//! ```
//! use std::time::Duration;
//!
//! use serde::{Deserialize, Serialize};
//! use skep_sdk::{cache, prelude::*};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Session {
//!     user: String,
//! }
//!
//! fn greet(Path(id): Path<String>) -> Result<String> {
//!     let sessions = cache::bucket("sessions")?;
//!     let session: Session = sessions.get(&id)?.status(StatusCode::UNAUTHORIZED)?;
//!     let visits = sessions.increment_for("visits", 1, Duration::from_secs(86_400))?;
//!     Ok(format!("hello {}, visit {visits} of today", session.user))
//! }
//! # cache::bucket("sessions")?.put("7", &Session { user: "maja".into() })?;
//! # let answer = skep_sdk::test::get("/7").capture("id", "7").send(greet);
//! # assert_eq!(answer.text(), "hello maja, visit 1 of today");
//! # Ok::<_, Error>(())
//! ```
//!
//! | you need | use |
//! |---|---|
//! | a value | [`get`](Bucket::get), [`put`](Bucket::put), [`put_for`](Bucket::put_for), [`delete`](Bucket::delete), [`take`](Bucket::take), [`touch`](Bucket::touch) |
//! | the answer to something slow, computed once | [`get_or_fill`](Bucket::get_or_fill), [`fetch`](Bucket::fetch) |
//! | a number that many change | [`increment`](Bucket::increment), [`counter`](Bucket::counter) |
//! | a value that many change | [`update`](Bucket::update), [`put_if_absent`](Bucket::put_if_absent), [`put_if_version`](Bucket::put_if_version) |
//! | one at a time | [`lock`](Bucket::lock), [`try_lock`](Bucket::try_lock) |
//! | bytes as they are | [`get_bytes`](Bucket::get_bytes), [`put_bytes`](Bucket::put_bytes) |
//! | many keys at once | [`get_many`](Bucket::get_many), [`put_many`](Bucket::put_many), [`keys`](Bucket::keys), [`clear`](Bucket::clear) |
//!
//! # Values
//! are stored in [postcard](https://docs.rs/postcard)'s format, which is compact because it names neither types nor
//! fields. So
//! - read a value as the very type that wrote it: `put("bees", &1)` writes an `i32`, of which `get::<u32>` would make
//!   another number;
//! - a type must be told by its shape alone: `serde_json::Value`, `#[serde(untagged)]`, `#[serde(flatten)]` and
//!   `skip_serializing_if` will not do;
//! - a bucket that outlives a deploy holds values of the old shape: change the key with the type ("v2:user:7").
//!
//! [`put_bytes`](Bucket::put_bytes) stores any other format.
//!
//! # Errors
//! are the SDK's [`Error`](crate::Error) and name the bucket and the key. Unless the handler says otherwise the client
//! gets the status of [`CapabilityError::status`](crate::CapabilityError::status), or a 500 for a value that does not
//! fit its type. Keys are at most 1,024 bytes; a read of a longer one finds nothing, a write is
//! [`Invalid`](crate::CapabilityError::Invalid). Writing to a bucket that is granted for reading is
//! [`Denied`](crate::CapabilityError::Denied), and so are [`fetch`](Bucket::fetch) and [`lock`](Bucket::lock) there.
//!
//! # Tests
//! In native tests every bucket exists, empty, and of one's own for each test; the clock moves by
//! [`test::advance`](crate::test::advance), and [`test::bucket`](crate::test::bucket) says what the manifest would.

mod bucket;
mod fetch;
mod keys;
mod lock;
mod many;
mod swap;
mod ttl;

// Both have the same functions: the host's, and those of a double in memory.
#[cfg(target_arch = "wasm32")]
use crate::__private::bindings::imports::skep::plugin::cache as host;
#[cfg(not(target_arch = "wasm32"))]
use crate::double::cache as host;

pub use bucket::{Bucket, Stats, bucket};
pub use fetch::{Fetch, Fetched, Lease};
pub use keys::Keys;
pub use lock::LockGuard;
pub use swap::Versioned;
pub use ttl::Ttl;

#[cfg(test)]
mod tests;
