//! Opening a file: whose it is, which schema it has, and connections to it.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::fault::explain;
use super::options::{Durability, SqliteOptions};
use super::schema::{APPLICATION_ID, MIGRATIONS, VERSION};

/// How long a connection waits for another process that has the file locked.
const BUSY_WAIT: Duration = Duration::from_secs(5);
/// A page of the database.
pub(super) const PAGE_BYTES: u64 = 4096;
/// How large the write-ahead log stays on disk, once it is no longer needed: 64 MiB.
const WAL_BYTES_KEPT: u32 = 64 << 20;
/// Statements that a connection keeps ready: more than there are in this crate.
const STATEMENTS_MAX: usize = 256;

/// The store was not opened. The file is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The file is no database at all.
    #[error("`{}` is not a SQLite database; it was left as it is: move it away, or name another file", path.display())]
    NotADatabase {
        /// The file.
        path: PathBuf,
    },
    /// Another program's database.
    #[error("`{}` is the database of another program; it was left as it is: name another file", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A newer host wrote it.
    #[error("`{}` has schema version {found}, and this host knows {VERSION}: start a newer host", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
    },
    /// The file cannot be read or created.
    #[error("cannot open `{}`", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The database refuses to work.
    #[error("cannot use `{}`: {reason}", path.display())]
    Failed {
        /// The file.
        path: PathBuf,
        /// What is the matter, and what to do.
        reason: String,
        /// What SQLite says.
        source: rusqlite::Error,
    },
}

/// Makes sure that the file is there, is ours and has the present schema. Answers the connection that writes.
pub(super) fn open(options: &SqliteOptions) -> Result<Connection, OpenError> {
    open_as(options, false)
}

/// The same, if nobody else has the file open, nor will have. Answers a connection that only reads.
pub(crate) fn open_alone(options: &SqliteOptions) -> Result<Connection, OpenError> {
    let connection = open_as(options, true)?;
    connection.pragma_update(None, "query_only", true).map_err(|error| failed(&options.path, error))?;
    Ok(connection)
}

fn open_as(options: &SqliteOptions, alone: bool) -> Result<Connection, OpenError> {
    let path = &options.path;
    let io = |source| OpenError::Io { path: path.clone(), source };
    let failed = |source| failed(path, source);
    let is_new = looks_new(path).map_err(io)?.ok_or_else(|| OpenError::NotADatabase { path: path.clone() })?;
    let mut connection = connect(path).map_err(failed)?;
    if alone {
        // It is locked with the first look at it, until the connection is closed.
        connection.pragma_update(None, "locking_mode", "exclusive").map_err(failed)?;
    }
    let empty = prove(&connection, path).map_err(|error| match error {
        OpenError::Failed { source, .. } if source.sqlite_error_code() == Some(rusqlite::ErrorCode::NotADatabase) => {
            OpenError::NotADatabase { path: path.clone() }
        }
        other => other,
    })?;
    if empty {
        // It can be said of an empty file only.
        connection.pragma_update(None, "page_size", PAGE_BYTES.cast_signed()).map_err(failed)?;
    }
    configure_writer(&connection, options).map_err(failed)?;
    migrate(&mut connection).map_err(failed)?;
    if is_new {
        // The file's own name has to be durable too.
        sync_folder(path).map_err(io)?;
    }
    Ok(connection)
}

/// Opens a connection to a file that [`open`] has seen, to write.
pub(super) fn reopen(options: &SqliteOptions) -> rusqlite::Result<Connection> {
    let connection = connect(&options.path)?;
    configure_writer(&connection, options)?;
    Ok(connection)
}

/// Opens a connection that only reads.
pub(super) fn reader(options: &SqliteOptions) -> rusqlite::Result<Connection> {
    let connection = connect(&options.path)?;
    configure(&connection, options)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

/// The database refuses to work.
pub(super) fn failed(path: &Path, source: rusqlite::Error) -> OpenError {
    OpenError::Failed { path: path.to_owned(), reason: explain(&source), source }
}

/// Makes a folder's entries durable.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// Whether there is nothing yet; nothing, if it is certainly no database.
fn looks_new(path: &Path) -> io::Result<Option<bool>> {
    const MAGIC: &[u8; 16] = b"SQLite format 3\0";
    let mut head = Vec::new();
    match File::open(path) {
        Ok(file) => file.take(MAGIC.len() as u64).read_to_end(&mut head)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(error),
    };
    Ok(if head.is_empty() { Some(true) } else { (head == MAGIC).then_some(false) })
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_WAIT)?;
    // Statements are planned once. Otherwise some are planned anew whenever what is bound to them changes.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    Ok(connection)
}

/// Whether the file is ours, and empty.
fn prove(connection: &Connection, path: &Path) -> Result<bool, OpenError> {
    let failed = |source| failed(path, source);
    let ask = |pragma: &str| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let (application, version) = (ask("application_id").map_err(failed)?, ask("user_version").map_err(failed)?);
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(failed)?;
    let empty = application == 0 && version == 0 && tables == 0;
    if application != i64::from(APPLICATION_ID) && !empty {
        return Err(OpenError::Foreign { path: path.to_owned() });
    }
    if version > VERSION as i64 {
        return Err(OpenError::Newer { path: path.to_owned(), found: version });
    }
    Ok(empty)
}

fn configure_writer(connection: &Connection, options: &SqliteOptions) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "journal_size_limit", WAL_BYTES_KEPT)?;
    // It is done beside the commits.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    configure(connection, options)
}

fn configure(connection: &Connection, options: &SqliteOptions) -> rusqlite::Result<()> {
    let synchronous = match options.durability {
        Durability::Full => "full",
        Durability::Normal => "normal",
        Durability::Off => "off",
    };
    connection.pragma_update(None, "synchronous", synchronous)?;
    // Without it, what macOS calls fsync leaves the bytes in the disk's own memory.
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    // Negative: KiB in place of pages.
    let kib = i64::try_from(options.page_cache.0 / 1024).unwrap_or(i64::MAX);
    connection.pragma_update(None, "cache_size", -kib)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    // A read error of a mapped file is a signal that ends the host; of a read it is an error.
    connection.pragma_update(None, "mmap_size", 0)?;
    connection.pragma_update(None, "trusted_schema", false)
}

fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let seen: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let seen = usize::try_from(seen).unwrap_or(0);
    for (at, migration) in MIGRATIONS.iter().enumerate().skip(seen) {
        transaction.execute_batch(migration)?;
        transaction.pragma_update(None, "user_version", i64::try_from(at + 1).unwrap_or(i64::MAX))?;
    }
    if seen == 0 {
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    }
    transaction.commit()
}
