//! The error of a handler: anything by `?`, told to the operator in full and to the client not at all.

use std::{borrow::Cow, fmt};

use crate::{
    CapabilityError, IntoResponse, Rejection, Response, StatusCode,
    process::{CallError, StartError},
    sql::Violation,
    store::CommitError,
    web::error_response,
};

/// A handler's result; the error is [`Error`] unless another is named.
pub type Result<T, E = Error> = std::result::Result<T, E>;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What a handler fails with.
///
/// `?` turns every error into one: the client gets a 500 that says no more than that, because an error's text may hold
/// secrets or another client's data; the text and its causes go to stderr, which the host logs with the request's id.
/// What the client *should* know is said on purpose, with [`Error::new`], [`ResultExt::reject`] or a [`Rejection`].
/// A refusal of the host has a status of its own: see [`CapabilityError::status`].
///
/// ```
/// use skep_sdk::prelude::*;
///
/// fn total(body: String) -> Result<impl IntoResponse> {
///     let numbers = body.lines().map(str::parse::<i64>).collect::<Result<Vec<_>, _>>();
///     let numbers = numbers.reject(StatusCode::UNPROCESSABLE_ENTITY, "one whole number per line, please")?;
///     let rate = std::env::var("RATE").context("reading RATE")?.parse::<i64>()?;
///     Ok((numbers.iter().sum::<i64>() * rate).to_string())
/// }
/// ```
///
/// It does not implement [`std::error::Error`] itself, as `anyhow::Error` does not, so that `?` can convert the rest.
pub struct Error(Box<Inner>);

struct Inner {
    status: StatusCode,
    code: Option<Cow<'static, str>>,
    /// For the client.
    message: Option<Cow<'static, str>>,
    /// For the log, innermost first.
    contexts: Vec<Cow<'static, str>>,
    cause: Option<BoxError>,
}

impl Error {
    /// An error whose `message` the client reads.
    pub fn new(status: StatusCode, message: impl Into<Cow<'static, str>>) -> Self {
        let mut error = Self::from_cause(None);
        error.0.message = Some(message.into());
        error.status(status)
    }

    /// Answers with `status`. The client's message becomes the status's own phrase unless there is a better one.
    #[must_use]
    pub fn status(mut self, status: StatusCode) -> Self {
        self.0.status = status;
        self
    }

    /// A name for clients' programs to go by, "out-of-stock"; by default it follows from the status, "not-found".
    #[must_use]
    pub fn code(mut self, code: impl Into<Cow<'static, str>>) -> Self {
        self.0.code = Some(code.into());
        self
    }

    /// What the handler was doing, a verb first: "reading the price list". For the log, not for the client.
    #[must_use]
    pub fn context(mut self, doing: impl Into<Cow<'static, str>>) -> Self {
        self.0.contexts.push(doing.into());
        self
    }

    /// Why the host refused, if that is what went wrong.
    #[must_use]
    pub fn capability(&self) -> Option<&CapabilityError> {
        self.0.cause.as_deref()?.downcast_ref()
    }

    /// Which rule of a database's schema was broken, if that is what went wrong.
    #[must_use]
    pub fn violation(&self) -> Option<&Violation> {
        self.0.cause.as_deref()?.downcast_ref()
    }

    /// Whether it is news to the operator.
    pub(crate) fn is_server_error(&self) -> bool {
        self.0.status.is_server_error()
    }

    pub(crate) fn status_code(&self) -> u16 {
        self.0.status.as_u16()
    }

    /// The code, if there is one, and the words for the client.
    pub(crate) fn for_client(&self) -> (Option<&str>, &str) {
        let Inner { status, code, message, .. } = &*self.0;
        (code.as_deref(), message.as_deref().or(status.canonical_reason()).unwrap_or("unknown error"))
    }

    /// What went wrong, as it was before it became this.
    pub(crate) fn cause<T: std::error::Error + 'static>(&self) -> Option<&T> {
        self.0.cause.as_deref()?.downcast_ref()
    }

    fn from_cause(cause: Option<BoxError>) -> Self {
        Self(Box::new(Inner {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            code: None,
            message: None,
            contexts: Vec::new(),
            cause,
        }))
    }
}

impl<E: Into<BoxError>> From<E> for Error {
    fn from(error: E) -> Self {
        let cause = match error.into().downcast::<Rejection>() {
            // A rejection is written for the client, so it passes as it is.
            Ok(rejection) => {
                let (status, code, message) = rejection.into_parts();
                return Self::new(status, message).code(code);
            }
            Err(cause) => cause,
        };
        // So are those that have an error of the host in them: it is found there.
        let cause = match cause.downcast::<CommitError>() {
            Ok(refused) => return refused.into_error(),
            Err(cause) => cause,
        };
        let cause = match cause.downcast::<CallError>() {
            Ok(failed) => return failed.into_error(),
            Err(cause) => cause,
        };
        let cause = match cause.downcast::<StartError>() {
            Ok(failed) => return failed.into_error(),
            Err(cause) => cause,
        };
        let of_host = cause.downcast_ref().map(CapabilityError::status);
        let status = of_host.or_else(|| cause.downcast_ref().map(Violation::status));
        let error = Self::from_cause(Some(cause));
        match status {
            Some(status) => error.status(status),
            None => error,
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let Inner { status, code, message, .. } = &*self.0;
        // A client's mistake is no news to the operator.
        if status.is_server_error() {
            eprintln!("error: {self}");
        }
        error_response(*status, code.as_deref(), message.as_deref())
    }
}

/// The operator's view: contexts outermost first, then the error and its causes, joined by ": ".
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { status, message, contexts, cause, .. } = &*self.0;
        for context in contexts.iter().rev() {
            write!(f, "{context}: ")?;
        }
        let Some(cause) = cause else {
            return f.write_str(message.as_deref().or(status.canonical_reason()).unwrap_or("unknown error"));
        };
        write!(f, "{cause}")?;
        let mut next = cause.source();
        while let Some(cause) = next {
            write!(f, ": {cause}")?;
            next = cause.source();
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({self})", self.0.status)
    }
}

/// Another status, or a word to the log, on the way of a `?`. For an `Option`, `None` is the error.
///
/// A plugin that also uses `anyhow::Context` has two methods named `context`; leave one of the traits out.
pub trait ResultExt<T>: Sized {
    /// Answers an error with `status` and the status's own phrase. The details stay between you and the log.
    ///
    /// # Errors
    /// The error that `self` holds, if it does.
    fn status(self, status: StatusCode) -> Result<T>;

    /// Answers an error with `status` and a `message` for the client.
    ///
    /// # Errors
    /// The error that `self` holds, if it does.
    fn reject(self, status: StatusCode, message: impl Into<Cow<'static, str>>) -> Result<T>;

    /// Says what the handler was doing, for the log: "reading the price list".
    ///
    /// # Errors
    /// The error that `self` holds, if it does.
    fn context(self, doing: impl Into<Cow<'static, str>>) -> Result<T>;
}

impl<T, E: Into<Error>> ResultExt<T> for std::result::Result<T, E> {
    fn status(self, status: StatusCode) -> Result<T> {
        self.map_err(|error| error.into().status(status))
    }

    fn reject(self, status: StatusCode, message: impl Into<Cow<'static, str>>) -> Result<T> {
        self.map_err(|error| {
            let mut error = error.into().status(status);
            error.0.message = Some(message.into());
            error.0.code = None;
            error
        })
    }

    fn context(self, doing: impl Into<Cow<'static, str>>) -> Result<T> {
        self.map_err(|error| error.into().context(doing))
    }
}

impl<T> ResultExt<T> for Option<T> {
    fn status(self, status: StatusCode) -> Result<T> {
        self.ok_or_else(|| Error::from_cause(None).status(status))
    }

    fn reject(self, status: StatusCode, message: impl Into<Cow<'static, str>>) -> Result<T> {
        self.ok_or_else(|| Error::new(status, message))
    }

    fn context(self, doing: impl Into<Cow<'static, str>>) -> Result<T> {
        self.ok_or_else(|| Error::from("nothing there").context(doing))
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    fn body(error: Error) -> (u16, serde_json::Value) {
        let response = error.into_response();
        (response.status().as_u16(), serde_json::from_slice(response.body()).unwrap())
    }

    fn fails() -> Result<()> {
        Err(io::Error::other("password is hunter2"))?;
        Ok(())
    }

    #[test]
    fn a_converted_error_leaks_nothing_to_the_client() {
        let error = fails().context("opening the vault").unwrap_err();
        assert_eq!(error.to_string(), "opening the vault: password is hunter2");
        let (status, body) = body(error);
        assert_eq!(status, 500);
        assert_eq!(
            body,
            serde_json::json!({"error": {"code": "internal-server-error", "message": "Internal Server Error"}})
        );
    }

    #[test]
    fn a_status_alone_leaks_nothing_either() {
        let (status, body) = body(fails().status(StatusCode::BAD_GATEWAY).unwrap_err());
        assert_eq!(status, 502);
        assert_eq!(body["error"]["message"], "Bad Gateway");
    }

    #[test]
    fn a_message_said_on_purpose_reaches_the_client() {
        let (status, body) = body(fails().reject(StatusCode::CONFLICT, "taken").unwrap_err());
        assert_eq!(
            (status, &body["error"]["code"], &body["error"]["message"]),
            (409, &"conflict".into(), &"taken".into())
        );
    }

    #[test]
    fn none_is_an_error() {
        let (status, _) = body(None::<()>.status(StatusCode::NOT_FOUND).unwrap_err());
        assert_eq!(status, 404);
        assert_eq!(None::<()>.context("looking").unwrap_err().to_string(), "looking: nothing there");
    }

    #[test]
    fn a_rejection_passes_as_it_is() {
        fn handler() -> Result<()> {
            Err(Rejection::new(StatusCode::GONE, "left", "it left"))?;
            Ok(())
        }
        let (status, body) = body(handler().unwrap_err());
        assert_eq!(
            (status, &body["error"]["code"], &body["error"]["message"]),
            (410, &"left".into(), &"it left".into())
        );
    }

    #[test]
    fn text_is_an_error_too() {
        fn handler() -> Result<()> {
            Err("out of honey")?;
            Ok(())
        }
        assert_eq!(format!("{:?}", handler().unwrap_err()), "500 Internal Server Error (out of honey)");
    }
}
