//! Write-behind: what changes in a table of the cache reaches the store a moment later, in batches and with retries.
//!
//! | module | holds |
//! |---|---|
//! | [`place`] | where a bucket's entries are in the store, and in what form |
//! | `restore` | from the store to an empty bucket |
//! | `round` | all that has changed by now, in commits |
//! | [`service`] | a round every so often; what a failure puts off; the end |
//!
//! Memory is the truth: nothing is evicted from a table, so a miss needs no look at the store. What a host that is killed
//! loses is what was changed since the last round began, and all that was changed while rounds failed.
//!
//! Nothing in here knows wasm, HTTP or a manifest.

pub mod place;
mod restore;
mod round;
pub mod service;

pub use place::Place;
pub use restore::Restored;
pub use round::Error;
pub use service::{Behind, Leaving, Options, Unflushed};
