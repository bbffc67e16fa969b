//! What a database and a session are told.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use skep_types::ByteSize;

/// A database in a file.
#[derive(Clone, Debug)]
pub struct SqliteOptions {
    /// The file. Its folder must be there; beside it are its log and its index, `…-wal` and `…-shm`.
    pub path: PathBuf,
    /// What a power loss may cost. Default: nothing.
    pub durability: Durability,
    /// The most connections that read, each with a thread, beside the one that writes. They are opened when they are needed.
    /// Default: 4.
    pub readers: NonZeroUsize,
    /// Sessions that wait for a reader, and as many for the writer. One more is [`Busy`](crate::Error::Busy). Default: 256.
    pub waiting_max: usize,
    /// The most bytes of the file; a write beyond is [`Full`](crate::Error::Full). Default: 1 GiB.
    pub size_max: ByteSize,
    /// Pages of the database that each connection keeps in memory. Default: 4 MiB.
    pub page_cache: ByteSize,
    /// By how much SQLite's memory in this process may grow while one statement works: sorting and intermediate results are
    /// kept in memory, never in files. SQLite counts for the process, so another statement that works at the same time may be
    /// refused for it, as [`TooLarge`](crate::Error::TooLarge). Default: 128 MiB.
    pub memory_max: ByteSize,
    /// A connection that nobody has used for so long is closed, with its thread. Default: 60 s.
    pub idle: Duration,
}

/// A database of a PostgreSQL server.
#[derive(Clone)]
pub struct PostgresOptions {
    /// Where it is, and as whom: `postgres://user:password@host:port/database?sslmode=require`. A secret.
    pub url: String,
    /// The most connections. Default: 8.
    pub connections: NonZeroU32,
    /// Sessions that wait for a connection. One more is [`Busy`](crate::Error::Busy). Default: 256.
    pub waiting_max: usize,
    /// How long a connection may take to be made. Default: 5 s.
    pub connect: Duration,
    /// A connection that nobody has used for so long is closed. Default: 60 s.
    pub idle: Duration,
}

/// What a write that was answered survives. Killing the host costs nothing in either, and neither damages the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// A power loss too: every commit waits until the disk has it (`synchronous = FULL`).
    #[default]
    Full,
    /// A power loss may cost the last commits (`synchronous = NORMAL`).
    Normal,
}

/// What a session may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// It may only read.
    pub read_only: bool,
}

/// What bounds one session.
#[derive(Clone, Debug)]
pub struct SessionLimits {
    /// How long it waits for a connection at most. Default: 2 s.
    pub wait: Duration,
    /// How long a statement may work. Default: 5 s.
    pub statement: Duration,
    /// How long a transaction may last, and a cursor outside of one may stay open. Default: 10 s.
    pub transaction: Duration,
    /// The most cursors that are open at a time. Default: 8.
    pub cursors_max: usize,
    /// The longest statement. Default: 64 KiB.
    pub sql_bytes_max: ByteSize,
    /// The most parameters of a statement. Default: 1,000.
    pub params_max: usize,
    /// The longest value, as a parameter or in a row. Default: 1 MiB.
    pub value_bytes_max: ByteSize,
    /// The longest row, as it is kept and as it is read. In SQLite no value of an expression is longer either, in the middle of
    /// a statement. Default: 8 MiB.
    pub row_bytes_max: ByteSize,
    /// The most bytes of a statement's parameters. Default: 8 MiB.
    pub params_bytes_max: ByteSize,
    /// The most rows of a page. Default: 1,000.
    pub page_rows_max: usize,
    /// A page ends before a row that would bring it over so many bytes; it has one row at least. Default: 1 MiB.
    pub page_bytes_max: ByteSize,
    /// The most rows of a result, over all pages. Default: 100,000.
    pub result_rows_max: u64,
}

/// How a transaction begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TransactionMode {
    /// It only reads, all of one moment.
    pub read_only: bool,
    /// What it may see of others. SQLite's are serializable whatever this says.
    pub isolation: Isolation,
}

/// What a transaction may see of others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Isolation {
    /// The server's default, mostly read committed.
    #[default]
    Default,
    /// One moment for all reads.
    RepeatableRead,
    /// As if there were no others; expect [`Conflict`](crate::Error::Conflict).
    Serializable,
}

/// What a statement did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Executed {
    /// Rows that it inserted, updated or deleted.
    pub rows_affected: u64,
}

impl SqliteOptions {
    /// The defaults, with this file.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            durability: Durability::Full,
            readers: NonZeroUsize::new(4).unwrap_or(NonZeroUsize::MIN),
            waiting_max: 256,
            size_max: ByteSize::mib(1_024),
            page_cache: ByteSize::mib(4),
            memory_max: ByteSize::mib(128),
            idle: Duration::from_secs(60),
        }
    }
}

impl PostgresOptions {
    /// The defaults, with this server.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            connections: NonZeroU32::new(8).unwrap_or(NonZeroU32::MIN),
            waiting_max: 256,
            connect: Duration::from_secs(5),
            idle: Duration::from_secs(60),
        }
    }
}

impl std::fmt::Debug for PostgresOptions {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("PostgresOptions")
            .field("url", &"[secret]")
            .field("connections", &self.connections)
            .field("waiting_max", &self.waiting_max)
            .finish_non_exhaustive()
    }
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self {
            wait: Duration::from_secs(2),
            statement: Duration::from_secs(5),
            transaction: Duration::from_secs(10),
            cursors_max: 8,
            sql_bytes_max: ByteSize::kib(64),
            params_max: 1_000,
            value_bytes_max: ByteSize::mib(1),
            row_bytes_max: ByteSize::mib(8),
            params_bytes_max: ByteSize::mib(8),
            page_rows_max: 1_000,
            page_bytes_max: ByteSize::mib(1),
            result_rows_max: 100_000,
        }
    }
}
