//! A handler: any function of extractors that answers.

use crate::{FromRequest, IntoResponse, Request, Response, Router};

/// A function whose arguments are extractors, up to twelve in any order, and whose return value is an answer.
/// A function that takes nothing and returns a [`Router`] is one, too.
///
/// `M` tells the shapes of functions apart and is always inferred.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a handler",
    note = "a handler is a function that takes up to twelve extractors (`Request`, `Path<T>`, `Json<T>`, ...) by value and returns an answer (`impl IntoResponse`)"
)]
pub trait Handler<M> {
    /// Answers a request.
    fn call(&self, request: Request) -> Response;
}

/// What a handler's return type must be: an answer, or a router that will give one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an answer",
    label = "a handler cannot answer this",
    note = "a handler answers text, bytes, `Json(..)`, `Html(..)`, a `StatusCode`, a `Redirect`, a `Response`, a tuple such as `(StatusCode, Json(..))`, or a `Result` of answers"
)]
pub trait Answer {}

impl<T: IntoResponse> Answer for T {}
impl Answer for Router {}

/// Marks a [`Router`] where a handler is expected.
#[derive(Debug)]
pub struct IsRouter;

impl Handler<IsRouter> for Router {
    fn call(&self, request: Request) -> Response {
        self.handle(request)
    }
}

impl<F: Fn() -> Router> Handler<IsRouter> for F {
    fn call(&self, request: Request) -> Response {
        self().handle(request)
    }
}

impl<F: Fn() -> R, R: IntoResponse> Handler<((),)> for F {
    fn call(&self, _: Request) -> Response {
        self().into_response()
    }
}

macro_rules! handlers {
    ($($arg:ident)*; $last:ident) => {
        impl<F, R, $($arg,)* $last> Handler<((), $($arg,)* $last)> for F
        where
            F: Fn($($arg,)* $last) -> R,
            R: IntoResponse,
            $($arg: FromRequest,)*
            $last: FromRequest,
        {
            #[allow(non_snake_case)]
            fn call(&self, request: Request) -> Response {
                $(
                    let $arg = match $arg::from_request(&request) {
                        Ok(value) => value,
                        Err(rejection) => return rejection.into_response(),
                    };
                )*
                // Nobody needs the request after the last one, which may so have its parts without a copy.
                match $last::from_owned_request(request) {
                    Ok($last) => self($($arg,)* $last).into_response(),
                    Err(rejection) => rejection.into_response(),
                }
            }
        }
    };
}

/// Calls a macro for one to twelve arguments, the last one apart.
macro_rules! arities {
    ($each:ident) => {
        $each!(; A);
        $each!(A; B);
        $each!(A B; C);
        $each!(A B C; D);
        $each!(A B C D; E);
        $each!(A B C D E; G);
        $each!(A B C D E G; H);
        $each!(A B C D E G H; I);
        $each!(A B C D E G H I; J);
        $each!(A B C D E G H I J; K);
        $each!(A B C D E G H I J K; L);
        $each!(A B C D E G H I J K L; N);
    };
}
pub(crate) use arities;

arities!(handlers);

#[cfg(test)]
mod tests {
    use crate::{Json, Method, Path, Query, json, prelude::*, test};

    #[test]
    fn extractors_stand_in_any_order_and_share_the_body() {
        fn all(
            body: String,
            Json(value): Json<serde_json::Value>,
            method: Method,
            Path(id): Path<u32>,
            bytes: Bytes,
            Query(page): Query<std::collections::HashMap<String, u8>>,
            request: Request,
        ) -> String {
            assert_eq!((bytes.as_ref(), request.body()), (body.as_bytes(), &bytes));
            format!("{method} {id} {} {}", page["page"], value["a"])
        }
        let answer = test::put("/x?page=2").capture("id", "7").json(&json!({"a": 1})).send(all);
        assert_eq!(answer.text(), "PUT 7 2 1");
    }

    #[test]
    fn the_first_refusal_is_the_answer() {
        fn two(_: Path<u32>, _: Json<u32>) {}
        let answer = test::post("/").capture("id", "x").body("no json").send(two);
        assert_eq!((answer.status().as_u16(), answer.error_code()), (400, "invalid-path".into()));
    }

    #[test]
    fn closures_and_routers_are_handlers() {
        let greeting = "hi".to_owned();
        assert_eq!(test::get("/").send(|| greeting.clone()).text(), "hi");
        fn app() -> Router {
            Router::new().get("/", || "routed")
        }
        assert_eq!(test::get("/").send(app).text(), "routed");
        assert_eq!(test::get("/").send(app()).text(), "routed");
    }
}
