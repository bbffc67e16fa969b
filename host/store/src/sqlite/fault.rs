//! What SQLite's errors mean here.

use rusqlite::ErrorCode;

/// Why an operation did not get to its end.
pub(super) enum Stop<E> {
    /// It is refused; nothing was written.
    Refused(E),
    /// The database failed.
    Fault(rusqlite::Error),
}

impl<E> From<rusqlite::Error> for Stop<E> {
    fn from(error: rusqlite::Error) -> Self {
        Self::Fault(error)
    }
}

impl<E> From<rusqlite::types::FromSqlError> for Stop<E> {
    fn from(error: rusqlite::types::FromSqlError) -> Self {
        Self::Fault(error.into())
    }
}

/// Ends an operation as refused.
pub(super) fn refuse<T, E>(error: impl Into<E>) -> Result<T, Stop<E>> {
    Err(Stop::Refused(error.into()))
}

/// Whether the connection cannot be relied on any more.
pub(super) fn breaks(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::SystemIoFailure
                | ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                | ErrorCode::CannotOpen
                | ErrorCode::FileLockingProtocolFailed
                | ErrorCode::ReadOnly
                | ErrorCode::PermissionDenied
                | ErrorCode::OutOfMemory
        )
    )
}

/// Whether the connection is as good as before, and there was only no room.
pub(super) fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DiskFull)
}

/// Whether it would be the same for every operation: another program keeps the file locked.
pub(crate) fn is_locked(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// For people: what is the matter, and what they can do.
pub(crate) fn explain(error: &rusqlite::Error) -> String {
    let help = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "the disk is full: make room; writes go on by themselves",
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            "the file is damaged: stop the host, keep the file, and put a backup in its place"
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => "another program keeps the file locked",
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            "the file cannot be written: look at its permissions"
        }
        Some(ErrorCode::SystemIoFailure) => "the disk fails; it is tried again",
        Some(ErrorCode::CannotOpen) => "the file cannot be opened; it is tried again",
        _ => "unexpected",
    };
    format!("{help} ({error})")
}
