//! What one call of a guest holds: at most one transaction, some cursors.

mod inner;
mod state;

use std::sync::Arc;

pub(crate) use self::inner::Inner;

use crate::cursor::Cursor;
use crate::database::Shared;
use crate::error::Error;
use crate::options::{Access, Executed, SessionLimits, TransactionMode};
use crate::value::Value;

/// A session. Dropping it, also in the middle of a statement, rolls back and gives everything back.
///
/// What is asked at the same time is done one after the other. A future that is dropped before its end takes the transaction
/// with it, if there is one: whether its statement was carried out is not known.
pub struct Session {
    inner: Arc<Inner>,
}

impl Session {
    pub(crate) fn new(shared: Arc<Shared>, access: Access, limits: SessionLimits) -> Self {
        Self { inner: Arc::new(Inner::new(shared, access, limits)) }
    }

    /// Carries out one statement that gives rows, and fetches up to `first` of them. Outside of a transaction the statement is
    /// one of its own; if it writes (`RETURNING`), it is committed when this returns, and all of its rows must fit a page. If
    /// it only reads, a cursor that has more rows holds a connection.
    ///
    /// # Errors
    /// As [`Error`] says. In a transaction any error undoes it.
    pub async fn query(&self, sql: &str, params: Vec<Value>, first: usize) -> Result<Cursor, Error> {
        self.inner.shared.counted(self.inner.query(sql, params, first)).await
    }

    /// Carries out one statement whose rows, if any, are of no interest.
    ///
    /// # Errors
    /// As [`Error`] says. In a transaction any error undoes it.
    pub async fn execute(&self, sql: &str, params: Vec<Value>) -> Result<Executed, Error> {
        let done = self.inner.shared.counted(self.inner.execute(sql, params)).await;
        done.map(|rows_affected| Executed { rows_affected })
    }

    /// Begins the transaction; there is one at a time. Cursors that are open are closed. One that only reads does so of one
    /// moment in SQLite, and as its isolation says in PostgreSQL.
    ///
    /// A transaction in which a statement fails is undone at once, in both backends: every further statement, and the commit,
    /// answer the same error, until [`rollback`](Self::rollback) leaves it.
    ///
    /// # Errors
    /// As [`Error`] says; [`Error::Invalid`] if there is one already.
    pub async fn begin(&self, mode: TransactionMode) -> Result<(), Error> {
        self.inner.shared.noted(self.inner.begin(mode).await)
    }

    /// Commits it. Its cursors are closed. Whatever this answers, the transaction has ended.
    ///
    /// # Errors
    /// As [`Error`] says; [`Error::Invalid`] if there is none.
    pub async fn commit(&self) -> Result<(), Error> {
        self.inner.shared.noted(self.inner.commit().await)
    }

    /// Undoes it. Its cursors are closed. Whatever this answers, the transaction has ended.
    ///
    /// # Errors
    /// As [`Error`] says; [`Error::Invalid`] if there is none.
    pub async fn rollback(&self) -> Result<(), Error> {
        self.inner.shared.noted(self.inner.rollback().await)
    }

    /// Whether there is a transaction, also one that has failed.
    #[must_use]
    pub fn in_transaction(&self) -> bool {
        self.inner.in_transaction()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cursor, Database, Migrations};

    fn is_send<T: Send>(_: &T) {}

    /// A call of a guest may go on in another thread whenever it waits. That it compiles is the test.
    #[expect(dead_code, reason = "nothing of it runs")]
    fn whatever_waits_may_go_on_elsewhere(
        session: &Session,
        cursor: &mut Cursor,
        database: &Database,
        migrations: &Migrations,
    ) {
        is_send(&session.query("", Vec::new(), 1));
        is_send(&session.execute("", Vec::new()));
        is_send(&session.begin(TransactionMode::default()));
        is_send(&session.commit());
        is_send(&session.rollback());
        is_send(&cursor.next(1));
        is_send(&database.check());
        is_send(&database.migrate(migrations));
    }
}
