use skep_sdk::prelude::*;

struct Order;

#[skep::http]
fn handler(method: Method, id: u32, order: Json<Order>) -> String {
    let Json(_) = order;
    format!("{method} {id}")
}

fn main() {}
