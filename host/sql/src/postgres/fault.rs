//! What PostgreSQL's errors mean here.

use fallible_iterator::FallibleIterator as _;
use postgres_protocol::message::backend::ErrorResponseBody;

use crate::error::{Constraint, Error};

/// Why a question was not answered as it should.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The server refuses; the connection is as good as before, a transaction on it is not.
    Server(Box<ServerError>),
    /// The server has said why it ends the connection.
    Ended(Box<ServerError>),
    /// The connection is lost.
    Lost(String),
    /// The server has not answered in time.
    Late,
    /// The host has had enough, in the middle of the answer.
    Refused(Error),
}

/// An error as a server tells it.
#[derive(Debug, Default)]
pub(super) struct ServerError {
    severity: String,
    pub(super) code: String,
    message: String,
    detail: String,
    hint: String,
    position: Option<u64>,
    routine: String,
    own: Option<Error>,
}

impl ServerError {
    pub(super) fn read(body: &ErrorResponseBody) -> Box<Self> {
        let mut error = Box::<Self>::default();
        let mut fields = body.fields();
        while let Ok(Some(field)) = fields.next() {
            let value = String::from_utf8_lossy(field.value_bytes()).into_owned();
            match field.type_() {
                b'S' if error.severity.is_empty() => error.severity = value,
                // The same, whatever the server's language.
                b'V' => error.severity = value,
                b'C' => error.code = value,
                b'M' => error.message = value,
                b'D' => error.detail = value,
                b'H' => error.hint = value,
                b'P' => error.position = value.parse().ok(),
                b'R' => error.routine = value,
                _ => {}
            }
        }
        error
    }

    /// One that the host has noticed, and no server.
    pub(super) fn own(error: Error) -> Box<Self> {
        Box::new(Self { own: Some(error), ..Self::default() })
    }

    pub(super) fn ends_connection(&self) -> bool {
        self.severity == "FATAL" || self.severity == "PANIC"
    }

    /// Whether what was prepared is out of date, and nothing was done.
    pub(super) fn is_stale(&self) -> bool {
        self.routine == "RevalidateCachedQuery" || self.code == "26000"
    }

    /// The character of the statement, from 1.
    pub(super) fn position(&self) -> Option<u64> {
        self.position
    }

    pub(super) fn explain(&self) -> String {
        let mut text = self.message.clone();
        for more in [&self.detail, &self.hint] {
            if !more.is_empty() {
                text.push_str("; ");
                text.push_str(more);
            }
        }
        let place = self.position.map_or_else(String::new, |position| format!(", at character {position}"));
        format!("{text} (SQLSTATE {}{place})", self.code)
    }

    fn tell(self) -> Error {
        if let Some(own) = self.own {
            return own;
        }
        let constraint = |kind| Error::Constraint { kind, message: self.explain() };
        match self.code.as_str() {
            "23505" => constraint(Constraint::Unique),
            "23503" => constraint(Constraint::ForeignKey),
            "23502" => constraint(Constraint::NotNull),
            "23514" => constraint(Constraint::Check),
            "40001" | "40P01" => Error::Conflict,
            // A statement's own time, a lock's, an idle transaction's and a transaction's.
            "57014" | "55P03" | "25P03" | "25P04" => Error::Timeout,
            "53100" => Error::Full,
            // No right to do so; a transaction that only reads.
            "42501" | "25006" => Error::Denied(self.explain()),
            "0A000" if self.is_stale() => Error::Conflict,
            code => match code.get(..2) {
                Some("23") => constraint(Constraint::Other),
                Some("08" | "28" | "53" | "57" | "58") => Error::Unavailable(self.explain()),
                _ => Error::Invalid(self.explain()),
            },
        }
    }
}

impl Trouble {
    /// What the guest is told; nothing was written.
    pub(super) fn tell(self) -> Error {
        match self {
            Self::Server(error) => error.tell(),
            Self::Ended(error) => match error.tell() {
                // What is lost with its connection is lost for no mistake of the guest's.
                told @ (Error::Timeout | Error::Unavailable(_)) => told,
                told => Error::Unavailable(told.to_string()),
            },
            Self::Lost(why) => Error::Unavailable(format!("the connection to PostgreSQL was lost: {why}")),
            Self::Late => Error::Timeout,
            Self::Refused(error) => error,
        }
    }

    /// The same, of what may have been committed.
    pub(super) fn tell_commit(self) -> Error {
        match self {
            Self::Server(error) => error.tell(),
            Self::Refused(error) => error,
            Self::Ended(_) | Self::Lost(_) | Self::Late => Error::OutcomeUnknown,
        }
    }

    /// The same trouble before anything was carried out.
    pub(super) fn before(self) -> Self {
        match self {
            Self::Server(error) => Self::Server(error),
            other => Self::Refused(other.tell()),
        }
    }
}
