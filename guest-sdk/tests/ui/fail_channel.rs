//! Shapes that no channel, no socket and no WebSocket has.

use serde::{Deserialize, Serialize};
use skep_sdk::prelude::*;

#[derive(Serialize, Deserialize)]
struct A;

#[skep::channel]
impl A {
    fn join() -> Self {
        A
    }
}

#[skep::channel("a*b", part, part, intrcept = ["x"])]
impl A {
    fn handle_in(self, message: &str, more: &str) {}
    fn terminate(end: String) {}
}

#[skep::channel("shop/a:*", part, intercept = "new_msg")]
impl A {
    async fn join(&self, params: &mut String) -> impl Sized {}
}

#[skep::channel("a:*", part)]
impl A {
    fn join<T>(one: T, two: T) -> Self {
        A
    }
    fn handle_out(&mut self, event: String, payload: String, socket: &mut Socket) {}
    fn handle_info(&mut self) {}
}

#[skep::channel("a:*", part, intercept = [""])]
impl Clone for A {}

#[skep::channel("a:*", part, intercept = ["new_msg"], name = "No")]
impl A {
    fn join() {}
}

#[skep::channel("a:*")]
fn not_an_impl() {}

#[skep::channels]
mod none {}

#[skep::channels]
mod several {
    use skep_sdk::prelude::*;

    #[channel("a:*", part)]
    impl super::A {
        fn join() -> Self {
            super::A
        }
    }

    #[channel("b:*")]
    use super::far::{B, C};

    #[channel("b:*")]
    use super::far::D;
}

mod far {}

#[skep::socket("/socket")]
fn connect(request: &Request) {}

#[skep::websocket(name = "x")]
impl A {
    fn open(&self) {}
    fn message(frame: String, more: String) {}
    fn close(&mut self, code: u16, socket: &mut WebSocket) {}
}

#[skep::websocket(part)]
impl A {
    async fn open(more: &str) -> Self {
        A
    }
}

fn main() {}
