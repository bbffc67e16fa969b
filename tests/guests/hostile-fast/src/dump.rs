//! What the host tells a guest, as lines of text.

use std::fmt::Write as _;

use crate::answer;
use crate::generated::exports::skep::plugin::http_handler::{Request, Response};
use crate::generated::skep::plugin::context;
use hostile_common::Query;

/// Every field of the request: `key: value` lines, the headers as `header NAME: VALUE`, the body by its length.
pub(crate) fn request(request: &Request) -> Response {
    let mut text = format!("method: {:?}\nuri: {}\n", request.method, request.uri);
    // Writing to a String cannot fail.
    let _ = writeln!(text, "client: {}", context::client().as_deref().unwrap_or("none"));
    let _ = writeln!(text, "captures: {}", request.captures.as_deref().unwrap_or("none"));
    for line in request.headers.split(|byte| *byte == b'\n').filter_map(|line| line.strip_suffix(b"\r")) {
        let _ = writeln!(text, "header {}", line.escape_ascii());
    }
    let _ = writeln!(text, "body-bytes: {}", request.body.as_ref().map_or(0, Vec::len));
    answer::text(text)
}

/// What the route matched, as `NAME=VALUE` lines in the route's order.
pub(crate) fn captures(request: &Request) -> Response {
    let captures = request.captures.as_deref().unwrap_or_default();
    answer::text(Query::parse(captures).iter().map(|(name, value)| format!("{name}={value}\n")).collect::<String>())
}

/// The context of the call, and the fuel before and after `n` rounds of work.
pub(crate) fn context(query: &Query) -> Response {
    let info = context::current();
    let before = context::fuel_left();
    hostile_common::rounds(query.number("n", 100_000));
    let after = context::fuel_left();
    answer::text(format!(
        "plugin: {}\nrevision: {}\nnode: {}\nrequest-id: {}\ntraceparent: {}\ndeadline: {}\nfuel-before: {before}\n\
         fuel-after: {after}\n",
        info.plugin, info.revision, info.node, info.request_id, info.traceparent, info.deadline
    ))
}
