//! Databases, over the wire.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One database: where it is, and what was counted since it was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseStatus {
    /// Whose it is.
    pub plugin: String,
    /// Its name there.
    pub database: String,
    /// `sqlite` or `postgres`.
    pub dialect: String,
    /// Whether its owner may only read.
    pub read_only: bool,
    /// The bytes of its file, with its log; none for a PostgreSQL.
    pub bytes: Option<u64>,
    /// The most bytes; none for a PostgreSQL.
    pub bytes_max: Option<u64>,
    /// Statements that were sent.
    pub statements: u64,
    /// Transactions that were begun.
    pub transactions: u64,
    /// Rows that it gave.
    pub rows: u64,
    /// What statements took, with their waits for a connection.
    pub microseconds: u64,
    /// What was refused, by kind.
    pub errors: DatabaseErrors,
    /// Connections that are open.
    pub connections: u64,
    /// Of these, those that calls hold.
    pub in_use: u64,
    /// Calls that wait for one, or for their turn to write.
    pub waiting: u64,
}

/// What a database refused, by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseErrors {
    /// Statements that are wrong.
    pub invalid: u64,
    /// Rules of the schema that did not hold.
    pub constraint: u64,
    /// What guests may not do.
    pub denied: u64,
    /// Too many waited, or waited for too long.
    pub busy: u64,
    /// What took too long.
    pub timeout: u64,
    /// What was over a limit.
    pub too_large: u64,
    /// Other transactions in the way.
    pub conflict: u64,
    /// Writes without room.
    pub full: u64,
    /// It could not be reached, or could not work.
    pub unavailable: u64,
    /// Commits of which nobody knows.
    pub outcome_unknown: u64,
}

impl DatabaseErrors {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        let Self {
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
        } = self;
        [invalid, constraint, denied, busy, timeout, too_large, conflict, full, unavailable, outcome_unknown]
            .into_iter()
            .fold(0, |sum, count| sum.saturating_add(*count))
    }
}

/// One migration of a database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MigrationStatus {
    /// The number in front of its name.
    pub number: u32,
    /// The rest of its name.
    pub name: String,
    /// Whether it is applied, and in the folder.
    pub state: MigrationState,
    /// When it was applied, in milliseconds since the Unix epoch.
    pub at_ms: Option<u64>,
}

/// What has become of a migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MigrationState {
    /// It is applied.
    Applied,
    /// It is in the folder, and will be applied by the next deploy or reload.
    Pending,
    /// It is applied, and not in the folder: a newer revision has brought it.
    Ahead,
}

impl std::fmt::Display for MigrationState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Applied => "applied",
            Self::Pending => "pending",
            Self::Ahead => "ahead",
        })
    }
}

/// What an operator asks a database. It may only read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseQuestion {
    /// One statement.
    pub statement: String,
}

/// What a database answers an operator: the first rows, a page of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DatabaseAnswer {
    /// The names of the columns.
    pub columns: Vec<String>,
    /// The rows, in the order of the columns. Bytes are as SQL writes them, `x'00ff'`.
    pub rows: Vec<Vec<Value>>,
    /// Whether there are more than these.
    pub more: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_errors_are_in_the_total() {
        let one =
            DatabaseErrors { invalid: 1, constraint: 2, denied: 3, busy: 4, timeout: 5, ..DatabaseErrors::default() };
        let two = DatabaseErrors { too_large: 6, conflict: 7, full: 8, unavailable: 9, outcome_unknown: 10, ..one };
        assert_eq!(two.total(), (1..=10).sum::<u64>());
        assert_eq!(DatabaseErrors { full: u64::MAX, ..two }.total(), u64::MAX);
    }

    #[test]
    fn states_are_words_for_people_and_programs() {
        assert_eq!(serde_json::to_string(&MigrationState::Ahead).unwrap(), r#""ahead""#);
        assert_eq!(format!("{:<9}|", MigrationState::Pending), "pending  |");
    }
}
