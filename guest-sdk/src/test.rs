//! Native tests of handlers, extraction and answer included.
//!
//! ```
//! use skep_sdk::{prelude::*, test};
//!
//! fn hive(Path(id): Path<u32>) -> impl IntoResponse { Json(json!({"id": id})) }
//!
//! let answer = test::get("/hives/7").route("/hives/{id}").send(hive);
//! assert_eq!(answer.json::<serde_json::Value>()["id"], 7);
//!
//! let answer = test::get("/hives/x").route("/hives/{id}").send(hive);
//! assert_eq!((answer.status(), answer.error_code().as_str()), (StatusCode::BAD_REQUEST, "invalid-path"));
//! ```
//!
//! What the host keeps, as a [`cache`](crate::cache), is in memory: each test has its own, and moves its clock by
//! [`advance`]. What is published is recorded for [`published`], [`deliver`] hands a message to a subscriber,
//! [`TestRequest::open`] opens an event stream, and tasks run at once. What is kept in the [`store`](mod@crate::store) is in
//! memory too, as a [`database`] is, and [`perform_jobs`] does the jobs that are due. Processes live in the test's thread: see
//! [`process`](crate::process#tests). So do channels, whose clients are [`socket`]s.
//!
//! What is wrong with a test itself, a malformed header for instance, panics at the test's line.
#![allow(clippy::panic, reason = "a test fails by a panic, at its own line")]

#[cfg(not(target_arch = "wasm32"))]
mod bucket;
#[cfg(not(target_arch = "wasm32"))]
mod channel;
#[cfg(not(target_arch = "wasm32"))]
mod jobs;
#[cfg(not(target_arch = "wasm32"))]
mod process;
#[cfg(not(target_arch = "wasm32"))]
mod pubsub;
#[cfg(not(target_arch = "wasm32"))]
mod sql;
#[cfg(not(target_arch = "wasm32"))]
mod store;
#[cfg(not(target_arch = "wasm32"))]
mod stream;
#[cfg(not(target_arch = "wasm32"))]
mod task;
#[cfg(not(target_arch = "wasm32"))]
mod websocket;

use std::fmt::Display;

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Bytes, Context, Handler, HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header,
    web::{Route, TestClient, match_path},
};

#[cfg(not(target_arch = "wasm32"))]
pub use bucket::{TestBucket, advance, bucket};
#[cfg(not(target_arch = "wasm32"))]
pub use channel::{TestChannel, TestEvent, TestReply, TestSocket, socket, socket_with};
#[cfg(not(target_arch = "wasm32"))]
pub use jobs::{TestJob, job, jobs, perform_jobs, worker};
#[cfg(not(target_arch = "wasm32"))]
pub use process::{TestCall, TestKind, TestProcess, call, process, process_kind, sleeping, start_as};
#[cfg(not(target_arch = "wasm32"))]
pub use pubsub::{Published, TestTopic, deliver, deliver_all, message, published, topic};
#[cfg(not(target_arch = "wasm32"))]
pub use sql::{TestDatabase, database};
#[cfg(not(target_arch = "wasm32"))]
pub use store::{TestSpace, fail_commit, store_space};
#[cfg(not(target_arch = "wasm32"))]
pub use stream::{TestStream, owner};
#[cfg(not(target_arch = "wasm32"))]
pub use task::{started, task};
#[cfg(not(target_arch = "wasm32"))]
pub use websocket::TestWebSocket;

/// A GET request.
#[track_caller]
pub fn get(uri: impl AsRef<str>) -> TestRequest {
    request("GET", uri)
}

/// A POST request.
#[track_caller]
pub fn post(uri: impl AsRef<str>) -> TestRequest {
    request("POST", uri)
}

/// A PUT request.
#[track_caller]
pub fn put(uri: impl AsRef<str>) -> TestRequest {
    request("PUT", uri)
}

/// A PATCH request.
#[track_caller]
pub fn patch(uri: impl AsRef<str>) -> TestRequest {
    request("PATCH", uri)
}

/// A DELETE request.
#[track_caller]
pub fn delete(uri: impl AsRef<str>) -> TestRequest {
    request("DELETE", uri)
}

/// A request of any method. The URI is a path with or without a query, or absolute.
#[track_caller]
pub fn request(method: &str, uri: impl AsRef<str>) -> TestRequest {
    let mut request = Request::default();
    *request.method_mut() = good(method.parse(), "method", method);
    let uri = uri.as_ref();
    let absolute = if uri.starts_with('/') { format!("http://localhost{uri}") } else { uri.to_owned() };
    *request.uri_mut() = good(absolute.parse(), "URI", uri);
    request.extensions_mut().insert(TestClient("127.0.0.1".to_owned()));
    TestRequest { request, captures: Vec::new() }
}

/// A request in the making; [`TestRequest::send`] gives it to a handler.
#[derive(Clone, Debug)]
#[must_use]
pub struct TestRequest {
    request: Request,
    captures: Vec<(String, String)>,
}

impl TestRequest {
    /// Adds a header.
    #[track_caller]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let name: HeaderName = good(name.parse(), "header name", name);
        let value = good(HeaderValue::from_bytes(value.as_ref()), "value of the header", name.as_str());
        self.request.headers_mut().append(name, value);
        self
    }

    /// Adds a cookie.
    #[track_caller]
    pub fn cookie(self, name: &str, value: &str) -> Self {
        self.header("cookie", crate::Cookie::new(name, value).encoded().to_string())
    }

    /// Adds what the route captured, decoded.
    pub fn capture(mut self, name: &str, value: &str) -> Self {
        self.captures.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Takes the captures from the path, by the pattern in the manifest: `/hives/{id}`.
    #[track_caller]
    pub fn route(mut self, pattern: &str) -> Self {
        let path = self.request.uri().path();
        match match_path(pattern, path) {
            Some(Ok(captures)) => self.captures = captures,
            _ => panic!("the route `{pattern}` does not match `{path}`"),
        }
        self
    }

    /// The client's address.
    pub fn client(mut self, address: &str) -> Self {
        self.request.extensions_mut().insert(TestClient(address.to_owned()));
        self
    }

    /// What [`Context`] says.
    pub fn context(mut self, context: Context) -> Self {
        self.request.extensions_mut().insert(context);
        self
    }

    /// The body, as it is.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        *self.request.body_mut() = body.into();
        self
    }

    /// The body as JSON, and its content type unless one is set.
    #[track_caller]
    pub fn json(self, value: &(impl Serialize + ?Sized)) -> Self {
        let body = good(serde_json::to_vec(value), "value", "JSON");
        self.typed("application/json").body(body)
    }

    /// The body as an HTML form, and its content type unless one is set.
    pub fn form(self, fields: &[(&str, &str)]) -> Self {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.typed("application/x-www-form-urlencoded").body(body)
    }

    fn typed(mut self, content_type: &'static str) -> Self {
        let headers = self.request.headers_mut();
        headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static(content_type));
        self
    }

    /// The request itself, for a function that takes one.
    #[must_use]
    pub fn request(mut self) -> Request {
        self.request.extensions_mut().insert(Route::from(self.captures));
        self.request
    }

    /// Gives the request to a handler, as the host would.
    pub fn send<M>(self, handler: impl Handler<M>) -> TestResponse {
        TestResponse(handler.call(self.request()))
    }
}

/// What a handler answered.
#[derive(Clone, Debug)]
#[must_use]
pub struct TestResponse(Response);

impl TestResponse {
    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.0.status()
    }

    /// All headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        self.0.headers()
    }

    /// A header's value, the first if there are several; `None` if it is missing or no text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.0.headers().get(name)?.to_str().ok()
    }

    /// The body as it is.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        self.0.body()
    }

    /// The body as text.
    ///
    /// # Panics
    /// If it is not UTF-8.
    #[must_use]
    #[track_caller]
    pub fn text(&self) -> &str {
        good(std::str::from_utf8(self.body()), "body", "text")
    }

    /// The body, parsed.
    ///
    /// # Panics
    /// If it is not JSON, or does not fit.
    #[must_use]
    #[track_caller]
    pub fn json<T: DeserializeOwned>(&self) -> T {
        good(serde_json::from_slice(self.body()), "body", &String::from_utf8_lossy(self.body()))
    }

    /// The code of an error's body, "invalid-json".
    ///
    /// # Panics
    /// If the body is not that of an error.
    #[must_use]
    #[track_caller]
    pub fn error_code(&self) -> String {
        self.error_field("code")
    }

    /// The message of an error's body.
    ///
    /// # Panics
    /// If the body is not that of an error.
    #[must_use]
    #[track_caller]
    pub fn error_message(&self) -> String {
        self.error_field("message")
    }

    #[track_caller]
    fn error_field(&self, name: &str) -> String {
        let body: serde_json::Value = self.json();
        match body.get("error").and_then(|error| error.get(name)?.as_str()) {
            Some(text) => text.to_owned(),
            None => panic!("not an error: {body}"),
        }
    }
}

#[track_caller]
fn good<T, E: Display>(result: Result<T, E>, what: &str, value: &str) -> T {
    result.unwrap_or_else(|error| panic!("the {what} `{value}`: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_holds_what_it_was_given() {
        let context = Context { plugin: "greeter".into(), ..Context::default() };
        let answer = get("/?a=b")
            .context(context)
            .header("x", "y")
            .send(|context: Context, headers: HeaderMap| format!("{} {:?}", context.plugin, headers["x"]));
        assert_eq!((answer.status(), answer.text()), (StatusCode::OK, r#"greeter "y""#));
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    }

    #[test]
    #[should_panic(expected = "the route `/b/{c}` does not match `/a/c`")]
    fn a_route_that_does_not_match_fails_the_test() {
        let _ = get("/a/c").route("/b/{c}");
    }
}
