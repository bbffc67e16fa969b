//! The 4xx of an extractor, and the one shape of all error bodies.

use std::{borrow::Cow, fmt};

use serde::Serialize;

use crate::{Bytes, HeaderValue, IntoResponse, Response, StatusCode, header};

/// Why an extractor refused a request, in words for the client:
/// `{"error":{"code":"invalid-json","message":"field `price`: ..."}}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    status: StatusCode,
    code: Cow<'static, str>,
    message: Cow<'static, str>,
}

impl Rejection {
    /// A rejection with a name for programs, "invalid-token", and a message for people.
    pub fn new(status: StatusCode, code: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code: code.into(), message: message.into() }
    }

    /// The status that the client gets.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The name for programs.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The message for people.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn into_parts(self) -> (StatusCode, Cow<'static, str>, Cow<'static, str>) {
        (self.status, self.code, self.message)
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Rejection {}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        error_response(self.status, Some(&self.code), Some(&self.message))
    }
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    error: ErrorInfo<'a>,
}

#[derive(Serialize)]
struct ErrorInfo<'a> {
    code: &'a str,
    message: &'a str,
}

/// The body of every error that this crate answers. What is not given follows from the status.
pub(crate) fn error_response(status: StatusCode, code: Option<&str>, message: Option<&str>) -> Response {
    let phrase = status.canonical_reason().unwrap_or("Error");
    let code = code.map_or_else(|| kebab(phrase), Cow::Borrowed);
    let error = ErrorInfo { code: &code, message: message.unwrap_or(phrase) };
    let body = serde_json::to_vec(&ErrorBody { error }).expect("two strings are always JSON");
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// "Not Found" to "not-found", "I'm a teapot" to "im-a-teapot".
fn kebab(phrase: &str) -> Cow<'static, str> {
    let letters = phrase.chars().filter(|c| *c != '\'');
    letters.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect::<String>().into()
}
