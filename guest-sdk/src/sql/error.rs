//! What only a database refuses: that a rule of its schema is broken.

use std::fmt;

use super::host;
use crate::{Error, StatusCode, capability::refused};

/// A rule of the schema does not hold; the statement changed nothing, and neither does the transaction that it was part of. [`Error::violation`](crate::Error::violation) finds it.
///
/// `?` makes it a 409 if it is a key that is taken or that is not there, and a 500 otherwise: what a client sends is checked
/// before it becomes a row.
///
/// ```
/// # use skep_sdk::{prelude::*, sql, test};
/// # test::database("main").run("create table users (name text primary key)");
/// fn sign_up(name: String) -> Result<StatusCode> {
///     let db = sql::Database::open("main")?;
///     match db.execute("insert into users values (?1)", params![&name]) {
///         Err(error) if error.violation().is_some_and(sql::Violation::is_unique) => {
///             Err(error).reject(StatusCode::CONFLICT, "that name is taken")
///         }
///         inserted => inserted.map(|_| StatusCode::CREATED),
///     }
/// }
///
/// assert_eq!(test::post("/").body("maja").send(sign_up).status(), 201);
/// assert_eq!(test::post("/").body("maja").send(sign_up).error_message(), "that name is taken");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// Which rule.
    pub constraint: Constraint,
    /// The database's own words, which name the columns or the constraint.
    pub message: String,
}

/// Which rule of a schema does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Constraint {
    /// Unique, or a primary key.
    Unique,
    /// A foreign key: what is pointed at is not there, or what is to go is pointed at.
    ForeignKey,
    /// Not null.
    NotNull,
    /// A check.
    Check,
    /// Another: an exclusion, a trigger's, a type.
    Other,
}

impl Violation {
    /// Whether a key is taken.
    #[must_use]
    pub fn is_unique(&self) -> bool {
        self.constraint == Constraint::Unique
    }

    pub(crate) fn status(&self) -> StatusCode {
        match self.constraint {
            Constraint::Unique | Constraint::ForeignKey => StatusCode::CONFLICT,
            Constraint::NotNull | Constraint::Check | Constraint::Other => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.constraint, self.message)
    }
}

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unique => "a key is taken",
            Self::ForeignKey => "a foreign key does not hold",
            Self::NotNull => "a value is missing",
            Self::Check => "a check does not hold",
            Self::Other => "a rule does not hold",
        })
    }
}

impl std::error::Error for Violation {}

impl From<host::Violation> for Violation {
    fn from(violation: host::Violation) -> Self {
        let constraint = match violation.constraint {
            host::Constraint::Unique => Constraint::Unique,
            host::Constraint::ForeignKey => Constraint::ForeignKey,
            host::Constraint::NotNull => Constraint::NotNull,
            host::Constraint::Check => Constraint::Check,
            host::Constraint::Other => Constraint::Other,
        };
        Self { constraint, message: violation.message }
    }
}

/// A refusal with what the plugin was doing, a verb first.
pub(super) fn refused_by(refusal: host::Refusal, doing: String) -> Error {
    match refusal {
        host::Refusal::Violated(violation) => Error::from(Violation::from(violation)).context(doing),
        host::Refusal::Other(error) => refused(error, doing),
    }
}
