//! Requests to upstreams, one or many at once.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;

use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    ErrorCode, Fields, FutureIncomingResponse, IncomingResponse, OutgoingBody, OutgoingRequest, Scheme,
};
use wasip2::io::streams::StreamError;

use crate::Call;

const READ_BYTES: u64 = 64 << 10;

/// The error's name alone, without what some of them carry.
pub(crate) fn name_of(code: &ErrorCode) -> String {
    let debug = format!("{code:?}");
    let variant = debug.strip_prefix("ErrorCode::").unwrap_or(&debug);
    variant.split(['(', ' ', '{']).next().unwrap_or_default().to_owned()
}

/// GETs the URL and passes status and body on. An error becomes a 502 whose body and `x-fetch-error` are its name.
pub(crate) fn fetch(call: Call) {
    let url = call.query.get("url").unwrap_or_default().to_owned();
    relay(call, &url);
}

/// Sends what it was asked to where it was asked: a loop, if the host's name leads here.
pub(crate) fn fetch_itself(call: Call) {
    let authority = call.request.authority().unwrap_or_default();
    let target = call.request.path_with_query().unwrap_or_default();
    relay(call, &format!("http://{authority}{target}"));
}

fn relay(call: Call, url: &str) {
    let response = match send(url).and_then(wait) {
        Ok(response) => response,
        Err(code) => {
            let name = name_of(&code);
            let headers = Fields::new();
            headers.append("x-fetch-error", name.as_bytes()).expect("a variant's name is a valid header value");
            let mut body = call.out.start(502, headers);
            let _ = body.write_all(name.as_bytes());
            return body.finish();
        }
    };
    let incoming = response.consume().expect("the body is taken for the first time");
    let stream = incoming.stream().expect("the stream is taken for the first time");
    let mut body = call.out.start(response.status(), Fields::new());
    loop {
        match stream.blocking_read(READ_BYTES) {
            Ok(bytes) if body.write_all(&bytes).is_ok() => {}
            Err(StreamError::Closed) => return body.finish(),
            // Either side broke off: the answer stays unfinished.
            Ok(_) | Err(StreamError::LastOperationFailed(_)) => return,
        }
    }
}

/// Opens `n` requests before it waits for the first, keeps all answers open, and counts: a line `ok N`, a line
/// `refused N`, then a line for each error's name.
pub(crate) fn fetch_many(call: Call) {
    let url = call.query.get("url").unwrap_or_default();
    let opened: Vec<_> = (0..call.query.number("n", 20)).map(|_| send(url)).collect();
    let (mut answers, mut errors) = (Vec::new(), BTreeMap::<String, u64>::new());
    for request in opened {
        match request.and_then(wait) {
            Ok(response) => answers.push(response),
            Err(code) => *errors.entry(name_of(&code)).or_default() += 1,
        }
    }
    let mut text = format!("ok {}\nrefused {}\n", answers.len(), errors.values().sum::<u64>());
    for (name, count) in errors {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name} {count}");
    }
    call.out.text(200, &text);
}

fn send(url: &str) -> Result<FutureIncomingResponse, ErrorCode> {
    let (scheme, rest) = url.split_once("://").ok_or(ErrorCode::HttpRequestUriInvalid)?;
    let scheme = match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        other => Scheme::Other(other.to_owned()),
    };
    let (authority, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    let request = OutgoingRequest::new(Fields::new());
    let invalid = |()| ErrorCode::HttpRequestUriInvalid;
    request.set_scheme(Some(&scheme)).map_err(invalid)?;
    request.set_authority(Some(authority)).map_err(invalid)?;
    request.set_path_with_query(Some(path)).map_err(invalid)?;
    let body = request.body().expect("the body is taken for the first time");
    let sent = outgoing_handler::handle(request, None)?;
    OutgoingBody::finish(body, None)?;
    Ok(sent)
}

fn wait(sent: FutureIncomingResponse) -> Result<IncomingResponse, ErrorCode> {
    loop {
        match sent.get() {
            None => sent.subscribe().block(),
            Some(answer) => return answer.expect("the answer is taken for the first time"),
        }
    }
}
