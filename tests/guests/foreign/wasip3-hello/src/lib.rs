//! A plain WASI 0.3 component: nothing here knows of skep.

use wasip3::http::types::{ErrorCode, Fields, Method, Request, Response};
use wasip3::{wit_bindgen, wit_future, wit_stream};

wasip3::http::service::export!(Service);

struct Service;

impl wasip3::exports::http::handler::Guest for Service {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let target = request.get_path_with_query().unwrap_or_default();
        let path = target.split('?').next().unwrap_or_default();
        match (request.get_method(), path) {
            (Method::Get, "/") => Ok(text(200, "hello from wasip3\n")),
            (Method::Post, "/echo") => Ok(echo(request)),
            _ => Ok(text(404, "not found\n")),
        }
    }
}

fn text(status: u16, body: &'static str) -> Response {
    let (mut writer, reader) = wit_stream::new();
    let (trailers, trailers_reader) = wit_future::new(|| Ok(None));
    let (response, _sent) = Response::new(Fields::new(), Some(reader), trailers_reader);
    // Dropped unwritten, it resolves to its default: no trailers.
    drop(trailers);
    response.set_status_code(status).expect("a valid status");
    wit_bindgen::spawn_local(async move {
        // What is left over was not wanted: the client has gone.
        let _unread = writer.write_all(body.as_bytes().to_vec()).await;
    });
    response
}

/// Hands every chunk on as it comes, so a body of any size passes through a small memory, and the
/// first byte of the answer leaves before the last byte of the request has come.
fn echo(request: Request) -> Response {
    let (received, received_reader) = wit_future::new(|| Ok(()));
    let (mut body, request_trailers) = Request::consume_body(request, received_reader);
    drop(received);

    let (mut writer, reader) = wit_stream::new();
    // The request's trailers become the response's; an error in the request's body ends up there too.
    let (response, _sent) = Response::new(Fields::new(), Some(reader), request_trailers);
    wit_bindgen::spawn_local(async move {
        let mut buffer = Vec::with_capacity(16 * 1024);
        loop {
            let (result, chunk) = body.read(buffer).await;
            match result {
                wit_bindgen::StreamResult::Complete(_) => {}
                wit_bindgen::StreamResult::Dropped | wit_bindgen::StreamResult::Cancelled => break,
            }
            let unread = writer.write_all(chunk).await;
            if !unread.is_empty() {
                break;
            }
            buffer = Vec::with_capacity(16 * 1024);
        }
    });
    response
}
