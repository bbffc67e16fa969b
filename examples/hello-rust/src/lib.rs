//! The shortest skep plugin in Rust.

use skep_sdk::prelude::*;

#[skep::http]
fn hello(req: Request) -> impl IntoResponse {
    format!("hello {}", req.path())
}

#[test]
fn hello_names_the_path() {
    let answer = skep_sdk::test::get("/bees").send(hello);
    assert_eq!(answer.text(), "hello /bees");
}
