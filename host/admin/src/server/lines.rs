//! What is followed leaves as one JSON object a line, until the client leaves. The stream is asked for a line when the
//! connection has room for it, so that what waits for a slow client waits in the bounded queue of who makes it.

use std::convert::Infallible;

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use futures_util::StreamExt as _;
use serde::Serialize;

use crate::control::Lines;

pub(super) fn answer<T: Serialize + 'static>(lines: Lines<T>) -> Response {
    let lines = lines.map(|line| {
        let mut line = serde_json::to_string(&line).unwrap_or_default();
        line.push('\n');
        Ok::<_, Infallible>(line)
    });
    ([(CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response()
}
