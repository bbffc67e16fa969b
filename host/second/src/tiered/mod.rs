//! A bucket and its second tier: every operation, through both.
//!
//! | module | holds |
//! |---|---|
//! | `read` | get, get-entry, get-many: one lookup for all who wait |
//! | `write` | put, take, touch, counters, clear |
//! | `flight` | fetch and fill: single flight above both tiers |
//! | `repair` | what is owed, once the second tier is back |
//! | `traffic`, `owed` | who is at work on which key; what may not have arrived |
//! | `stats` | what is counted |

mod flight;
mod owed;
mod read;
mod repair;
mod stats;
mod traffic;
mod write;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use skep_cache::{Bucket, Error, KEY_BYTES_MAX, Page, Ttl, Update, Value};
use skep_types::Clock;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use crate::form::{NOTE_BYTES, Note, value_of};
use crate::port::{Fault, Left, Life, Listener, Second, Standing};
pub use owed::OWED_MAX;
use owed::Owed;
pub use read::MANY;
pub use stats::Stats;
use stats::{Counts, count};
use traffic::Traffic;

/// How a bucket with a second tier behaves, beside what the bucket itself is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How old a copy in memory may be before the second tier is asked again, although nothing was told. Zero: it is always
    /// asked. Default 5 s.
    pub fresh: Duration,
    /// How long an entry lives that says nothing of its own. Default: it does not end by time.
    pub ttl: Option<Duration>,
    /// How long past its end an entry is kept for callers of `fetch` who take a stale value. Default: not at all.
    pub stale: Duration,
    /// The longest value. The bucket itself is to take [`NOTE_BYTES`] more. Default 1 MiB.
    pub value_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { fresh: Duration::from_secs(5), ttl: None, stale: Duration::ZERO, value_bytes: 1 << 20 }
    }
}

/// A bucket with a second tier behind it. All that uses the bucket must do so through this, or memory and the second tier
/// part. Dropping it ends the repair of what is owed.
pub struct Tiered {
    core: Arc<Core>,
    _repair: AbortOnDropHandle<()>,
}

struct Core {
    bucket: Arc<Bucket>,
    second: Arc<dyn Second>,
    clock: Arc<dyn Clock>,
    base: Instant,
    // Read and written whole, for moments.
    options: Mutex<Options>,
    standing: watch::Receiver<Standing>,
    traffic: Arc<Traffic>,
    owed: Owed,
    counts: Counts,
    /// What was confirmed before is not: another host has made all void.
    void_until: AtomicU64,
}

impl Tiered {
    /// Puts a second tier behind an empty bucket that evicts. It needs tokio's runtime.
    #[must_use]
    pub fn start(bucket: Arc<Bucket>, second: Arc<dyn Second>, clock: Arc<dyn Clock>, options: Options) -> Self {
        let core = Arc::new(Core {
            base: clock.now(),
            standing: second.standing(),
            options: Mutex::new(options),
            traffic: Arc::default(),
            owed: Owed::default(),
            counts: Counts::default(),
            void_until: AtomicU64::new(0),
            bucket,
            second,
            clock,
        });
        let weak: Weak<Core> = Arc::downgrade(&core);
        core.second.tell(weak);
        let repair = AbortOnDropHandle::new(tokio::spawn(Arc::clone(&core).repair()));
        Self { core, _repair: repair }
    }

    /// Other options, from now on.
    pub fn configure(&self, options: Options) {
        *self.core.options.lock() = options;
    }

    /// The bucket in memory. What is in it is for [`value_of`]; it is not to be changed.
    #[must_use]
    pub fn bucket(&self) -> &Arc<Bucket> {
        &self.core.bucket
    }

    /// Keys of this host's memory, in pages. The second tier may have more.
    ///
    /// # Errors
    /// As [`Bucket::keys`].
    pub fn keys(&self, prefix: &str, cursor: Option<&str>, limit: usize) -> Result<Page, Error> {
        self.core.bucket.keys(prefix, cursor, limit)
    }

    /// What was counted of the second tier.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let mut stats = self.core.counts.read();
        stats.owed = self.core.owed.len();
        match &*self.core.standing.borrow() {
            Standing::Up { tells, .. } => (stats.up, stats.tells) = (true, *tells),
            Standing::Down { why } => stats.why = Some(Arc::clone(why)),
        }
        stats
    }
}

impl Core {
    fn now(&self) -> u64 {
        let passed = self.clock.now().saturating_duration_since(self.base);
        // Above zero, so that what was seen at once is after what was never void.
        u64::try_from(passed.as_nanos()).unwrap_or(u64::MAX).saturating_add(1)
    }

    fn options(&self) -> Options {
        *self.options.lock()
    }

    fn epoch(&self) -> Option<u64> {
        self.standing.borrow().epoch()
    }

    /// Whether the second tier is to be asked about a key.
    fn asks(&self, key: &str) -> bool {
        self.epoch().is_some() && !self.owed.has(key)
    }

    /// Whether a copy in memory needs no confirmation.
    fn is_fresh(&self, note: Note) -> bool {
        let age = self.now().saturating_sub(note.seen);
        self.epoch() == Some(note.epoch)
            && u128::from(age) < self.options().fresh.as_nanos()
            && note.seen > self.void_until.load(SeqCst)
    }

    fn note(&self, version: u64) -> Note {
        Note { epoch: self.epoch().unwrap_or(0), seen: self.now(), version }
    }

    /// Puts a copy of what the second tier has into memory. One that does not fit is not there, and what was there is not
    /// either.
    fn keep(&self, key: &str, value: &[u8], note: Note, left: Left) {
        let options = skep_cache::PutOptions { ttl: ttl(left), condition: skep_cache::Condition::Always };
        if self.bucket.put(key, &note.in_front_of(value), options).is_err() {
            self.forget(key);
        }
    }

    /// Copies in memory are to be asked about again, one by one: removing them all would hold up who reads answers.
    fn all_void(&self) {
        self.void_until.store(self.now(), SeqCst);
        self.traffic.all_changed();
    }

    /// Takes a copy out of memory. Whoever loads the key goes on: what memory had says nothing of it.
    fn forget(&self, key: &str) {
        let removed =
            self.bucket.update(key, |there| (if there.is_some() { Update::Delete } else { Update::Keep }, ()));
        // Removing needs no room, so nothing is refused.
        drop(removed);
    }

    /// The same after a change of this host's that another one fell into: which of both Redis has is not known here. What was
    /// written in memory alone meanwhile stays until it is paid.
    fn forget_disturbed(&self, key: &str) {
        if !self.owed.has(key) {
            self.forget(key);
        }
    }

    fn life(&self, wanted: Ttl) -> Life {
        let Options { ttl, stale, .. } = self.options();
        let standard = ttl.map_or(Left::Endless, Left::For);
        let left = match wanted {
            Ttl::Default | Ttl::Keep => standard,
            Ttl::After(left) => Left::For(left),
            Ttl::Never => Left::Endless,
        };
        Life { left, keep: wanted == Ttl::Keep, stale }
    }

    fn count_fault(&self, fault: Option<&Fault>) {
        match fault {
            None | Some(Fault::NotAsked) => count(&self.counts.skipped),
            Some(Fault::NoAnswer | Fault::Refused(_)) => count(&self.counts.errors),
        }
    }

    fn check(&self, key: &str, value_bytes: usize) -> Result<(), Error> {
        if key.len() > KEY_BYTES_MAX {
            return Err(Error::Invalid("the key is longer than 1024 bytes"));
        }
        let max = self.options().value_bytes;
        if value_bytes as u64 > max { Err(Error::TooLarge(max)) } else { Ok(()) }
    }
}

impl Listener for Core {
    fn changed(&self, key: &str) {
        count(&self.counts.told);
        self.traffic.changed(key, || self.forget(key));
    }

    fn cleared(&self) {
        count(&self.counts.told);
        self.all_void();
    }
}

impl fmt::Debug for Tiered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Tiered");
        shown.field("bucket", &self.core.bucket).field("standing", &*self.core.standing.borrow()).finish()
    }
}

fn ttl(left: Left) -> Ttl {
    match left {
        Left::Endless => Ttl::Never,
        Left::For(left) => Ttl::After(left),
    }
}

/// An entry of memory, and what is known of it.
fn noted(entry: skep_cache::Entry) -> Option<(skep_cache::Entry, Note)> {
    let note = Note::of(&entry.value)?;
    Some((skep_cache::Entry { value: value_of(entry.value), version: note.version, ttl_left: entry.ttl_left }, note))
}

/// A refusal of memory as the caller knows the limits, without what is in front of values.
fn without_note(error: Error) -> Error {
    match error {
        Error::TooLarge(limit) => Error::TooLarge(limit.saturating_sub(NOTE_BYTES as u64)),
        other => other,
    }
}

/// A version that was never given, on no host.
fn new_version() -> u64 {
    fastrand::u64(1..)
}

fn alone(bytes: &[u8]) -> Value {
    Value::alone(bytes)
}
