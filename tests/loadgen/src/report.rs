//! What is counted, and how it is told.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::histogram::Histogram;
use crate::parser::Response;

/// Why a request has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    Connect,
    Closed,
    CutOff,
    Malformed,
}

impl Problem {
    /// The connection ended before the answer did.
    pub(crate) fn ended(answered: bool) -> Self {
        if answered { Self::CutOff } else { Self::Closed }
    }
}

/// Counts of one thread.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    latency: Histogram,
    statuses: BTreeMap<u16, u64>,
    body_bytes: u64,
    in_time: u64,
    errors: Errors,
    in_flight: u64,
    pub(crate) missed: u64,
    timer_late_max: Duration,
}

impl Tally {
    pub(crate) fn sent(&mut self, late: Duration) {
        self.in_flight += 1;
        self.timer_late_max = self.timer_late_max.max(late);
    }

    pub(crate) fn warmed_up(&mut self) {
        self.in_flight -= 1;
    }

    pub(crate) fn done(&mut self, outcome: Result<Response, Problem>, latency: Duration, in_time: bool) {
        self.in_flight -= 1;
        let errors = &mut self.errors;
        match outcome {
            Ok(response) => {
                self.latency.record(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
                *self.statuses.entry(response.status).or_default() += 1;
                self.body_bytes += response.body_bytes;
                self.in_time += u64::from(in_time);
            }
            Err(Problem::Connect) => errors.connect += 1,
            Err(Problem::Closed) => errors.closed += 1,
            Err(Problem::CutOff) => errors.cut_off += 1,
            Err(Problem::Malformed) => errors.malformed += 1,
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.latency.merge(&other.latency);
        for (status, count) in &other.statuses {
            *self.statuses.entry(*status).or_default() += count;
        }
        self.body_bytes += other.body_bytes;
        self.in_time += other.in_time;
        self.errors.connect += other.errors.connect;
        self.errors.closed += other.errors.closed;
        self.errors.cut_off += other.errors.cut_off;
        self.errors.malformed += other.errors.malformed;
        self.in_flight += other.in_flight;
        self.missed += other.missed;
        self.timer_late_max = self.timer_late_max.max(other.timer_late_max);
    }

    pub(crate) fn report(self, measured: Duration) -> Report {
        let is_good = |(status, _): &(&u16, &u64)| (200..300).contains(*status);
        let good: u64 = self.statuses.iter().filter(is_good).map(|(_, count)| count).sum();
        let requests = self.latency.count();
        Report {
            seconds: measured.as_secs_f64(),
            requests,
            rps: self.in_time as f64 / measured.as_secs_f64(),
            non_2xx: requests - good,
            statuses: self.statuses,
            body_bytes: self.body_bytes,
            errors: Errors { unfinished: self.in_flight, ..self.errors },
            missed: self.missed,
            timer_late_max_us: u64::try_from(self.timer_late_max.as_micros()).unwrap_or(u64::MAX),
            latency: Latency::of(&self.latency),
        }
    }
}

/// The result of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// How long was measured, without the warm-up.
    pub seconds: f64,
    /// Answers, whatever their status.
    pub requests: u64,
    /// Answers a second; those that came after the end are not in it.
    pub rps: f64,
    /// Answers with another status than 200 to 299.
    pub non_2xx: u64,
    /// Answers by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Bytes of the answers' bodies.
    pub body_bytes: u64,
    /// Requests without an answer.
    pub errors: Errors,
    /// In an open loop, requests that were due and never sent because every answer was late.
    pub missed: u64,
    /// In an open loop, the worst delay of this side's own timer, in microseconds.
    pub timer_late_max_us: u64,
    /// How long answers took, to their last byte.
    pub latency: Latency,
}

impl Report {
    /// Whether every request was answered with a 2xx.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.requests > 0 && self.non_2xx == 0 && self.errors.total() == 0
    }
}

/// Requests without an answer, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Errors {
    /// No connection could be made.
    pub connect: u64,
    /// The connection ended before the first byte of the answer.
    pub closed: u64,
    /// The connection ended in the middle of the answer.
    pub cut_off: u64,
    /// The answer was not HTTP.
    pub malformed: u64,
    /// The answer was not complete at the end of the run.
    pub unfinished: u64,
}

impl Errors {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.connect + self.closed + self.cut_off + self.malformed + self.unfinished
    }
}

/// Latencies in microseconds.
#[derive(Clone, Copy, Debug, Serialize)]
#[allow(missing_docs, reason = "the names say all there is")]
pub struct Latency {
    pub mean_us: u64,
    pub p50_us: u64,
    pub p90_us: u64,
    pub p99_us: u64,
    pub p999_us: u64,
    pub max_us: u64,
}

impl Latency {
    fn of(histogram: &Histogram) -> Self {
        let us = |nanos: u64| nanos / 1000;
        Self {
            mean_us: us(histogram.mean()),
            p50_us: us(histogram.quantile(50_000)),
            p90_us: us(histogram.quantile(90_000)),
            p99_us: us(histogram.quantile(99_000)),
            p999_us: us(histogram.quantile(99_900)),
            max_us: us(histogram.max()),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib_a_second = self.body_bytes as f64 / f64::from(1 << 20) / self.seconds;
        writeln!(
            f,
            "{} answers in {:.1} s: {:.0} rps, {mib_a_second:.1} MiB/s",
            self.requests, self.seconds, self.rps
        )?;
        let Latency { mean_us, p50_us, p90_us, p99_us, p999_us, max_us } = self.latency;
        writeln!(
            f,
            "latency in us: mean {mean_us}, p50 {p50_us}, p90 {p90_us}, p99 {p99_us}, p99.9 {p999_us}, max {max_us}"
        )?;
        let statuses: Vec<_> = self.statuses.iter().map(|(status, count)| format!("{status}: {count}")).collect();
        writeln!(f, "statuses: {}", if statuses.is_empty() { "none".to_owned() } else { statuses.join(", ") })?;
        let Errors { connect, closed, cut_off, malformed, unfinished } = self.errors;
        write!(
            f,
            "errors: connect {connect}, closed {closed}, cut off {cut_off}, malformed {malformed}, unfinished {unfinished}"
        )?;
        if self.missed > 0 || self.timer_late_max_us > 0 {
            write!(f, "\nopen loop: {} missed, own timer late by up to {} us", self.missed, self.timer_late_max_us)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_add_up() {
        let answer = |status| Ok(Response { status, body_bytes: 10, keep_alive: true });
        let tally = |outcomes: &[(Result<Response, Problem>, bool)]| {
            let mut tally = Tally::default();
            for (outcome, in_time) in outcomes {
                tally.sent(Duration::ZERO);
                tally.done(*outcome, Duration::from_millis(1), *in_time);
            }
            tally
        };
        let mut one = tally(&[(answer(200), true), (answer(503), true)]);
        let mut two =
            tally(&[(answer(204), false), (Err(Problem::ended(true)), true), (Err(Problem::ended(false)), true)]);
        two.sent(Duration::from_micros(5));
        one.merge(&two);
        let report = one.report(Duration::from_secs(2));
        assert_eq!((report.requests, report.non_2xx, report.body_bytes), (3, 1, 30));
        assert_eq!(report.statuses, BTreeMap::from([(200, 1), (204, 1), (503, 1)]));
        assert_eq!(report.errors, Errors { closed: 1, cut_off: 1, unfinished: 1, ..Errors::default() });
        assert!((report.rps - 1.0).abs() < f64::EPSILON);
        assert_eq!((report.timer_late_max_us, report.is_clean()), (5, false));
    }

    #[test]
    fn nothing_at_all_is_not_clean() {
        let report = Tally::default().report(Duration::from_secs(1));
        assert!(!report.is_clean());
        assert!(report.to_string().contains("statuses: none"));
    }
}
