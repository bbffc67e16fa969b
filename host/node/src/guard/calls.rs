//! How the calls of one revision went: of all its handlers, streams to their end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;
use skep_supervision::{Outcome, Probation, Record, Verdict};
use skep_types::{Call, CallObserver, Clock, Failure, Usage};
use tokio::sync::Notify;

use crate::guard::judge::Judge;
use crate::meter::Meter;

/// Counts the calls of one revision. A call that succeeds costs an addition; only failures take the lock.
#[derive(Default)]
pub(crate) struct RevisionCalls {
    /// Good calls that are not in the record yet.
    ok: AtomicU64,
    // Held for a few additions, never over an await.
    judged: Mutex<Judged>,
    alarm: Notify,
}

#[derive(Default)]
struct Judged {
    record: Record,
    probation: Option<Probation>,
}

impl RevisionCalls {
    /// Counts a call that ended.
    pub(crate) fn count(&self, outcome: Outcome, clock: &dyn Clock) {
        match outcome {
            Outcome::Ok => {
                self.ok.fetch_add(1, Ordering::Relaxed);
            }
            Outcome::Ignored => {}
            Outcome::Failed { .. } => {
                let mut judged = self.judged();
                judged.record.count(outcome);
                if let Some(probation) = &mut judged.probation {
                    probation.count(outcome);
                    if matches!(probation.verdict(clock.now()), Verdict::Bad { .. }) {
                        self.alarm.notify_one();
                    }
                }
            }
        }
    }

    /// How they went so far.
    pub(crate) fn record(&self) -> Record {
        self.judged().record
    }

    /// Starts from the record of the same revision under other settings.
    pub(crate) fn inherit(&self, record: Record) {
        self.judged().record = record;
    }

    /// From now on the calls count for this too.
    pub(crate) fn watch(&self, probation: Probation) {
        self.judged().probation = Some(probation);
    }

    /// The verdict by now; undecided without a probation.
    pub(crate) fn verdict(&self, now: Instant) -> Verdict {
        self.judged().probation.as_mut().map_or(Verdict::Undecided, |probation| probation.verdict(now))
    }

    /// Waits for a failure that makes the verdict bad.
    pub(crate) async fn alarm(&self) {
        self.alarm.notified().await;
    }

    /// The record with all good calls in it.
    fn judged(&self) -> parking_lot::MutexGuard<'_, Judged> {
        let mut judged = self.judged.lock();
        let ok = self.ok.swap(0, Ordering::Relaxed);
        judged.record.count_ok(ok);
        if let Some(probation) = &mut judged.probation {
            probation.count_ok(ok);
        }
        judged
    }
}

/// Hears of the end of every call of one revision: meters it, and counts it for the revision.
pub(crate) struct Watched {
    pub(crate) meter: Arc<Meter>,
    pub(crate) calls: Arc<RevisionCalls>,
    pub(crate) judge: Arc<Judge>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl CallObserver for Watched {
    fn ended(&self, call: &Call, outcome: Result<u16, &Failure>, usage: Usage) {
        let judged = self.judge.outcome(outcome.map(|_| ()), Some(call.client));
        self.calls.count(judged, &*self.clock);
        self.meter.ended(call, outcome, usage);
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use skep_supervision::ProbationOptions;
    use skep_types::ManualClock;

    use super::*;

    const FAILED: Outcome = Outcome::Failed { client: None };

    #[tokio::test]
    async fn good_calls_in_between_count_and_a_bad_verdict_sounds_the_alarm() {
        let clock = ManualClock::at(SystemTime::UNIX_EPOCH);
        let (old, new) = (RevisionCalls::default(), RevisionCalls::default());
        (0..1000).for_each(|_| old.count(Outcome::Ok, &clock));
        assert_eq!((old.record().calls(), old.record().ratio()), (1000, 0.0));
        new.count(FAILED, &clock);
        new.watch(Probation::new(ProbationOptions::default(), old.record(), clock.now()));
        (0..9).for_each(|_| new.count(Outcome::Ok, &clock));
        (0..10).for_each(|_| new.count(FAILED, &clock));
        assert_eq!(new.verdict(clock.now()), Verdict::Undecided, "19 calls since it is watched");
        new.count(Outcome::Ignored, &clock);
        new.count(FAILED, &clock);
        let alarm = tokio::time::timeout(Duration::from_secs(5), new.alarm()).await;
        assert!(alarm.is_ok(), "{:?}", new.verdict(clock.now()));
        assert_eq!(new.verdict(clock.now()), Verdict::Bad { new_ratio: 11.0 / 20.0, old_ratio: 0.0 });
        assert_eq!(new.record().calls(), 21);
    }
}
