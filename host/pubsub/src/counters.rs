//! Counts that publishers on several cores do not fight for.

use std::cell::Cell;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU64, AtomicUsize};

use crate::members::Tally;

const STRIPES: usize = 16;

/// Two cache lines, as processors fetch them in pairs.
#[derive(Default)]
#[repr(align(128))]
struct Stripe {
    published: AtomicU64,
    delivered: AtomicU64,
    dropped: AtomicU64,
}

#[derive(Default)]
pub(crate) struct Counters([Stripe; STRIPES]);

thread_local! {
    static STRIPE: Cell<usize> = {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        Cell::new(NEXT.fetch_add(1, Relaxed) % STRIPES)
    };
}

impl Counters {
    pub(crate) fn published(&self, tally: Tally) {
        let Some(stripe) = self.0.get(STRIPE.get()) else { return };
        stripe.published.fetch_add(1, Relaxed);
        if tally.queued > 0 {
            stripe.delivered.fetch_add(tally.queued as u64, Relaxed);
        }
        if tally.dropped > 0 {
            stripe.dropped.fetch_add(tally.dropped as u64, Relaxed);
        }
    }

    /// Published, delivered and dropped.
    pub(crate) fn read(&self) -> (u64, u64, u64) {
        let sum = |of: fn(&Stripe) -> &AtomicU64| self.0.iter().map(|stripe| of(stripe).load(Relaxed)).sum();
        (sum(|stripe| &stripe.published), sum(|stripe| &stripe.delivered), sum(|stripe| &stripe.dropped))
    }
}
