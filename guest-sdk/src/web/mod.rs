//! HTTP: what a handler takes, what it answers, and how both cross the border to the host.

mod asked;
mod cookies;
pub(crate) mod export;
mod extract;
mod handler;
mod pairs;
mod pattern;
mod redirect;
mod rejection;
mod reply;
mod request;
mod router;

pub use asked::Asked;
pub use cookies::Cookies;
pub use extract::{Client, Form, FromRequest, Json, Path, Query};
pub use handler::Handler;
pub(crate) use handler::{Answer, arities};
pub use redirect::Redirect;
pub use rejection::Rejection;
pub(crate) use rejection::error_response;
pub use reply::{Html, IntoResponse, ResponsePart};
pub use request::{Body, Request, RequestExt, Response};
pub(crate) use request::{Route, TestClient};
pub use router::Router;

pub(crate) use pattern::match_path;
