//! How much a guest has done since it last gave its turn back.
//!
//! wasmtime yields after an interval of fuel, and begins a new interval whenever the host sets a store's fuel. The host does so after
//! each of its functions that the guest owes fuel for, so a guest that calls one after the other would never come to the end of an
//! interval: it would keep its worker, and its deadline, which is looked at between turns, would not be held. So what the host did
//! for a guest counts towards its turn, and an interval that begins anew is only as long as the turn has left.

use std::sync::atomic::{AtomicU64, Ordering};

/// Fuel of a turn. Less makes spinning dearer, more makes a neighbour wait.
pub(crate) const TURN_FUEL: u64 = 100_000;
/// The shortest interval of a guest whose turn is over: the next few instructions of any toolchain's code end it.
const SHORT: u64 = 64;
/// What ending an interval costs, in fuel: so many instructions take as long. It bounds how often a guest is resumed in a turn.
const INTERVAL_COST: u64 = 512;
/// No fuel level: nothing was paid in this turn yet.
const UNKNOWN: u64 = u64::MAX;

/// A guest's turn. Only the thread that runs the guest changes it, inside of it and around it.
#[derive(Debug)]
pub(crate) struct Slice {
    /// The interval of the guest's store.
    interval: AtomicU64,
    /// What the turn has left after the intervals that ended.
    left: AtomicU64,
    /// The fuel level at the turn's first payment.
    from: AtomicU64,
}

impl Slice {
    pub(crate) fn new() -> Self {
        Self { interval: AtomicU64::new(TURN_FUEL), left: AtomicU64::new(TURN_FUEL), from: AtomicU64::new(UNKNOWN) }
    }

    /// The guest paid the host: its fuel was at one level and is at another. Returns the interval that is to begin.
    pub(crate) fn paid(&self, before: u64, after: u64) -> u64 {
        let from = match self.from.load(Ordering::Relaxed) {
            UNKNOWN => before,
            from => from,
        };
        let used = from.saturating_sub(after);
        let interval = match TURN_FUEL.saturating_sub(used) {
            // It was to end its turn, and called the host again within the short interval.
            _ if used >= 2 * TURN_FUEL => 1,
            left => left.max(SHORT),
        };
        self.from.store(from, Ordering::Relaxed);
        self.interval.store(interval, Ordering::Relaxed);
        self.left.store(interval, Ordering::Relaxed);
        interval
    }

    /// An interval ended. Returns whether the turn ended with it; otherwise the guest may go on.
    pub(crate) fn ended(&self) -> bool {
        let interval = self.interval.load(Ordering::Relaxed);
        let left = self.left.load(Ordering::Relaxed).saturating_sub(interval.max(INTERVAL_COST));
        if left > 0 {
            self.left.store(left, Ordering::Relaxed);
            return false;
        }
        self.left.store(TURN_FUEL, Ordering::Relaxed);
        self.from.store(UNKNOWN, Ordering::Relaxed);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_that_only_computes_ends_its_turn_with_each_interval() {
        let slice = Slice::new();
        assert!(slice.ended() && slice.ended());
    }

    #[test]
    fn what_the_host_does_for_a_guest_counts() {
        let slice = Slice::new();
        let mut fuel = 1_000_000;
        // The guest's own work and the host's, call by call; no interval ends.
        for used in [10_000, 30_000, 55_000, 99_000] {
            let before = 1_000_000 - used + 5_000;
            fuel = 1_000_000 - used;
            // The first payment is where counting begins.
            let counted = if used == 10_000 { 5_000 } else { used - 5_000 };
            assert_eq!(slice.paid(before, fuel), TURN_FUEL - counted, "after {used}");
        }
        assert_eq!(slice.paid(fuel, fuel - 50_000), SHORT, "its turn is over");
        assert_eq!(slice.paid(fuel - 50_000, fuel - 99_000), SHORT);
        assert_eq!(slice.paid(fuel - 99_000, fuel - 150_000), 1, "it stops at the next instruction that counts");
        assert!(slice.ended());
        assert_eq!(slice.paid(500_000, 499_000), TURN_FUEL - 1_000, "a new turn");
    }

    #[test]
    fn a_guest_that_computes_after_many_calls_goes_on_in_short_intervals_for_a_whole_turn() {
        let slice = Slice::new();
        assert_eq!(slice.paid(1_000_000, 901_000), 1_000);
        assert!(slice.ended(), "the rest of the turn");
        let intervals = (1..).find(|_| slice.ended()).unwrap();
        assert_eq!(intervals, 100);
        assert_eq!(slice.paid(800_000, 600_000), 1);
        assert!(slice.ended());
        let intervals = (1..).find(|_| slice.ended()).unwrap();
        assert_eq!(intervals, 196, "what resuming costs counts too");
    }
}
