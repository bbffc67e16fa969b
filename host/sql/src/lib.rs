//! The engine of SQL for guests: a SQLite file or a PostgreSQL behind one set of words, with a limit on everything.
//!
//! | module | holds |
//! |---|---|
//! | [`database`] | a database that sessions are opened of |
//! | [`session`] | what one call of a guest holds: at most one transaction, some cursors |
//! | [`cursor`] | rows of a query, page by page |
//! | [`value`] | values, and how each backend keeps them |
//! | [`options`] | what a database and a session are told |
//! | [`migrations`] | the folder that makes the schema |
//! | [`stats`] | what is counted |
//! | [`error`] | every way to be refused |
//!
//! Nothing in here knows wasm, HTTP or a manifest.

mod backend;
mod check;
pub mod cursor;
pub mod database;
pub mod error;
mod gate;
pub mod migrations;
pub mod options;
mod page;
mod postgres;
pub mod session;
mod sqlite;
pub mod stats;
pub mod value;
mod words;

pub use cursor::Cursor;
pub use database::Database;
pub use error::{Constraint, Error};
pub use migrations::{Applied, Migrated, Migrations, MigrationsError};
pub use options::{
    Access, Durability, Executed, Isolation, PostgresOptions, SessionLimits, SqliteOptions, TransactionMode,
};
pub use session::Session;
pub use stats::{ErrorCounts, Stats};
pub use value::{Column, Row, Value};
