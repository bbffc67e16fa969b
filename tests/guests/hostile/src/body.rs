//! Bodies and headers of any size, in and out.

use std::io::Write as _;

use wasip2::http::types::{ErrorCode, Fields, IncomingBody, http_error_code};
use wasip2::io::streams::{InputStream, StreamError};

use crate::Call;
use crate::fetch::name_of;

const READ_BYTES: u64 = 64 << 10;
const BLOCK_BYTES: usize = 64 << 10;

/// A request's body, with the handle that it lives in.
struct Input {
    // Before `_body`, because a child handle has to go before its parent.
    stream: InputStream,
    _body: IncomingBody,
}

impl Input {
    fn of(call: &Call) -> Self {
        let body = call.request.consume().expect("the body is taken for the first time");
        let stream = body.stream().expect("the stream is taken for the first time");
        Self { stream, _body: body }
    }

    /// The next bytes; `None` at the end.
    fn next(&self) -> Result<Option<Vec<u8>>, ErrorCode> {
        match self.stream.blocking_read(READ_BYTES) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(StreamError::Closed) => Ok(None),
            Err(StreamError::LastOperationFailed(error)) => {
                Err(http_error_code(&error).unwrap_or_else(|| ErrorCode::InternalError(Some(error.to_debug_string()))))
            }
        }
    }
}

/// Sends every piece on as it comes, so that neither side is held in memory.
pub(crate) fn echo(call: Call) {
    let input = Input::of(&call);
    let headers = Fields::new();
    for value in call.request.headers().get("content-type") {
        // A type that the host lets in and not out is left out.
        let _ = headers.append("content-type", &value);
    }
    // The first piece comes before the head, because a client that expects a 100 sends nothing until the body is read.
    let mut piece = input.next();
    let mut body = call.out.start(200, headers);
    loop {
        match piece {
            Ok(Some(bytes)) if body.write_all(&bytes).and_then(|()| body.flush()).is_ok() => piece = input.next(),
            Ok(None) => return body.finish(),
            // Either side broke off: the answer stays unfinished.
            Ok(Some(_)) | Err(_) => return,
        }
    }
}

/// Reads everything and answers how much it was. A body that breaks off is answered with the error's name and 400, or
/// with `refuse` is passed on as the answer's own error.
pub(crate) fn slurp(call: Call) {
    let input = Input::of(&call);
    let mut bytes = 0_usize;
    loop {
        match input.next() {
            Ok(Some(more)) => bytes += more.len(),
            Ok(None) => return call.out.text(200, &bytes.to_string()),
            Err(code) if call.query.get("refuse").is_some() => return call.out.refuse(code),
            Err(code) => return call.out.text(400, &format!("{} after {bytes} bytes", name_of(&code))),
        }
    }
}

pub(crate) fn big(call: Call) {
    let mut left = usize::try_from(call.query.number("bytes", 1 << 20)).unwrap_or(usize::MAX);
    let block = vec![b'x'; BLOCK_BYTES];
    let mut body = call.out.start(200, Fields::new());
    while left > 0 {
        let size = left.min(block.len());
        if body.write_all(&block[..size]).is_err() {
            return;
        }
        left -= size;
    }
    body.finish();
}

/// Many or large headers. Where the host refuses one, the answer is a 431 that says which and why.
pub(crate) fn headers(call: Call) {
    let n = call.query.number("n", 10);
    let size = usize::try_from(call.query.number("size", 10)).unwrap_or(usize::MAX);
    let value = vec![b'x'; size];
    let headers = Fields::new();
    for i in 0..n {
        if let Err(error) = headers.append(&format!("x-{i}"), &value) {
            return call.out.text(431, &format!("header {i} of {size} bytes refused: {error:?}"));
        }
    }
    let mut body = call.out.start(200, headers);
    let _ = body.write_all(n.to_string().as_bytes());
    body.finish();
}
