//! `skep:plugin/http-handler`: one buffered request in, one buffered response out, in a single call.

use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use skep_bindings::{http_handler, types};
use skep_types::{ByteSize, Call, Failure, FailureKind, Limits, Phase};

use crate::body::{CallBody, RequestBody, collect};
use crate::fair::Fair;
use crate::instance::Running;
use crate::linked::{Guest, Role};
use crate::revision::Revision;
use crate::stats::CallStats;

/// Runs the call to its end. What comes out is small and not looked at yet: see [`from_guest`].
pub(crate) async fn call(
    revision: &Arc<Revision>,
    stats: &Arc<CallStats>,
    request: Request<RequestBody>,
) -> Result<http_handler::Response, Failure> {
    let (parts, body) = request.into_parts();
    // The body is read before an instance is taken, so that a slow client holds a buffer and not a guest.
    let body = collect(body, revision.limits().request_body).await?;
    stats.enter(Phase::Queue);
    let admitted = revision.admission().enter().await?;
    let text = RequestText::of(&parts, stats.call());
    let charge = text.len() + body.len();
    let request = text.request(&parts.method, &body);
    let work = pin!(async {
        let mut running = Running::start(revision, stats, charge, Role::Http).await?;
        let Some((store, Guest::Fast(guest))) = running.parts() else {
            return Err(Failure::new(FailureKind::Internal, Phase::Handle, "not a fast-path instance"));
        };
        match guest.skep_plugin_http_handler().call_handle(store, request).await {
            Ok(response) => {
                running.finish();
                Ok(response)
            }
            Err(error) => Err(running.failed(&error)),
        }
    });
    let response = Fair::new(work, &**revision.fair(), revision.party(), &**stats).await;
    revision.admission().leave(admitted);
    response
}

/// What a header holds in memory beside its bytes, as `wasi:http` counts it: many that are empty are not small, and the map that
/// holds them panics when it has no place for those that the front adds.
const HEADER_COST: usize = size_of::<HeaderName>() + size_of::<HeaderValue>();

/// What a guest gets of a request's head, in the contract's form.
pub(super) struct RequestText {
    uri: String,
    captures: Option<String>,
    headers: Vec<u8>,
}

impl RequestText {
    pub(super) fn of(parts: &Parts, call: &Call) -> Self {
        Self { uri: uri(parts, call.secure), captures: captures(call), headers: header_lines(&parts.headers) }
    }

    /// One that is known by its URI and some fields.
    pub(super) fn plain(uri: String, headers: &[(String, String)]) -> Self {
        let mut lines = Vec::new();
        for (name, value) in headers {
            lines.extend_from_slice([name, ": ", value, "\r\n"].concat().as_bytes());
        }
        Self { uri, captures: None, headers: lines }
    }

    /// One that was taken out of its request: with all of its fields.
    pub(super) fn whole(uri: String, headers: &[(String, Bytes)], call: &Call) -> Self {
        let mut lines = Vec::new();
        for (name, value) in headers.iter().filter(|(name, _)| name != http::header::HOST.as_str()) {
            lines.extend_from_slice(name.as_bytes());
            lines.extend_from_slice(b": ");
            lines.extend_from_slice(value);
            lines.extend_from_slice(b"\r\n");
        }
        Self { uri, captures: captures(call), headers: lines }
    }

    /// What copying it into the guest costs, in fuel: a unit for each byte.
    pub(super) fn len(&self) -> usize {
        self.uri.len() + self.captures.as_ref().map_or(0, String::len) + self.headers.len()
    }

    pub(super) fn request<'a>(&'a self, method: &'a Method, body: &'a Bytes) -> http_handler::Request<'a> {
        http_handler::Request {
            method: to_guest_method(method),
            uri: &self.uri,
            captures: self.captures.as_deref(),
            headers: &self.headers,
            body: (!body.is_empty()).then_some(body),
        }
    }
}

fn uri(parts: &Parts, secure: bool) -> String {
    let path = parts.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let host = || parts.headers.get(http::header::HOST).map(HeaderValue::as_bytes);
    // HTTP/2 says it in the request line. A host that is no authority is as good as none.
    let authority = match parts.uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => host().and_then(|host| Authority::try_from(host).ok().and(std::str::from_utf8(host).ok())),
    };
    // `OPTIONS *` is about no path.
    let Some(authority) = authority.filter(|_| path.starts_with('/')) else { return path.to_owned() };
    let scheme = if secure { "https://" } else { "http://" };
    [scheme, authority, path].concat()
}

fn captures(call: &Call) -> Option<String> {
    if call.captures.is_empty() {
        return None;
    }
    Some(form_urlencoded::Serializer::new(String::new()).extend_pairs(&call.captures).finish())
}

fn header_lines(headers: &HeaderMap) -> Vec<u8> {
    let length = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    let mut lines = Vec::with_capacity(length);
    for (name, value) in headers.iter().filter(|(name, _)| **name != http::header::HOST) {
        lines.extend_from_slice(name.as_str().as_bytes());
        lines.extend_from_slice(b": ");
        lines.extend_from_slice(value.as_bytes());
        lines.extend_from_slice(b"\r\n");
    }
    lines
}

fn to_guest_method(method: &Method) -> types::Method<'_> {
    match *method {
        Method::GET => types::Method::Get,
        Method::HEAD => types::Method::Head,
        Method::POST => types::Method::Post,
        Method::PUT => types::Method::Put,
        Method::DELETE => types::Method::Delete,
        Method::CONNECT => types::Method::Connect,
        Method::OPTIONS => types::Method::Options,
        Method::TRACE => types::Method::Trace,
        Method::PATCH => types::Method::Patch,
        ref other => types::Method::Other(other.as_str()),
    }
}

pub(crate) fn from_guest(response: http_handler::Response, limits: &Limits) -> Result<Response<CallBody>, Failure> {
    whole_from_guest(response, limits).map(|answer| answer.map(CallBody::full))
}

/// The same, with its body in one piece.
pub(super) fn whole_from_guest(response: http_handler::Response, limits: &Limits) -> Result<Response<Bytes>, Failure> {
    if response.body.len() as u64 > limits.response_body.0 {
        return Err(too_large("a body", limits.response_body));
    }
    let headers = headers_from_guest(response.headers, limits)?;
    // Informational answers are the transport's business: a guest that sends one as its last word says nothing.
    let status = StatusCode::from_u16(response.status)
        .ok()
        .filter(|status| !status.is_informational())
        .ok_or_else(|| bad(format!("{} is not a final status", response.status)))?;
    let mut answer = Response::new(Bytes::from(response.body));
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    Ok(answer)
}

/// What a guest says in headers, without those that are the host's to say.
pub(super) fn headers_from_guest(given: Vec<(String, Vec<u8>)>, limits: &Limits) -> Result<HeaderMap, Failure> {
    let too_large = || too_large("headers", limits.response_headers);
    let bytes: usize = given.iter().map(|(name, value)| name.len() + value.len() + HEADER_COST).sum();
    if bytes as u64 > limits.response_headers.0 {
        return Err(too_large());
    }
    // The front adds the request's id; a map that is full grows.
    let mut headers = HeaderMap::try_with_capacity(given.len() + 1).map_err(|_| too_large())?;
    for (name, value) in given {
        let parsed =
            HeaderName::from_bytes(name.as_bytes()).ok().zip(HeaderValue::from_maybe_shared(Bytes::from(value)).ok());
        let Some((name, value)) = parsed else { return Err(bad(format!("`{name}` is not a valid header"))) };
        if !is_transport_header(&name) {
            headers.try_append(name, value).map_err(|_| too_large())?;
        }
    }
    Ok(headers)
}

fn bad(detail: String) -> Failure {
    Failure::new(FailureKind::BadAnswer, Phase::Handle, detail)
}

fn too_large(what: &str, limit: ByteSize) -> Failure {
    Failure::new(FailureKind::ResponseTooLarge, Phase::Handle, format!("{what} over {limit}"))
}

/// Headers that belong to the connection, which is the host's: a guest's word on them would break the framing.
fn is_transport_header(name: &HeaderName) -> bool {
    use http::header::{CONNECTION, CONTENT_LENGTH, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
    [CONNECTION, CONTENT_LENGTH, TE, TRAILER, TRANSFER_ENCODING, UPGRADE].contains(name)
        || name.as_str() == "keep-alive"
        || name.as_str() == "proxy-connection"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, headers: &[(&str, &str)], body: &str) -> http_handler::Response {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
        http_handler::Response { status, headers, body: body.into() }
    }

    fn kind(response: http_handler::Response, limits: &Limits) -> Option<FailureKind> {
        from_guest(response, limits).err().map(|failure| failure.kind)
    }

    #[test]
    fn only_valid_answers_within_their_limits_leave() {
        let limits = Limits {
            response_body: skep_types::ByteSize(4),
            response_headers: skep_types::ByteSize(8 + HEADER_COST as u64),
            ..Limits::default()
        };
        assert_eq!(kind(response(200, &[("a", "b")], "1234"), &limits), None);
        assert_eq!(kind(response(200, &[], "12345"), &limits), Some(FailureKind::ResponseTooLarge));
        assert_eq!(kind(response(200, &[("abcd", "efghi")], ""), &limits), Some(FailureKind::ResponseTooLarge));
        for status in [0, 99, 100, 101, 1000] {
            assert_eq!(kind(response(status, &[], ""), &limits), Some(FailureKind::BadAnswer), "{status}");
        }
        for header in [("a b", "x"), ("", "x"), ("a", "\r\nx"), ("a", "\0")] {
            assert_eq!(kind(response(200, &[header], ""), &limits), Some(FailureKind::BadAnswer), "{header:?}");
        }
    }

    #[test]
    fn many_small_headers_are_no_small_answer() {
        let many = |given: usize| {
            let headers = (0..given).map(|header| (format!("{header:x}"), Vec::new())).collect();
            http_handler::Response { status: 200, headers, body: Vec::new() }
        };
        assert_eq!(HEADER_COST, 72, "what the documentation says");
        // The most that a manifest allows leaves room for what the front adds: a map of headers takes 24,576 names.
        let limits = Limits { response_headers: skep_types::ByteSize::mib(1), ..Limits::default() };
        let most = from_guest(many(13_000), &limits).unwrap();
        assert_eq!(most.headers().len(), 13_000);
        assert_eq!(kind(many(14_000), &limits), Some(FailureKind::ResponseTooLarge));
        assert_eq!(kind(many(100_000), &limits), Some(FailureKind::ResponseTooLarge));
        let endless = Limits { response_headers: skep_types::ByteSize(u64::MAX), ..limits };
        for given in [30_000, 100_000] {
            assert_eq!(kind(many(given), &endless), Some(FailureKind::ResponseTooLarge), "{given}");
        }
    }

    fn parts(uri: &str, headers: &[(&str, &[u8])]) -> Parts {
        let mut request = Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn a_guest_sees_the_address_that_the_client_used() {
        for (line, host, whole) in [
            ("/a%20b?c=d", Some("bees.test:81"), "https://bees.test:81/a%20b?c=d"),
            ("http://h2.test/", None, "https://h2.test/"),
            ("/a", None, "/a"),
            ("/a", Some("no authority"), "/a"),
            ("*", Some("bees.test"), "*"),
        ] {
            let headers: Vec<_> = host.iter().map(|host| ("host", host.as_bytes())).collect();
            assert_eq!(uri(&parts(line, &headers), true), whole);
        }
    }

    #[test]
    fn header_lines_hold_all_but_the_host() {
        let parts = parts("/", &[("host", b"a"), ("x-a", b"1"), ("x-b", b"caf\xe9"), ("x-a", b"")]);
        assert_eq!(header_lines(&parts.headers), b"x-a: 1\r\nx-a: \r\nx-b: caf\xe9\r\n");
    }

    #[test]
    fn a_request_that_was_taken_apart_has_all_of_its_fields() {
        let headers = [("host", "a"), ("x-a", "1"), ("x-a", "2")];
        let headers = headers.map(|(name, value)| (name.to_owned(), Bytes::from_static(value.as_bytes())));
        let (client, captures) = (std::net::IpAddr::from([127, 0, 0, 1]), vec![("id".to_owned(), "7 8".to_owned())]);
        let call = Call { id: skep_types::RequestId::from_bits(1), client, secure: false, captures, hops: 0 };
        let text = RequestText::whole("/x".to_owned(), &headers, &call);
        assert_eq!((text.uri.as_str(), text.captures.as_deref()), ("/x", Some("id=7+8")));
        assert_eq!(text.headers, b"x-a: 1\r\nx-a: 2\r\n");
    }

    #[test]
    fn the_hosts_framing_wins() {
        let answer = from_guest(response(200, &[("content-length", "99"), ("x-a", "1")], "ok"), &Limits::default());
        let answer = answer.unwrap();
        assert!(answer.headers().get("content-length").is_none());
        assert_eq!(answer.headers()["x-a"], "1");
    }
}
