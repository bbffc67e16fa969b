#![deny(warnings, missing_docs)]
//! A warmer of one name, private and never called, with an error of its own that has no name.

use skep_sdk::prelude::*;

#[skep::warmer]
fn warm() -> std::result::Result<(), impl std::error::Error + Send + Sync + 'static> {
    "7".parse::<u32>().map(drop)
}

/// The prelude is for the buckets.
pub fn bucket() -> Result<cache::Bucket> {
    cache::bucket("hives")
}

fn main() {}
