//! A plain Spin component: nothing here knows of skep.

use bytes::Bytes;
use spin_sdk::http::{FullBody, IntoResponse, Method, Request, Response, StatusCode, box_body};
use spin_sdk::http_service;

#[http_service]
async fn hello(request: Request) -> impl IntoResponse {
    let text = |text: &'static str| box_body(FullBody::new(Bytes::from_static(text.as_bytes())));
    let (status, body) = match (request.method(), request.uri().path()) {
        (&Method::GET, "/") => (StatusCode::OK, text("hello from spin\n")),
        // The incoming body is itself a body, so this streams.
        (&Method::POST, "/echo") => (StatusCode::OK, box_body(request.into_body())),
        _ => (StatusCode::NOT_FOUND, text("not found\n")),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}
