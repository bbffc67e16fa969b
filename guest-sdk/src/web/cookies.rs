//! The client's cookies, and what to change about them.

use std::{borrow::Cow, convert::Infallible};

use crate::{Cookie, Error, FromRequest, HeaderValue, IntoResponse, Request, Response, ResponsePart, header};

/// The cookies of a request; returned before the body, the changes become `Set-Cookie` headers.
///
/// ```
/// use skep_sdk::prelude::*;
///
/// fn theme(cookies: Cookies) -> impl IntoResponse {
///     let next = if cookies.get("theme") == Some("dark") { "light" } else { "dark" };
///     let cookie = Cookie::build(("theme", next)).path("/").http_only(true);
///     (cookies.add(cookie), next)
/// }
/// ```
///
/// Names and values are percent-decoded and encoded on the way. What a client sends is the client's word: do not trust
/// a cookie that you did not sign.
#[derive(Clone, Debug, Default)]
pub struct Cookies {
    sent: Vec<Cookie<'static>>,
    changes: Vec<Cookie<'static>>,
}

impl Cookies {
    /// No cookies, to add some to; to read those of a request take [`Cookies`] as an argument.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A cookie's value, with the changes so far.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        if let Some(change) = self.changes.iter().find(|cookie| cookie.name() == name) {
            let removed = change.max_age().is_some_and(|age| age.whole_seconds() == 0);
            return (!removed).then(|| change.value());
        }
        self.sent.iter().find(|cookie| cookie.name() == name).map(Cookie::value)
    }

    /// The cookies that the client sent: names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.sent.iter().map(Cookie::name_value)
    }

    #[allow(clippy::should_implement_trait, reason = "what every cookie jar calls it, and `+` would be a riddle")]
    /// Sets a cookie: `("name", "value")`, or a [`Cookie`] with attributes. Without a path it is the request's folder's.
    #[must_use]
    pub fn add(self, cookie: impl Into<Cookie<'static>>) -> Self {
        self.change(cookie.into())
    }

    /// Removes a cookie: its name, or a [`Cookie`] with the path and domain that it was set with, which must fit.
    #[must_use]
    pub fn remove(self, cookie: impl Into<Cookie<'static>>) -> Self {
        let mut cookie = cookie.into();
        cookie.make_removal();
        self.change(cookie)
    }

    fn change(mut self, cookie: Cookie<'static>) -> Self {
        let same = |other: &Cookie<'_>| {
            (other.name(), other.path(), other.domain()) == (cookie.name(), cookie.path(), cookie.domain())
        };
        self.changes.retain(|other| !same(other));
        self.changes.push(cookie);
        self
    }
}

impl FromRequest for Cookies {
    type Rejection = Infallible;

    /// Never refuses: what does not parse as a cookie is left out, as every server does.
    fn from_request(request: &Request) -> Result<Self, Infallible> {
        let texts = request.headers().get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let sent = texts.flat_map(|text| Cookie::split_parse_encoded(Cow::<'static, str>::from(text.to_owned())));
        Ok(Self { sent: sent.flatten().collect(), changes: Vec::new() })
    }

    fn is_absent(request: &Request) -> bool {
        !request.headers().contains_key(header::COOKIE)
    }
}

impl ResponsePart for Cookies {
    fn apply(self, response: &mut Response) -> Result<(), Error> {
        for cookie in self.changes {
            let value = HeaderValue::try_from(cookie.encoded().to_string())
                .map_err(|error| Error::from(error).context(format!("setting the cookie `{}`", cookie.name())))?;
            response.headers_mut().append(header::SET_COOKIE, value);
        }
        Ok(())
    }
}

impl IntoResponse for Cookies {
    fn into_response(self) -> Response {
        (self, ()).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test;

    fn set_cookies(response: &Response) -> Vec<&str> {
        response.headers().get_all("set-cookie").iter().map(|value| value.to_str().unwrap()).collect()
    }

    #[test]
    fn cookies_are_read_decoded_and_broken_ones_left_out() {
        let request = test::get("/").header("cookie", "a=1; b=x%20y; broken; c=").header("cookie", "d=4").request();
        let cookies = Cookies::from_request(&request).unwrap();
        assert_eq!(cookies.iter().collect::<Vec<_>>(), [("a", "1"), ("b", "x y"), ("c", ""), ("d", "4")]);
        assert_eq!(cookies.get("b"), Some("x y"));
        assert_eq!(cookies.get("z"), None);
    }

    #[test]
    fn changes_become_headers_and_the_last_word_counts() {
        let cookies = Cookies::new().add(("a", "1")).add(("a", "2; x")).add(Cookie::build(("b", "3")).path("/"));
        assert_eq!(cookies.get("a"), Some("2; x"));
        let response = (cookies, "hi").into_response();
        assert_eq!(set_cookies(&response), ["a=2%3B%20x", "b=3; Path=/"]);
        assert_eq!(response.body(), "hi");
    }

    #[test]
    fn a_removed_cookie_is_gone_and_expires() {
        let request = test::get("/").cookie("a", "1").request();
        let cookies = Cookies::from_request(&request).unwrap().remove(Cookie::build("a").path("/"));
        assert_eq!(cookies.get("a"), None);
        let response = cookies.into_response();
        let [cookie] = set_cookies(&response)[..] else { panic!("one cookie") };
        assert!(cookie.starts_with("a=; Path=/; Max-Age=0; Expires="), "{cookie}");
    }

    #[test]
    fn a_cookie_cannot_smuggle_a_header() {
        let cookie = Cookie::build(("a", "1\r\nx: y")).path("/\r\nx: y");
        assert_eq!(Cookies::new().add(cookie).into_response().status(), 500);
    }
}
