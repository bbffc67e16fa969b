//! A database that sessions are opened of.

use std::sync::Arc;

use skep_types::clock::Clock;

use crate::backend::Backend;
use crate::error::Error;
use crate::migrations::{Migrated, Migrations, MigrationsError};
use crate::options::{Access, PostgresOptions, SessionLimits, SqliteOptions};
use crate::session::Session;
use crate::sqlite::Sqlite;
use crate::stats::{Counts, Stats};

/// A database. A clone is the same one; what it holds ends with the last clone and the last session.
#[derive(Clone)]
pub struct Database {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) backend: Backend,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) counts: Counts,
}

impl Database {
    /// A file. Nothing is opened before the first use; [`check`](Self::check) is one.
    #[must_use]
    pub fn sqlite(options: SqliteOptions, clock: Arc<dyn Clock>) -> Self {
        Self::new(Backend::Sqlite(Sqlite::new(options, &clock)), clock)
    }

    /// A server. Nothing is connected before the first use; [`check`](Self::check) is one.
    ///
    /// # Errors
    /// The URL is none; the message does not repeat it.
    pub fn postgres(_options: PostgresOptions, _clock: Arc<dyn Clock>) -> Result<Self, Error> {
        Err(Error::Unavailable("not written yet".to_owned()))
    }

    fn new(backend: Backend, clock: Arc<dyn Clock>) -> Self {
        Self { shared: Arc::new(Shared { backend, clock, counts: Counts::default() }) }
    }

    /// Whether it can be used: opens the file, or connects.
    ///
    /// # Errors
    /// [`Error::Unavailable`], with what to do.
    pub async fn check(&self) -> Result<(), Error> {
        self.shared.backend.check(SessionLimits::default().wait).await
    }

    /// What one call of a guest holds. It is cheap, and has no connection until it needs one. It is used in a runtime of tokio's.
    #[must_use]
    pub fn session(&self, access: Access, limits: SessionLimits) -> Session {
        Session::new(Arc::clone(&self.shared), access, limits)
    }

    /// Brings the schema up to the folder, under a lock that other hosts respect.
    ///
    /// # Errors
    /// Which file, which line, and what to do.
    pub async fn migrate(&self, _migrations: &Migrations) -> Result<Migrated, MigrationsError> {
        Err(MigrationsError("not written yet".to_owned()))
    }

    /// What was counted.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let (connections, in_use, waiting) = self.shared.backend.figures();
        Stats { connections, in_use, waiting, ..self.shared.counts.read() }
    }
}

impl Shared {
    /// Counts a statement, or a page of one, and what it took.
    pub(crate) async fn counted<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let before = self.clock.now();
        let done = work.await;
        self.counts.statement(self.clock.now().saturating_duration_since(before));
        self.noted(done)
    }

    /// Counts a refusal.
    pub(crate) fn noted<T>(&self, done: Result<T, Error>) -> Result<T, Error> {
        done.inspect_err(|error| self.counts.error(error))
    }
}
