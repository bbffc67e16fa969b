//! A database that sessions are opened of.

use std::sync::Arc;

use skep_types::clock::Clock;

use crate::error::Error;
use crate::migrations::{Migrated, Migrations, MigrationsError};
use crate::options::{Access, PostgresOptions, SessionLimits, SqliteOptions};
use crate::session::Session;
use crate::stats::Stats;

/// A database. A clone is the same one; what it holds ends with the last clone and the last session.
#[derive(Clone)]
pub struct Database {
    _clock: Arc<dyn Clock>,
}

impl Database {
    /// A file. Nothing is opened before the first use; [`check`](Self::check) is one.
    #[must_use]
    pub fn sqlite(_options: SqliteOptions, clock: Arc<dyn Clock>) -> Self {
        Self { _clock: clock }
    }

    /// A server. Nothing is connected before the first use; [`check`](Self::check) is one.
    ///
    /// # Errors
    /// The URL is none; the message does not repeat it.
    pub fn postgres(_options: PostgresOptions, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        Ok(Self { _clock: clock })
    }

    /// Whether it can be used: opens the file, or connects.
    ///
    /// # Errors
    /// [`Error::Unavailable`], with what to do.
    pub async fn check(&self) -> Result<(), Error> {
        Err(Error::Unavailable("not written yet".to_owned()))
    }

    /// What one call of a guest holds. It is cheap, and has no connection until it needs one.
    #[must_use]
    pub fn session(&self, _access: Access, _limits: SessionLimits) -> Session {
        Session {}
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
        Stats::default()
    }
}
