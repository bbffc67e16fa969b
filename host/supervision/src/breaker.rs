//! A circuit breaker per handler: a route, a subscription, a queue.
//!
//! It opens on a failure *ratio* over a minimum of calls, and only when the failures come from several clients, so that
//! one client with a poisonous request cannot switch a handler off for everybody. While it is open, calls are rejected;
//! after a cool-down one call at a time is let through, and its success closes the breaker.
//!
//! A call that succeeds costs a load and an addition: calls are counted in atomics, failures under a lock.

mod options;
mod window;

use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

pub use options::BreakerOptions;
use window::{Calls, Failures};

/// What a rejected caller is told while another call is the probe: how long that takes is not known.
const PROBE_WAIT: Duration = Duration::from_secs(1);

/// How a call went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It says that the handler works.
    Ok,
    /// It says that the handler is broken.
    Failed {
        /// A hash of the client; `None` for a call without one, such as a message, which counts as another client
        /// each time.
        client: Option<u64>,
    },
    /// It says nothing of the handler: the client went away, or the request was refused.
    Ignored,
}

/// A call was not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the handler failed too often; try again in {retry_after:.1?}")]
pub struct Rejected {
    /// When it is worth another try. For a `Retry-After`.
    pub retry_after: Duration,
}

/// What a call did to the breaker; for an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It opened it, for so long.
    Opened {
        /// Until a probe is let through.
        cool_down: Duration,
    },
    /// It closed it.
    Closed,
}

/// What a breaker is doing, for operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// Calls go through.
    Closed,
    /// Calls are rejected until then.
    Open {
        /// When the first probe is let through.
        until: Instant,
    },
    /// One call at a time goes through.
    HalfOpen,
}

#[derive(Debug)]
struct Inner {
    state: BreakerState,
    failures: Failures,
    /// The next cool-down.
    cool_down: Duration,
    /// Whether a probe is under way.
    probing: bool,
}

/// A circuit breaker. Shared by reference between all calls of a handler.
#[derive(Debug)]
pub struct Breaker {
    options: BreakerOptions,
    started: Instant,
    /// Even while closed. It changes with each opening and closing, so that a call which was admitted before cannot
    /// judge what came after.
    era: AtomicU64,
    calls: Calls,
    // Taken by failures and while the breaker is not closed; never over an await.
    inner: Mutex<Inner>,
}

impl Breaker {
    /// A closed breaker. Options out of bounds are brought into them.
    #[must_use]
    pub fn new(options: BreakerOptions, now: Instant) -> Self {
        let options = options.bounded();
        Self {
            started: now,
            era: AtomicU64::new(0),
            calls: Calls::new(options.window),
            inner: Mutex::new(Inner {
                state: BreakerState::Closed,
                failures: Failures::default(),
                cool_down: options.cool_down,
                probing: false,
            }),
            options,
        }
    }

    /// Lets a call through, or says when to try again.
    pub fn admit(&self, now: Instant) -> Result<Permit<&Self>, Rejected> {
        Self::admit_at(self, || now)
    }

    /// The same with a permit that may outlive this borrow. The time is asked for only while the breaker is not closed.
    pub fn admit_at<B: Deref<Target = Self>>(breaker: B, now: impl FnOnce() -> Instant) -> Result<Permit<B>, Rejected> {
        let era = breaker.era.load(Ordering::Acquire);
        if era.is_multiple_of(2) {
            return Ok(Permit { breaker, era, probe: false });
        }
        let (era, probe) = breaker.admit_probe(now())?;
        Ok(Permit { breaker, era, probe })
    }

    #[cold]
    fn admit_probe(&self, now: Instant) -> Result<(u64, bool), Rejected> {
        let mut inner = self.inner.lock();
        match inner.state {
            BreakerState::Open { until } if now < until => return Err(Rejected { retry_after: until - now }),
            BreakerState::HalfOpen if inner.probing => return Err(Rejected { retry_after: PROBE_WAIT }),
            BreakerState::Open { .. } | BreakerState::HalfOpen => {
                inner.state = BreakerState::HalfOpen;
                inner.probing = true;
            }
            // Closed while this call was waiting for the lock.
            BreakerState::Closed => {}
        }
        let probe = inner.state == BreakerState::HalfOpen;
        Ok((self.era.load(Ordering::Acquire), probe))
    }

    /// What it is doing.
    #[must_use]
    pub fn state(&self) -> BreakerState {
        self.inner.lock().state
    }

    fn failed(&self, era: u64, now: Instant, client: Option<u64>) -> Option<Change> {
        let mut inner = self.inner.lock();
        if self.era.load(Ordering::Acquire) != era {
            return None;
        }
        let slot = self.calls.slot(now.saturating_duration_since(self.started));
        let enough = self.options.clients;
        inner.failures.add(slot, client, enough);
        let (failures, clients) = inner.failures.sum(slot, enough);
        let calls = self.calls.sum(slot);
        let over = calls >= self.options.calls && failures as f64 >= self.options.ratio * calls as f64;
        (over && clients >= enough).then(|| self.open(&mut inner, now))
    }

    fn probed(&self, now: Instant, outcome: Outcome) -> Option<Change> {
        let mut inner = self.inner.lock();
        inner.probing = false;
        match outcome {
            Outcome::Ignored => None,
            Outcome::Failed { .. } => Some(self.open(&mut inner, now)),
            Outcome::Ok => {
                inner.state = BreakerState::Closed;
                inner.cool_down = self.options.cool_down;
                inner.failures = Failures::default();
                self.calls.clear();
                self.era.fetch_add(1, Ordering::AcqRel);
                Some(Change::Closed)
            }
        }
    }

    fn open(&self, inner: &mut Inner, now: Instant) -> Change {
        let cool_down = inner.cool_down;
        if inner.state == BreakerState::Closed {
            self.era.fetch_add(1, Ordering::AcqRel);
        }
        inner.state = BreakerState::Open { until: now + cool_down };
        inner.cool_down = (cool_down * 2).min(self.options.cool_down_max);
        Change::Opened { cool_down }
    }
}

/// A call that was admitted. Dropped without [`done`](Self::done) it counts as [`Outcome::Ignored`], and if it was the
/// probe, the next call is.
#[derive(Debug)]
#[must_use = "dropping it lets the call go uncounted"]
pub struct Permit<B: Deref<Target = Breaker>> {
    breaker: B,
    era: u64,
    probe: bool,
}

impl<B: Deref<Target = Breaker>> Permit<B> {
    /// The breaker that gave it.
    pub fn breaker(&self) -> &B {
        &self.breaker
    }

    /// Whether this call decides whether the breaker closes.
    #[must_use]
    pub fn is_probe(&self) -> bool {
        self.probe
    }

    /// Reports how the call went, at the time it ended.
    pub fn done(mut self, now: Instant, outcome: Outcome) -> Option<Change> {
        if std::mem::take(&mut self.probe) {
            return self.breaker.probed(now, outcome);
        }
        let breaker = &*self.breaker;
        if outcome == Outcome::Ignored || breaker.era.load(Ordering::Acquire) != self.era {
            return None;
        }
        breaker.calls.add(now.saturating_duration_since(breaker.started));
        match outcome {
            Outcome::Failed { client } => breaker.failed(self.era, now, client),
            Outcome::Ok | Outcome::Ignored => None,
        }
    }
}

impl<B: Deref<Target = Breaker>> Drop for Permit<B> {
    fn drop(&mut self) {
        if self.probe {
            self.breaker.inner.lock().probing = false;
        }
    }
}

#[cfg(test)]
mod tests;
