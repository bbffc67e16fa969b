//! JSON, in and out.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::error::Category;

use crate::{
    Error, FromRequest, HeaderValue, IntoResponse, Rejection, Request, RequestExt, Response, StatusCode,
    web::reply::typed,
};

/// JSON: as an argument the body, parsed; as an answer the value, written.
///
/// A request must say `content-type: application/json` (or `application/...+json`), or it gets a 415: a browser's form
/// can send any text across sites, but not under that type. Text that is not JSON gets a 400, JSON of the wrong shape
/// a 422 that names the field.
///
/// ```
/// use skep_sdk::prelude::*;
///
/// #[derive(serde::Deserialize)]
/// struct Order { item: String, count: u32 }
///
/// fn order(Json(order): Json<Order>) -> impl IntoResponse {
///     Json(json!({"ordered": order.item, "count": order.count}))
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Json<T>(
    /// The value.
    pub T,
);

impl<T: DeserializeOwned> FromRequest for Json<T> {
    type Rejection = Rejection;

    fn from_request(request: &Request) -> Result<Self, Rejection> {
        if !request.header("content-type").is_some_and(is_json) {
            return Err(Rejection::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported-media-type",
                "send JSON, with `content-type: application/json`",
            ));
        }
        serde_json::from_slice(request.body()).map(Self).map_err(|error| reject::<T>(request.body(), &error))
    }

    fn is_absent(request: &Request) -> bool {
        request.body().is_empty() && !request.headers().contains_key("content-type")
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(body) => typed(HeaderValue::from_static("application/json"), body),
            Err(error) => Error::from(error).context("writing the answer as JSON").into_response(),
        }
    }
}

fn is_json(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    media_type.strip_prefix("application/").is_some_and(|subtype| subtype == "json" || subtype.ends_with("+json"))
}

/// Says where it failed. Parses again to find that out, so that only a broken body pays for it.
#[cold]
fn reject<T: DeserializeOwned>(body: &[u8], error: &serde_json::Error) -> Rejection {
    if error.classify() != Category::Data {
        return Rejection::new(StatusCode::BAD_REQUEST, "invalid-json", format!("the body is not JSON: {error}"));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let path = serde_path_to_error::deserialize::<_, T>(&mut deserializer).err().map(|error| error.path().to_string());
    let message = match path.as_deref() {
        None | Some("." | "?") => error.to_string(),
        Some(path) => format!("field `{path}`: {error}"),
    };
    Rejection::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-body", message)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::{json, test};

    #[derive(Debug, Deserialize, PartialEq)]
    struct Order {
        items: Vec<Item>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Item {
        price: f64,
    }

    fn refused(content_type: &str, body: &'static str) -> (u16, String, String) {
        let request = test::post("/").header("content-type", content_type).body(body).request();
        let rejection = Json::<Order>::from_request(&request).unwrap_err();
        (rejection.status().as_u16(), rejection.code().to_owned(), rejection.message().to_owned())
    }

    #[test]
    fn a_body_that_fits_is_taken_under_any_json_type() {
        for content_type in ["application/json", "Application/JSON; charset=utf-8", "application/vnd.api+json"] {
            let request =
                test::post("/").header("content-type", content_type).body(r#"{"items":[{"price":2}]}"#).request();
            assert_eq!(Json::<Order>::from_request(&request).unwrap().0, Order { items: vec![Item { price: 2.0 }] });
        }
    }

    #[test]
    fn a_refusal_names_the_field() {
        let (status, code, message) = refused("application/json", r#"{"items":[{"price":1},{"price":"two"}]}"#);
        assert_eq!((status, code.as_str()), (422, "invalid-body"));
        assert_eq!(message, "field `items[1].price`: invalid type: string \"two\", expected f64 at line 1 column 36");
        assert_eq!(refused("application/json", "{}").2, "missing field `items` at line 1 column 2");
    }

    #[test]
    fn what_is_not_json_is_refused() {
        assert_eq!(refused("application/json", "{").0, 400);
        assert_eq!(refused("application/json", "").1, "invalid-json");
        assert_eq!(refused("text/plain", "{}").0, 415);
        assert_eq!(refused("application/jsonp", "{}").0, 415);
    }

    #[test]
    fn an_optional_body_may_be_absent_but_not_broken() {
        let absent = test::post("/").request();
        assert_eq!(Option::<Json<Order>>::from_request(&absent).unwrap(), None);
        let broken = test::post("/").json(&json!({})).request();
        assert!(Option::<Json<Order>>::from_request(&broken).is_err());
        assert!(Result::<Json<Order>, Rejection>::from_request(&broken).unwrap().is_err());
    }

    #[test]
    fn a_value_that_is_no_json_is_a_500() {
        let keys_are_lists = std::collections::HashMap::from([(vec![1], 2)]);
        assert_eq!(Json(keys_are_lists).into_response().status(), 500);
    }
}
