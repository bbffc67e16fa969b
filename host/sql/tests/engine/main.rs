//! What the engine promises, over both backends where it promises the same.
//!
//! | module | shows |
//! |---|---|
//! | `fixture` | a database of each kind, and every test on each of them |
//! | `round_trip` | what goes in comes out; constraints and mistakes; any rows |
//! | `cursors` | pages, what a cursor sees and what it holds |
//! | `transactions` | how they end, whoever ends them |
//! | `limits` | each limit, hit |
//! | `neighbours` | whoever shares a database with somebody bad |
//! | `functions` | functions that are done in the place of SQLite's |
//! | `hostile` | statements that want what they are not given |
//! | `migrations` | the folder that makes the schema |
//! | `sqlite_file` | a file: what is none, one that is full, one that others use |
//! | `server` | types, rights and conflicts of a server |
//! | `lost` | a server that goes, hangs, is not there, or is somebody else |
//!
//! Without PostgreSQL's programs the second half of each test is left out; `SKEP_TEST_POSTGRES=required` fails then.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs)]

mod cursors;
mod fixture;
mod functions;
mod hostile;
mod limits;
mod lost;
mod migrations;
mod neighbours;
mod round_trip;
mod server;
mod sqlite_file;
mod transactions;
