//! How much a guest has done since it last gave its turn back.
//!
//! wasmtime yields after an interval of fuel, and begins a new interval whenever the host sets a store's fuel. The host does so after
//! each of its functions that the guest owes fuel for, so a guest that calls one after the other would never come to the end of an
//! interval: it would keep its worker, and its deadline, which is looked at between turns, would not be held. So what the host did
//! for a guest counts towards its turn, and an interval that begins anew is only as long as the turn has left.

use std::sync::atomic::{AtomicU64, Ordering};

/// Fuel of a turn. Less makes spinning dearer, more makes a neighbour wait.
pub(crate) const TURN_FUEL: u64 = 100_000;
/// The shortest interval that costs next to nothing.
const EASY: u64 = 2048;
/// What ending an interval costs, in fuel: so many instructions take as long. It bounds how often a guest is resumed in a turn.
const INTERVAL_COST: u64 = 128;
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
    /// The fuel level after the last payment.
    paid: AtomicU64,
}

impl Slice {
    pub(crate) fn new() -> Self {
        Self {
            interval: AtomicU64::new(TURN_FUEL),
            left: AtomicU64::new(TURN_FUEL),
            from: AtomicU64::new(UNKNOWN),
            paid: AtomicU64::new(UNKNOWN),
        }
    }

    /// The guest paid the host: its fuel was at one level and is at another. Returns the interval that is to begin.
    ///
    /// No interval can be changed before the next payment, and a guest may compute for long until then. So it is a short one
    /// only when the turn is over, and then half of what the guest did since its last payment: if it goes on as it did, it ends
    /// before the guest calls again.
    pub(crate) fn paid(&self, before: u64, after: u64) -> u64 {
        let from = match self.from.load(Ordering::Relaxed) {
            UNKNOWN => before,
            from => from,
        };
        let own = self.paid.load(Ordering::Relaxed).saturating_sub(before);
        let interval = match TURN_FUEL.saturating_sub(from.saturating_sub(after)) {
            0 => (own / 2).clamp(1, EASY),
            left => left.max(EASY),
        };
        self.from.store(from, Ordering::Relaxed);
        self.paid.store(after, Ordering::Relaxed);
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
        // Calls that cost 1,000 each, after 500 of the guest's own. No interval ends.
        let call = |number: u64| {
            let before = 1_000_000 - number * 1_500;
            slice.paid(before, before - 1_000)
        };
        assert_eq!(call(0), 99_000, "counting begins with the first payment");
        for number in 1..65 {
            assert_eq!(call(number), 99_000 - number * 1_500, "after {number} more");
        }
        assert_eq!(call(65), EASY, "none is shorter than needed");
        assert_eq!(call(66), 250, "the turn is over: it ends before the next call");
        assert!(slice.ended());
        assert_eq!(call(67), 99_000, "a new turn");
    }

    #[test]
    fn a_guest_that_calls_ever_faster_is_caught() {
        let slice = Slice::new();
        assert_eq!(slice.paid(1_000_000, 800_000), EASY, "one large answer is more than a turn");
        assert_eq!(slice.paid(799_000, 600_000), 500);
        assert_eq!(slice.paid(599_600, 400_000), 200);
        assert_eq!(slice.paid(400_000, 200_000), 1);
        assert!(slice.ended());
    }

    #[test]
    fn a_guest_that_computes_after_its_calls_goes_on_for_whole_turns() {
        let slice = Slice::new();
        let intervals = || (1..).find(|_| slice.ended()).unwrap();
        assert_eq!(slice.paid(1_000_000, 910_000), 10_000);
        assert_eq!([intervals(), intervals()], [1, 10]);
        slice.paid(800_000, 600_000);
        assert_eq!(slice.paid(599_980, 500_000), 10);
        assert_eq!([intervals(), intervals()], [1, 782], "what resuming it costs counts too");
    }
}
