//! A bucket: sharded entries, their limits, and the operations on them.
//!
//! | module | holds |
//! |---|---|
//! | `settings` | what a reload may change while entries stay |
//! | `read` | get, exists, ttl, length |
//! | `edit` | the one way to write, under one lock and within the limits |
//! | `write` | put, delete, take, touch, counters, read-modify-write |
//! | `room` | how room is made, here and in other shards |
//! | `scan` | keys in pages |
//! | `upkeep` | sweeping, clearing, new settings, statistics |
//! | `flight` | single flight: hits, leases, waiters |
//! | `lock` | locks by name |
//! | `behind` | what was changed, for who writes it to a store |

mod behind;
mod edit;
pub(crate) mod flight;
pub(crate) mod lock;
mod read;
mod room;
mod scan;
mod settings;
mod upkeep;
mod write;

use std::fmt;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Weak};

use parking_lot::{Mutex, MutexGuard};
use skep_types::Clock;

pub use behind::{Batch, Changed, Current, Outcome};
pub(crate) use edit::Carried;
pub use flight::{FetchOptions, Fetched, Lease};
pub use lock::LockGuard;
pub use scan::{PAGE_KEYS_MAX, PAGE_SLOTS_MAX, Page};
pub use upkeep::Swept;
pub use write::{Entry, Update};

use crate::error::Error;
use crate::options::{BucketOptions, KEY_BYTES_MAX, Kind};
use crate::shard::Shard;
use crate::time::Timeline;
use crate::usage::{ENTRY_OVERHEAD, Usage};
use behind::Behind;
use lock::Locks;
use settings::Settings;

/// More shards than this buy nothing: a read or a write holds its lock for less than a microsecond.
const SHARDS_MAX: u64 = 64;
/// A shard smaller than this would evict for lack of luck, not of room.
const SHARD_ENTRIES_MIN: u64 = 1024;
/// A shard holds at least so many of the longest values, so that one of them does not empty it.
const SHARD_VALUES_MIN: u64 = 4;

/// Alone on its cache lines, so that two threads in two shards do not slow each other down.
#[repr(align(128))]
struct Padded<T>(T);

/// A bucket of entries with limits.
///
/// Made by [`Caches::configure`](crate::Caches::configure), or by [`Bucket::new`] for the host's own use. All
/// operations are for any thread at any time. Reads and writes of a key take at most microseconds; what looks at many
/// entries says so.
/// No operation ever shows an entry whose time is over.
pub struct Bucket {
    kind: Kind,
    tag: u64,
    shards: Box<[Padded<Mutex<Shard>>]>,
    hasher: foldhash::fast::RandomState,
    usage: Usage,
    settings: Settings,
    timeline: Timeline,
    versions: Padded<AtomicU64>,
    /// Numbers of leases and waiters.
    tickets: AtomicU64,
    /// Tells the cursors of this bucket from others.
    nonce: u64,
    locks: Mutex<Locks>,
    fences: AtomicU64,
    waiting: AtomicUsize,
    leases: AtomicUsize,
    rejected: AtomicU64,
    sweeping: AtomicUsize,
    behind: Behind,
    pub(crate) saving: AtomicBool,
    /// Itself, for the guards it hands to waiters.
    this: Weak<Self>,
}

impl Bucket {
    /// An empty bucket outside any budget.
    ///
    /// Versions and fences start at the wall clock's microseconds, so that those from before a restart are not given
    /// again.
    #[must_use]
    pub fn new(options: &BucketOptions, clock: Arc<dyn Clock>) -> Arc<Self> {
        let timeline = Timeline::new(clock);
        let first = timeline.wall_micros().max(1);
        let shards = shard_count(options);
        let hasher = foldhash::fast::RandomState::default();
        let shard = || Padded(Mutex::new(Shard::new(options.kind == Kind::Cache)));
        Arc::new_cyclic(|this| Self {
            kind: options.kind,
            tag: options.tag,
            shards: std::iter::repeat_with(shard).take(shards).collect(),
            nonce: hasher.hash_one(first),
            hasher,
            usage: Usage::new(options.entries, options.bytes.0),
            settings: Settings::new(options),
            timeline,
            versions: Padded(AtomicU64::new(first)),
            tickets: AtomicU64::new(1),
            locks: Mutex::new(Locks::default()),
            fences: AtomicU64::new(first),
            waiting: AtomicUsize::new(0),
            leases: AtomicUsize::new(0),
            rejected: AtomicU64::new(0),
            sweeping: AtomicUsize::new(0),
            behind: Behind::default(),
            saving: AtomicBool::new(false),
            this: Weak::clone(this),
        })
    }

    /// What it does when it is full.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether it can go on under these options, with its entries.
    pub(crate) fn fits(&self, options: &BucketOptions) -> bool {
        (self.kind, self.tag) == (options.kind, options.tag)
    }

    pub(crate) fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    pub(crate) fn shards(&self) -> usize {
        self.shards.len()
    }

    pub(crate) fn versions(&self) -> &AtomicU64 {
        &self.versions.0
    }

    fn hash(&self, key: &str) -> u64 {
        self.hasher.hash_one(key.as_bytes())
    }

    /// Bits that the index within the shard does not use first.
    fn shard_of(&self, hash: u64) -> usize {
        (hash >> 40) as usize & (self.shards.len() - 1)
    }

    fn lock_of(&self, hash: u64) -> MutexGuard<'_, Shard> {
        self.lock_shard(self.shard_of(hash)).expect("the number is masked to the number of shards")
    }

    pub(crate) fn lock_shard(&self, number: usize) -> Option<MutexGuard<'_, Shard>> {
        self.shards.get(number).map(|shard| shard.0.lock())
    }

    fn all_shards(&self) -> impl Iterator<Item = MutexGuard<'_, Shard>> {
        self.shards.iter().map(|shard| shard.0.lock())
    }

    fn ticket(&self) -> u64 {
        self.tickets.fetch_add(1, Relaxed)
    }

    /// The bucket as its guards hold it.
    fn owned(&self) -> Arc<Self> {
        self.this.upgrade().expect("whoever calls holds the bucket, and it exists only in an Arc")
    }

    fn check_key(key: &str) -> Result<(), Error> {
        if key.len() > KEY_BYTES_MAX { Err(Error::Invalid("the key is longer than 1024 bytes")) } else { Ok(()) }
    }
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (entries, bytes) = (self.usage.entries(), self.usage.bytes());
        f.debug_struct("Bucket").field("kind", &self.kind).field("entries", &entries).field("bytes", &bytes).finish()
    }
}

fn shard_count(options: &BucketOptions) -> usize {
    let entries = options.entries.min(options.bytes.0 / ENTRY_OVERHEAD);
    let by_value = options.bytes.0 / options.value_bytes.0.clamp(1, u64::MAX / SHARD_VALUES_MIN) / SHARD_VALUES_MIN;
    let wanted = (entries / SHARD_ENTRIES_MIN).min(by_value).clamp(1, SHARDS_MAX);
    // Rounded down to a power of two.
    1 << wanted.ilog2()
}
