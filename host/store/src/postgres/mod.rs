//! The store in a PostgreSQL database, which several hosts share.
//!
//! | module | holds |
//! |---|---|
//! | `options` | where the database is, limits, patience |
//! | `open`, `schema` | opening a database: whose it is, its tables and how they came to be |
//! | `tls`, `session`, `batch`, `fault` | a connection: statements that go out together, and what its errors mean here |
//! | `store`, `process_store` | the handle: checks arguments and queues what is to be done |
//! | `operation`, `verb` | what waits for the writer |
//! | `writer`, `group` | the one task that writes: groups, answers, what happens when the server is gone |
//! | `table`, `rows` | rows that a group has loaded, as its writes leave them |
//! | `names`, `numbers`, `counts` | plugins and queues by their numbers, numbers that grow, what is counted |
//! | `tx`, `effects` | what a write sees, and what is told of it |
//! | `write` | every write, one file each |
//! | `readers`, `read` | connections that read, and every read |
//! | `hosts`, `watch` | who else works on the database, and who is dead |
//! | `feed`, `news` | what other hosts are told, and what they tell |
//! | `left` | messages of dead hosts, which one of the living tells |
//! | `copy` | moving a store from a SQLite file to here |
//!
//! Writes wait in a queue. The writer takes all that wait and carries them out in one transaction with two round trips,
//! however many they are. The first one locks and loads every row that they say they want. Then each is decided in memory, one
//! after the other, over the loaded rows. The second writes what became of the rows, a statement for each table, and
//! commits. A write that wants more than it said is begun again when that is loaded; a refused one leaves no trace. Where
//! another host was in the way (a deadlock, a row that came into being meanwhile), the whole is done again.
//!
//! Rows are locked in one order: that of `rows`, and by their keys in each table. A row that is not there cannot be locked: one
//! that is inserted meets the other's under its primary key, and where its absence was relied on, see `rows::items`.

mod batch;
mod copy;
mod counts;
mod effects;
mod fault;
mod feed;
mod group;
mod hosts;
mod left;
mod names;
mod news;
mod numbers;
mod open;
mod operation;
mod options;
mod process_store;
mod read;
mod readers;
mod rows;
mod schema;
mod session;
mod store;
mod table;
mod tls;
mod tx;
mod verb;
mod watch;
mod write;
mod writer;

pub use copy::{Copied, CopyError, copy};
pub use open::OpenError;
pub use options::PostgresOptions;
pub use store::PostgresStore;
