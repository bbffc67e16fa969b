//! What a reload may change while the entries stay. Atomics: every operation reads them, and hardly anybody writes.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use crate::life::Life;
use crate::options::{BucketOptions, Ttl};
use crate::time::{NEVER, nanos};

pub(super) struct Settings {
    value_bytes: AtomicU64,
    ttl: AtomicU64,
    idle: AtomicU64,
    idle_since: AtomicU64,
    stale: AtomicU64,
    waiters_per_key: AtomicUsize,
    waiters: AtomicUsize,
    holders: AtomicUsize,
}

impl Settings {
    pub(super) fn new(options: &BucketOptions) -> Self {
        let settings = Self {
            value_bytes: AtomicU64::new(0),
            ttl: AtomicU64::new(0),
            idle: AtomicU64::new(NEVER),
            idle_since: AtomicU64::new(0),
            stale: AtomicU64::new(0),
            waiters_per_key: AtomicUsize::new(0),
            waiters: AtomicUsize::new(0),
            holders: AtomicUsize::new(0),
        };
        settings.set(options, 0);
        settings
    }

    pub(super) fn set(&self, options: &BucketOptions, now: u64) {
        let idle = options.idle.map_or(NEVER, nanos);
        if self.idle() == NEVER && idle != NEVER {
            self.idle_since.store(now, Relaxed);
        }
        self.value_bytes.store(options.value_bytes.0, Relaxed);
        self.ttl.store(options.ttl.map_or(NEVER, nanos), Relaxed);
        self.idle.store(idle, Relaxed);
        self.stale.store(nanos(options.stale), Relaxed);
        self.waiters_per_key.store(options.waiters_per_key, Relaxed);
        self.waiters.store(options.waiters, Relaxed);
        self.holders.store(options.holders, Relaxed);
    }

    pub(super) fn life(&self, now: u64) -> Life {
        Life { now, idle: self.idle(), idle_since: self.idle_since.load(Relaxed), stale: self.stale.load(Relaxed) }
    }

    pub(super) fn idle(&self) -> u64 {
        self.idle.load(Relaxed)
    }

    pub(super) fn value_bytes(&self) -> u64 {
        self.value_bytes.load(Relaxed)
    }

    pub(super) fn waiters_per_key(&self) -> usize {
        self.waiters_per_key.load(Relaxed)
    }

    pub(super) fn waiters(&self) -> usize {
        self.waiters.load(Relaxed)
    }

    pub(super) fn holders(&self) -> usize {
        self.holders.load(Relaxed)
    }

    /// When an entry written now ends; `before` is the end of the one it overwrites.
    pub(super) fn deadline(&self, ttl: Ttl, now: u64, before: Option<u64>) -> u64 {
        let after = |left: u64| if left == NEVER { NEVER } else { now.saturating_add(left) };
        match (ttl, before) {
            (Ttl::Never, _) => NEVER,
            (Ttl::After(left), _) => after(nanos(left)),
            (Ttl::Keep, Some(before)) => before,
            (Ttl::Default | Ttl::Keep, _) => after(self.ttl.load(Relaxed)),
        }
    }
}
