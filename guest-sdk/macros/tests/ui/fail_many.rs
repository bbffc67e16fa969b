use skep_sdk::prelude::*;

#[skep::http]
fn handler(
    _: Method, _: Method, _: Method, _: Method, _: Method, _: Method, _: Method,
    _: Method, _: Method, _: Method, _: Method, _: Method, _: Method,
) {}

fn main() {}
