//! How much of its turn a guest has used.
//!
//! wasmtime yields after an interval of fuel, and begins a new interval whenever the host sets a store's fuel. The host does so after
//! each of its functions that the guest owes fuel for, so a guest that calls one after the other would never come to the end of an
//! interval: it would keep its worker, and its deadline, which is looked at between turns, would not be held. So what the host did
//! for a guest counts towards its turn, and an interval that begins within a turn is as long as the turn has left, to a quarter of
//! one. The first thing after a turn is an interval of a whole one again.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Fuel of a turn. Less makes spinning dearer, more makes a neighbour wait.
pub(crate) const TURN_FUEL: u64 = 100_000;
/// What an interval is measured in.
const QUARTER: u64 = TURN_FUEL / 4;
/// No fuel level: nothing was paid in this turn yet.
const UNKNOWN: u64 = u64::MAX;

/// A guest's turn. Only the thread that runs the guest changes it, inside of it and around it.
#[derive(Debug)]
pub(crate) struct Slice {
    /// The fuel level at the turn's first payment.
    from: AtomicU64,
    /// The interval of the guest's store.
    interval: AtomicU64,
    /// The guest yielded since that interval was chosen.
    over: AtomicBool,
}

/// What comes after a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paid {
    /// The turn goes on, with another interval if there is one.
    Goes(Option<u64>),
    /// It is over: the guest is to stop where it can.
    Over,
}

impl Slice {
    pub(crate) fn new() -> Self {
        Self { from: AtomicU64::new(UNKNOWN), interval: AtomicU64::new(TURN_FUEL), over: AtomicBool::new(false) }
    }

    /// The guest paid the host: its fuel was at one level and is at another.
    pub(crate) fn paid(&self, before: u64, after: u64) -> Paid {
        let from = match self.from.load(Ordering::Relaxed) {
            UNKNOWN => {
                self.from.store(before, Ordering::Relaxed);
                before
            }
            from => from,
        };
        let used = from.saturating_sub(after);
        let is_over = used >= TURN_FUEL;
        // Another interval costs a little, so there are four in a turn.
        let interval = if is_over { 1 } else { TURN_FUEL - used / QUARTER * QUARTER };
        let other = self.interval.load(Ordering::Relaxed) != interval;
        if other {
            self.interval.store(interval, Ordering::Relaxed);
            self.over.store(false, Ordering::Relaxed);
        }
        if is_over { Paid::Over } else { Paid::Goes(other.then_some(interval)) }
    }

    /// The guest yielded.
    pub(crate) fn ended(&self) {
        self.from.store(UNKNOWN, Ordering::Relaxed);
        self.over.store(self.interval.load(Ordering::Relaxed) != TURN_FUEL, Ordering::Relaxed);
    }

    /// Whether the guest goes on after a turn that ended with a short interval, and is to have a whole one.
    pub(crate) fn goes_on(&self) -> bool {
        let over = self.over.load(Ordering::Relaxed);
        if over {
            self.over.store(false, Ordering::Relaxed);
            self.interval.store(TURN_FUEL, Ordering::Relaxed);
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
        let mut intervals = Vec::new();
        for number in 0..66 {
            match call(number) {
                Paid::Goes(other) => intervals.extend(other.map(|interval| (number, interval))),
                Paid::Over => panic!("over after {number}"),
            }
        }
        // The first payment begins. A quarter is used up after 25,000: 16 times 1,500 and 1,000.
        assert_eq!(intervals, [(16, 75_000), (33, 50_000), (50, 25_000)]);
        assert_eq!([call(66), call(67)], [Paid::Over; 2], "until it yields");
        slice.ended();
        assert_eq!(call(68), Paid::Goes(Some(TURN_FUEL)), "a new turn");
        assert_eq!(call(69), Paid::Goes(None));
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
