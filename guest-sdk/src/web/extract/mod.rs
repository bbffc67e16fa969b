//! What a handler's arguments may be.

mod client;
mod form;
mod json;
mod path;
mod query;
mod raw;

use crate::{IntoResponse, Request};

pub use client::Client;
pub use form::Form;
pub use json::Json;
pub use path::Path;
pub use query::Query;

/// An extractor: what a handler takes as an argument, made from the request.
///
/// The body is buffered and shared, so extractors stand in any order and may each read it.
///
/// ```
/// use skep_sdk::prelude::*;
///
/// struct User(String);
///
/// impl FromRequest for User {
///     type Rejection = Rejection;
///
///     fn from_request(request: &Request) -> Result<Self, Rejection> {
///         let token = request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
///         let token = token.ok_or_else(|| Rejection::new(StatusCode::UNAUTHORIZED, "no-token", "sign in first"))?;
///         Ok(Self(token.to_owned()))
///     }
/// }
///
/// fn me(User(name): User) -> String { name }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an extractor",
    label = "a handler cannot take this",
    note = "a handler takes `Request`, `Path<T>`, `Query<T>`, `Json<T>`, `Form<T>`, `Cookies`, `Context`, `Client`, `Bytes`, `String`, `HeaderMap`, `Method`, `Uri`, an `Option` or a `Result` of these, or your own type that implements `FromRequest`",
    note = "`T` in `Path<T>`, `Query<T>`, `Json<T>` and `Form<T>` must implement `serde::de::DeserializeOwned`"
)]
pub trait FromRequest: Sized {
    /// The answer when the request lacks what the handler wants.
    type Rejection: IntoResponse;

    /// Makes the value.
    ///
    /// # Errors
    /// When the request lacks it, or has it in a shape that does not fit.
    fn from_request(request: &Request) -> Result<Self, Self::Rejection>;

    /// The same for the last argument, which may have the request's parts without a copy.
    ///
    /// # Errors
    /// As [`FromRequest::from_request`].
    fn from_owned_request(request: Request) -> Result<Self, Self::Rejection> {
        Self::from_request(&request)
    }

    /// Whether the request says nothing about it at all: then `Option<Self>` is `None`. What is there but broken is
    /// refused as ever. By default it is never absent.
    fn is_absent(request: &Request) -> bool {
        let _ = request;
        false
    }
}

/// `None` when the request says nothing about it; what is there but broken is still refused.
impl<E: FromRequest> FromRequest for Option<E> {
    type Rejection = E::Rejection;

    fn from_request(request: &Request) -> Result<Self, E::Rejection> {
        if E::is_absent(request) { Ok(None) } else { E::from_request(request).map(Some) }
    }

    fn from_owned_request(request: Request) -> Result<Self, E::Rejection> {
        if E::is_absent(&request) { Ok(None) } else { E::from_owned_request(request).map(Some) }
    }
}

/// Leaves the refusal to the handler.
impl<E: FromRequest<Rejection = R>, R> FromRequest for Result<E, R> {
    type Rejection = std::convert::Infallible;

    fn from_request(request: &Request) -> Result<Self, Self::Rejection> {
        Ok(E::from_request(request))
    }

    fn from_owned_request(request: Request) -> Result<Self, Self::Rejection> {
        Ok(E::from_owned_request(request))
    }
}
