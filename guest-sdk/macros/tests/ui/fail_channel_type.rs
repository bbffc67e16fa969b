//! Types that a channel, a socket and a WebSocket cannot have.
#![allow(unused)]

use serde::{Deserialize, Serialize};
use skep_sdk::prelude::*;

struct Opaque;

#[derive(Serialize, Deserialize)]
struct A;

#[skep::channel("a:*", part, intercept = ["x"])]
impl A {
    fn join(params: Opaque) -> Result<u32> {
        Ok(7)
    }

    fn handle_in(&mut self, message: Opaque, socket: &mut Socket) -> Result<Opaque> {
        Ok(Opaque)
    }

    fn handle_out(&mut self, event: &str, message: Opaque) -> u32 {
        7
    }
}

#[skep::channel("b:*", part)]
impl Opaque {
    fn join() -> Self {
        Opaque
    }
}

#[skep::channels]
mod channels {
    #[channel]
    use super::Opaque;
    #[channel]
    use super::Far;
}

#[derive(Serialize, Deserialize)]
struct Far;

#[skep::socket]
fn connect(params: Opaque) -> Result<u32> {
    Ok(7)
}

#[derive(Serialize, Deserialize)]
struct Raw;

#[skep::websocket(part)]
impl Raw {
    fn open(params: Opaque) -> u32 {
        7
    }

    fn message(&mut self, said: Opaque) -> u32 {
        7
    }
}

fn main() {}
