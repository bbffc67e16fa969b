//! Answers: the outparam, the head, and a body that is written piece by piece.

use std::io::{self, Write};

use wasip2::http::types::{ErrorCode, Fields, OutgoingBody, OutgoingResponse, ResponseOutparam};
use wasip2::io::streams::OutputStream;

/// Where the answer goes. It is used once, which the type holds every route to but the one that breaks it on purpose.
pub(crate) struct Out(ResponseOutparam);

impl Out {
    pub(crate) fn new(out: ResponseOutparam) -> Self {
        Self(out)
    }

    /// The raw handle, for `/answer-twice`.
    pub(crate) fn handle(&self) -> u32 {
        self.0.handle()
    }

    /// A whole answer of text.
    pub(crate) fn text(self, status: u16, text: &str) {
        self.bytes(status, text.as_bytes());
    }

    /// A whole answer.
    pub(crate) fn bytes(self, status: u16, bytes: &[u8]) {
        let mut body = self.start(status, Fields::new());
        // A client that has gone is no concern of a whole answer.
        let _ = body.write_all(bytes);
        body.finish();
    }

    /// Sends the head. The body may take its time.
    pub(crate) fn start(self, status: u16, headers: Fields) -> Body {
        let response = OutgoingResponse::new(headers);
        if response.set_status_code(status).is_err() {
            // A status that the host refuses: 500 is one that it takes.
            response.set_status_code(500).expect("500 is a valid status");
        }
        let body = response.body().expect("the body is taken for the first time");
        ResponseOutparam::set(self.0, Ok(response));
        let stream = body.write().expect("the stream is taken for the first time");
        Body { stream, body }
    }

    /// Answers with an error in place of a response.
    pub(crate) fn refuse(self, code: ErrorCode) {
        ResponseOutparam::set(self.0, Err(code));
    }
}

/// A body that is being written. Dropped without `finish` it is incomplete.
pub(crate) struct Body {
    // Before `body`, because a child handle has to go before its parent.
    stream: OutputStream,
    body: OutgoingBody,
}

impl Body {
    /// Ends the body properly.
    pub(crate) fn finish(self) {
        let Self { stream, body } = self;
        let _ = stream.blocking_flush();
        drop(stream);
        let _ = OutgoingBody::finish(body, None);
    }
}

impl Write for Body {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Write::write(&mut self.stream, bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        // The bindings' own `flush` only asks for one; this waits until the host has taken everything.
        Write::flush(&mut self.stream)
    }
}
