//! Streams with the bare WASI 0.2 interfaces: nothing here knows of skep.
//!
//! - `GET /` a greeting
//! - `POST /echo` the request's body, handed on chunk by chunk as it comes
//! - `GET /sse?n=5&ms=100` `n` server-sent events, `ms` milliseconds apart
//! - `GET /fetch?url=http://host/path` fetches the address: its status, then its body

use std::io::Write as _;
use std::time::Duration;

use wasip2::clocks::monotonic_clock;
use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    ErrorCode, Fields, IncomingBody, IncomingRequest, IncomingResponse, Method, OutgoingBody, OutgoingRequest,
    OutgoingResponse, ResponseOutparam, Scheme,
};
use wasip2::io::streams::{InputStream, OutputStream, StreamError};

wasip2::http::proxy::export!(Streamer);

struct Streamer;

impl wasip2::exports::http::incoming_handler::Guest for Streamer {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let target = request.path_with_query().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        // A stream that fails is a client that has gone: there is nobody left to tell.
        let _gone = match (request.method(), path) {
            (Method::Get, "/") => text(out, 200, "hello from wasip2\n"),
            (Method::Post, "/echo") => echo(&request, out),
            (Method::Get, "/sse") => sse(
                out,
                parameter(query, "n").and_then(|n| n.parse().ok()).unwrap_or(5),
                Duration::from_millis(parameter(query, "ms").and_then(|ms| ms.parse().ok()).unwrap_or(100)),
            ),
            (Method::Get, "/fetch") => match parameter(query, "url") {
                Some(url) => relay(out, &url),
                None => text(out, 400, "wants ?url=\n"),
            },
            _ => text(out, 404, "not found\n"),
        };
    }
}

/// Sends the head, so that it leaves at once, and hands out the body to be written.
///
/// The stream is a child of the body and must be dropped before [`OutgoingBody::finish`].
fn respond(out: ResponseOutparam, status: u16, content_type: &str) -> (OutgoingBody, OutputStream) {
    let headers = Fields::new();
    headers.append("content-type", content_type.as_bytes()).expect("a header that may be set");
    let response = OutgoingResponse::new(headers);
    response.set_status_code(status).expect("a valid status");
    let body = response.body().expect("the first to ask for the body");
    ResponseOutparam::set(out, Ok(response));
    let stream = body.write().expect("the first to ask for the stream");
    (body, stream)
}

fn finish(body: OutgoingBody, stream: OutputStream) -> Result<(), StreamError> {
    drop(stream);
    let _refused = OutgoingBody::finish(body, None);
    Ok(())
}

fn text(out: ResponseOutparam, status: u16, text: &str) -> Result<(), StreamError> {
    let (body, stream) = respond(out, status, "text/plain");
    write(&stream, text.as_bytes())?;
    finish(body, stream)
}

fn echo(request: &IncomingRequest, out: ResponseOutparam) -> Result<(), StreamError> {
    let incoming = request.consume().expect("the first to ask for the body");
    let input = incoming.stream().expect("the first to ask for the stream");
    let (body, stream) = respond(out, 200, "application/octet-stream");
    copy(&input, &stream)?;
    finish(body, stream)
}

fn sse(out: ResponseOutparam, n: u32, pause: Duration) -> Result<(), StreamError> {
    let (body, stream) = respond(out, 200, "text/event-stream");
    for i in 1..=n {
        if i > 1 {
            let pause = u64::try_from(pause.as_nanos()).unwrap_or(u64::MAX);
            monotonic_clock::subscribe_duration(pause).block();
        }
        write(&stream, format!("id: {i}\ndata: event {i} of {n}\n\n").as_bytes())?;
    }
    finish(body, stream)
}

fn relay(out: ResponseOutparam, url: &str) -> Result<(), StreamError> {
    let response = match fetch(url) {
        Ok(response) => response,
        // The code is the interesting part: a host that denies the network says so here.
        Err(error) => return text(out, 502, &format!("{error:?}\n")),
    };
    let (body, mut stream) = respond(out, 200, "text/plain");
    let _gone = writeln!(stream, "{}", response.status());
    let incoming: IncomingBody = response.consume().expect("the first to ask for the body");
    let input = incoming.stream().expect("the first to ask for the stream");
    copy(&input, &stream)?;
    finish(body, stream)
}

fn fetch(url: &str) -> Result<IncomingResponse, ErrorCode> {
    let (scheme, rest) = if let Some(rest) = url.strip_prefix("http://") {
        (Scheme::Http, rest)
    } else if let Some(rest) = url.strip_prefix("https://") {
        (Scheme::Https, rest)
    } else {
        return Err(ErrorCode::HttpRequestUriInvalid);
    };
    let at = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(at);

    let request = OutgoingRequest::new(Fields::new());
    let invalid = |()| ErrorCode::HttpRequestUriInvalid;
    request.set_scheme(Some(&scheme)).map_err(invalid)?;
    request.set_authority(Some(authority)).map_err(invalid)?;
    request.set_path_with_query(Some(if path.is_empty() { "/" } else { path })).map_err(invalid)?;
    let future = outgoing_handler::handle(request, None)?;
    future.subscribe().block();
    future.get().expect("ready after its pollable").expect("taken once")
}

fn copy(input: &InputStream, output: &OutputStream) -> Result<(), StreamError> {
    loop {
        // Waits for the next bytes only, never for all that were asked for.
        match input.blocking_read(16 * 1024) {
            Ok(chunk) => write(output, &chunk)?,
            Err(StreamError::Closed) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

fn write(output: &OutputStream, bytes: &[u8]) -> Result<(), StreamError> {
    // The most that the interface takes in one blocking call.
    bytes.chunks(4096).try_for_each(|part| output.blocking_write_and_flush(part))
}

/// The value of a query parameter, percent-decoded.
fn parameter(query: &str, name: &str) -> Option<String> {
    let value = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
    let mut decoded = Vec::with_capacity(value.len());
    let mut bytes = value.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?];
                u8::from_str_radix(str::from_utf8(&digits).ok()?, 16).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(decoded).ok()
}
