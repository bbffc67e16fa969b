//! Databases that are asked in SQL: SQLite files of the plugin's own, or a PostgreSQL that the manifest names.
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use skep_sdk::{prelude::*, sql, test};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Book {
//!     title: String,
//!     pages: Option<u32>,
//! }
//!
//! fn long_ones(Path(pages): Path<u32>) -> Result<Json<Vec<Book>>> {
//!     let db = sql::Database::open("main")?;
//!     Ok(Json(db.query_all("select title, pages from books where pages >= ?1", params![pages])?))
//! }
//!
//! test::database("main").run("create table books (title text primary key, pages integer)");
//! let db = sql::Database::open("main")?;
//! db.execute("insert into books values (?1, ?2)", params!["The Bees", 368])?;
//! let answer = test::get("/").capture("pages", "300").send(long_ones);
//! assert_eq!(answer.text(), r#"[{"title":"The Bees","pages":368}]"#);
//! # Ok::<_, Error>(())
//! ```
//!
//! The manifest declares the database, and names the folder that makes its schema: `0001_books.sql` and so on, which the host
//! applies before the plugin is called.
//!
//! ```toml
//! [plugins.library.sql.main]
//! migrations = "migrations"
//! ```
//!
//! | you need | use |
//! |---|---|
//! | all rows | [`query_all`](Connection::query_all) |
//! | many rows, one by one | [`query`](Connection::query), an iterator that fetches them in pages |
//! | one row, or one value | [`query_one`](Connection::query_one), [`query_optional`](Connection::query_optional) |
//! | to write | [`execute`](Connection::execute); `returning` and a query for what it wrote |
//! | several statements, all or none | [`Database::transaction`] |
//! | a function for both | one that takes a [`&Connection`](Connection), which databases and transactions are |
//! | to know which rule was broken | [`Error::violation`](crate::Error::violation) |
//!
//! # Rows and values
//! A row is whatever serde makes of it: a struct by the names of the columns, a tuple by their places, any other type out of the
//! one column that there is, [`Row`] if all is to be seen. NULL is `None`. A parameter is whatever [`IntoValue`] takes; it never
//! becomes a part of the text, so nobody's input is ever SQL. SQLite writes it `?1`, PostgreSQL `$1`.
//!
//! What PostgreSQL has beyond numbers, texts, booleans and bytes is text, in its own form. A number is read from such a text
//! too: `sum` of a `bigint` is a `numeric` there.
//!
//! # Errors
//! are the SDK's [`Error`](crate::Error) and name the database and the statement. They have a
//! [`CapabilityError`](crate::CapabilityError) inside, or a [`Violation`] of the schema. Once a write is answered with
//! [`OutcomeUnknown`](crate::CapabilityError::OutcomeUnknown), only a read can tell whether it took place.
//!
//! # Tests
//! In native tests a database is an SQLite in memory, empty, and of one's own for each test. It needs the feature `test-sql`,
//! which compiles SQLite:
//!
//! ```toml
//! [dev-dependencies]
//! skep-sdk = { version = "0.1", features = ["test-sql"] }
//! ```
//!
//! [`test::database`](crate::test::database) applies the plugin's migrations and says what the manifest would.

mod connection;
mod database;
mod decode;
mod error;
mod param;
mod row;
mod rows;
mod value;

// Both have the same functions: the host's, and those of a double in memory.
#[cfg(target_arch = "wasm32")]
use crate::__private::bindings::imports::skep::plugin::sql as host;
#[cfg(not(target_arch = "wasm32"))]
use crate::double::sql as host;

pub use crate::__sql_params as params;
pub use connection::Connection;
pub use database::{Database, Dialect, Isolation, TransactionOptions};
pub use error::{Constraint, Violation};
pub use param::{IntoValue, Params};
pub use row::Row;
pub use rows::Rows;
pub use value::Value;

#[cfg(test)]
mod tests;
