//! How a call is run, by what the component exports.

pub(crate) mod channel;
pub(crate) mod errand;
pub(crate) mod event_stream;
pub(crate) mod fast;
pub(crate) mod job;
pub(crate) mod process;
pub(crate) mod socket;
pub(crate) mod subscriber;
pub(crate) mod task;
pub(crate) mod warmer;
pub(crate) mod wasi;
#[cfg(feature = "p3")]
pub(crate) mod wasi03;
pub(crate) mod websocket;
