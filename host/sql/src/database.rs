//! A database that sessions are opened of.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use skep_types::clock::Clock;

use crate::backend::{Alone, Backend};
use crate::error::Error;
use crate::migrations::{Migrated, Migrations, MigrationsError};
use crate::options::{Access, PostgresOptions, SessionLimits, SqliteOptions};
use crate::postgres::Pool;
use crate::session::Session;
use crate::sqlite::Sqlite;
use crate::stats::{Counts, Stats};

/// How long one migration may take.
pub const MIGRATION_TIME_MAX: Duration = Duration::from_secs(600);
/// How long migrations wait for a connection.
const MIGRATION_WAIT: Duration = Duration::from_secs(60);

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
    pub fn postgres(options: PostgresOptions, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        Ok(Self::new(Backend::Postgres(Pool::new(options, &clock)?), clock))
    }

    fn new(backend: Backend, clock: Arc<dyn Clock>) -> Self {
        Self { shared: Arc::new(Shared { backend, clock, counts: Counts::default() }) }
    }

    /// Whether it can be used: opens the file, or connects.
    ///
    /// # Errors
    /// [`Error::Unavailable`], with what to do.
    pub async fn check(&self) -> Result<(), Error> {
        let SessionLimits { wait, statement, .. } = SessionLimits::default();
        let clock = Arc::clone(&self.shared.clock);
        self.shared.backend.check(&Alone { read_only: true, wait, statement, clock }).await
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
    pub async fn migrate(&self, migrations: &Migrations) -> Result<Migrated, MigrationsError> {
        let clock = Arc::clone(&self.shared.clock);
        let now_ms = clock.wall().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_millis());
        let now_ms = i64::try_from(now_ms).unwrap_or(i64::MAX);
        let alone = Alone { read_only: false, wait: MIGRATION_WAIT, statement: MIGRATION_TIME_MAX, clock };
        match &self.shared.backend {
            Backend::Sqlite(sqlite) => {
                let migrations = Arc::new(migrations.clone());
                sqlite.migrate(&migrations, alone.wait, || alone.until(), now_ms).await
            }
            Backend::Postgres(pool) => pool.migrate(migrations, &alone, now_ms).await,
        }
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
