//! Whether a new revision is clearly worse than its predecessor. Pure: it counts, and is asked for its verdict.
//!
//! A rollback undoes somebody's deploy, so a good revision must never be rolled back, however often the verdict is asked
//! for. Three conditions hold together:
//!
//! - at least 20 calls, and failures from at least 2 clients, as for the breaker;
//! - at least 0.1 more failures per call, because less is not worth a rollback however certain it is;
//! - a one-sided test of two proportions at z of at least 6, where z is the signed root of the likelihood ratio.
//!
//! The textbook z of pooled variances would not do: at 20 calls and 1 % of failures it calls three unlucky calls z = 6,
//! which happens once in a thousand revisions. The likelihood ratio keeps its meaning in such tails: by Chernoff's
//! bound a chance of about e^(-18), one in 60 million, per look. Looks at growing counts are nearly the same look, so
//! the first minute's thousands of them raise that to less than one in a million. The price is small: half against one
//! per cent is found within some twenty calls.

use std::time::{Duration, Instant};

use crate::breaker::Outcome;
use crate::clients::{CLIENTS_MAX, Clients};

/// Totals above this are halved, so that a predecessor is judged by its last thousands of calls.
const RECORD_CALLS_MAX: u64 = 10_000;

/// When a revision is judged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProbationOptions {
    /// How long it is watched. Default: 60 s.
    pub length: Duration,
    /// The least calls to judge by. Default: 20.
    pub calls: u64,
    /// From how many clients its failures must come, 1 to 16. Default: 2.
    pub clients: usize,
    /// How much higher its failures per call must be. Default: 0.1.
    pub margin: f64,
    /// How certain that must be, in standard deviations. Default: 6; see the module for why so high.
    pub z: f64,
}

impl Default for ProbationOptions {
    fn default() -> Self {
        Self { length: Duration::from_secs(60), calls: 20, clients: 2, margin: 0.1, z: 6.0 }
    }
}

/// How a revision's calls went: totals that slowly forget.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Record {
    calls: u64,
    failures: u64,
}

impl Record {
    /// Counts a call; an ignored one is none.
    pub fn count(&mut self, outcome: Outcome) {
        self.calls += u64::from(outcome != Outcome::Ignored);
        self.failures += u64::from(matches!(outcome, Outcome::Failed { .. }));
        self.forget();
    }

    /// Counts so many good calls: the same as one after the other.
    pub fn count_ok(&mut self, calls: u64) {
        // After so many no failure is left to forget.
        let mut left = calls.min(RECORD_CALLS_MAX * u64::from(u64::BITS));
        while left > 0 {
            let step = left.min((RECORD_CALLS_MAX + 1).saturating_sub(self.calls));
            self.calls += step;
            left -= step;
            self.forget();
        }
    }

    fn forget(&mut self) {
        if self.calls > RECORD_CALLS_MAX {
            self.calls /= 2;
            self.failures /= 2;
        }
    }

    /// Failures per call; 0 without calls.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        if self.calls == 0 { 0.0 } else { self.failures as f64 / self.calls as f64 }
    }

    /// The calls it judges by.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.calls
    }
}

/// What is to be done with a revision.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Verdict {
    /// Watch it further.
    Undecided,
    /// Its time is over, and it is not clearly worse. Final.
    Good,
    /// It is clearly worse: roll it back. Final.
    Bad {
        /// Its failures per call.
        new_ratio: f64,
        /// Those of its predecessor.
        old_ratio: f64,
    },
}

/// The first minute of a revision.
#[derive(Debug, Clone)]
pub struct Probation {
    options: ProbationOptions,
    ends: Option<Instant>,
    old: Record,
    new: Record,
    clients: Clients,
    verdict: Verdict,
}

impl Probation {
    /// A revision takes over now from one with this record. Without any record there is nothing to compare with, nor to
    /// go back to, so the verdict will be good.
    #[must_use]
    pub fn new(options: ProbationOptions, predecessor: Record, now: Instant) -> Self {
        let clients = options.clients.clamp(1, CLIENTS_MAX);
        Self {
            options: ProbationOptions { clients, ..options },
            // A length no clock can reach never ends, which is what it says.
            ends: now.checked_add(options.length),
            old: predecessor,
            new: Record::default(),
            clients: Clients::default(),
            verdict: Verdict::Undecided,
        }
    }

    /// Counts a call of the new revision.
    pub fn count(&mut self, outcome: Outcome) {
        self.new.count(outcome);
        if let Outcome::Failed { client } = outcome {
            self.clients.add(client, self.options.clients);
        }
    }

    /// Counts so many good calls.
    pub fn count_ok(&mut self, calls: u64) {
        self.new.count_ok(calls);
    }

    /// The verdict by now. Cheap enough to ask after each failure.
    pub fn verdict(&mut self, now: Instant) -> Verdict {
        if self.verdict == Verdict::Undecided {
            // Bad first: what was counted within the time counts even if nobody asked then.
            if self.is_bad() {
                self.verdict = Verdict::Bad { new_ratio: self.new.ratio(), old_ratio: self.old.ratio() };
            } else if self.ends.is_some_and(|ends| ends <= now) {
                self.verdict = Verdict::Good;
            }
        }
        self.verdict
    }

    /// The record so far, which the next revision is compared with.
    #[must_use]
    pub fn record(&self) -> Record {
        self.new
    }

    fn is_bad(&self) -> bool {
        self.old.calls > 0
            && self.new.calls >= self.options.calls
            && self.clients.count() >= self.options.clients
            && self.new.ratio() - self.old.ratio() >= self.options.margin
            && z(self.new, self.old) >= self.options.z
    }
}

/// The signed root of the likelihood ratio of "two ratios" over "one ratio", positive if `new` fails more often.
fn z(new: Record, old: Record) -> f64 {
    let both = Record { calls: new.calls + old.calls, failures: new.failures + old.failures };
    let gain = likelihood(new) + likelihood(old) - likelihood(both);
    // Rounding may leave a gain just below zero.
    (2.0 * gain.max(0.0)).sqrt().copysign(new.ratio() - old.ratio())
}

/// The logarithm of the likelihood of a record under its own ratio.
fn likelihood(record: Record) -> f64 {
    let part = |count: u64| {
        if count == 0 { 0.0 } else { count as f64 * (count as f64 / record.calls as f64).ln() }
    };
    part(record.failures) + part(record.calls.saturating_sub(record.failures))
}

#[cfg(test)]
mod tests {
    use skep_types::{Clock, SystemClock};

    use super::*;

    fn record(calls: u64, ratio: f64, random: &mut fastrand::Rng) -> Record {
        let mut record = Record::default();
        (0..calls).for_each(|_| record.count(outcome(ratio, random)));
        record
    }

    fn outcome(ratio: f64, random: &mut fastrand::Rng) -> Outcome {
        if random.f64() < ratio { Outcome::Failed { client: None } } else { Outcome::Ok }
    }

    /// Runs a revision of `calls` calls and says after how many it was found bad.
    fn found_bad(seed: u64, calls: u64, old: (u64, f64), new: f64) -> Option<u64> {
        let now = SystemClock.now();
        let mut random = fastrand::Rng::with_seed(seed);
        let old = record(old.0, old.1, &mut random);
        let mut probation = Probation::new(ProbationOptions::default(), old, now);
        (1..=calls).find(|_| {
            probation.count(outcome(new, &mut random));
            matches!(probation.verdict(now), Verdict::Bad { .. })
        })
    }

    #[test]
    fn a_good_revision_is_never_rolled_back() {
        for ratio in [0.0, 0.01, 0.1, 0.5] {
            for old_calls in [50, 1000] {
                for seed in 0..500 {
                    let found = found_bad(seed, 1000, (old_calls, ratio), ratio);
                    assert_eq!(found, None, "ratio {ratio}, seed {seed}, after {old_calls} calls");
                }
            }
        }
    }

    #[test]
    fn a_bad_revision_is_found_within_a_hundred_calls() {
        for old_calls in [100, 1000, 10_000] {
            for seed in 0..200 {
                let found = found_bad(seed, 100, (old_calls, 0.01), 0.5);
                assert!(found.is_some_and(|calls| calls >= 20), "seed {seed}, after {old_calls} calls: {found:?}");
            }
        }
    }

    #[test]
    fn one_client_alone_proves_nothing() {
        let now = SystemClock.now();
        let old = record(1000, 0.0, &mut fastrand::Rng::with_seed(1));
        let mut probation = Probation::new(ProbationOptions::default(), old, now);
        (0..1000).for_each(|_| probation.count(Outcome::Failed { client: Some(7) }));
        assert_eq!(probation.verdict(now), Verdict::Undecided);
        probation.count(Outcome::Failed { client: Some(8) });
        assert_eq!(probation.verdict(now), Verdict::Bad { new_ratio: 1.0, old_ratio: 0.0 });
    }

    #[test]
    fn its_time_ends_for_good() {
        let now = SystemClock.now();
        let old = record(1000, 0.0, &mut fastrand::Rng::with_seed(1));
        let mut probation = Probation::new(ProbationOptions::default(), old, now);
        assert_eq!(probation.verdict(now + Duration::from_secs(59)), Verdict::Undecided);
        assert_eq!(probation.verdict(now + Duration::from_secs(60)), Verdict::Good);
        (0..1000).for_each(|_| probation.count(Outcome::Failed { client: None }));
        assert_eq!(probation.verdict(now + Duration::from_secs(61)), Verdict::Good);
    }

    #[test]
    fn a_record_forgets_slowly() {
        let mut random = fastrand::Rng::with_seed(1);
        let mut record = record(100_000, 1.0, &mut random);
        assert_eq!((record.ratio(), record.calls() <= RECORD_CALLS_MAX), (1.0, true));
        (0..40_000).for_each(|_| record.count(Outcome::Ok));
        assert!(record.ratio() < 0.05, "{}", record.ratio());
    }

    #[test]
    fn good_calls_may_be_counted_at_once() {
        for calls in [0, 1, 4_999, 5_001, 9_900, 123_456] {
            let mut one_by_one = record(10_000, 0.3, &mut fastrand::Rng::with_seed(2));
            let mut at_once = one_by_one;
            (0..calls).for_each(|_| one_by_one.count(Outcome::Ok));
            at_once.count_ok(calls);
            assert_eq!(at_once, one_by_one, "{calls}");
        }
        let mut forgotten = record(10_000, 0.3, &mut fastrand::Rng::with_seed(2));
        forgotten.count_ok(u64::MAX);
        assert_eq!(forgotten.ratio(), 0.0);
    }
}
