//! What is counted.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::error::Error;

/// Counts of one database since it was opened. They only grow, except `connections`, `in_use` and `waiting`, which say what
/// is so now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Statements that were carried out, or failed, and further pages of them; `begin`, `commit` and `rollback` are none.
    pub statements: u64,
    /// Transactions that were begun.
    pub transactions: u64,
    /// Rows that were handed out.
    pub rows: u64,
    /// Nanoseconds that statements and pages took, waits for a connection included.
    pub nanos: u64,
    /// Refusals by kind.
    pub errors: ErrorCounts,
    /// Connections that are open.
    pub connections: u64,
    /// Of them, those that sessions hold.
    pub in_use: u64,
    /// Sessions that wait for one.
    pub waiting: u64,
}

/// Refusals by kind, as [`Error`] names them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the variants of `Error` say it")]
pub struct ErrorCounts {
    pub invalid: u64,
    pub constraint: u64,
    pub denied: u64,
    pub busy: u64,
    pub timeout: u64,
    pub too_large: u64,
    pub conflict: u64,
    pub full: u64,
    pub unavailable: u64,
    pub outcome_unknown: u64,
}

#[derive(Default)]
pub(crate) struct Counts {
    statements: AtomicU64,
    transactions: AtomicU64,
    rows: AtomicU64,
    nanos: AtomicU64,
    errors: [AtomicU64; 10],
}

impl Counts {
    pub(crate) fn statement(&self, took: Duration) {
        self.statements.fetch_add(1, Relaxed);
        self.nanos.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }

    pub(crate) fn transaction(&self) {
        self.transactions.fetch_add(1, Relaxed);
    }

    pub(crate) fn rows(&self, rows: usize) {
        self.rows.fetch_add(rows as u64, Relaxed);
    }

    pub(crate) fn error(&self, error: &Error) {
        let [invalid, constraint, denied, busy, timeout, too_large, conflict, full, unavailable, unknown] =
            &self.errors;
        let counter = match error {
            Error::Invalid(_) => invalid,
            Error::Constraint { .. } => constraint,
            Error::Denied(_) => denied,
            Error::Busy => busy,
            Error::Timeout => timeout,
            Error::TooLarge(_) => too_large,
            Error::Conflict => conflict,
            Error::Full => full,
            Error::Unavailable(_) => unavailable,
            Error::OutcomeUnknown => unknown,
        };
        counter.fetch_add(1, Relaxed);
    }

    pub(crate) fn read(&self) -> Stats {
        let read = |counter: &AtomicU64| counter.load(Relaxed);
        let [invalid, constraint, denied, busy, timeout, too_large, conflict, full, unavailable, outcome_unknown] =
            self.errors.each_ref().map(read);
        Stats {
            statements: read(&self.statements),
            transactions: read(&self.transactions),
            rows: read(&self.rows),
            nanos: read(&self.nanos),
            errors: ErrorCounts {
                invalid,
                constraint,
                denied,
                busy,
                timeout,
                too_large,
                conflict,
                full,
                unavailable,
                outcome_unknown,
            },
            ..Stats::default()
        }
    }
}
