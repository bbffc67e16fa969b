use serde::{Deserialize, Serialize};
use skep_sdk::prelude::*;

#[derive(Serialize, Deserialize)]
struct First;

#[derive(Serialize, Deserialize)]
struct Second;

#[skep::process]
impl First {
    fn init() -> Self {
        First
    }
}

#[skep::process]
impl Second {
    fn init() -> Self {
        Second
    }
}

fn main() {}
