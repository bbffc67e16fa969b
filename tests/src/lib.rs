//! The harness of the end-to-end tests: guests built once, hosts started in the test's own process, log events caught.
//!
//! A test reads like a script: start a [`Host`] with a manifest, send requests, look at answers, events and metrics.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, missing_docs)] // A failed step of a test is a panic.

pub mod events;
pub mod guests;
pub mod host;
pub mod phoenix;
pub mod sse;

pub use host::{Host, Reply, eventually};
pub use sse::Sse;
