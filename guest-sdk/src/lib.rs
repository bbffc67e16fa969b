//! Write plugins for **skep**, a WebAssembly plugin host, in Rust.
//!
//! ```
//! use skep_sdk::prelude::*;
//!
//! #[skep::http]
//! fn hello(req: Request) -> impl IntoResponse {
//!     format!("hello {}", req.path())
//! }
//! ```
//!
//! That is a whole plugin: a `cdylib` built with `cargo build --release --target wasm32-wasip2`. The export exists on
//! wasm only, the function stays an ordinary function, and `cargo test` runs it natively:
//!
//! ```
//! # use skep_sdk::prelude::*;
//! # fn hello(req: Request) -> impl IntoResponse { format!("hello {}", req.path()) }
//! let answer = skep_sdk::test::get("/bees").send(hello);
//! assert_eq!(answer.text(), "hello /bees");
//! ```
//!
//! # Map
//! - **Arguments** of a handler are extractors ([`FromRequest`]), any of them, in any order: [`Request`], [`Path`],
//!   [`Query`], [`Json`], [`Form`], [`Cookies`], [`Context`], [`Client`], [`Bytes`], `String`, [`HeaderMap`],
//!   [`Method`], [`Uri`], and an `Option` or a `Result` of each.
//! - **Answers** are whatever implements [`IntoResponse`]: text, bytes, [`Json`], [`Html`], [`Redirect`], a
//!   [`StatusCode`], tuples such as `(StatusCode, Json(..))`, and `Result`s.
//! - **Errors**: with [`Result`] as the return type `?` takes any error; see [`Error`].
//! - **What the host keeps** between requests: [`cache`].
//! - **To tell whoever listens**: [`pubsub`], on every node; [`skep::subscribe`] and [`skep::subscribers`] listen.
//! - **To tell browsers**: [`skep::event_stream`], with [`EventStream`] for yes. Connections belong to the host.
//! - **To talk with clients** over WebSockets, as Phoenix's channels do: [`channel`], [`skep::channel`],
//!   [`skep::channels`] and [`skep::socket`]; in a protocol of your own, [`websocket`] and [`skep::websocket`].
//! - **Who is there**: [`presence`].
//! - **What is kept** for good, and commits of data, jobs and messages together: [`store`].
//! - **What is asked in SQL**, SQLite or PostgreSQL: [`mod@sql`].
//! - **Work that must happen**, tried again until it does: [`jobs`], [`skep::job`] and [`skep::jobs`].
//! - **State that has an owner**, a value that handles one message at a time: [`process`], [`skep::process`] and
//!   [`skep::processes`].
//! - **Work beside the call**, after the answer or in parallel: [`task`], [`skep::task`] and [`skep::tasks`].
//! - **What is warm** before anybody asks: [`skep::warmer`].
//! - **More than one handler** in a plugin: [`Router`].
//! - **Tests**: [`mod@test`].
//!
//! # What an instance is
//! Each request gets a fresh instance by default: a `static` starts anew every time, and a panic ends that one request.
//! So state does not live in the plugin, and nothing here calls WASI before the handler does (a `HashMap` asks it for
//! a random seed, `std::env::var` for the environment, an error's log line for stderr).
//!
//! # Features
//! - `allocator` (on by default) makes the plugin's global allocator one that is fast in a fresh instance. Leave it out
//!   to bring your own.
//! - `test-sql` brings an SQLite for native tests of plugins that use [`mod@sql`]: write it under `[dev-dependencies]`.

// The macros name the crate, in its own tests too.
#[cfg(test)]
extern crate self as skep_sdk;

#[doc(hidden)]
pub mod __private;
pub mod cache;
pub mod channel;
pub mod jobs;
pub mod prelude;
pub mod presence;
pub mod process;
pub mod pubsub;
pub mod sql;
pub mod store;
pub mod task;
pub mod test;
pub mod websocket;

#[cfg(any(test, all(feature = "allocator", target_arch = "wasm32")))]
mod allocator;
mod capability;
mod clock;
mod codec;
mod context;
#[cfg(not(target_arch = "wasm32"))]
mod double;
mod error;
mod pages;
mod stream;
mod warmer;
mod web;

#[cfg(all(feature = "allocator", target_arch = "wasm32", not(test)))]
#[global_allocator]
static ALLOCATOR: allocator::SmallBlocks = allocator::SmallBlocks::new();

pub use bytes::Bytes;
pub use cookie::{self, Cookie};
pub use http::{self, HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
pub use serde_json::{self, json};

pub use capability::CapabilityError;
pub use context::Context;
pub use error::{Error, Result, ResultExt};
pub use stream::{Event, EventStream, Opener, Opening};
pub use web::{
    Body, Client, Cookies, Form, FromRequest, Handler, Html, IntoResponse, Json, Path, Query, Redirect, Rejection,
    Request, RequestExt, Response, ResponsePart, Router,
};

/// The attribute macros, under the name that plugins write: `#[skep::http]`.
pub use skep_sdk_macros as skep;
