use skep_sdk::prelude::*;

struct Order;

#[skep::http]
fn handler(method: Method, id: u32, Json(order): Json<Order>) -> String {
    format!("{method} {id}")
}

fn main() {}
