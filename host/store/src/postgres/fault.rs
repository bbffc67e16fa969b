//! What PostgreSQL's errors mean here.

use tokio_postgres::error::{Severity, SqlState};

use crate::error::Error;

/// Something that no argument is to blame for.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    /// The connection is lost, or the server says nothing. What was not committed is undone.
    Gone(String),
    /// The same, and a commit was on its way.
    Unknown(String),
    /// Another host was in the way: the same may succeed if it is done again.
    Again(String),
    /// The server refuses for another reason.
    Failed(String),
    /// Others have taken this host for dead, and what it had is theirs.
    Dead,
}

/// Why a write did not come to its end.
pub(super) enum Stop<E> {
    /// It is refused.
    Refused(E),
    /// It wants what is not loaded yet, which has been written down as wanted.
    Missing,
}

/// What is not loaded yet, and has been written down as wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Missing;

impl<E> From<Missing> for Stop<E> {
    fn from(Missing: Missing) -> Self {
        Self::Missing
    }
}

/// Refuses.
pub(super) fn refuse<T, E, F: From<E>>(error: E) -> Result<T, Stop<F>> {
    Err(Stop::Refused(error.into()))
}

/// What cannot be is refused as a failure of the store, so that the neighbours go on.
pub(super) fn broken(what: &str) -> Error {
    Error::Unavailable(format!("the store has met what cannot be: {what}"))
}

impl Fault {
    /// What an error of the client library means. `before_commit`: a commit was on its way, and whether this is the answer to
    /// what was before it.
    pub(super) fn of(error: &tokio_postgres::Error, before_commit: Option<bool>) -> Self {
        let Some(db) = error.as_db_error() else {
            return Self::gone(describe(error), before_commit.is_some());
        };
        let advice = advice(db.code()).map_or(String::new(), |advice| format!("; {advice}"));
        let text = format!("{} ({}){advice}", db.message(), db.code().code());
        // A session that is ended from the other side says so first; a commit that it had not come to is undone. A pooler that
        // has lost the server says so too, and does not know how far that came. It does not say the severity twice, as servers do.
        let of_server = db.parsed_severity();
        if of_server.map_or(db.severity() == "FATAL", |severity| severity == Severity::Fatal) {
            let is_lost = of_server.is_none() || db.code().code().starts_with("08");
            return Self::gone(text, before_commit.is_some_and(|before| !before || is_lost));
        }
        match *db.code() {
            SqlState::T_R_SERIALIZATION_FAILURE
            | SqlState::T_R_DEADLOCK_DETECTED
            | SqlState::UNIQUE_VIOLATION
            | SqlState::LOCK_NOT_AVAILABLE => Self::Again(text),
            _ => Self::Failed(text),
        }
    }

    pub(super) const fn gone(why: String, committing: bool) -> Self {
        if committing { Self::Unknown(why) } else { Self::Gone(why) }
    }

    pub(super) fn text(&self) -> &str {
        match self {
            Self::Gone(text) | Self::Unknown(text) | Self::Again(text) | Self::Failed(text) => text,
            Self::Dead => "other hosts have taken this one for dead",
        }
    }

    /// Whether the connection is of no use any more.
    pub(super) const fn breaks(&self) -> bool {
        matches!(self, Self::Gone(_) | Self::Unknown(_))
    }

    /// Of what may be there or not, and does no harm if it is.
    pub(super) fn harmless(self) -> Self {
        if let Self::Unknown(text) = self { Self::Gone(text) } else { self }
    }

    /// For whoever asked.
    pub(super) fn error(&self) -> Error {
        match self {
            Self::Gone(text) => Error::Unavailable(format!("the database is out of reach: {text}")),
            Self::Unknown(_) => Error::OutcomeUnknown,
            Self::Again(text) => Error::Unavailable(format!("other hosts were in the way too often: {text}")),
            Self::Failed(text) => Error::Unavailable(format!("the database refuses to work: {text}")),
            Self::Dead => Error::Unavailable(self.text().to_owned()),
        }
    }
}

/// An error with its cause, and what to do about it. The library's errors hold no password.
pub(super) fn describe(error: &tokio_postgres::Error) -> String {
    let text = match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    };
    let advice = match error.code() {
        Some(code) => advice(code),
        None if is_refused(error) => Some("there is no server: start it, or correct host and port in the URL"),
        None => None,
    };
    match advice {
        Some(advice) => format!("{text}; {advice}"),
        None => text,
    }
}

fn is_refused(error: &tokio_postgres::Error) -> bool {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<std::io::Error>());
    cause.is_some_and(|cause| cause.kind() == std::io::ErrorKind::ConnectionRefused)
}

/// What to do about an error that people can do something about.
fn advice(code: &SqlState) -> Option<&'static str> {
    Some(match *code {
        SqlState::INVALID_PASSWORD | SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
            "see to the user and the password in the URL, and to `pg_hba.conf`"
        }
        SqlState::INVALID_CATALOG_NAME => "create the database (`createdb`), or name another one in the URL",
        SqlState::INSUFFICIENT_PRIVILEGE => {
            "let the user create schemas (`GRANT CREATE ON DATABASE`), or create the schema for it \
             (`CREATE SCHEMA … AUTHORIZATION`)"
        }
        SqlState::INVALID_SQL_STATEMENT_NAME | SqlState::DUPLICATE_PSTATEMENT => {
            "a pooler seems to be in between: set `pooled = true`, or name the server itself in the URL"
        }
        SqlState::UNDEFINED_TABLE => {
            "the schema is there no more, or a pooler is in between: restore it; set `pooled = true`, or name the server itself \
             in the URL"
        }
        SqlState::LOCK_NOT_AVAILABLE => "another host is in the way, or a copy of a store: try again when it is done",
        SqlState::DISK_FULL => "make room on the server's disk",
        SqlState::TOO_MANY_CONNECTIONS => "let the server take more (`max_connections`), or put a pooler before it",
        _ => return None,
    })
}
