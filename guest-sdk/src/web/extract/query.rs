//! The query string, by serde.

use serde::de::DeserializeOwned;

use crate::{FromRequest, Rejection, Request, RequestExt, StatusCode, web::pairs::Pairs};

/// The query as a struct, or as a map: `?page=2&tag=a&tag=b`.
///
/// A name that stands more than once fills a `Vec`; where one value is wanted, the last counts. An empty value is
/// `None` for an `Option`, as an empty field of a form means. What does not fit is a 400 that names the parameter.
///
/// ```
/// use skep_sdk::prelude::*;
///
/// #[derive(serde::Deserialize)]
/// struct Search { page: Option<u32>, #[serde(default)] tag: Vec<String> }
///
/// fn search(Query(search): Query<Search>) -> String {
///     format!("page {} of {:?}", search.page.unwrap_or(1), search.tag)
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Query<T>(
    /// The value.
    pub T,
);

impl<T: DeserializeOwned> FromRequest for Query<T> {
    type Rejection = Rejection;

    fn from_request(request: &Request) -> Result<Self, Rejection> {
        let pairs = form_urlencoded::parse(request.query().as_bytes()).collect();
        T::deserialize(Pairs::new(pairs)).map(Self).map_err(|error| {
            Rejection::new(StatusCode::BAD_REQUEST, "invalid-query", error.describe("query parameter"))
        })
    }

    fn is_absent(request: &Request) -> bool {
        request.query().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;
    use crate::test;

    #[derive(Debug, Default, Deserialize, PartialEq)]
    struct Search {
        q: String,
        page: Option<u8>,
        #[serde(default)]
        tag: Vec<String>,
        #[serde(default)]
        exact: bool,
    }

    fn search(query: &str) -> Result<Search, String> {
        let request = test::get(format!("/?{query}")).request();
        Query::from_request(&request).map(|Query(search)| search).map_err(|rejection| {
            assert_eq!((rejection.status().as_u16(), rejection.code()), (400, "invalid-query"));
            rejection.message().to_owned()
        })
    }

    #[test]
    fn a_query_fills_a_struct() {
        let found = search("tag=a&q=l%C3%B6%26we+x&page=2&tag=b&exact=true&unknown=1").unwrap();
        let tag = vec!["a".into(), "b".into()];
        assert_eq!(found, Search { q: "lö&we x".into(), page: Some(2), tag, exact: true });
        assert_eq!(search("q=a&q=b&page=").unwrap(), Search { q: "b".into(), ..Search::default() });
    }

    #[test]
    fn a_refusal_names_the_parameter() {
        assert_eq!(
            search("q=a&page=two"),
            Err("query parameter `page`: `two` is not a whole number from 0 to 255".into())
        );
        assert_eq!(search("q=a&exact=yes"), Err("query parameter `exact`: `yes` is neither `true` nor `false`".into()));
        assert_eq!(search("page=2"), Err("missing field `q`".into()));
    }

    #[test]
    fn a_query_fills_a_map() {
        let request = test::get("/?b=2&a=1").request();
        let Query(map) = Query::<BTreeMap<String, u8>>::from_request(&request).unwrap();
        assert_eq!(map, BTreeMap::from([("a".into(), 1), ("b".into(), 2)]));
    }

    #[test]
    fn no_query_is_absent() {
        assert_eq!(Option::<Query<Search>>::from_request(&test::get("/").request()).unwrap(), None);
        assert!(Option::<Query<Search>>::from_request(&test::get("/?page=1").request()).is_err());
    }
}
