//! What the host tells a guest, as lines of text.

use std::fmt::Write as _;

use crate::answer;
use crate::generated::exports::skep::plugin::http_handler::{Request, Response};
use crate::generated::skep::plugin::context;
use hostile_common::Query;

/// Every field of the request: `key: value` lines, the headers as `header NAME: VALUE`, the body by its length.
pub(crate) fn request(request: &Request) -> Response {
    let mut text = format!(
        "method: {}\nscheme: {}\nauthority: {}\npath: {}\n",
        request.method, request.scheme, request.authority, request.path
    );
    // Writing to a String cannot fail.
    let _ = match &request.query {
        Some(query) => writeln!(text, "query: {query}"),
        None => writeln!(text, "no query"),
    };
    let _ = writeln!(text, "client: {}", request.client);
    for (name, value) in &request.captures {
        let _ = writeln!(text, "capture {name}: {value}");
    }
    for (name, value) in &request.headers {
        let _ = writeln!(text, "header {name}: {}", value.escape_ascii());
    }
    let _ = writeln!(text, "body-bytes: {}", request.body.len());
    answer::text(text)
}

/// What the route matched, as `NAME=VALUE` lines in the route's order.
pub(crate) fn captures(request: &Request) -> Response {
    answer::text(request.captures.iter().map(|(name, value)| format!("{name}={value}\n")).collect::<String>())
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
