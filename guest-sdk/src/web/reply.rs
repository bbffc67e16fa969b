//! What a handler may answer.

use std::{borrow::Cow, convert::Infallible};

use crate::{Bytes, Error, HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};

/// An answer: anything that becomes a response.
///
/// ```
/// use skep_sdk::prelude::*;
///
/// fn created() -> impl IntoResponse {
///     (StatusCode::CREATED, [("x-hive", "7")], Json(json!({"id": 7})))
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an answer",
    label = "a handler cannot answer this",
    note = "a handler answers text, bytes, `Json(..)`, `Html(..)`, a `StatusCode`, a `Redirect`, a `Response`, a tuple such as `(StatusCode, Json(..))`, or a `Result` of answers"
)]
pub trait IntoResponse {
    /// Makes the response. Must not panic: what cannot be sent becomes an error response.
    fn into_response(self) -> Response;
}

/// What stands before the body in a tuple: a [`StatusCode`], headers, [`Cookies`](crate::Cookies).
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot stand before the body of an answer",
    note = "a `StatusCode`, a `HeaderMap`, an array such as `[(\"x-name\", \"value\")]` and `Cookies` can; the body comes last"
)]
pub trait ResponsePart {
    /// Adds itself to a response. Headers replace those of the same name, except cookies.
    ///
    /// # Errors
    /// When this cannot be part of a response, as a header value with a line break; it is answered as a 500.
    fn apply(self, response: &mut Response) -> Result<(), Error>;
}

/// An HTML page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Html<T>(
    /// The page: text or bytes.
    pub T,
);

impl<T: Into<Bytes>> IntoResponse for Html<T> {
    fn into_response(self) -> Response {
        typed(HeaderValue::from_static("text/html; charset=utf-8"), self.0)
    }
}

/// A 200 with a body of that media type.
pub(crate) fn typed(content_type: HeaderValue, body: impl Into<Bytes>) -> Response {
    let mut response = Response::new(body.into());
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}

macro_rules! bodies {
    ($content_type:literal: $($body:ty),*) => {$(
        impl IntoResponse for $body {
            fn into_response(self) -> Response {
                typed(HeaderValue::from_static($content_type), self)
            }
        }
    )*};
}

bodies!("text/plain; charset=utf-8": &'static str, String);
bodies!("application/octet-stream": &'static [u8], Vec<u8>, Bytes);

impl IntoResponse for Cow<'static, str> {
    fn into_response(self) -> Response {
        match self {
            Cow::Borrowed(text) => text.into_response(),
            Cow::Owned(text) => text.into_response(),
        }
    }
}

impl IntoResponse for Response {
    fn into_response(self) -> Response {
        self
    }
}

/// An empty 200.
impl IntoResponse for () {
    fn into_response(self) -> Response {
        Response::default()
    }
}

/// That status and no body.
impl IntoResponse for StatusCode {
    fn into_response(self) -> Response {
        let mut response = Response::default();
        *response.status_mut() = self;
        response
    }
}

impl IntoResponse for HeaderMap {
    fn into_response(self) -> Response {
        (self, ()).into_response()
    }
}

impl IntoResponse for Infallible {
    fn into_response(self) -> Response {
        match self {}
    }
}

impl<T: IntoResponse, E: IntoResponse> IntoResponse for Result<T, E> {
    fn into_response(self) -> Response {
        match self {
            Ok(answer) => answer.into_response(),
            Err(error) => error.into_response(),
        }
    }
}

impl ResponsePart for StatusCode {
    fn apply(self, response: &mut Response) -> Result<(), Error> {
        *response.status_mut() = self;
        Ok(())
    }
}

impl ResponsePart for HeaderMap {
    fn apply(self, response: &mut Response) -> Result<(), Error> {
        response.headers_mut().extend(self);
        Ok(())
    }
}

/// Any names and values that may be headers; one name may stand more than once.
impl<N, V, const COUNT: usize> ResponsePart for [(N, V); COUNT]
where
    N: TryInto<HeaderName>,
    N::Error: Into<http::Error>,
    V: TryInto<HeaderValue>,
    V::Error: Into<http::Error>,
{
    fn apply(self, response: &mut Response) -> Result<(), Error> {
        let mut headers = HeaderMap::with_capacity(COUNT);
        for (name, value) in self {
            let name = name.try_into().map_err(|error| Error::from(error.into()).context("naming a header"))?;
            let value = value
                .try_into()
                .map_err(|error| Error::from(error.into()).context(format!("setting the header `{name}`")))?;
            headers.append(name, value);
        }
        headers.apply(response)
    }
}

macro_rules! tuples {
    ($($part:ident),+) => {
        impl<$($part: ResponsePart,)+ T: IntoResponse> IntoResponse for ($($part,)+ T) {
            #[allow(non_snake_case)]
            fn into_response(self) -> Response {
                let ($($part,)+ body) = self;
                let mut response = body.into_response();
                $(
                    if let Err(error) = $part.apply(&mut response) {
                        return error.into_response();
                    }
                )+
                response
            }
        }
    };
}

tuples!(A);
tuples!(A, B);
tuples!(A, B, C);
tuples!(A, B, C, D);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Json, json};

    fn header<'a>(response: &'a Response, name: &str) -> &'a [u8] {
        response.headers()[name].as_bytes()
    }

    #[test]
    fn bodies_carry_their_media_type() {
        assert_eq!(header(&"hi".into_response(), "content-type"), b"text/plain; charset=utf-8");
        assert_eq!(header(&Html("<p>").into_response(), "content-type"), b"text/html; charset=utf-8");
        assert_eq!(header(&vec![1_u8].into_response(), "content-type"), b"application/octet-stream");
        let json = Json(json!({"a": 1})).into_response();
        assert_eq!((header(&json, "content-type"), &json.body()[..]), (&b"application/json"[..], &br#"{"a":1}"#[..]));
    }

    #[test]
    fn parts_stand_before_the_body_and_replace_headers() {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("text/css"));
        let response = (StatusCode::CREATED, headers, [("x-a", "1"), ("x-a", "2")], "p {}").into_response();
        assert_eq!(response.status(), 201);
        assert_eq!(header(&response, "content-type"), b"text/css");
        assert_eq!(response.headers().get_all("x-a").iter().count(), 2);
    }

    #[test]
    fn a_header_value_may_be_any_bytes_but_control_characters() {
        let response = ([("x-name", &b"caf\xe9"[..])], ()).into_response();
        assert_eq!(header(&response, "x-name"), b"caf\xe9");
    }

    #[test]
    fn an_invalid_header_is_a_500_and_no_panic() {
        for (name, value) in [("x-a", "1\r\nx-b: 2"), ("a b", "1"), ("", "1")] {
            let response = ([(name, value)], "hi").into_response();
            assert_eq!(response.status(), 500, "{name}: {value}");
            assert!(!response.headers().contains_key("x-b"));
        }
    }

    #[test]
    fn results_answer_either_way() {
        let found: Result<&str, StatusCode> = Ok("honey");
        assert_eq!(found.into_response().body(), "honey");
        let missing: Result<&str, StatusCode> = Err(StatusCode::NOT_FOUND);
        assert_eq!(missing.into_response().status(), 404);
        assert_eq!(().into_response().status(), 200);
    }
}
