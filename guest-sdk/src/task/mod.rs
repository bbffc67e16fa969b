//! Work beside the call, in instances of its own: after the answer, or in parallel.
//!
//! A task is a function of this plugin under [`#[skep::task]`](crate::skep::task), or several of them in a module under
//! [`#[skep::tasks]`](crate::skep::tasks). It stays an ordinary function, and its name with `::start` or `::map` behind it
//! gives it work:
//!
//! ```
//! use skep_sdk::{prelude::*, test};
//!
//! #[skep::task]
//! fn weigh(hive: u32) -> Result<f64> {
//!     Ok(f64::from(hive) * 1.5)
//! }
//!
//! fn all_hives() -> Result<Json<Vec<f64>>> {
//!     let weights = weigh::map([1, 2, 3]).concurrency(2).ordered()?;
//!     Ok(Json(weights.collect::<Result<_, _>>()?))
//! }
//!
//! fn later() -> Result<StatusCode> {
//!     weigh::start(&7)?;
//!     Ok(StatusCode::ACCEPTED)
//! }
//!
//! assert_eq!(test::get("/").send(all_hives).json::<Vec<f64>>(), [1.5, 3.0, 4.5]);
//! assert_eq!(test::get("/").send(later).status(), StatusCode::ACCEPTED);
//! assert_eq!(test::started(), ["weigh"]);
//! ```
//!
//! | you need | use | lost when |
//! |---|---|---|
//! | work after the answer, for which nobody waits | `weigh::start(&args)`, [`start`] | the host restarts |
//! | work in parallel, gathered in order | `weigh::map(list)`[`.ordered()`](Map::ordered) | the caller ends |
//! | the same as it finishes, with its place in the list | `weigh::map(list)`[`.unordered()`](Map::unordered) | the caller ends |
//! | a name that is not known before it runs | [`start`], [`map()`] | |
//!
//! # Values
//! are written in [postcard](https://docs.rs/postcard)'s format, as in a [`cache`](crate::cache#values), with the same
//! rules: arguments and results are between a plugin and itself, so small and quick counts, and nobody else need read
//! them. The typed form cannot mistake one type for another; the untyped one can.
//!
//! # Tests
//! In native tests a task runs at once, in the thread of the test. An error or a panic of it is what `map` gives; a task
//! that was started is listed by [`test::started`](crate::test::started), and a panic in it fails the test.
//! [`map`](fn@map) and [`start`] by a name need the task to be known: [`test::task`](crate::test::task).

mod error;
pub(crate) mod export;
mod map;

use serde::Serialize;

// Both have the same functions: the host's, and those of a double in memory.
#[cfg(target_arch = "wasm32")]
use crate::__private::bindings::imports::skep::plugin::tasks as host;
#[cfg(not(target_arch = "wasm32"))]
use crate::double::tasks as host;
use crate::{Error, Result, capability::refused, codec};

pub use error::TaskError;
pub use export::Task;
pub use map::{Map, Ordered, Unordered, map};

/// Starts the task of this name. It begins when this call has ended, however it ended, and nobody waits for it.
///
/// # Errors
/// [`Full`](crate::CapabilityError::Full) if too much waits already, [`NotFound`](crate::CapabilityError::NotFound) if
/// the plugin has no such task; also when the arguments do not encode.
pub fn start<A: Serialize + ?Sized>(name: &str, args: &A) -> Result<()> {
    let doing = || format!("starting the task `{name}`");
    let args = codec::encode(args).map_err(|error| Error::from(error).context(doing()))?;
    host::start(name, &args).map_err(|error| refused(error, doing()))
}

#[cfg(test)]
mod tests;
