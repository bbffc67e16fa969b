//! The request and response types, and what the `http` crate's request lacks.

use std::sync::OnceLock;

use crate::{Bytes, FromRequest};

/// A body, whole: the host buffers it, up to the plugin's limit. A clone shares the bytes.
pub type Body = Bytes;

/// The `http` crate's request, so that whatever works with that works here; [`RequestExt`] adds the rest.
///
/// The URI is absolute if the client named a host (they all do), so `req.uri().host()` tells which.
pub type Request = http::Request<Body>;

/// The `http` crate's response.
pub type Response = http::Response<Body>;

/// What the route that led here matched; it travels in the request's extensions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Route {
    encoded: String,
    // Most handlers never ask, so it is decoded at the first question.
    decoded: OnceLock<Vec<(String, String)>>,
}

impl Route {
    /// From names and values as in an HTML form.
    pub(crate) fn encoded(captures: String) -> Self {
        Self { encoded: captures, decoded: OnceLock::new() }
    }

    /// Names and percent-decoded values, in the route's order.
    pub(crate) fn captures(&self) -> &[(String, String)] {
        self.decoded.get_or_init(|| form_urlencoded::parse(self.encoded.as_bytes()).into_owned().collect())
    }
}

impl From<Vec<(String, String)>> for Route {
    fn from(captures: Vec<(String, String)>) -> Self {
        Self { encoded: String::new(), decoded: captures.into() }
    }
}

/// The client that a test names; elsewhere the host knows.
#[derive(Clone, Debug)]
pub(crate) struct TestClient(pub(crate) String);

/// Shortcuts on a [`Request`].
pub trait RequestExt {
    /// The path, percent-encoded as on the wire, without the query.
    fn path(&self) -> &str;

    /// What stands behind the `?`, as on the wire; empty if nothing does.
    fn query(&self) -> &str;

    /// What the route's `{name}` segment matched, percent-decoded.
    fn capture(&self, name: &str) -> Option<&str>;

    /// A header's value if it is text; the first one if there are several.
    fn header(&self, name: &str) -> Option<&str>;

    /// The client's address, without a port; empty where no client is waiting.
    fn client(&self) -> String;

    /// Runs an extractor by hand: `req.extract::<Json<Order>>()?`.
    ///
    /// # Errors
    /// When the request lacks what the extractor wants.
    fn extract<E: FromRequest>(&self) -> Result<E, E::Rejection>;
}

impl RequestExt for Request {
    fn path(&self) -> &str {
        self.uri().path()
    }

    fn query(&self) -> &str {
        self.uri().query().unwrap_or_default()
    }

    fn capture(&self, name: &str) -> Option<&str> {
        captures(self).iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers().get(name)?.to_str().ok()
    }

    fn client(&self) -> String {
        match self.extensions().get::<TestClient>() {
            Some(client) => client.0.clone(),
            None => crate::context::client().unwrap_or_default(),
        }
    }

    fn extract<E: FromRequest>(&self) -> Result<E, E::Rejection> {
        E::from_request(self)
    }
}

pub(crate) fn captures(request: &Request) -> &[(String, String)] {
    request.extensions().get::<Route>().map_or(&[], Route::captures)
}
