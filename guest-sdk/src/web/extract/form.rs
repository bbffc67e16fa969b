//! The body of an HTML form, by serde.

use serde::de::DeserializeOwned;

use crate::{FromRequest, Rejection, Request, RequestExt, StatusCode, web::pairs::Pairs};

/// The fields of an HTML form that was posted (`application/x-www-form-urlencoded`), by the rules of
/// [`Query`](crate::Query). Another content type is a 415, fields that do not fit are a 422.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Form<T>(
    /// The value.
    pub T,
);

const MEDIA_TYPE: &str = "application/x-www-form-urlencoded";

impl<T: DeserializeOwned> FromRequest for Form<T> {
    type Rejection = Rejection;

    fn from_request(request: &Request) -> Result<Self, Rejection> {
        let media_type = request.header("content-type").and_then(|value| value.split(';').next()).unwrap_or_default();
        if !media_type.trim().eq_ignore_ascii_case(MEDIA_TYPE) {
            return Err(Rejection::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported-media-type",
                format!("send a form, with `content-type: {MEDIA_TYPE}`"),
            ));
        }
        let pairs = form_urlencoded::parse(request.body()).collect();
        T::deserialize(Pairs::new(pairs))
            .map(Self)
            .map_err(|error| Rejection::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-body", error.describe("field")))
    }

    fn is_absent(request: &Request) -> bool {
        request.body().is_empty() && !request.headers().contains_key("content-type")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Bee {
        name: String,
        age: Option<u8>,
    }

    #[test]
    fn a_form_fills_a_struct() {
        let request = test::post("/").form(&[("name", "Maja & Co"), ("age", "")]).request();
        assert_eq!(Form::<Bee>::from_request(&request).unwrap().0, Bee { name: "Maja & Co".into(), age: None });
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let request = test::post("/").form(&[("name", "Maja"), ("age", "young")]).request();
        let rejection = Form::<Bee>::from_request(&request).unwrap_err();
        assert_eq!(rejection.status(), 422);
        assert_eq!(rejection.message(), "field `age`: `young` is not a whole number from 0 to 255");
        assert_eq!(Form::<Bee>::from_request(&test::post("/").body("name=a").request()).unwrap_err().status(), 415);
    }
}
