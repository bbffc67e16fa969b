//! Calls and failures of late, in ten parts of a window.
//!
//! A slot is the number of a part since the breaker's start. Part and slot agree modulo ten; a part that holds another
//! slot than the one asked for is out of date, and is taken over by whoever counts next.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use thread_local::ThreadLocal;

use crate::clients::Clients;

const PARTS: usize = 10;

/// The calls of a window. A part is one atomic: its slot in the upper half (as many as a 10 ms window has in 49 days;
/// what wraps is a part that nobody counted in for as long), its calls in the lower. Each thread counts for itself.
#[derive(Debug)]
pub(super) struct Calls {
    threads: ThreadLocal<Parts>,
    part_nanos: u64,
}

/// Alone in its cache lines.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Parts([AtomicU64; PARTS]);

impl Calls {
    pub(super) fn new(window: Duration) -> Self {
        let nanos = u64::try_from(window.as_nanos()).unwrap_or(u64::MAX);
        Self { threads: ThreadLocal::new(), part_nanos: (nanos / PARTS as u64).max(1) }
    }

    pub(super) fn slot(&self, since_start: Duration) -> u64 {
        let nanos = since_start.as_secs().wrapping_mul(1_000_000_000).wrapping_add(since_start.subsec_nanos().into());
        // One more, so that no call has the slot of an empty part.
        nanos / self.part_nanos + 1
    }

    pub(super) fn add(&self, since_start: Duration) {
        let slot = self.slot(since_start);
        let Some(part) = self.threads.get_or_default().0.get(index(slot)) else { return };
        let stamp = slot << 32;
        let mut seen = part.load(Ordering::Relaxed);
        loop {
            if seen >> 32 == stamp >> 32 {
                // Between the load and this, the part may have been taken over by a slot ten later: one call too many
                // there, once, is not worth a loop for every call.
                part.fetch_add(1, Ordering::Relaxed);
                return;
            }
            match part.compare_exchange_weak(seen, stamp | 1, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return,
                Err(other) => seen = other,
            }
        }
    }

    /// The calls of the window that ends with this slot.
    pub(super) fn sum(&self, slot: u64) -> u64 {
        let parts = self.threads.iter().flat_map(|parts| &parts.0).map(|part| part.load(Ordering::Relaxed));
        parts.filter(|part| in_window(part >> 32, slot)).map(|part| part & u64::from(u32::MAX)).sum()
    }

    pub(super) fn clear(&self) {
        for part in self.threads.iter().flat_map(|parts| &parts.0) {
            part.store(0, Ordering::Relaxed);
        }
    }
}

#[derive(Debug, Default)]
struct Part {
    slot: u64,
    failures: u64,
    clients: Clients,
}

/// The failures of a window.
#[derive(Debug, Default)]
pub(super) struct Failures {
    parts: [Part; PARTS],
}

impl Failures {
    pub(super) fn add(&mut self, slot: u64, client: Option<u64>, enough: usize) {
        let Some(part) = self.parts.get_mut(index(slot)) else { return };
        if part.slot != slot {
            part.slot = slot;
            part.failures = 0;
            part.clients.clear();
        }
        part.failures += 1;
        part.clients.add(client, enough);
    }

    /// Failures and clients of the window that ends with this slot.
    pub(super) fn sum(&self, slot: u64, enough: usize) -> (u64, usize) {
        let mut clients = Clients::default();
        let mut failures = 0;
        for part in self.parts.iter().filter(|part| in_window(part.slot & u64::from(u32::MAX), slot)) {
            failures += part.failures;
            clients.merge(&part.clients, enough);
        }
        (failures, clients.count())
    }
}

fn index(slot: u64) -> usize {
    (slot % PARTS as u64) as usize
}

/// Whether a part with this stamp, the lower half of its slot, is of the last ten.
fn in_window(stamp: u64, slot: u64) -> bool {
    let age = (slot as u32).wrapping_sub(stamp as u32);
    stamp != 0 && (age as usize) < PARTS
}
