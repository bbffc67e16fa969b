//! When the next request is due.

use std::time::{Duration, Instant};

/// The machine's own clock: this crate measures real time and has no use for an injected one.
#[allow(clippy::disallowed_methods, reason = "what is measured here is real time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// The rhythm of one connection.
#[derive(Clone, Debug)]
pub(crate) enum Pace {
    /// The next request goes out when the last answer is in.
    Closed,
    /// Requests are due at fixed times, whatever the server does. A connection that is late sends at once, and its
    /// latency counts from when the request was due, so that a server that stalls cannot hide it.
    Open {
        /// When the next one is due.
        due: Instant,
        /// Between two of this connection.
        interval: Duration,
    },
}

/// A request that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    /// From when its latency counts.
    pub(crate) from: Instant,
    /// By how much this side's own timer was late. It is no fault of the server and not part of the latency.
    pub(crate) late: Duration,
}

impl Pace {
    /// The pace of one of `connections` that send `rate` requests a second together, evenly spread.
    pub(crate) fn new(rate: Option<f64>, start: Instant, connection: u32, connections: u32) -> Self {
        let Some(rate) = rate else { return Self::Closed };
        let between = Duration::from_secs_f64(1.0 / rate);
        Self::Open { due: start + between * connection, interval: between * connections }
    }

    /// Waits until the next request is due; `None` when that is not before `until`.
    pub(crate) async fn next(&mut self, until: Instant) -> Option<Due> {
        let before = now();
        match self {
            Self::Closed => (before < until).then_some(Due { from: before, late: Duration::ZERO }),
            // What was due and could not be sent any more is missed.
            Self::Open { .. } if before >= until => None,
            Self::Open { due, .. } if *due >= until => None,
            Self::Open { due, interval } => {
                let this = *due;
                *due += *interval;
                if this <= before {
                    return Some(Due { from: this, late: Duration::ZERO });
                }
                tokio::time::sleep_until(this.into()).await;
                let from = now();
                Some(Due { from, late: from.saturating_duration_since(this) })
            }
        }
    }

    /// Requests that were due before `until` and were not sent.
    pub(crate) fn missed(&self, until: Instant) -> u64 {
        match self {
            Self::Open { due, interval } if *due < until => {
                let missed = (until - *due).as_nanos().div_ceil(interval.as_nanos().max(1));
                u64::try_from(missed).unwrap_or(u64::MAX)
            }
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_loop_spreads_its_requests() {
        let start = now();
        let due = |connection| match Pace::new(Some(100.0), start, connection, 4) {
            Pace::Open { due, interval } => (due - start, interval),
            Pace::Closed => panic!("an open loop"),
        };
        assert_eq!(due(0), (Duration::ZERO, Duration::from_millis(40)));
        assert_eq!(due(3), (Duration::from_millis(30), Duration::from_millis(40)));
    }

    #[tokio::test]
    async fn a_late_connection_counts_from_when_it_was_due() {
        let start = now() - Duration::from_secs(1);
        let until = start + Duration::from_secs(60);
        let mut pace = Pace::new(Some(10.0), start, 0, 1);
        assert_eq!(pace.next(until).await, Some(Due { from: start, late: Duration::ZERO }));
        let second = Due { from: start + Duration::from_millis(100), late: Duration::ZERO };
        assert_eq!(pace.next(until).await, Some(second));
        assert_eq!(pace.missed(start + Duration::from_millis(450)), 3);
        assert_eq!(pace.missed(start + Duration::from_millis(200)), 0);
    }

    #[tokio::test]
    async fn nothing_is_due_at_the_end() {
        let end = now();
        assert_eq!(Pace::Closed.next(end).await, None);
        assert_eq!(Pace::new(Some(1.0), end, 0, 1).next(end).await, None);
    }
}
