//! What the engine promises, over both backends where it promises the same.

mod cursors;
mod fixture;
mod hostile;
mod limits;
mod neighbours;
mod round_trip;
mod sqlite_file;
mod transactions;
