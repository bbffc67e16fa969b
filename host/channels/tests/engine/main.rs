//! The engine from outside, with guests in plain Rust.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod bounds;
mod early;
mod ends;
mod guests;
mod joins;
mod line;
mod messages;
mod model;
mod presence;
mod pubsub;
mod raw;
mod rig;
mod swap;
mod view;
