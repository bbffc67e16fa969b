//! The store in one SQLite file, inside the program.
//!
//! | module | holds |
//! |---|---|
//! | `options` | limits, durability |
//! | `open` | opening a file: whose it is, its schema, connections |
//! | `schema` | tables and how they came to be |
//! | `store`, `process_store` | the handle: checks arguments and queues what is to be done |
//! | `operation` | what waits for the writer |
//! | `writer` | the one thread that writes: groups, answers, what happens when the disk fails |
//! | `checkpoint` | bringing the write-ahead log over, beside the writer |
//! | `tx`, `state` | what a write sees: the transaction, and the counts and names kept beside it |
//! | `write` | every write, one file each |
//! | `readers`, `read` | threads that read, and every read |
//! | `blob`, `part` | large parts of jobs and of processes, which are not in their rows |
//! | `backup` | a copy at one moment |
//! | `fault` | what SQLite's errors mean here |
//!
//! Writes wait in a queue. The writer takes all that wait, carries them out in one transaction, makes them durable with one
//! `fsync`, tells the [`Observer`](crate::Observer), and answers them. A refused write has written nothing, so that it does not
//! disturb the others of its group; where something unexpected happens, the group is undone and carried out one by one.

mod backup;
mod blob;
mod checkpoint;
mod fault;
mod open;
mod operation;
pub mod options;
mod part;
mod process_store;
mod read;
mod readers;
mod schema;
mod state;
mod store;
mod tx;
mod write;
mod writer;

pub(crate) use fault::{explain, is_locked};
pub use open::OpenError;
pub(crate) use open::open_alone;
pub use options::{Durability, SqliteOptions};
pub use store::SqliteStore;
