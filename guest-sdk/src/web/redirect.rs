//! Sending a client elsewhere.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::{Bytes, HeaderValue, IntoResponse, Response, StatusCode, header};

/// What a `Location` must not hold as it is. Everything that is not ASCII is encoded anyway.
const ENCODED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>');

/// Answers with another address, which may be relative.
///
/// An address taken from a request sends the client wherever that request says: check it first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    status: StatusCode,
    location: String,
}

impl Redirect {
    /// 303: look there, with GET. The answer to a form that was accepted.
    pub fn to(location: impl AsRef<str>) -> Self {
        Self::with(StatusCode::SEE_OTHER, location.as_ref())
    }

    /// 307: for now it is there; same method, same body.
    pub fn temporary(location: impl AsRef<str>) -> Self {
        Self::with(StatusCode::TEMPORARY_REDIRECT, location.as_ref())
    }

    /// 308: it has moved there for good; same method, same body. Clients remember it.
    pub fn permanent(location: impl AsRef<str>) -> Self {
        Self::with(StatusCode::PERMANENT_REDIRECT, location.as_ref())
    }

    fn with(status: StatusCode, location: &str) -> Self {
        Self { status, location: utf8_percent_encode(location, ENCODED).to_string() }
    }
}

impl IntoResponse for Redirect {
    fn into_response(self) -> Response {
        let location = HeaderValue::from_maybe_shared(Bytes::from(self.location));
        let mut response = self.status.into_response();
        response.headers_mut().insert(header::LOCATION, location.expect("what a header cannot hold was encoded"));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_has_its_status_and_location() {
        for (redirect, status) in [
            (Redirect::to("/a?b=c%20d"), 303),
            (Redirect::temporary("/a?b=c%20d"), 307),
            (Redirect::permanent("/a?b=c%20d"), 308),
        ] {
            let response = redirect.into_response();
            assert_eq!(
                (response.status().as_u16(), response.headers()["location"].to_str().unwrap()),
                (status, "/a?b=c%20d")
            );
        }
    }

    #[test]
    fn a_location_cannot_smuggle_a_header() {
        let response = Redirect::to("/grün\r\nset-cookie: a=b").into_response();
        assert_eq!(response.headers()["location"], "/gr%C3%BCn%0D%0Aset-cookie:%20a=b");
    }
}
