//! What the test guests of `wasi:http` and of the fast path share: how a query is read, and the misbehaviour that needs
//! nothing of the host.

mod die;
mod flood;
mod query;

use std::sync::atomic::{AtomicU64, Ordering};

pub use die::{bomb, host_panic, panic, recurse, rounds, spin, trap};
pub use flood::flood;
pub use query::Query;

/// 1 on every call of a fresh instance; a reused one counts on.
pub fn count() -> u64 {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    CALLS.fetch_add(1, Ordering::Relaxed) + 1
}
