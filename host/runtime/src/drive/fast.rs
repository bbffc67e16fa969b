//! `skep:plugin/http-handler`: one buffered request in, one buffered response out, in a single call.

use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use skep_bindings::http_handler;
use skep_types::{Failure, FailureKind, Limits, Phase};

use crate::body::{CallBody, RequestBody, collect};
use crate::fair::Fair;
use crate::instance::Running;
use crate::revision::{Guest, Revision};
use crate::stats::CallStats;

/// Runs the call to its end.
pub(crate) async fn call(
    revision: &Arc<Revision>,
    stats: &Arc<CallStats>,
    request: Request<RequestBody>,
) -> Result<Response<CallBody>, Failure> {
    let (parts, body) = request.into_parts();
    // The body is read before an instance is taken, so that a slow client holds a buffer and not a guest.
    let body = collect(body, revision.limits().request_body).await?;
    stats.enter(Phase::Queue);
    let admitted = revision.admission().enter().await?;
    let request = to_guest(&parts, body, stats);
    let charge = size_of_request(&request);
    let work = async {
        let mut running = Running::start(revision, stats, charge).await?;
        let Some((store, Guest::Fast(guest))) = running.parts() else {
            return Err(Failure::new(FailureKind::Internal, Phase::Handle, "not a fast-path instance"));
        };
        match guest.skep_plugin_http_handler().call_handle(store, &request).await {
            Ok(response) => {
                running.finish();
                Ok(response)
            }
            Err(error) => Err(running.failed(&error)),
        }
    };
    let response = Fair::new(pin!(work), Arc::clone(revision.fair()), revision.party()).await?;
    drop(admitted);
    from_guest(response, revision.limits())
}

fn to_guest(parts: &http::request::Parts, body: Bytes, stats: &CallStats) -> http_handler::Request {
    let call = stats.call();
    let authority = parts.uri.authority().map(http::uri::Authority::as_str);
    let host = || parts.headers.get(http::header::HOST).and_then(|host| host.to_str().ok());
    let headers = parts.headers.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()));
    http_handler::Request {
        method: parts.method.as_str().to_owned(),
        scheme: if call.secure { "https" } else { "http" }.to_owned(),
        authority: authority.or_else(host).unwrap_or_default().to_owned(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().map(str::to_owned),
        captures: call.captures.clone(),
        headers: headers.collect(),
        body: body.into(),
        client: call.client.to_string(),
    }
}

/// What copying the request into the guest costs it, in fuel: a unit for each byte.
fn size_of_request(request: &http_handler::Request) -> usize {
    let headers: usize = request.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    request.body.len() + request.path.len() + request.query.as_ref().map_or(0, String::len) + headers
}

fn from_guest(response: http_handler::Response, limits: &Limits) -> Result<Response<CallBody>, Failure> {
    let bad = |detail: String| Failure::new(FailureKind::BadAnswer, Phase::Handle, detail);
    let too_large =
        |what: &str, limit| Failure::new(FailureKind::ResponseTooLarge, Phase::Handle, format!("{what} over {limit}"));
    if response.body.len() as u64 > limits.response_body.0 {
        return Err(too_large("a body", limits.response_body));
    }
    let header_bytes: usize = response.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    if header_bytes as u64 > limits.response_headers.0 {
        return Err(too_large("headers", limits.response_headers));
    }
    // Informational answers are the transport's business: a guest that sends one as its last word says nothing.
    let status = StatusCode::from_u16(response.status)
        .ok()
        .filter(|status| !status.is_informational())
        .ok_or_else(|| bad(format!("{} is not a final status", response.status)))?;
    let mut headers = HeaderMap::with_capacity(response.headers.len());
    for (name, value) in response.headers {
        let parsed =
            HeaderName::from_bytes(name.as_bytes()).ok().zip(HeaderValue::from_maybe_shared(Bytes::from(value)).ok());
        let Some((name, value)) = parsed else { return Err(bad(format!("`{name}` is not a valid header"))) };
        if !is_transport_header(&name) {
            headers.append(name, value);
        }
    }
    let mut answer = Response::new(CallBody::full(response.body.into()));
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    Ok(answer)
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
            response_headers: skep_types::ByteSize(8),
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
    fn the_hosts_framing_wins() {
        let answer = from_guest(response(200, &[("content-length", "99"), ("x-a", "1")], "ok"), &Limits::default());
        let answer = answer.unwrap();
        assert!(answer.headers().get("content-length").is_none());
        assert_eq!(answer.headers()["x-a"], "1");
    }
}
