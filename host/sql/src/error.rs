//! Every way to be refused.

/// A statement, a transaction or a session was refused, or its end is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The statement or its parameters are wrong: the database's own message, its position and SQLSTATE where there are any.
    #[error("invalid: {0}")]
    Invalid(String),
    /// A constraint of the schema does not hold; the statement changed nothing.
    #[error("{kind} constraint: {message}")]
    Constraint {
        /// Which.
        kind: Constraint,
        /// The database's message, which names the constraint or the columns.
        message: String,
    },
    /// Guests may not do this, or not with this access.
    #[error("denied: {0}")]
    Denied(String),
    /// Too many wait for a connection already, or it took too long to get one. Nothing was done.
    #[error("the database has too much to do")]
    Busy,
    /// The statement or the transaction took longer than it may; it was undone.
    #[error("it took too long and was undone")]
    Timeout,
    /// A statement, a parameter, a value, a result or their number passes this limit.
    #[error("too large: the limit is {0}")]
    TooLarge(u64),
    /// Another transaction was in the way: a serialization failure, a deadlock, a snapshot that is out of date. The
    /// transaction is undone; begin it again.
    #[error("another transaction was in the way; begin it again")]
    Conflict,
    /// The database has reached its size, or the disk is full.
    #[error("the database is full")]
    Full,
    /// The database cannot be reached, or cannot work now.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
    /// It may or may not have been committed: the connection was lost, or the disk failed, while it was.
    #[error("it is not known whether this was committed")]
    OutcomeUnknown,
}

/// Which constraint does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Constraint {
    /// Unique, or a primary key.
    Unique,
    /// A foreign key.
    ForeignKey,
    /// Not null.
    NotNull,
    /// Check.
    Check,
    /// Another: an exclusion, a trigger's `RAISE`, a datatype.
    Other,
}

impl std::fmt::Display for Constraint {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Unique => "unique",
            Self::ForeignKey => "foreign key",
            Self::NotNull => "not null",
            Self::Check => "check",
            Self::Other => "another",
        })
    }
}
