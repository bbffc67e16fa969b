//! How much of its turn a guest has used.
//!
//! wasmtime yields after an interval of fuel, and begins a new interval whenever the host sets a store's fuel. The host does so after
//! each of its functions that the guest owes fuel for, so a guest that calls one after the other would never come to the end of an
//! interval: it would keep its worker, and its deadline, which is looked at between turns, would not be held. So what the host did
//! for a guest counts towards its turn, and an interval that begins within a turn is as long as the turn has left. The first thing
//! after a turn is an interval of a whole one again.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// Fuel of a turn. Less makes spinning dearer, more makes a neighbour wait.
pub(crate) const TURN_FUEL: u64 = 100_000;
/// No fuel level: nothing was paid in this turn yet.
const UNKNOWN: u64 = u64::MAX;

/// The interval of the guest's store is that of a turn.
const WHOLE: u8 = 0;
/// It is what a turn had left.
const REST: u8 = 1;
/// The same, and that turn is over.
const OVER: u8 = 2;

/// A guest's turn. Only the thread that runs the guest changes it, inside of it and around it.
#[derive(Debug)]
pub(crate) struct Slice {
    /// The fuel level at the turn's first payment.
    from: AtomicU64,
    interval: AtomicU8,
}

/// What comes after a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paid {
    /// The turn has so much left.
    Left(u64),
    /// It is over: the guest is to stop where it can.
    Over,
}

impl Slice {
    pub(crate) fn new() -> Self {
        Self { from: AtomicU64::new(UNKNOWN), interval: AtomicU8::new(WHOLE) }
    }

    /// The guest paid the host: its fuel was at one level and is at another.
    pub(crate) fn paid(&self, before: u64, after: u64) -> Paid {
        let from = match self.from.load(Ordering::Relaxed) {
            UNKNOWN => before,
            from => from,
        };
        self.from.store(from, Ordering::Relaxed);
        self.interval.store(REST, Ordering::Relaxed);
        match TURN_FUEL.saturating_sub(from.saturating_sub(after)) {
            0 => Paid::Over,
            left => Paid::Left(left),
        }
    }

    /// The guest yielded.
    pub(crate) fn ended(&self) {
        self.from.store(UNKNOWN, Ordering::Relaxed);
        if self.interval.load(Ordering::Relaxed) == REST {
            self.interval.store(OVER, Ordering::Relaxed);
        }
    }

    /// Whether the guest goes on after a turn that ended with a short interval, and is to have a whole one.
    pub(crate) fn goes_on(&self) -> bool {
        let over = self.interval.load(Ordering::Relaxed) == OVER;
        if over {
            self.interval.store(WHOLE, Ordering::Relaxed);
        }
        over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_host_does_for_a_guest_counts() {
        let slice = Slice::new();
        // Calls that cost 1,000 each, after 500 of the guest's own. It yields when it is to.
        let call = |number: u64| {
            let before = 1_000_000 - number * 1_500;
            slice.paid(before, before - 1_000)
        };
        for number in 0..66 {
            assert_eq!(call(number), Paid::Left(99_000 - number * 1_500), "after {number}; the first payment begins");
        }
        assert_eq!([call(66), call(67)], [Paid::Over; 2], "until it yields");
        slice.ended();
        assert_eq!(call(68), Paid::Left(99_000), "a new turn");
    }

    #[test]
    fn a_whole_interval_follows_one_that_was_shorter() {
        let slice = Slice::new();
        slice.ended();
        assert!(!slice.goes_on(), "it was a whole one");
        assert_eq!(slice.paid(1_000_000, 500_000), Paid::Over);
        assert!(!slice.goes_on(), "a call that costs nothing does not begin a turn");
        slice.ended();
        assert_eq!([slice.goes_on(), slice.goes_on()], [true, false]);
    }
}
