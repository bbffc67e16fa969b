//! Shapes that no channel, no socket and no WebSocket has.
#![allow(unused)]

use serde::{Deserialize, Serialize};
use skep_sdk::prelude::*;

#[derive(Serialize, Deserialize)]
struct A;
#[derive(Serialize, Deserialize)]
struct B;
#[derive(Serialize, Deserialize)]
struct C;
#[derive(Serialize, Deserialize)]
struct D;
#[derive(Serialize, Deserialize)]
struct E;
#[derive(Serialize, Deserialize)]
struct F;
#[derive(Serialize, Deserialize)]
struct G;
#[derive(Serialize, Deserialize)]
struct H;
#[derive(Serialize, Deserialize)]
struct I;
#[derive(Serialize, Deserialize)]
struct J;

#[skep::channel]
impl A {
    fn join() -> Self {
        A
    }
}

#[skep::channel("a*b", part, part, intrcept = ["x"])]
impl B {
    fn handle_in(self, message: &str, more: &str) {}
    fn terminate(end: String) {}
}

#[skep::channel("shop/a:*", part, intercept = "new_msg")]
impl C {
    async fn join(&self, params: &mut String) -> impl Sized {}
}

#[skep::channel("a:*", part)]
impl D {
    fn join<T>(one: T, two: T) -> Self {
        D
    }
    fn handle_out(&mut self, event: String, payload: String, socket: &mut Socket) {}
    fn handle_info(&mut self) {}
}

#[skep::channel("a:*", part, intercept = [""])]
impl Clone for E {}

#[skep::channel("a:*", part, intercept = ["new_msg"], name = "No")]
impl F {
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
    impl super::I {
        fn join() -> Self {
            super::I
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
impl G {
    fn open(&self) {}
    fn message(frame: String, more: String) {}
    fn close(&mut self, code: u16, socket: &mut WebSocket) {}
}

#[skep::websocket(part)]
impl H {
    async fn open(more: &str) -> Self {
        H
    }
}

fn main() {}
