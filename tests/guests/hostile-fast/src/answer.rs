//! Answers of every shape, valid and not.

use crate::generated::exports::skep::plugin::http_handler::{Request, Response};
use hostile_common::Query;

/// 200 with a text.
pub(crate) fn text(text: impl Into<String>) -> Response {
    Response { status: 200, headers: Vec::new(), body: text.into().into_bytes() }
}

/// Any number that fits the type, whether or not it is a status.
pub(crate) fn status(query: &Query) -> Response {
    let code = query.number("code", 200);
    Response { status: u16::try_from(code).unwrap_or(u16::MAX), ..text(code.to_string()) }
}

pub(crate) fn big(query: &Query) -> Response {
    let bytes = usize::try_from(query.number("bytes", 1 << 20)).unwrap_or(usize::MAX);
    Response { body: vec![b'x'; bytes], ..text("") }
}

pub(crate) fn headers(query: &Query) -> Response {
    let n = query.number("n", 10);
    let size = usize::try_from(query.number("size", 10)).unwrap_or(usize::MAX);
    let headers = (0..n).map(|i| (format!("x-{i}"), vec![b'x'; size])).collect();
    Response { headers, ..text(n.to_string()) }
}

/// A header that is none, by default one that would smuggle a second one in.
pub(crate) fn bad_header(query: &Query) -> Response {
    let name = query.get("name").unwrap_or("x-split");
    let value = query.get("value").unwrap_or("a\r\nset-cookie: stolen=1");
    Response { headers: vec![(name.to_owned(), value.as_bytes().to_vec())], ..text("bad header") }
}

/// The body and its type, as they came.
pub(crate) fn echo(request: Request) -> Response {
    let lines = request.headers.split(|byte| *byte == b'\n');
    let types = lines.filter_map(|line| line.strip_prefix(b"content-type: ")?.strip_suffix(b"\r"));
    let headers = types.map(|value| ("content-type".to_owned(), value.to_vec())).collect();
    Response { status: 200, headers, body: request.body.unwrap_or_default() }
}
