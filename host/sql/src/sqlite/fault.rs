//! What SQLite's errors mean here.

use rusqlite::{ErrorCode, ffi};

use crate::error::{Constraint, Error};

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
                | ErrorCode::PermissionDenied
                | ErrorCode::OutOfMemory
        )
    )
}

/// What the guest is told. `interrupted`: what a statement is told that was interrupted; `length_max`: the longest value.
pub(super) fn tell(error: &rusqlite::Error, interrupted: impl FnOnce() -> Error, length_max: u64) -> Error {
    if let rusqlite::Error::MultipleStatement = error {
        return multiple();
    }
    let Some(found) = error.sqlite_error() else {
        let why = message(error);
        // What the guard says of a function comes as a mistake of the statement's.
        return if why.starts_with("not authorized") { Error::Denied(why) } else { Error::Invalid(why) };
    };
    match found.code {
        ErrorCode::OperationInterrupted => interrupted(),
        ErrorCode::ConstraintViolation => Error::Constraint { kind: constraint(found), message: message(error) },
        ErrorCode::TypeMismatch => Error::Constraint { kind: Constraint::Other, message: message(error) },
        ErrorCode::AuthorizationForStatementDenied => Error::Denied(format!(
            "{}: the file is the host's; guests neither attach files, nor load extensions, nor set pragmas, nor make \
             temporary tables",
            message(error)
        )),
        ErrorCode::ReadOnly => Error::Denied("this only reads".to_owned()),
        ErrorCode::TooBig => Error::TooLarge(length_max),
        ErrorCode::DiskFull => Error::Full,
        ErrorCode::DatabaseBusy if found.extended_code == ffi::SQLITE_BUSY_SNAPSHOT => Error::Conflict,
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Error::Busy,
        _ if breaks(error) => Error::Unavailable(explain(error)),
        _ => Error::Invalid(message(error)),
    }
}

pub(super) fn multiple() -> Error {
    Error::Invalid("one statement at a time: there is another one behind the semicolon".to_owned())
}

fn constraint(found: &ffi::Error) -> Constraint {
    match found.extended_code {
        ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_ROWID => {
            Constraint::Unique
        }
        ffi::SQLITE_CONSTRAINT_FOREIGNKEY => Constraint::ForeignKey,
        ffi::SQLITE_CONSTRAINT_NOTNULL => Constraint::NotNull,
        ffi::SQLITE_CONSTRAINT_CHECK => Constraint::Check,
        _ => Constraint::Other,
    }
}

/// SQLite's message, and where in the statement it is.
fn message(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqlInputError { msg, offset, .. } if *offset >= 0 => format!("{msg} (at byte {offset})"),
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        rusqlite::Error::SqliteFailure(_, Some(message)) => message.clone(),
        other => other.to_string(),
    }
}

/// For people: what is the matter, and what they can do.
pub(super) fn explain(error: &rusqlite::Error) -> String {
    let help = match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => "the file is no SQLite database: give another path, or move the file away",
        Some(ErrorCode::DatabaseCorrupt) => "the file is damaged: keep it, and put a backup in its place",
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => "another program keeps the file locked",
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            "the file cannot be written: look at its permissions"
        }
        Some(ErrorCode::CannotOpen) => "the file cannot be opened: is its folder there, and may the host write to it?",
        Some(ErrorCode::DiskFull) => "the disk is full: make room",
        Some(ErrorCode::SystemIoFailure) => "the disk fails; it is tried again",
        Some(ErrorCode::OutOfMemory) => "there is no memory; it is tried again",
        _ => "unexpected",
    };
    format!("{help} ({error})")
}
