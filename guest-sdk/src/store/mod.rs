//! The plugin's durable data by key, and commits of data, jobs and messages together.
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use skep_sdk::{prelude::*, store};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Hive {
//!     bees: u32,
//! }
//!
//! fn show(Path(id): Path<u32>) -> Result<Json<Hive>> {
//!     let hive = store::get(&format!("hive:{id}"))?;
//!     Ok(Json(hive.status(StatusCode::NOT_FOUND)?))
//! }
//!
//! store::set("hive:7", &Hive { bees: 40_000 })?;
//! let answer = skep_sdk::test::get("/").capture("id", "7").send(show);
//! assert_eq!(answer.text(), r#"{"bees":40000}"#);
//! # Ok::<_, Error>(())
//! ```
//!
//! | you need | use |
//! |---|---|
//! | a value | [`get`], [`set`], [`set_for`], [`delete`] |
//! | a value that many change | [`update`] |
//! | a number that many change | [`sum`], [`counter`] |
//! | many keys | [`get_many`], [`list`], [`page`] |
//! | several things, all or none | [`atomic`](fn@atomic) |
//! | the same with reads, tried again when somebody else was faster | [`transaction`] |
//! | a job, a message or a cast to a process if and only if data is written | [`Atomic::enqueue`], [`Atomic::publish`], [`Atomic::send`] |
//! | data of another plugin | [`space`] |
//! | bytes as they are | [`get_bytes`], [`set_bytes`], [`list_bytes`] |
//!
//! A write has returned only when it is durable, and a read sees all that was written before it. A key is a text of 1 to
//! 1,024 bytes without control characters.
//!
//! # Values
//! are written as JSON, which tells its fields and which operators can read. They outlive deploys: give new fields a
//! `#[serde(default)]`, or change the key with the type ("v2:user:7"). For a format of one's own there is [`set_bytes`]. A
//! [`sum`] is a decimal text and read by [`counter`].
//!
//! # Errors
//! are the SDK's [`Error`](crate::Error) with a [`CapabilityError`](crate::CapabilityError) inside, and name the key; a commit
//! has its own, [`CommitError`]. Once a write is answered with
//! [`OutcomeUnknown`](crate::CapabilityError::OutcomeUnknown), only a read can tell whether it took place.
//!
//! # Tests
//! In native tests the store is in memory, empty, and of one's own for each test. [`test::advance`](crate::test::advance)
//! moves the clock that items end by, [`test::store_space`](crate::test::store_space) says what the manifest would grant, and
//! [`test::fail_commit`](crate::test::fail_commit) has the next commit fail.

mod atomic;
mod error;
mod item;
mod key;
mod list;
mod space;
mod transaction;

use std::time::Duration;

use serde::{Serialize, de::DeserializeOwned};

// Both have the same functions: the host's, and those of a double in memory.
#[cfg(target_arch = "wasm32")]
use crate::__private::bindings::imports::skep::plugin::store as host;
use crate::Result;
#[cfg(not(target_arch = "wasm32"))]
use crate::double::durable as host;

pub use atomic::{Alone, Atomic, Committed, Staged, atomic};
pub use error::CommitError;
pub use item::Item;
pub use key::Key;
pub use list::{Items, Page};
pub use space::{Space, own, space};
pub use transaction::{Transaction, transaction};

/// This plugin's own.
const OWN: Space = own();

/// The value of a key, if there is one.
///
/// # Errors
/// When the value is no `T`; when the host refuses.
pub fn get<T: DeserializeOwned>(key: &str) -> Result<Option<T>> {
    OWN.get(key)
}

/// The bytes of a key as they are.
///
/// # Errors
/// When the host refuses.
pub fn get_bytes(key: &str) -> Result<Option<Vec<u8>>> {
    OWN.get_bytes(key)
}

/// The value of a key with its version, which a commit can check.
///
/// # Errors
/// As [`get`].
pub fn get_item<T: DeserializeOwned>(key: &str) -> Result<Option<Item<T>>> {
    OWN.get_item(key)
}

/// The values of several keys, in their order, as they are at one moment; see [`Space::get_many`].
///
/// # Errors
/// As [`Space::get_many`].
pub fn get_many<T: DeserializeOwned>(
    keys: impl IntoIterator<Item = impl Into<String>>,
) -> Result<Vec<Option<Item<T>>>> {
    OWN.get_many(keys)
}

/// The items whose keys begin so, in the order of the keys' bytes, fetched page by page as they are asked for.
///
/// ```
/// # use skep_sdk::{prelude::*, store};
/// # store::set("hive:7", &40_000_u32)?;
/// for item in store::list::<u32>("hive:") {
///     let item = item?;
///     println!("{}: {} bees", item.key, item.value);
/// }
/// # Ok::<_, Error>(())
/// ```
pub fn list<T: DeserializeOwned>(prefix: impl Into<String>) -> Items<T> {
    OWN.list(prefix)
}

/// As [`list`], with the bytes as they are.
pub fn list_bytes(prefix: impl Into<String>) -> Items<Vec<u8>> {
    OWN.list_bytes(prefix)
}

/// One page of such items; see [`Space::page`].
///
/// # Errors
/// As [`Space::page`].
pub fn page<T: DeserializeOwned>(prefix: &str, cursor: Option<&str>, limit: u32) -> Result<Page<T>> {
    OWN.page(prefix, cursor, limit)
}

/// Keeps a value, whatever was there. It is durable when this returns.
///
/// # Errors
/// As [`Space::set`].
pub fn set<T: Serialize + ?Sized>(key: &str, value: &T) -> Result<()> {
    OWN.set(key, value)
}

/// Keeps a value for so long.
///
/// # Errors
/// As [`Space::set`].
pub fn set_for<T: Serialize + ?Sized>(key: &str, value: &T, ttl: Duration) -> Result<()> {
    OWN.set_for(key, value, ttl)
}

/// Keeps bytes as they are.
///
/// # Errors
/// As [`Space::set`].
pub fn set_bytes(key: &str, value: impl Into<Vec<u8>>) -> Result<()> {
    OWN.set_bytes(key, value)
}

/// Deletes a key. It need not be there.
///
/// # Errors
/// As [`Space::set`].
pub fn delete(key: &str) -> Result<()> {
    OWN.delete(key)
}

/// Adds to a number and returns the sum; see [`Space::sum`].
///
/// # Errors
/// As [`Space::sum`].
pub fn sum(key: &str, by: i64) -> Result<i64> {
    OWN.sum(key, by)
}

/// What a sum is now; zero if there is none.
///
/// # Errors
/// When the value was not written by a sum.
pub fn counter(key: &str) -> Result<i64> {
    OWN.counter(key)
}

/// Makes a new value out of the old one and keeps it; see [`Space::update`].
///
/// # Errors
/// As [`Space::update`].
pub fn update<T: Serialize + DeserializeOwned>(
    key: &str,
    change: impl FnMut(Option<T>) -> Option<T>,
) -> Result<Option<T>> {
    OWN.update(key, change)
}

#[cfg(test)]
mod tests;
