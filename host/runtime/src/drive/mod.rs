//! How a call is run, by what the component exports.

pub(crate) mod fast;
pub(crate) mod warmer;
pub(crate) mod wasi;
#[cfg(feature = "p3")]
pub(crate) mod wasi03;
