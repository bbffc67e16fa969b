//! What decides who may listen: any function of extractors that answers yes or no.

use super::EventStream;
use crate::{FromRequest, IntoResponse, Request, Response, web::arities};

/// A function whose arguments are extractors, up to twelve in any order, [`Opening`](crate::Opening) among them, and that
/// returns an [`EventStream`] or a refusal.
///
/// `M` tells the shapes of functions apart and is always inferred.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not open an event stream",
    note = "what opens one is a function that takes up to twelve extractors (`Opening`, `Request`, `Query<T>`, ...) by value and returns `Result<EventStream>`"
)]
pub trait Opener<M> {
    /// Decides.
    ///
    /// # Errors
    /// The refusal, as the client gets it.
    #[allow(clippy::result_large_err, reason = "as large as any answer, and once for each connection")]
    fn open(&self, request: Request) -> Result<EventStream, Response>;
}

/// What the function's return type must be.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say whether an event stream opens",
    label = "the host cannot open a stream with this",
    note = "it returns `EventStream`, or `Result<EventStream>`; an `Err` refuses the client: any error that `?` takes, a `Rejection`, a `StatusCode`, a `Response`"
)]
pub trait Opened {
    /// Yes, or the answer to the client that is refused.
    #[allow(clippy::result_large_err, clippy::missing_errors_doc, reason = "it passes on what it is given")]
    fn into_decision(self) -> Result<EventStream, Response>;
}

impl Opened for EventStream {
    fn into_decision(self) -> Result<EventStream, Response> {
        match self.error {
            Some(error) => Err(error.into_response()),
            None => Ok(self),
        }
    }
}

impl<E: IntoResponse> Opened for Result<EventStream, E> {
    fn into_decision(self) -> Result<EventStream, Response> {
        self.map_err(IntoResponse::into_response)?.into_decision()
    }
}

impl<F: Fn() -> R, R: Opened> Opener<((),)> for F {
    fn open(&self, _: Request) -> Result<EventStream, Response> {
        self().into_decision()
    }
}

macro_rules! openers {
    ($($arg:ident)*; $last:ident) => {
        impl<F, R, $($arg,)* $last> Opener<((), $($arg,)* $last)> for F
        where
            F: Fn($($arg,)* $last) -> R,
            R: Opened,
            $($arg: FromRequest,)*
            $last: FromRequest,
        {
            #[allow(non_snake_case)]
            fn open(&self, request: Request) -> Result<EventStream, Response> {
                $(let $arg = $arg::from_request(&request).map_err(IntoResponse::into_response)?;)*
                let $last = $last::from_owned_request(request).map_err(IntoResponse::into_response)?;
                self($($arg,)* $last).into_decision()
            }
        }
    };
}

arities!(openers);
