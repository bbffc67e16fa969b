//! What the engine promises, over both backends where it promises the same.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on says so this way"
)]

mod cursors;
mod fixture;
mod hostile;
mod limits;
mod migrations;
mod neighbours;
mod round_trip;
mod server;
mod sqlite_file;
mod transactions;
