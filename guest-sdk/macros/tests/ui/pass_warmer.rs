#![deny(warnings, missing_docs)]
//! A warmer, and a handler of what it fills.

use skep_sdk::prelude::*;

/// It stands beside a handler, in whichever module.
#[skep::http]
pub fn handler() -> Result<String> {
    cache::bucket("hives")?.get("all")?.status(StatusCode::NOT_FOUND)
}

/// What fills ahead of time.
mod ahead {
    use skep_sdk::prelude::*;

    /// A warmer may be public, documented and used like any function.
    #[skep::warmer]
    pub fn warm(name: &str) -> Result<()> {
        cache::bucket("hives")?.put(name, "7 hives").context("putting")
    }
}

fn main() {
    ahead::warm("all").unwrap();
    assert_eq!(skep_sdk::test::get("/").send(handler).text(), "7 hives");
}
