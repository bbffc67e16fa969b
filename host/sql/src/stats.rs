//! What is counted.

/// Counts of one database since it was opened. They only grow, except `connections`, `in_use` and `waiting`, which say what
/// is so now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Statements that were carried out, or failed; `begin`, `commit` and `rollback` are none.
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

/// Refusals by kind, as [`Error`](crate::Error) names them.
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
