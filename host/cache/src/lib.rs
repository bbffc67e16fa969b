//! The cache engine: buckets with hard limits and expiry, single flight, and locks.
//!
//! | module | holds |
//! |---|---|
//! | [`bucket`] | a bucket and its operations, single flight and locks among them |
//! | [`caches`] | all buckets of a host, under one memory budget |
//! | [`plan`] | another set of buckets, all or nothing |
//! | [`save`] | buckets on disk, to outlive a restart |
//! | [`options`] | what a bucket is told, and what a write may ask for |
//! | `shard`, `slab`, `queues`, `ghost` | where entries live, and which is evicted |
//! | `changes` | what is to be written to a store |
//! | `usage`, `life`, `time` | what counts against the limits; when an entry ends |
//! | `line` | who holds something and who waits for it |
//!
//! Nothing here knows wasm, HTTP or a manifest. Time comes from the injected [`Clock`](skep_types::Clock); only the
//! bounded waits of `fetch` and `lock` are measured by tokio's timer.

pub mod bucket;
pub mod caches;
mod changes;
pub mod error;
mod ghost;
mod life;
mod line;
pub mod options;
pub mod plan;
mod queues;
pub mod save;
mod shard;
mod slab;
pub mod stats;
mod time;
mod usage;
mod value;

pub use bucket::{
    Batch, Bucket, Changed, Current, Entry, FetchOptions, Fetched, Lease, LockGuard, Outcome, PAGE_KEYS_MAX,
    PAGE_SLOTS_MAX, Page, Swept, Update,
};
pub use caches::{Caches, CachesOptions, Change, Configured};
pub use error::Error;
pub use options::{BucketOptions, Condition, KEY_BYTES_MAX, Kind, PutOptions, Ttl};
pub use plan::{Applied, Plan, Refused};
pub use save::{RestoreError, Restored, SaveError, Saved};
pub use skep_types::{BucketId, BucketName, InvalidBucketName};
pub use stats::Stats;
pub use usage::ENTRY_OVERHEAD;
pub use value::Value;
