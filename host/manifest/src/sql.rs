//! `[plugins.NAME.sql.DATABASE]`: the databases that a plugin asks in SQL.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use skep_types::{ByteSize, DatabaseId, DatabaseName};

use crate::read::{Item, Read};
use crate::store::Durability;
pub(crate) use postgres::read_server;
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
/// A value is copied through the host's memory whenever it is read or written, and a row has several.
const VALUE_MIN: ByteSize = ByteSize::kib(1);
const VALUE_MAX: ByteSize = ByteSize::mib(8);
/// Each is a thread's work while it reads, or a connection of the server.
const CONNECTIONS_MAX: u32 = 1_000;
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
    /// The most rows that a query may have, over all pages of its cursor; one more is refused as `too-large`. Default 100,000, 1 to
    /// 10,000,000.
    pub max_rows: u64,
    /// The longest value, as a parameter or in a row. Default 1 MiB, 1 KiB to 8 MiB.
    pub value_bytes: ByteSize,
    /// Calls that read a SQLite at once, beside the one that writes; or connections to a PostgreSQL. Default 4, 1 to 1,000.
    pub connections: NonZeroU32,
    /// Calls that may wait for a connection, or for their turn to write. Default 256, 0 to 100,000; one more is refused as
    /// `unavailable`.
    pub queue: usize,
    /// How long a call waits for that; it is refused as `unavailable` then. Default 2 s, 0 to 1 h.
    pub wait: Duration,
}

/// Where the data of a database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SqlPlace {
    /// In a SQLite file of the host's data folder.
    Sqlite(SqliteConfig),
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

/// A SQLite file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SqliteConfig {
    /// The largest that the file may become. Default 1 GiB, 64 KiB to 1 TiB; over it a write is refused as `full`.
    pub max_size: ByteSize,
    /// What a commit that was answered survives. Default: everything.
    pub durability: Durability,
}

impl Default for SqlPlace {
    fn default() -> Self {
        Self::Sqlite(SqliteConfig::default())
    }
}

impl Default for SqliteConfig {
    fn default() -> Self {
        Self { max_size: ByteSize::mib(1 << 10), durability: Durability::default() }
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
            max_rows: 100_000,
            value_bytes: ByteSize::mib(1),
            connections: NonZeroU32::new(4).expect("it is not zero"),
            queue: 256,
            wait: Duration::from_secs(2),
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
        let mut database = Self { place: postgres::read_place(&mut table), ..Self::default() };
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
        table.bounded("value_bytes", &mut database.value_bytes, VALUE_MIN..=VALUE_MAX);
        let mut connections = database.connections.get();
        table.bounded("connections", &mut connections, 1..=CONNECTIONS_MAX);
        database.connections = NonZeroU32::new(connections).unwrap_or(database.connections);
        table.bounded("queue", &mut database.queue, 0..=WAITING_MAX);
        table.bounded("wait", &mut database.wait, Duration::ZERO..=HOUR);
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
