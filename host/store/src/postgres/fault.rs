//! What PostgreSQL's errors mean here.

use tokio_postgres::error::SqlState;

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
        let text = format!("{} ({})", db.message(), db.code().code());
        // A session that is ended from the other side says so first; a commit that it had not come to is undone.
        let over = db.parsed_severity().is_some_and(|severity| severity == tokio_postgres::error::Severity::Fatal);
        if over {
            return Self::gone(text, before_commit == Some(false));
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
        let (Self::Gone(text) | Self::Unknown(text) | Self::Again(text) | Self::Failed(text)) = self;
        text
    }

    /// Whether the connection is of no use any more.
    pub(super) const fn breaks(&self) -> bool {
        matches!(self, Self::Gone(_) | Self::Unknown(_))
    }

    /// For whoever asked.
    pub(super) fn error(&self) -> Error {
        match self {
            Self::Gone(text) => Error::Unavailable(format!("the database is out of reach: {text}")),
            Self::Unknown(_) => Error::OutcomeUnknown,
            Self::Again(text) => Error::Unavailable(format!("other hosts were in the way too often: {text}")),
            Self::Failed(text) => Error::Unavailable(format!("the database refuses to work: {text}")),
        }
    }
}

/// An error with its cause. The library's errors hold no password.
pub(super) fn describe(error: &tokio_postgres::Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
