//! Metrics of databases, read off the engine's own counts every few seconds and at every scrape.

use metrics::{Counter, Gauge, Label};
use skep_sql::Stats;
use skep_types::DatabaseId;

/// Gauges: what is so now, by plugin and database.
const BYTES: &str = "skep_sql_bytes";
const CONNECTIONS: &str = "skep_sql_connections";
const IN_USE: &str = "skep_sql_connections_in_use";
const WAITING: &str = "skep_sql_waiting";
/// Counters, by plugin and database.
const STATEMENTS: &str = "skep_sql_statements_total";
const TRANSACTIONS: &str = "skep_sql_transactions_total";
const ROWS: &str = "skep_sql_rows_total";
const MICROSECONDS: &str = "skep_sql_microseconds_total";
/// By kind as well, in the words of the contract.
const ERRORS: &str = "skep_sql_errors_total";

/// Says what the metrics mean; told to the recorder once.
pub(crate) fn describe() {
    metrics::describe_gauge!(BYTES, metrics::Unit::Bytes, "The file of a database, with its log; 0 for a PostgreSQL");
    metrics::describe_gauge!(CONNECTIONS, "Connections to a database that are open");
    metrics::describe_gauge!(IN_USE, "Connections to a database that calls hold");
    metrics::describe_gauge!(WAITING, "Calls that wait for a connection to a database, or for their turn to write");
    metrics::describe_counter!(STATEMENTS, "Statements that were sent to a database");
    metrics::describe_counter!(TRANSACTIONS, "Transactions that were begun in a database");
    metrics::describe_counter!(ROWS, "Rows that a database gave");
    metrics::describe_counter!(MICROSECONDS, "What statements to a database took, with their waits for a connection");
    metrics::describe_counter!(ERRORS, "Statements and commits that a database refused, by kind");
}

/// A counter, and what of the statistics it counts.
type Counted = (Counter, fn(&Stats) -> u64);

/// The meter of one database's name. The database behind it may change; counters go on from where they were.
pub(crate) struct DatabaseMeter {
    last: Stats,
    bytes: Gauge,
    connections: Gauge,
    in_use: Gauge,
    waiting: Gauge,
    counters: [Counted; 14],
}

impl DatabaseMeter {
    pub(crate) fn new(id: &DatabaseId) -> Self {
        let labels = |kind: Option<&'static str>| {
            let mut labels =
                vec![Label::new("plugin", id.owner.to_string()), Label::new("database", id.name.to_string())];
            labels.extend(kind.map(|kind| Label::new("kind", kind)));
            labels
        };
        let plain = || labels(None);
        let errors = |kind| metrics::counter!(ERRORS, labels(Some(kind)));
        Self {
            last: Stats::default(),
            bytes: metrics::gauge!(BYTES, plain()),
            connections: metrics::gauge!(CONNECTIONS, plain()),
            in_use: metrics::gauge!(IN_USE, plain()),
            waiting: metrics::gauge!(WAITING, plain()),
            counters: [
                (metrics::counter!(STATEMENTS, plain()), |stats| stats.statements),
                (metrics::counter!(TRANSACTIONS, plain()), |stats| stats.transactions),
                (metrics::counter!(ROWS, plain()), |stats| stats.rows),
                (metrics::counter!(MICROSECONDS, plain()), |stats| stats.nanos / 1_000),
                (errors("invalid"), |stats| stats.errors.invalid),
                (errors("constraint"), |stats| stats.errors.constraint),
                (errors("denied"), |stats| stats.errors.denied),
                (errors("busy"), |stats| stats.errors.busy),
                (errors("timeout"), |stats| stats.errors.timeout),
                (errors("too-large"), |stats| stats.errors.too_large),
                (errors("conflict"), |stats| stats.errors.conflict),
                (errors("full"), |stats| stats.errors.full),
                (errors("unavailable"), |stats| stats.errors.unavailable),
                (errors("outcome-unknown"), |stats| stats.errors.outcome_unknown),
            ],
        }
    }

    /// Adds what happened since the last time. A database that was opened anew counts from zero.
    pub(crate) fn measure(&mut self, stats: &Stats, bytes: Option<u64>) {
        for (counter, read) in &self.counters {
            let (now, before) = (read(stats), read(&self.last));
            counter.increment(now.checked_sub(before).unwrap_or(now));
        }
        self.show(stats, bytes.unwrap_or(0));
        self.last = stats.clone();
    }

    /// The database is gone, and holds nothing.
    pub(crate) fn gone(&self) {
        self.show(&Stats::default(), 0);
    }

    #[allow(clippy::cast_precision_loss)] // A gauge is a float; no file has 2^53 bytes.
    fn show(&self, stats: &Stats, bytes: u64) {
        self.bytes.set(bytes as f64);
        self.connections.set(stats.connections as f64);
        self.in_use.set(stats.in_use as f64);
        self.waiting.set(stats.waiting as f64);
    }
}
