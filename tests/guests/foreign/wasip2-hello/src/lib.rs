//! The shortest answer with the bare WASI 0.2 interfaces: what the benchmark measures. Nothing here knows of skep.

use wasip2::http::types::{Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam};

wasip2::http::proxy::export!(Hello);

struct Hello;

impl wasip2::exports::http::incoming_handler::Guest for Hello {
    fn handle(_: IncomingRequest, out: ResponseOutparam) {
        let headers = Fields::from_list(&[("content-type".to_owned(), b"text/plain".to_vec())]);
        let response = OutgoingResponse::new(headers.expect("headers that may be set"));
        let body = response.body().expect("the first to ask for the body");
        ResponseOutparam::set(out, Ok(response));
        // A client that has gone is nobody's loss.
        if let Ok(stream) = body.write() {
            let _gone = stream.blocking_write_and_flush(b"hello from wasip2\n");
        }
        let _gone = OutgoingBody::finish(body, None);
    }
}
