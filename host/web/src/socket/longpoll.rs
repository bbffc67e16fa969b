//! Polls and posts: `{mount}/longpoll`. The status is 200 nearly always, and the real one is in the body, as Phoenix has it.

use axum::body::Body;
use bytes::BytesMut;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, CACHE_CONTROL, CONTENT_TYPE,
};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use skep_channels::longpoll::{answer, read_body, status as status_json};
use skep_channels::{Polled, Posted, Refused, Transport};
use skep_types::{Call, Failure, FailureKind, Phase};

use super::endpoint::{SocketEndpoint, status};
use crate::handler::RequestBody;

/// The token of a session, where it is not the parameter `token`.
const SESSION: HeaderName = HeaderName::from_static("x-phoenix-longpoll-token");
/// The token that a client authenticates with.
const AUTH: HeaderName = HeaderName::from_static("x-phoenix-authtoken");
/// Frames of the largest size in one post.
const POST_FRAMES: u64 = 4;

impl SocketEndpoint {
    /// Answers a poll or a post: `GET` and `POST {mount}/longpoll`.
    ///
    /// # Errors
    /// If the plugin could not be asked, there is no room, or the body is too large or breaks off.
    pub async fn longpoll(&self, call: Call, request: Request<RequestBody>) -> Result<Response<Body>, Failure> {
        let (parts, body) = request.into_parts();
        if !self.options.origins.allow(&parts.headers) {
            return Ok(json(status_json(403)));
        }
        match parts.method {
            Method::OPTIONS => Ok(preflight(&parts)),
            Method::GET => self.poll(&call, &parts).await,
            Method::POST => self.post(&parts, body).await,
            _ => Ok(status(StatusCode::BAD_REQUEST)),
        }
    }

    async fn poll(&self, call: &Call, parts: &Parts) -> Result<Response<Body>, Failure> {
        if let Some(token) = session(parts) {
            let polled = self.channels.poll_session(&self.mount, &token).await;
            let (code, frames) = match polled {
                Polled::Messages(frames) => (200, frames),
                Polled::Nothing => (204, Vec::new()),
                Polled::Gone => return self.open(call, parts).await,
            };
            return Ok(json(answer(code, &token, &frames)));
        }
        self.open(call, parts).await
    }

    async fn open(&self, call: &Call, parts: &Parts) -> Result<Response<Body>, Failure> {
        let token = parts.headers.get(AUTH).and_then(|token| token.to_str().ok()).map(str::to_owned);
        let mut client = self.connecting(parts, call, token);
        client.params.retain(|(name, _)| name != "token");
        let Some(socket) = self.connect(client, Transport::LongPoll).await? else {
            return Ok(json(status_json(403)));
        };
        match self.channels.open_session(socket) {
            Ok(token) => Ok(json(answer(410, &token, &[]))),
            Err(Refused::Denied) => Ok(json(status_json(403))),
            Err(Refused::Failed(failure)) => Err(failure),
        }
    }

    async fn post(&self, parts: &Parts, body: RequestBody) -> Result<Response<Body>, Failure> {
        let Some(token) = session(parts) else { return Ok(json(status_json(410))) };
        let body = self.read(body).await?;
        let content = parts.headers.get(CONTENT_TYPE).and_then(|content| content.to_str().ok()).unwrap_or_default();
        let ndjson = content.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/x-ndjson");
        let posted = match read_body(&body, ndjson) {
            Ok(frames) => self.channels.post_session(&self.mount, &token, frames).await,
            Err(_) if self.channels.fail_session(&self.mount, &token).await => Posted::Failed,
            Err(_) => Posted::Gone,
        };
        Ok(json(status_json(match posted {
            Posted::Taken => 200,
            Posted::Gone => 410,
            Posted::Failed => 408,
        })))
    }

    async fn read(&self, mut body: RequestBody) -> Result<BytesMut, Failure> {
        let max = self.mount.options().frame_bytes_max.0.saturating_mul(POST_FRAMES);
        let mut whole = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame =
                frame.map_err(|error| Failure::new(FailureKind::BadRequest, Phase::Receive, error.to_string()))?;
            let Ok(data) = frame.into_data() else { continue };
            if (whole.len() + data.len()) as u64 > max {
                let detail = format!("a post of more than {max} bytes");
                return Err(Failure::new(FailureKind::RequestTooLarge, Phase::Receive, detail));
            }
            whole.extend_from_slice(&data);
        }
        Ok(whole)
    }
}

fn session(parts: &Parts) -> Option<String> {
    let header = parts.headers.get(SESSION).and_then(|token| token.to_str().ok()).map(str::to_owned);
    header.or_else(|| {
        let query = parts.uri.query().unwrap_or_default();
        let token = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "token");
        token.map(|(_, token)| token.into_owned())
    })
}

fn json(body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // The origin was checked: pages that may connect may read.
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}

fn preflight(parts: &Parts) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("get, post, options"));
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("3600"));
    if let Some(asked) = parts.headers.get(ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
    }
    response
}
