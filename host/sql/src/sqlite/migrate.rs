//! Migrations of a file.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::fallible_iterator::FallibleIterator as _;
use rusqlite::{Batch, Connection, OptionalExtension as _, params};

use super::Sqlite;
use super::fault::tell;
use super::serve::Serving;
use crate::error::Error;
use crate::migrations::plan::{Kept, plan};
use crate::migrations::{Applied, MIGRATION_BYTES_MAX, Migrated, Migration, Migrations, MigrationsError};
use crate::words::behind_blanks;

const TABLE: &str = "CREATE TABLE IF NOT EXISTS skep_migrations (owner TEXT NOT NULL, number BIGINT NOT NULL, \
                     name TEXT NOT NULL, checksum TEXT NOT NULL, applied_at BIGINT NOT NULL, PRIMARY KEY (owner, number))";

/// What one transaction came to.
enum Step {
    Applied(Applied),
    Done(Vec<Applied>),
    Failed(MigrationsError),
}

impl Sqlite {
    /// Applies what is missing, each in a transaction of its own. Another host that has the file waits at its own `BEGIN`, and
    /// sees then what was done.
    pub(crate) async fn migrate(
        &self,
        migrations: &Arc<Migrations>,
        wait: Duration,
        until: impl Fn() -> Instant,
        now_ms: i64,
    ) -> Result<Migrated, MigrationsError> {
        let failed = |error: Error| MigrationsError(error.to_string());
        let mut lease = self.writer.lease(wait).await.map_err(failed)?;
        let mut migrated = Migrated::default();
        loop {
            let (migrations, until) = (Arc::clone(migrations), until());
            let step = lease.ask(move |serving| Ok(step(serving, &migrations, until, now_ms)));
            match step.await.map_err(failed)? {
                Step::Applied(applied) => migrated.applied.push(applied),
                Step::Done(ahead) => return Ok(Migrated { ahead, ..migrated }),
                Step::Failed(error) => return Err(error),
            }
        }
    }
}

fn step(serving: &mut Serving<'_>, migrations: &Migrations, until: Instant, now_ms: i64) -> Step {
    let failed = |error: Error| Step::Failed(MigrationsError(error.to_string()));
    if let Err(error) = serving.transact("BEGIN IMMEDIATE") {
        return failed(error);
    }
    let done = in_transaction(serving, migrations, until, now_ms);
    let end = if matches!(done, Step::Applied(_)) { "COMMIT" } else { "ROLLBACK" };
    match (serving.transact(end), done) {
        (Err(error), Step::Applied(_)) => failed(error),
        (_, done) => done,
    }
}

fn in_transaction(serving: &mut Serving<'_>, migrations: &Migrations, until: Instant, now_ms: i64) -> Step {
    let Migrations { owner, files } = migrations;
    let connection = serving.connection;
    let kept = match serving.guard.own(|| kept(connection, owner)) {
        Ok(kept) => kept,
        Err(error) => return Step::Failed(MigrationsError(error.to_string())),
    };
    let file = match plan(files, &kept) {
        Ok(plan) => match plan.next {
            Some(file) => file,
            None => return Step::Done(plan.ahead),
        },
        Err(error) => return Step::Failed(error),
    };
    if let Err(error) = serving.guard.limit_length(connection, MIGRATION_BYTES_MAX * 8) {
        return Step::Failed(file.failed(None, &error.to_string()));
    }
    serving.watch.arm(until);
    let applied = apply(serving, file);
    serving.watch.disarm();
    if let Err(error) = applied {
        return Step::Failed(error);
    }
    let Migration { number, name, checksum, .. } = file;
    let note = || {
        connection.execute_batch(TABLE)?;
        let insert = "INSERT INTO skep_migrations VALUES (?1, ?2, ?3, ?4, ?5)";
        connection.execute(insert, params![owner, number, name, checksum, now_ms])
    };
    match serving.guard.own(note) {
        Ok(_) => Step::Applied(file.applied()),
        Err(error) => Step::Failed(file.failed(None, &error.to_string())),
    }
}

fn kept(connection: &Connection, owner: &str) -> rusqlite::Result<Vec<Kept>> {
    let there = "SELECT 1 FROM sqlite_schema WHERE name = 'skep_migrations'";
    if connection.query_row(there, [], |_| Ok(())).optional()?.is_none() {
        return Ok(Vec::new());
    }
    let sql = "SELECT number, name, checksum FROM skep_migrations WHERE owner = ?1 ORDER BY number";
    let mut statement = connection.prepare(sql)?;
    let rows = statement
        .query_map([owner], |row| Ok(Kept { number: row.get(0)?, name: row.get(1)?, checksum: row.get(2)? }))?;
    rows.collect()
}

/// Carries a file out, as its plugin might: the guard is on.
fn apply(serving: &Serving<'_>, file: &Migration) -> Result<(), MigrationsError> {
    let failed = |at, error: &rusqlite::Error| {
        let told = match tell(error, || serving.watch.why(), u64::MAX) {
            // The place is told as a line.
            Error::Invalid(why) => why.split(" (at byte").next().unwrap_or_default().to_owned(),
            other => other.to_string(),
        };
        file.failed(at, &told)
    };
    let (mut batch, mut at) = (Batch::new(serving.connection, &file.sql), 0);
    loop {
        // Where the next statement begins, for errors that have no place of their own.
        let begin = |at: usize| file.sql.get(at..).map(|rest| file.sql.len() - behind_blanks(rest).len());
        let mut statement = match batch.next() {
            Ok(Some(statement)) => statement,
            Ok(None) => return Ok(()),
            Err(error) => return Err(failed(place(&error, &file.sql).or_else(|| begin(at)), &error)),
        };
        let text = statement.expanded_sql().unwrap_or_default();
        let from = file.sql.get(at..).and_then(|rest| rest.find(text.as_str())).map_or(at, |found| at + found);
        at = from + text.len();
        let mut rows = statement.raw_query();
        loop {
            match rows.next() {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(error) => return Err(failed(begin(from), &error)),
            }
        }
    }
}

/// Where in a file SQLite's parser stopped: it is told where in the rest of it.
fn place(error: &rusqlite::Error, file: &str) -> Option<usize> {
    match error {
        rusqlite::Error::SqlInputError { sql, offset, .. } => {
            Some(file.len().checked_sub(sql.len())? + usize::try_from(*offset).ok()?)
        }
        _ => None,
    }
}
