//! Sockets over loopback, with a client of another house.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod longpoll;
mod rig;
mod websocket;
