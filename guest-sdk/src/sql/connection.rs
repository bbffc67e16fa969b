//! What statements are sent through.

use std::{cell::Cell, fmt, rc::Rc};

use serde::de::DeserializeOwned;

use super::{Params, Rows, error::refused_by, host};
use crate::{__private::bindings::imports::skep::plugin::types as wit, Error, Result, StatusCode, capability::refused};

/// As many rows as a page holds.
const WHOLE_PAGE: u32 = 0;
/// An error shows so much of a statement.
const STATEMENT_SHOWN_CHARS: usize = 100;
/// Enough to see that there is more than one.
const TWO: u32 = 2;

/// What statements are sent through: a [`Database`](super::Database), by itself each, or a transaction of one, together. A
/// function that takes a `&Connection` works with both.
///
/// ```
/// use skep_sdk::{prelude::*, sql, test};
///
/// fn count(connection: &sql::Connection) -> Result<u32> {
///     connection.query_one("select count(*) from bees", ())
/// }
///
/// test::database("main").run("create table bees (name text)");
/// let db = sql::Database::open("main")?;
/// db.execute("insert into bees values ('maja')", ())?;
/// assert_eq!(count(&db)?, 1);
/// assert_eq!(db.transaction(count)?, 1);
/// # Ok::<_, Error>(())
/// ```
pub struct Connection {
    name: Rc<str>,
    handle: Handle,
    /// Whether another transaction was in the way of this one.
    conflicted: Rc<Cell<bool>>,
}

enum Handle {
    Database(host::Database),
    Transaction(host::Transaction),
}

impl Connection {
    pub(super) fn database(name: &str, handle: host::Database) -> Self {
        Self { name: name.into(), handle: Handle::Database(handle), conflicted: Rc::default() }
    }

    pub(super) fn transaction(&self, handle: host::Transaction) -> Self {
        Self { name: Rc::clone(&self.name), handle: Handle::Transaction(handle), conflicted: Rc::default() }
    }

    /// The rows that a statement gives, fetched page by page as they are asked for.
    ///
    /// ```
    /// # use skep_sdk::{prelude::*, sql, test};
    /// # test::database("main").run("create table bees (name text, age integer)");
    /// # let db = sql::Database::open("main")?;
    /// for bee in db.query::<(String, u32)>("select name, age from bees where age > ?1", params![7])? {
    ///     let (name, age) = bee?;
    ///     println!("{name} is {age} days old");
    /// }
    /// # Ok::<_, Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Invalid`](crate::CapabilityError::Invalid) with the database's own words if the statement is wrong, and whatever else
    /// the host refuses; a [`Violation`](super::Violation) if it writes and may not. A row that does not fit `T` is an error of
    /// the iterator.
    pub fn query<T: DeserializeOwned>(&self, statement: &str, params: impl Into<Params>) -> Result<Rows<T>> {
        self.fetch(statement, params.into(), WHOLE_PAGE)
    }

    /// All rows that a statement gives.
    ///
    /// # Errors
    /// As [`query`](Self::query); when a row does not fit `T`.
    pub fn query_all<T: DeserializeOwned>(&self, statement: &str, params: impl Into<Params>) -> Result<Vec<T>> {
        self.query(statement, params)?.collect()
    }

    /// The one row that there is: "not found" for the client if there is none.
    ///
    /// ```
    /// # use skep_sdk::{prelude::*, sql, test};
    /// # test::database("main").run("create table bees (name text)");
    /// # let db = sql::Database::open("main")?;
    /// let bees: u32 = db.query_one("select count(*) from bees", ())?;
    /// assert_eq!(bees, 0);
    /// # Ok::<_, Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`query_all`](Self::query_all); a 404 if there is no row, and an error if there are several.
    pub fn query_one<T: DeserializeOwned>(&self, statement: &str, params: impl Into<Params>) -> Result<T> {
        self.query_optional(statement, params)?.ok_or_else(|| {
            let error = Error::from(crate::CapabilityError::NotFound).status(StatusCode::NOT_FOUND);
            error.context(self.doing("querying", statement))
        })
    }

    /// The one row that there is, if there is one.
    ///
    /// # Errors
    /// As [`query_all`](Self::query_all); an error if there are several.
    pub fn query_optional<T: DeserializeOwned>(&self, statement: &str, params: impl Into<Params>) -> Result<Option<T>> {
        let mut rows = self.fetch(statement, params.into(), TWO)?;
        let first = rows.next().transpose()?;
        if first.is_some() && !rows.is_over()? {
            return Err(Error::from("it gives more than one row").context(self.doing("querying", statement)));
        }
        Ok(first)
    }

    /// Carries out a statement. Returns how many rows it inserted, updated or deleted.
    ///
    /// # Errors
    /// As [`query`](Self::query).
    pub fn execute(&self, statement: &str, params: impl Into<Params>) -> Result<u64> {
        let doing = || self.doing("executing", statement);
        let params = values(params.into(), doing)?;
        let done = match &self.handle {
            Handle::Database(database) => database.execute(statement, &params),
            Handle::Transaction(transaction) => transaction.execute(statement, &params),
        };
        done.map_err(|refusal| self.refused(refusal, doing()))
    }

    fn fetch<T: DeserializeOwned>(&self, statement: &str, params: Params, max: u32) -> Result<Rows<T>> {
        let doing = || self.doing("querying", statement);
        let params = values(params, doing)?;
        let answer = match &self.handle {
            Handle::Database(database) => database.query(statement, &params, max),
            Handle::Transaction(transaction) => transaction.query(statement, &params, max),
        };
        let answer = answer.map_err(|refusal| self.refused(refusal, doing()))?;
        Ok(Rows::new(answer, doing(), Rc::clone(&self.conflicted)))
    }

    pub(super) fn handle(&self) -> Option<&host::Database> {
        match &self.handle {
            Handle::Database(database) => Some(database),
            Handle::Transaction(_) => None,
        }
    }

    pub(super) fn commit(&self) -> Result<()> {
        let Handle::Transaction(transaction) = &self.handle else { return Ok(()) };
        transaction.commit().map_err(|refusal| self.refused(refusal, self.doing_it("committing to")))
    }

    /// Whether another transaction was in the way of this one.
    pub(super) fn is_conflicted(&self) -> bool {
        self.conflicted.get()
    }

    fn refused(&self, refusal: host::Refusal, doing: String) -> Error {
        if matches!(refusal, host::Refusal::Other(wit::Error::Conflict)) {
            self.conflicted.set(true);
        }
        refused_by(refusal, doing)
    }

    /// For the log.
    pub(super) fn doing_it(&self, verb: &str) -> String {
        format!("{verb} the database `{}`", self.name)
    }

    fn doing(&self, verb: &str, statement: &str) -> String {
        format!("{verb} `{}` in the database `{}`", shown(statement), self.name)
    }
}

/// A statement on one line, for the log.
fn shown(statement: &str) -> String {
    let line = statement.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(STATEMENT_SHOWN_CHARS) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line,
    }
}

fn values(params: Params, doing: impl Fn() -> String) -> Result<Vec<host::Value>> {
    let values = params.into_values().map_err(|why| refused(wit::Error::Invalid(why), doing()))?;
    Ok(values.into_iter().map(Into::into).collect())
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.handle {
            Handle::Database(_) => "Database",
            Handle::Transaction(_) => "Transaction",
        };
        f.debug_tuple(kind).field(&self.name).finish()
    }
}
