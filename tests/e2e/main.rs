//! End-to-end tests: real guests in real hosts over real sockets. One binary, because each would link the compiler.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, missing_docs)] // A failed step is a panic.

mod access_log;
mod admin;
mod architecture;
mod cache;
mod connections;
mod examples;
mod foreign;
mod given;
mod http;
mod keyvalue;
mod kills;
mod knobs;
mod on_demand;
mod outbound;
mod rate_limit;
mod reload;
mod single_flight;
mod streams;
mod subscribers;
mod warmers;
mod watch;
