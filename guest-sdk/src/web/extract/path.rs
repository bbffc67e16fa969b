//! What the route's `{name}` segments matched, by serde.

use std::borrow::Cow;

use serde::de::DeserializeOwned;

use crate::{FromRequest, Rejection, Request, StatusCode, web::pairs::Pairs, web::request::captures};

/// The captures of the route that led here, percent-decoded: `GET /hives/{hive}/bees/{bee}`.
///
/// One capture is a single value, several are a tuple (in the route's order) or a struct (by name). A value that does
/// not parse is a 400; a handler that asks for captures which its route does not have is a 500, since only its author
/// can mend that.
///
/// ```
/// use skep_sdk::prelude::*;
///
/// fn one(Path(hive): Path<u32>) -> String { format!("hive {hive}") }
///
/// fn two(Path((hive, bee)): Path<(u32, String)>) -> String { format!("{bee} of hive {hive}") }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Path<T>(
    /// The value.
    pub T,
);

impl<T: DeserializeOwned> FromRequest for Path<T> {
    type Rejection = Rejection;

    fn from_request(request: &Request) -> Result<Self, Rejection> {
        let captures = captures(request);
        let pairs = captures.iter().map(|(name, value)| (Cow::from(name), Cow::from(value))).collect();
        T::deserialize(Pairs::new(pairs)).map(Self).map_err(|error| {
            if error.is_about_a_value() {
                return Rejection::new(StatusCode::BAD_REQUEST, "invalid-path", error.describe("path segment"));
            }
            let names = captures.iter().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            let message = format!("the route captures [{names}], which is not what the handler takes: {error}");
            eprintln!("error: {message}");
            Rejection::new(StatusCode::INTERNAL_SERVER_ERROR, "route-mismatch", message)
        })
    }

    fn is_absent(request: &Request) -> bool {
        captures(request).is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde::Deserialize;

    use super::*;
    use crate::test;

    fn extract<T: DeserializeOwned>(captures: &[(&str, &str)]) -> Result<T, (u16, String)> {
        let request =
            captures.iter().fold(test::get("/"), |request, (name, value)| request.capture(name, value)).request();
        let path = Path::from_request(&request).map(|Path(value)| value);
        path.map_err(|rejection| (rejection.status().as_u16(), rejection.message().to_owned()))
    }

    const BOTH: &[(&str, &str)] = &[("hive", "7"), ("bee", "maja b")];

    #[derive(Debug, Deserialize, PartialEq)]
    struct Bee {
        bee: String,
        hive: u32,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Id(u32);

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "lowercase")]
    enum Kind {
        Drone,
    }

    #[test]
    fn single_values_tuples_structs_and_maps() {
        assert_eq!(extract::<u32>(&BOTH[..1]), Ok(7));
        assert_eq!(extract::<String>(&BOTH[..1]), Ok("7".into()));
        assert_eq!(extract::<Id>(&BOTH[..1]), Ok(Id(7)));
        assert_eq!(extract::<(Id,)>(&BOTH[..1]), Ok((Id(7),)));
        assert_eq!(extract::<Kind>(&[("kind", "drone")]), Ok(Kind::Drone));
        assert_eq!(extract::<char>(&[("letter", "ö")]), Ok('ö'));
        assert_eq!(extract::<(u32, String)>(BOTH), Ok((7, "maja b".into())));
        assert_eq!(extract::<Vec<String>>(BOTH), Ok(vec!["7".into(), "maja b".into()]));
        assert_eq!(extract::<Bee>(BOTH), Ok(Bee { bee: "maja b".into(), hive: 7 }));
        assert_eq!(extract::<HashMap<String, String>>(BOTH).unwrap()["bee"], "maja b");
    }

    #[test]
    fn a_value_that_does_not_parse_is_the_clients_fault() {
        let message = "path segment `hive`: `x` is not a whole number from 0 to 4294967295".to_owned();
        assert_eq!(extract::<u32>(&[("hive", "x")]), Err((400, message.clone())));
        assert_eq!(extract::<(u32, String)>(&[("hive", "x"), ("bee", "b")]), Err((400, message.clone())));
        assert_eq!(extract::<Bee>(&[("hive", "x"), ("bee", "b")]), Err((400, message)));
        let (status, message) = extract::<Kind>(&[("kind", "queen")]).unwrap_err();
        assert_eq!((status, &message[..]), (400, "path segment `kind`: unknown variant `queen`, expected `drone`"));
    }

    #[test]
    fn a_route_that_does_not_fit_is_the_authors_fault() {
        for error in [
            extract::<u32>(BOTH).unwrap_err(),
            extract::<u32>(&[]).map(|_| ()).unwrap_err(),
            extract::<(u32,)>(BOTH).map(|_| ()).unwrap_err(),
            extract::<Bee>(&BOTH[..1]).map(|_| ()).unwrap_err(),
        ] {
            assert_eq!(error.0, 500, "{}", error.1);
        }
        let (_, message) = extract::<Bee>(&BOTH[..1]).unwrap_err();
        assert_eq!(message, "the route captures [`hive`], which is not what the handler takes: missing field `bee`");
    }

    #[test]
    fn no_captures_are_absent() {
        assert_eq!(Option::<Path<u32>>::from_request(&test::get("/").request()).unwrap(), None);
    }
}
