//! A plain `wstd` server: nothing here knows of skep.

use wstd::http::{Body, Error, Method, Request, Response, StatusCode};

#[wstd::http_server]
async fn main(request: Request<Body>) -> Result<Response<Body>, Error> {
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/") => Ok(Response::new("hello from wstd\n".to_owned().into())),
        // The incoming body is itself a body, so this streams.
        (&Method::POST, "/echo") => Ok(Response::new(request.into_body())),
        _ => Ok(Response::builder().status(StatusCode::NOT_FOUND).body("not found\n".to_owned().into())?),
    }
}
