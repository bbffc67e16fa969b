#![deny(warnings, missing_docs)]
//! Every shape of a handler that compiles; each module stands for a plugin.

use skep_sdk::prelude::*;

/// A handler may be public, documented and used like any function.
#[skep::http]
pub fn handler(
    _: Request,
    Path((_, _)): Path<(u32, String)>,
    _: Option<Query<Vec<String>>>,
    _: Result<Json<u8>, Rejection>,
    mut headers: HeaderMap,
) -> Result<(StatusCode, impl IntoResponse)> {
    headers.clear();
    let number: u32 = "7".parse()?;
    Ok((StatusCode::OK, number.to_string()))
}

fn main() {
    let answer = skep_sdk::test::get("/").capture("a", "1").capture("b", "2").send(handler);
    assert_eq!(answer.text(), "7");
}
