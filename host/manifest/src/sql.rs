//! `[plugins.NAME.sql.DATABASE]`: the databases that a plugin asks in SQL.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use skep_types::{ByteSize, DatabaseId, DatabaseName};

use crate::read::{Item, Read};
pub use postgres::{PostgresConfig, PostgresUrl};

mod postgres;

const MILLISECOND: Duration = Duration::from_millis(1);
/// What takes longer than an hour is no part of a call.
const HOUR: Duration = Duration::from_secs(3600);
/// Databases of a plugin: each has a schema of its own, so nobody has hundreds.
const DATABASES_MAX: usize = 64;
/// More rows than this are read as pages by their key, each with a statement of its own.
const ROWS_MAX: u64 = 10_000_000;
/// A smaller file holds no table.
const SIZE_MIN: ByteSize = ByteSize::kib(64);
const SIZE_MAX: ByteSize = ByteSize::mib(1 << 20);
/// Each is a thread's work while it reads, or a connection of the server.
const CONNECTIONS_MAX: usize = 1_000;
/// As long as a call may be thought to wait for others; its own deadline ends it before.
const WAITING_MAX: usize = 100_000;

/// One database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlConfig {
    /// Where the data is. Default: in a SQLite file of the host's data folder.
    pub place: SqlPlace,
    /// Whether the plugin itself may only read. Default false.
    pub read_only: bool,
    /// The folder with the migrations, `0001_what.sql` and so on, which are applied before a revision serves. Default: none.
    pub migrations: Option<PathBuf>,
    /// The longest that a statement runs. Default 5 s, 1 ms to 1 h; the call's deadline ends it too.
    pub statement_timeout: Duration,
    /// The longest that a transaction is open; it is rolled back then. Default 10 s, 1 ms to 1 h.
    pub transaction_timeout: Duration,
    /// The most rows that a query may have, over all pages of its cursor; one more is refused. Default 10,000, 1 to 10,000,000.
    pub max_rows: u64,
    /// Calls that read at once, or connections to PostgreSQL. Default 4, 1 to 1,000.
    pub connections: usize,
    /// Calls that may wait for a connection, or for their turn to write. Default 1,000, 0 to 100,000; one more is refused as `full`.
    pub queue: usize,
}

/// Where the data of a database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SqlPlace {
    /// In a SQLite file of the host's data folder.
    Sqlite {
        /// The largest that the file may become. Default 1 GiB, 64 KiB to 1 TiB; over it a write is refused as `full`.
        max_size: ByteSize,
    },
    /// In a PostgreSQL.
    Postgres(PostgresConfig),
}

/// What another plugin may do with a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SqlAccess {
    /// Look, and nothing else.
    Read,
    /// Everything that its owner may do.
    ReadWrite,
}

impl Default for SqlPlace {
    fn default() -> Self {
        Self::Sqlite { max_size: ByteSize::mib(1 << 10) }
    }
}

impl Default for SqlConfig {
    fn default() -> Self {
        Self {
            place: SqlPlace::default(),
            read_only: false,
            migrations: None,
            statement_timeout: Duration::from_secs(5),
            transaction_timeout: Duration::from_secs(10),
            max_rows: 10_000,
            connections: 4,
            queue: 1_000,
        }
    }
}

/// Reads all databases of a plugin.
pub(crate) fn read(item: &Item<'_>) -> Option<BTreeMap<DatabaseName, SqlConfig>> {
    let databases = item.map::<DatabaseName, SqlConfig>("a table for each database, `[plugins.NAME.sql.DATABASE]`")?;
    if databases.len() > DATABASES_MAX {
        return item.fail(format!("has {} databases; a plugin has at most {DATABASES_MAX}", databases.len()));
    }
    Some(databases)
}

impl Read for SqlConfig {
    fn read(item: &Item<'_>) -> Option<Self> {
        let mut table = item.section()?;
        let mut database = Self::default();
        database.place = postgres::read_place(&mut table);
        table.set("read_only", &mut database.read_only);
        if let Some(folder) = table.item("migrations") {
            database.migrations = PathBuf::read(&folder);
            if database.read_only {
                folder.fail::<()>("cannot go with `read_only`: a migration writes; write one of them");
            }
        }
        table.bounded("statement_timeout", &mut database.statement_timeout, MILLISECOND..=HOUR);
        table.bounded("transaction_timeout", &mut database.transaction_timeout, MILLISECOND..=HOUR);
        table.bounded("max_rows", &mut database.max_rows, 1..=ROWS_MAX);
        table.bounded("connections", &mut database.connections, 1..=CONNECTIONS_MAX);
        table.bounded("queue", &mut database.queue, 0..=WAITING_MAX);
        table.finish();
        Some(database)
    }
}

/// Reads the databases of others that a plugin is granted.
pub(crate) fn read_grants(item: &Item<'_>) -> Option<BTreeMap<DatabaseId, SqlAccess>> {
    item.map("a table such as { \"shop/main\" = \"read\" }")
}

impl Read for SqlAccess {
    fn read(item: &Item<'_>) -> Option<Self> {
        item.word(&[("read", Self::Read), ("read-write", Self::ReadWrite)])
    }
}
