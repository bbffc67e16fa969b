//! A store of each kind, and every test on each of them.

use std::sync::Arc;
use std::time::Duration;

use skep_store::{Durability, PostgresOptions, PostgresStore, ProcessStore, SqliteOptions, SqliteStore};
use skep_test_postgres::{Pooler, Server};
use skep_types::ByteSize;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::Told;

/// What keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backend {
    Sqlite,
    Postgres,
    /// PostgreSQL, through a PgBouncer that gives a connection to each transaction.
    Pooled,
}

/// How much a store takes, and what it waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// The defaults.
    Usual,
    /// Four writes wait, and 4,000 bytes of them.
    Little,
    /// As usual, and no disk is waited for, nor others for long.
    Unsynced,
}

/// What is still there when a store is closed.
pub(crate) enum Home {
    File(TempDir),
    /// The URL of a database, and the same through a pooler, if it is to go through one.
    Database(String, Option<String>),
}

impl Home {
    /// None if there is no such backend here, which is said.
    pub(crate) fn new(backend: Backend) -> Option<Self> {
        match backend {
            Backend::Sqlite => Some(Self::File(TempDir::new().unwrap())),
            Backend::Postgres => Some(Self::Database(Server::shared()?.database(), None)),
            Backend::Pooled => {
                let (pooler, url) = (Pooler::shared()?, Server::shared()?.database());
                let pooled = pooler.through(&url);
                Some(Self::Database(url, Some(pooled)))
            }
        }
    }

    pub(crate) async fn open(&self, room: Room, told: &Arc<Told>) -> Arc<dyn ProcessStore> {
        match self {
            Self::File(folder) => {
                let mut options = SqliteOptions::new(folder.path().join("store.sqlite"));
                match room {
                    Room::Usual => {}
                    Room::Little => {
                        options.waiting_max = 4;
                        options.waiting_bytes_max = ByteSize(4_000);
                    }
                    Room::Unsynced => options.durability = Durability::Off,
                }
                Arc::new(SqliteStore::open(options, Arc::clone(told) as Arc<_>).unwrap())
            }
            Self::Database(url, pooled) => {
                let mut options = PostgresOptions::new(pooled.as_ref().unwrap_or(url));
                options.pooled = pooled.is_some();
                match room {
                    Room::Usual => {}
                    Room::Little => {
                        options.waiting_max = 4;
                        options.waiting_bytes_max = ByteSize(4_000);
                    }
                    // It soon sees which others are gone; none is that lives.
                    Room::Unsynced => options.host_timeout = Duration::from_millis(500),
                }
                let told = Arc::clone(told);
                let opened = tokio::task::spawn_blocking(|| PostgresStore::open(options, told));
                Arc::new(opened.await.unwrap().unwrap())
            }
        }
    }

    /// How many rows a table has, whoever asks.
    pub(crate) fn rows(&self, table: &str) -> i64 {
        let select = format!("SELECT count(*) FROM {table}");
        match self {
            Self::File(folder) => {
                let file = rusqlite::Connection::open(folder.path().join("store.sqlite")).unwrap();
                file.query_row(&select, [], |row| row.get(0)).unwrap()
            }
            // Large parts are beside their rows already, where this does not see them; what was before an upgrade is in them.
            Self::Database(..) if ["process_parts", "process_befores"].contains(&table) => 0,
            Self::Database(url, _) => {
                let rows = Server::shared().unwrap().ask(url, &format!("SET search_path = skep; {select}"));
                rows.parse().unwrap()
            }
        }
    }
}

/// A store that is open.
pub(crate) struct Fixture {
    pub(crate) store: Arc<dyn ProcessStore>,
    pub(crate) told: Arc<Told>,
    pub(crate) home: Home,
}

impl Fixture {
    /// The store once more, with the same observer.
    pub(crate) async fn again(&self) -> Arc<dyn ProcessStore> {
        self.home.open(Room::Usual, &self.told).await
    }
}

pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Runs a test on a backend, if that is here.
pub(crate) fn on<Test: Future<Output = ()>>(backend: Backend, test: impl FnOnce(Fixture) -> Test) {
    let Some(home) = Home::new(backend) else { return };
    runtime().block_on(async {
        let told = Arc::new(Told::default());
        let store = home.open(Room::Usual, &told).await;
        test(Fixture { store, told, home }).await;
    });
}

/// These functions are tests, each on every backend.
#[macro_export]
macro_rules! on_every_backend {
    ($($test:ident,)*) => {
        mod sqlite {
            $(#[test] fn $test() { $crate::backend::on($crate::backend::Backend::Sqlite, super::$test); })*
        }
        mod postgres {
            $(#[test] fn $test() { $crate::backend::on($crate::backend::Backend::Postgres, super::$test); })*
        }
        mod pooled {
            $(#[test] fn $test() { $crate::backend::on($crate::backend::Backend::Pooled, super::$test); })*
        }
    };
}
