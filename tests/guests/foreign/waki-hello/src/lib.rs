//! A plain `waki` handler: nothing here knows of skep.

use waki::{ErrorCode, Method, Request, Response, handler};

#[handler]
fn hello(request: Request) -> Result<Response, ErrorCode> {
    match (request.method(), request.path()) {
        (Method::Get, "/") => Response::builder().body("hello from waki\n").build(),
        (Method::Post, "/echo") => {
            let body = request.body().map_err(|error| ErrorCode::InternalError(Some(error.to_string())))?;
            Response::builder().body(body).build()
        }
        _ => Response::builder().status_code(404).body("not found\n").build(),
    }
}
