//! A copy of the store at one moment.

use std::fs::{self, File};
use std::path::Path;

use super::open::{self, sync_folder};
use super::options::SqliteOptions;
use crate::error::Error;

/// Writes the copy beside its place, makes it durable and then gives it its name, so that there is never half a copy.
/// Writes go on meanwhile; the log cannot shrink before the copy is done.
pub(super) fn backup(options: &SqliteOptions, to: &Path) -> Result<u64, Error> {
    let failed =
        |what: &str, error: &dyn std::fmt::Display| Error::Unavailable(format!("{what} `{}`: {error}", to.display()));
    if to.exists() {
        return Err(Error::Invalid(format!("`{}` is there already; a backup overwrites nothing", to.display())));
    }
    let mut partial = to.as_os_str().to_owned();
    partial.push(".partial");
    let partial = Path::new(&partial);
    // What an earlier attempt left behind.
    _ = fs::remove_file(partial);
    let copied = copy(options, partial).map_err(|error| failed("cannot copy the store to", &error));
    let bytes = copied.and_then(|()| {
        let named = File::open(partial)
            .and_then(|file| file.sync_all().and_then(|()| file.metadata()))
            .and_then(|metadata| fs::rename(partial, to).map(|()| metadata.len()))
            .and_then(|bytes| sync_folder(to).map(|()| bytes));
        named.map_err(|error| failed("cannot finish the backup", &error))
    });
    if bytes.is_err() {
        _ = fs::remove_file(partial);
    }
    bytes
}

fn copy(options: &SqliteOptions, to: &Path) -> rusqlite::Result<()> {
    let connection = open::reader(options)?;
    // It writes to another file than the one that is only read.
    connection.pragma_update(None, "query_only", false)?;
    let to = to.to_str().ok_or_else(|| rusqlite::Error::InvalidPath(to.to_owned()))?;
    connection.execute("VACUUM INTO ?1", [to])?;
    Ok(())
}
