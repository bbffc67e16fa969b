//! The second tier: a Redis that several hosts share, behind a bucket of the cache.
//!
//! | module | holds |
//! |---|---|
//! | [`tiered`] | a bucket and what is behind it: every operation, through both |
//! | [`any`] | a bucket with or without one |
//! | [`port`] | what is asked of a second tier, and who listens to it |
//! | [`redis`] | a Redis as the second tier: the connection, its breaker, the scripts |
//! | [`form`] | how entries are named and written |
//!
//! What holds, and what does not:
//!
//! | operation | while Redis answers | while it does not |
//! |---|---|---|
//! | get, get-entry, get-many, exists | memory, if its copy is *fresh*; else Redis, once for all who wait | memory alone |
//! | put, put-many | Redis, then memory | memory alone; the key is *owed* |
//! | put if absent, if version | one step in Redis: of several hosts one wins | one wins on each host |
//! | take, increment, touch, delete | one step in Redis, then memory | memory alone; the key is owed |
//! | fetch | memory; the holder of the lease asks Redis before it is to load; leases are this host's | memory alone |
//! | fill | refused if Redis has a live entry by now: another host was first | memory alone; owed |
//! | clear | a new generation: one step for all hosts | this host's memory; all is owed |
//! | keys, locks, statistics | this host's alone | the same |
//!
//! **Fresh** is a copy that Redis has confirmed within the bucket's `fresh` time, on the connection that is open now, and
//! about which Redis has told nothing since. So what another host writes is seen here as soon as Redis has told it, mostly
//! within a millisecond, and after `fresh` at the latest.
//!
//! **Owed** is a key whose last change may not have reached Redis. It is served from memory alone until Redis answers
//! again: then what memory has is stored there if nothing is there, and else both are forgotten, because nobody knows which
//! is newer. So no host ever sees a value come back that was overwritten, except after a host that was killed while it owed.
//! Over [`OWED_MAX`](tiered::OWED_MAX) keys all entries of the bucket are made void instead.
//!
//! What is stored without a condition, or by a fill, stays in memory as well; after every other change of this host the next
//! read asks Redis, which tells what its scripts do to the host that runs them too.
//!
//! That a key is *not* in Redis is not remembered: the next miss asks again. A failing Redis is never an error to the caller.
//!
//! Nothing in here knows wasm, HTTP or a manifest.

pub mod any;
pub mod form;
pub mod port;
pub mod redis;
pub mod tiered;

pub use any::AnyBucket;
pub use form::NOTE_BYTES;
pub use port::{Second, Standing};
pub use tiered::{Options, Stats, Tiered};
