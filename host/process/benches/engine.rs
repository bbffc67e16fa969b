//! What the engine does with processes that do next to nothing.
#![allow(missing_docs)]
fn main() {}
