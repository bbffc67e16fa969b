//! Functions of extractors that return something other than an answer.

use super::arities;
use crate::{FromRequest, IntoResponse, Request, Response};

/// A function whose arguments are extractors, up to twelve in any order.
///
/// `M` tells the shapes of functions apart and is always inferred.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a function of extractors",
    note = "it takes up to twelve extractors (`Request`, `Query<T>`, `Cookies`, ...) by value"
)]
pub trait Asked<M> {
    /// What it returns.
    type Answer;

    /// Calls it.
    ///
    /// # Errors
    /// What an extractor answers to a request that does not fit.
    #[allow(clippy::result_large_err, reason = "as large as any answer, and once for each connection")]
    fn ask(&self, request: Request) -> Result<Self::Answer, Response>;
}

impl<F: Fn() -> R, R> Asked<((),)> for F {
    type Answer = R;

    fn ask(&self, _: Request) -> Result<R, Response> {
        Ok(self())
    }
}

macro_rules! functions {
    ($($arg:ident)*; $last:ident) => {
        impl<F, R, $($arg,)* $last> Asked<((), $($arg,)* $last)> for F
        where
            F: Fn($($arg,)* $last) -> R,
            $($arg: FromRequest,)*
            $last: FromRequest,
        {
            type Answer = R;

            #[allow(non_snake_case)]
            fn ask(&self, request: Request) -> Result<R, Response> {
                $(let $arg = $arg::from_request(&request).map_err(IntoResponse::into_response)?;)*
                let $last = $last::from_owned_request(request).map_err(IntoResponse::into_response)?;
                Ok(self($($arg,)* $last))
            }
        }
    };
}

arities!(functions);
