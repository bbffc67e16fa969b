//! A plugin has one of each.
#![allow(unused)]

use serde::{Deserialize, Serialize};
use skep_sdk::{prelude::*, websocket::Frame};

#[derive(Serialize, Deserialize)]
struct A;

#[derive(Serialize, Deserialize)]
struct B;

#[skep::channel("a:*")]
impl A {
    fn join() -> Self {
        A
    }
}

mod other {
    use skep_sdk::prelude::*;

    #[skep::channel("b:*")]
    impl super::B {
        fn join() -> Self {
            super::B
        }
    }

    #[skep::socket]
    fn connect() -> Connected {
        Connected::default()
    }
}

#[skep::socket]
fn connect() -> Connected {
    Connected::default()
}

#[skep::websocket]
impl A {
    fn open() -> Self {
        A
    }
    fn message(&mut self, frame: Frame) {}
}

#[skep::websocket]
impl B {
    fn open() -> Self {
        B
    }
    fn message(&mut self, frame: Frame) {}
}

fn main() {}
