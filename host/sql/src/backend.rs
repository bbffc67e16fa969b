//! What both backends do, in their own ways.

use std::sync::Arc;
use std::time::{Duration, Instant};

use skep_types::clock::Clock;

use crate::error::Error;
use crate::options::TransactionMode;
use crate::page::{Page, PageLimits};
use crate::postgres::{self, Pool};
use crate::sqlite::{self, Sqlite};
use crate::value::{Column, Value};

/// One of the backends.
pub(crate) enum Backend {
    Sqlite(Sqlite),
    Postgres(Arc<Pool>),
}

/// A connection that is held, with a transaction on it. Its drop undoes what is not committed, and gives it back.
pub(crate) enum Lease {
    Sqlite(sqlite::Lease),
    Postgres(Box<postgres::Lease>),
}

/// A statement with what it is given.
pub(crate) struct Query {
    pub(crate) sql: String,
    pub(crate) params: Vec<Value>,
    /// Rows of the first page.
    pub(crate) first: usize,
    pub(crate) limits: PageLimits,
}

/// How a statement is carried out outside of a transaction.
#[derive(Clone)]
pub(crate) struct Alone {
    pub(crate) read_only: bool,
    pub(crate) wait: Duration,
    pub(crate) statement: Duration,
    pub(crate) clock: Arc<dyn Clock>,
}

/// A query that was begun.
pub(crate) struct Begun {
    pub(crate) columns: Vec<Column>,
    pub(crate) page: Page,
    /// Where the rest is; nothing, if the page is all.
    pub(crate) cursor: Option<u64>,
}

impl Alone {
    /// When a statement that begins now has to end.
    pub(crate) fn until(&self) -> Instant {
        self.clock.now() + self.statement
    }
}

impl Backend {
    pub(crate) async fn check(&self, alone: &Alone) -> Result<(), Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.check(alone.wait).await,
            Self::Postgres(pool) => pool.check(alone).await,
        }
    }

    pub(crate) async fn begin(&self, mode: TransactionMode, alone: &Alone) -> Result<Lease, Error> {
        match self {
            Self::Sqlite(sqlite) => {
                sqlite.begin(mode.read_only || alone.read_only, alone.wait).await.map(Lease::Sqlite)
            }
            Self::Postgres(pool) => pool.begin(mode, alone).await.map(Box::new).map(Lease::Postgres),
        }
    }

    pub(crate) async fn query(&self, query: Arc<Query>, alone: Alone) -> Result<(Begun, Option<Lease>), Error> {
        match self {
            Self::Sqlite(sqlite) => {
                sqlite.query(query, alone).await.map(|(begun, lease)| (begun, lease.map(Lease::Sqlite)))
            }
            Self::Postgres(pool) => {
                let (begun, lease) = pool.query(query, alone).await?;
                Ok((begun, lease.map(Box::new).map(Lease::Postgres)))
            }
        }
    }

    pub(crate) async fn execute(&self, query: Arc<Query>, alone: Alone) -> Result<u64, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.execute(query, alone).await,
            Self::Postgres(pool) => pool.execute(query, alone).await,
        }
    }

    /// Connections that are open, those that are held, and who waits for one.
    pub(crate) fn figures(&self) -> (u64, u64, u64) {
        match self {
            Self::Sqlite(sqlite) => sqlite.figures(),
            Self::Postgres(pool) => pool.figures(),
        }
    }
}

impl Lease {
    pub(crate) async fn open(&mut self, query: Arc<Query>, until: Instant) -> Result<Begun, Error> {
        match self {
            Self::Sqlite(lease) => lease.open(query, until).await,
            Self::Postgres(lease) => lease.open(query, until).await,
        }
    }

    pub(crate) async fn execute(&mut self, query: Arc<Query>, until: Instant) -> Result<u64, Error> {
        match self {
            Self::Sqlite(lease) => lease.execute(query, until).await,
            Self::Postgres(lease) => lease.execute(query, until).await,
        }
    }

    pub(crate) async fn fetch(&mut self, cursor: u64, rows_max: usize, until: Instant) -> Result<Page, Error> {
        match self {
            Self::Sqlite(lease) => lease.fetch(cursor, rows_max, until).await,
            Self::Postgres(lease) => lease.fetch(cursor, rows_max, until).await,
        }
    }

    pub(crate) async fn close(&mut self, cursor: u64) {
        match self {
            Self::Sqlite(lease) => lease.close(cursor).await,
            Self::Postgres(lease) => lease.close(cursor),
        }
    }

    /// What was done has only read, and is over.
    pub(crate) fn finish(self) {
        match self {
            Self::Sqlite(lease) => drop(lease),
            Self::Postgres(lease) => lease.finish(),
        }
    }

    pub(crate) async fn commit(mut self, until: Instant) -> Result<(), Error> {
        match &mut self {
            Self::Sqlite(lease) => lease.commit().await,
            Self::Postgres(lease) => lease.commit(until).await,
        }
    }

    pub(crate) async fn rollback(mut self, until: Instant) -> Result<(), Error> {
        match &mut self {
            Self::Sqlite(lease) => lease.rollback().await,
            Self::Postgres(lease) => lease.rollback(until).await,
        }
    }
}
