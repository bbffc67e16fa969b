//! What one call of a guest holds: at most one transaction, some cursors.

use crate::cursor::Cursor;
use crate::error::Error;
use crate::options::{Executed, TransactionMode};
use crate::value::Value;

/// A session. Dropping it, also in the middle of a statement, rolls back and gives everything back.
pub struct Session {}

impl Session {
    /// Carries out one statement that gives rows, and fetches up to `first` of them. Outside of a transaction the statement is
    /// one of its own; if it writes (`RETURNING`), it is committed when this returns, and all of its rows must fit a page.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn query(&self, _sql: &str, _params: Vec<Value>, _first: usize) -> Result<Cursor, Error> {
        Err(Error::Unavailable("not written yet".to_owned()))
    }

    /// Carries out one statement whose rows, if any, are of no interest.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn execute(&self, _sql: &str, _params: Vec<Value>) -> Result<Executed, Error> {
        Err(Error::Unavailable("not written yet".to_owned()))
    }

    /// Begins the transaction; there is one at a time. Cursors that are open are closed.
    ///
    /// # Errors
    /// As [`Error`] says; [`Error::Invalid`] if there is one already.
    pub async fn begin(&self, _mode: TransactionMode) -> Result<(), Error> {
        Err(Error::Unavailable("not written yet".to_owned()))
    }

    /// Commits it. Its cursors are closed. Whatever this answers, the transaction has ended.
    ///
    /// # Errors
    /// As [`Error`] says; [`Error::Invalid`] if there is none.
    pub async fn commit(&self) -> Result<(), Error> {
        Err(Error::Unavailable("not written yet".to_owned()))
    }

    /// Undoes it. Its cursors are closed. Whatever this answers, the transaction has ended.
    ///
    /// # Errors
    /// As [`Error`] says; [`Error::Invalid`] if there is none.
    pub async fn rollback(&self) -> Result<(), Error> {
        Err(Error::Unavailable("not written yet".to_owned()))
    }

    /// Whether there is a transaction.
    #[must_use]
    pub fn in_transaction(&self) -> bool {
        false
    }
}
