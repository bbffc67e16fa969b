use skep_sdk::prelude::*;

#[skep::http]
fn handler(req: Request) -> impl std::fmt::Display {
    req.path().to_owned()
}

fn main() {}
