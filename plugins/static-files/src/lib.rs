//! A static-file and single-page-app server: a `wasi:http/incoming-handler` whose files are in a folder that it was granted.
//!
//! | module | what it knows |
//! |---|---|
//! | [`config`] | the variables that configure it |
//! | [`path`] | from a request's path to the parts of a safe one |
//! | [`files`] | which file a name stands for, and its precompressed siblings |
//! | [`encoding`] | `Accept-Encoding` |
//! | [`mime`] | content types by extension |
//! | [`conditional`] | entity tags, dates and the preconditions on them |
//! | [`range`] | `Range` |
//! | [`respond`] | all of them together: from a request to a response |
//! | `export` | WASI on one side, [`respond`] on the other |
//!
//! Everything but `export` is plain Rust over `std::fs`, and tested as such.

mod conditional;
mod config;
mod encoding;
#[cfg(target_arch = "wasm32")]
mod export;
mod files;
mod mime;
mod path;
mod range;
mod respond;
#[cfg(test)]
mod tests;

pub use config::{Config, Error};
pub use respond::{Body, Method, Request, Response, respond};
