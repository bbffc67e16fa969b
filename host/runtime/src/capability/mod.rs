//! What guests are given beyond WASI: one file for each capability of `skep:plugin`.
//!
//! Each has the same three parts: a **grant**, resolved when a revision is loaded, so that a call looks nothing up; what
//! a **call** holds, which ends with the call and not with the store; and the `Host` of its interface, which checks,
//! charges and hands over to an engine that knows no wasm.

pub(crate) mod cache;
pub(crate) mod channel;
mod held;
pub(crate) mod jobs;
pub(crate) mod keyvalue;
pub(crate) mod presence;
pub(crate) mod process;
pub(crate) mod pubsub;
pub(crate) mod sql;
pub(crate) mod store;
pub(crate) mod tasks;
pub(crate) mod topics;

pub(crate) use held::Held;
use held::take;
