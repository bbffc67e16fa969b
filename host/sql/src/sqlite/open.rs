//! Opening connections to the file.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::fault::explain;
use super::guard::Guard;
use super::watch::Watch;
use crate::error::Error;
use crate::options::{Durability, SqliteOptions};

/// The log is cut to this after it was brought over into the database.
const LOG_BYTES_KEPT: i64 = 16 << 20;
/// How long a statement waits for another program that has the file. In this process nobody waits so: there is one writer.
const BUSY_WAIT: Duration = Duration::from_secs(1);

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Write,
    Read,
}

/// Opens a connection under guard and watch.
pub(super) fn open(
    options: &SqliteOptions,
    role: Role,
    guard: &Guard,
    watch: &Arc<Watch>,
) -> Result<Connection, Error> {
    let path = &options.path;
    let at = |why: String| Error::Unavailable(format!("`{}`: {why}", path.display()));
    if !looks_right(path).map_err(|error| at(error.to_string()))? {
        return Err(at("the file is no SQLite database: give another path, or move the file away".to_owned()));
    }
    connect(options, role, guard, watch).map_err(|error| at(explain(&error)))
}

fn connect(options: &SqliteOptions, role: Role, guard: &Guard, watch: &Arc<Watch>) -> rusqlite::Result<Connection> {
    // No URIs: a path is a path.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(&options.path, flags)?;
    connection.busy_timeout(BUSY_WAIT)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES_KEPT)?;
    let synchronous = match options.durability {
        Durability::Full => "full",
        Durability::Normal => "normal",
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
    connection.pragma_update(None, "foreign_keys", true)?;
    if role == Role::Write {
        let page: i64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let pages = i64::try_from(options.size_max.0).unwrap_or(i64::MAX) / page.max(1);
        // It answers with the new limit, which is never below what is there already.
        connection.pragma_update_and_check(None, "max_page_count", pages.clamp(1, 4_294_967_294), |_| Ok(()))?;
    } else {
        connection.pragma_update(None, "query_only", true)?;
    }
    guard.attach(&mut connection)?;
    watch.attach(&mut connection)?;
    Ok(connection)
}

/// Whether there is nothing yet, or a database. SQLite itself looks only when it reads, and would take a short file for new.
fn looks_right(path: &Path) -> io::Result<bool> {
    const MAGIC: &[u8; 16] = b"SQLite format 3\0";
    let mut head = Vec::new();
    match File::open(path) {
        Ok(file) => file.take(MAGIC.len() as u64).read_to_end(&mut head)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(error),
    };
    Ok(head.is_empty() || head == MAGIC)
}
