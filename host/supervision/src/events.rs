//! What happened, for operators: a bounded ring that readers follow at their own pace.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::exit::ExitReason;

/// How many events are kept. Enough for a screen of history and for a reader that pauses; a reader that falls further
/// behind is told how many it missed.
pub const EVENTS_MAX: usize = 1024;

/// What happened.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum EventKind {
    /// A child runs.
    Started,
    /// A child did not start.
    StartFailed {
        /// Why.
        reason: ExitReason,
    },
    /// A child ended by itself.
    Exited {
        /// How.
        reason: ExitReason,
    },
    /// A child is started again.
    Restarting,
    /// A child or a supervisor was stopped.
    Stopped {
        /// How it ended.
        reason: ExitReason,
    },
    /// Children failed too often.
    IntensityExceeded,
    /// A supervisor tries again after a while.
    BackingOff {
        /// Which failed round this is, from 1.
        round: u32,
        /// After how long.
        delay: Duration,
    },
    /// A round stayed healthy; past failures are forgotten.
    Healed,
    /// A supervisor does not try any more.
    GaveUp {
        /// After so many failed rounds.
        rounds: u32,
    },
    /// An operator had a supervisor try again.
    Resumed,
    /// A handler fails too often; its calls are rejected.
    BreakerOpened {
        /// Until it is tried with one call.
        cool_down: Duration,
    },
    /// A handler is tried with one call.
    BreakerHalfOpen,
    /// A handler works again.
    BreakerClosed,
    /// A new revision was clearly worse than its predecessor, which is back.
    RolledBack {
        /// The revision that was taken away.
        from: String,
        /// The one that answers now.
        to: String,
        /// Failures per call of the new one.
        new_ratio: f64,
        /// Failures per call of the old one.
        old_ratio: f64,
    },
    /// A new revision is as good as its predecessor.
    ProbationPassed {
        /// The revision.
        revision: String,
    },
    /// A message or a job failed for good and was set aside.
    DeadLetter {
        /// What was set aside, for people.
        what: String,
    },
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started => f.write_str("started"),
            Self::StartFailed { reason } => write!(f, "did not start: {reason}"),
            Self::Exited { reason } => write!(f, "exited: {reason}"),
            Self::Restarting => f.write_str("is restarted"),
            Self::Stopped { reason } => write!(f, "stopped: {reason}"),
            Self::IntensityExceeded => f.write_str("failed too often"),
            Self::BackingOff { round, delay } => write!(f, "tries again in {delay:.1?} (failed round {round})"),
            Self::Healed => f.write_str("is healthy again"),
            Self::GaveUp { rounds } => {
                write!(f, "gave up after {rounds} failed rounds; resume it or deploy another revision")
            }
            Self::Resumed => f.write_str("was resumed"),
            Self::BreakerOpened { cool_down } => write!(f, "breaker opened for {cool_down:.1?}"),
            Self::BreakerHalfOpen => f.write_str("breaker tries one call"),
            Self::BreakerClosed => f.write_str("breaker closed"),
            Self::RolledBack { from, to, new_ratio, old_ratio } => write!(
                f,
                "rolled back from {from} to {to}: {:.1} % of calls failed, {:.1} % before",
                new_ratio * 100.0,
                old_ratio * 100.0
            ),
            Self::ProbationPassed { revision } => write!(f, "revision {revision} passed its probation"),
            Self::DeadLetter { what } => write!(f, "set aside: {what}"),
        }
    }
}

/// Something that happened somewhere.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its number on the bus, from 0, without gaps.
    pub sequence: u64,
    /// When, by the wall clock.
    pub at: SystemTime,
    /// Where: names from the root to the child, such as `host/shop/subscribers/on-order`.
    pub path: Arc<str>,
    /// What.
    pub kind: EventKind,
}

impl fmt::Display for Event {
    /// One line for a log, without the time, which the log has.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Reasons hold what guests and panics said; a line break of theirs must not look like an entry of its own.
        let line = format!("{} {}", self.path, self.kind);
        for part in line.split(char::is_control).filter(|part| !part.is_empty()).enumerate() {
            let (at, part) = part;
            if at > 0 {
                f.write_str(" ")?;
            }
            f.write_str(part)?;
        }
        Ok(())
    }
}

#[derive(Default)]
struct Ring {
    events: VecDeque<Event>,
    /// The number of the next event.
    next: u64,
}

/// Where events are published. Cheap to clone; all clones are one bus.
#[derive(Clone)]
pub struct Bus {
    // Held for a push or a copy, never over an await.
    ring: Arc<Mutex<Ring>>,
    next: watch::Sender<u64>,
}

impl Default for Bus {
    fn default() -> Self {
        Self { ring: Arc::default(), next: watch::Sender::new(0) }
    }
}

impl Bus {
    /// Publishes an event and returns its number. Never waits for a reader: the oldest event makes room.
    pub fn publish(&self, at: SystemTime, path: Arc<str>, kind: EventKind) -> u64 {
        let sequence = {
            let mut ring = self.ring.lock();
            let sequence = ring.next;
            ring.next += 1;
            if ring.events.len() == EVENTS_MAX {
                ring.events.pop_front();
            }
            ring.events.push_back(Event { sequence, at, path, kind });
            sequence
        };
        self.next.send_modify(|next| *next = (*next).max(sequence + 1));
        sequence
    }

    /// The kept events with a number of at least `from`, oldest first.
    #[must_use]
    pub fn since(&self, from: u64) -> Vec<Event> {
        let ring = self.ring.lock();
        let at = ring.events.partition_point(|event| event.sequence < from);
        ring.events.range(at..).cloned().collect()
    }

    /// Follows the events from now on.
    #[must_use]
    pub fn subscribe(&self) -> Subscription {
        let next = self.ring.lock().next;
        Subscription { bus: self.clone(), wake: self.next.subscribe(), next }
    }
}

/// A reader missed events because they made room for others; it goes on with the oldest that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{missed} events were missed")]
pub struct Lagged {
    /// How many.
    pub missed: u64,
}

/// A reader of the bus.
pub struct Subscription {
    bus: Bus,
    wake: watch::Receiver<u64>,
    next: u64,
}

impl Subscription {
    /// The next event, or how many were missed before it. Waits for one; cancelling the wait loses nothing.
    pub async fn next(&mut self) -> Result<Event, Lagged> {
        loop {
            if let Some(event) = self.try_next()? {
                return Ok(event);
            }
            let next = self.next;
            // The sender lives as long as the bus in `self`, so this cannot fail.
            let _ = self.wake.wait_for(|published| *published > next).await;
        }
    }

    /// The next event if there is one already.
    pub fn try_next(&mut self) -> Result<Option<Event>, Lagged> {
        let ring = self.bus.ring.lock();
        let oldest = ring.events.front().map_or(ring.next, |event| event.sequence);
        if self.next < oldest {
            let missed = oldest - self.next;
            self.next = oldest;
            return Err(Lagged { missed });
        }
        let event = usize::try_from(self.next - oldest).ok().and_then(|at| ring.events.get(at)).cloned();
        self.next += u64::from(event.is_some());
        Ok(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publish(bus: &Bus, times: usize) {
        for _ in 0..times {
            bus.publish(SystemTime::UNIX_EPOCH, "host/shop".into(), EventKind::Started);
        }
    }

    #[tokio::test]
    async fn a_slow_reader_is_told_what_it_missed() {
        let bus = Bus::default();
        publish(&bus, 3);
        let mut reader = bus.subscribe();
        assert_eq!(reader.try_next(), Ok(None), "what was before is history");
        publish(&bus, EVENTS_MAX + 5);
        assert_eq!(reader.next().await, Err(Lagged { missed: 5 }));
        let numbers: Vec<u64> = std::iter::from_fn(|| reader.try_next().ok()?).map(|event| event.sequence).collect();
        assert_eq!(numbers, (8..8 + EVENTS_MAX as u64).collect::<Vec<_>>());
        assert_eq!(bus.since(0).len(), EVENTS_MAX);
        assert_eq!(bus.since(1030).len(), 2);
    }

    #[tokio::test]
    async fn a_reader_waits_for_the_next_event() {
        let bus = Bus::default();
        let mut reader = bus.subscribe();
        let read = tokio::spawn(async move { reader.next().await });
        tokio::task::yield_now().await;
        publish(&bus, 1);
        assert_eq!(read.await.unwrap().unwrap().sequence, 0);
    }

    #[test]
    fn an_event_is_one_line() {
        let kind = EventKind::Exited { reason: ExitReason::failed("first\nERROR forged\r\n") };
        let event = Event { sequence: 7, at: SystemTime::UNIX_EPOCH, path: "host/shop".into(), kind };
        assert_eq!(event.to_string(), "host/shop exited: failed: first ERROR forged");
    }
}
