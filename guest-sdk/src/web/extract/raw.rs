//! The request as it is, and its parts.

use std::convert::Infallible;

use crate::{Bytes, FromRequest, HeaderMap, Method, Rejection, Request, StatusCode, Uri};

macro_rules! parts {
    ($($part:ty: |$request:ident| $copy:expr, |$owned:ident| $take:expr;)*) => {$(
        impl FromRequest for $part {
            type Rejection = Infallible;

            fn from_request($request: &Request) -> Result<Self, Infallible> {
                Ok($copy)
            }

            fn from_owned_request($owned: Request) -> Result<Self, Infallible> {
                Ok($take)
            }
        }
    )*};
}

parts! {
    Request: |request| request.clone(), |request| request;
    HeaderMap: |request| request.headers().clone(), |request| request.into_parts().0.headers;
    Method: |request| request.method().clone(), |request| request.into_parts().0.method;
    Uri: |request| request.uri().clone(), |request| request.into_parts().0.uri;
}

/// The body as it came; `Option<Bytes>` is `None` if it is empty.
impl FromRequest for Bytes {
    type Rejection = Infallible;

    fn from_request(request: &Request) -> Result<Self, Infallible> {
        Ok(request.body().clone())
    }

    fn from_owned_request(request: Request) -> Result<Self, Infallible> {
        Ok(request.into_body())
    }

    fn is_absent(request: &Request) -> bool {
        request.body().is_empty()
    }
}

/// The body as text; `Option<String>` is `None` if it is empty.
impl FromRequest for String {
    type Rejection = Rejection;

    fn from_request(request: &Request) -> Result<Self, Rejection> {
        text(request.body().to_vec())
    }

    fn from_owned_request(request: Request) -> Result<Self, Rejection> {
        text(request.into_body().into())
    }

    fn is_absent(request: &Request) -> bool {
        request.body().is_empty()
    }
}

fn text(body: Vec<u8>) -> Result<String, Rejection> {
    String::from_utf8(body).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Rejection::new(StatusCode::BAD_REQUEST, "invalid-text", format!("the body is not UTF-8 at byte {at}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test;

    #[test]
    fn parts_come_copied_or_whole() {
        let build = || test::post("/a?b=c").header("x-y", "z").body("text").request();
        let request = build();
        assert_eq!(HeaderMap::from_request(&request), HeaderMap::from_owned_request(build()));
        assert_eq!(Method::from_request(&request), Method::from_owned_request(build()));
        assert_eq!(Uri::from_request(&request), Uri::from_owned_request(build()));
        assert_eq!(Bytes::from_request(&request), Bytes::from_owned_request(build()));
        assert_eq!(String::from_request(&request), String::from_owned_request(build()));
        assert_eq!(Request::from_request(&request).unwrap().body(), "text");
    }

    #[test]
    fn a_body_that_is_not_text_is_refused() {
        let request = test::post("/").body(vec![b'a', 0xff]).request();
        assert_eq!(String::from_request(&request).unwrap_err().message(), "the body is not UTF-8 at byte 1");
    }

    #[test]
    fn an_empty_body_is_absent() {
        let request = test::post("/").request();
        assert_eq!(Option::<String>::from_request(&request).unwrap(), None);
        assert_eq!(Option::<Bytes>::from_request(&request).unwrap(), None);
        assert_eq!(String::from_request(&request).unwrap(), "");
    }
}
