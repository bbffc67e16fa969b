//! WASI on one side, [`respond`] on the other.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};

use wasip2::http::types::{
    Fields, IncomingRequest, Method as HttpMethod, OutgoingBody, OutgoingResponse, ResponseOutparam,
};
use wasip2::io::streams::OutputStream;

use crate::{Body, Config, Method, Request, Response, respond};

/// How much of a file is in memory at a time.
const CHUNK_BYTES: u64 = 64 * 1024;

wasip2::http::proxy::export!(StaticFiles);

struct StaticFiles;

impl wasip2::exports::http::incoming_handler::Guest for StaticFiles {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        send(answer(&request), out);
    }
}

fn answer(request: &IncomingRequest) -> Response {
    let config = match Config::read(|name| std::env::var(name).ok()) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("{error}");
            return Response::failure();
        }
    };
    let target = request.path_with_query();
    let headers = request.headers();
    respond(
        &config,
        &Request {
            method: match request.method() {
                HttpMethod::Get => Method::Get,
                HttpMethod::Head => Method::Head,
                _ => Method::Other,
            },
            target: target.as_deref().unwrap_or("/"),
            header: &|name| {
                let lines = headers.get(name);
                (!lines.is_empty()).then(|| String::from_utf8_lossy(&lines.join(&b", "[..])).into_owned())
            },
        },
    )
}

fn send(response: Response, out: ResponseOutparam) {
    let headers = Fields::new();
    for (name, value) in &response.headers {
        headers.append(name, value.as_bytes()).expect("names and values are printable ASCII");
    }
    let outgoing = OutgoingResponse::new(headers);
    outgoing.set_status_code(response.status).expect("our own statuses are valid");
    if matches!(response.body, Body::Empty) {
        // Without a body of which to compare the length: on HEAD it is that of the GET.
        ResponseOutparam::set(out, Ok(outgoing));
        return;
    }
    let body = outgoing.body().expect("nobody has asked for it before");
    ResponseOutparam::set(out, Ok(outgoing));
    let mut stream = body.write().expect("nobody has asked for it before");
    let sent = match response.body {
        Body::Empty => Ok(true),
        Body::Text(text) => Ok(stream.write_all(text.as_bytes()).is_ok()),
        Body::File { file, start, length } => copy(file, start, length, &mut stream),
    };
    // The stream is a child of the body, which wants to be finished without it.
    drop(stream);
    match sent {
        // Whatever comes of it, there is nobody left to tell.
        Ok(true) => drop(OutgoingBody::finish(body, None)),
        // The client has gone.
        Ok(false) => {}
        // Not finished, so that the host aborts the answer rather than pass it off as complete.
        Err(error) => eprintln!("reading the file: {error}"),
    }
}

/// Copies a part of the file; false if nobody wants it any more.
///
/// # Errors
///
/// If the file cannot be read, or has become shorter than it was.
fn copy(mut file: File, start: u64, length: u64, stream: &mut OutputStream) -> io::Result<bool> {
    if start > 0 {
        file.seek(SeekFrom::Start(start))?;
    }
    let mut left = length;
    let mut chunk = vec![0; usize::try_from(length.min(CHUNK_BYTES)).unwrap_or(0)];
    while left > 0 {
        let wanted = usize::try_from(left.min(CHUNK_BYTES)).unwrap_or(0);
        let read = file.read(chunk.get_mut(..wanted).unwrap_or_default())?;
        let bytes = chunk.get(..read).unwrap_or_default();
        if bytes.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if stream.write_all(bytes).is_err() {
            return Ok(false);
        }
        left -= u64::try_from(read).unwrap_or(left);
    }
    Ok(true)
}
