//! A database of a test's own.

use std::sync::Arc;
use std::time::Duration;

use skep_sql::{
    Access, Cursor, Database, Error, Executed, PostgresOptions, Row, Session, SessionLimits, SqliteOptions, Value,
};
use skep_test_postgres::Server;
use skep_types::clock::SystemClock;
use tempfile::TempDir;

/// Which backend a test runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
}

pub(crate) struct Fixture {
    pub(crate) kind: Kind,
    pub(crate) database: Database,
    pub(crate) folder: TempDir,
    pub(crate) another: Box<dyn Fn() -> Database>,
}

/// Runs a test on each backend that there is.
pub(crate) async fn each(test: impl AsyncFn(Fixture)) {
    test(sqlite()).await;
    if let Some(fixture) = postgres() {
        test(fixture).await;
    }
}

/// A database of the server of all tests; none without PostgreSQL.
pub(crate) fn postgres() -> Option<Fixture> {
    postgres_with(|_| {})
}

pub(crate) fn postgres_with(change: impl FnOnce(&mut PostgresOptions)) -> Option<Fixture> {
    let mut options = PostgresOptions::new(Server::shared()?.database());
    change(&mut options);
    let database = Database::postgres(options.clone(), Arc::new(SystemClock)).unwrap();
    let another = Box::new(move || Database::postgres(options.clone(), Arc::new(SystemClock)).unwrap());
    Some(Fixture { kind: Kind::Postgres, database, folder: tempfile::tempdir().unwrap(), another })
}

pub(crate) fn sqlite() -> Fixture {
    sqlite_with(|_| {})
}

pub(crate) fn sqlite_with(change: impl FnOnce(&mut SqliteOptions)) -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let mut options = SqliteOptions::new(folder.path().join("test.db"));
    change(&mut options);
    let another = Box::new(move || Database::sqlite(options.clone(), Arc::new(SystemClock)));
    Fixture { kind: Kind::Sqlite, database: another(), folder, another }
}

pub(crate) const READ_ONLY: Access = Access { read_only: true };
pub(crate) const READ_WRITE: Access = Access { read_only: false };

impl Fixture {
    /// The same database, as another host has it.
    pub(crate) fn another(&self) -> Database {
        (self.another)()
    }

    pub(crate) fn session(&self) -> Session {
        self.limited(|_| {})
    }

    pub(crate) fn limited(&self, change: impl FnOnce(&mut SessionLimits)) -> Session {
        // Machines that are busy with other tests are slow; what a test is about it sets itself.
        let mut limits = SessionLimits {
            wait: Duration::from_secs(30),
            statement: Duration::from_secs(60),
            transaction: Duration::from_secs(60),
            ..SessionLimits::default()
        };
        change(&mut limits);
        self.database.session(READ_WRITE, limits)
    }

    pub(crate) fn reader(&self) -> Session {
        self.database.session(READ_ONLY, SessionLimits::default())
    }

    /// Waits until no connection is held.
    pub(crate) async fn quiet(&self) {
        eventually(|| self.database.stats().in_use == 0).await;
    }

    /// A statement that does not end.
    pub(crate) fn runaway(&self) -> &'static str {
        match self.kind {
            Kind::Sqlite => "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n",
            Kind::Postgres => "SELECT pg_sleep(1000)",
        }
    }
}

/// Waits until something is so.
pub(crate) async fn eventually(is_so: impl Fn() -> bool) {
    for _ in 0..3_000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it has not become so within 30 seconds");
}

/// All rows of a query.
pub(crate) async fn all(session: &Session, sql: &str, params: Vec<Value>) -> Result<Vec<Row>, Error> {
    let cursor = session.query(sql, params, 100).await?;
    drain(cursor).await
}

pub(crate) async fn drain(mut cursor: Cursor) -> Result<Vec<Row>, Error> {
    let mut rows = Vec::new();
    loop {
        let page = cursor.next(100).await?;
        if page.is_empty() {
            assert!(cursor.is_done());
            return Ok(rows);
        }
        rows.extend(page);
    }
}

/// The one value of a query.
pub(crate) async fn one(session: &Session, sql: &str, params: Vec<Value>) -> Result<Value, Error> {
    let rows = all(session, sql, params).await?;
    assert_eq!(rows.len(), 1, "{sql}");
    Ok(rows[0][0].clone())
}

pub(crate) async fn run(session: &Session, sql: &str, params: Vec<Value>) -> Result<u64, Error> {
    session.execute(sql, params).await.map(|Executed { rows_affected }| rows_affected)
}

pub(crate) fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

pub(crate) fn blob(bytes: &[u8]) -> Value {
    Value::Blob(bytes.to_vec().into())
}

pub(crate) fn int(number: i64) -> Value {
    Value::Integer(number)
}

/// A table of numbers, from 1 to this.
pub(crate) async fn numbers(fixture: &Fixture, most: i64) {
    let session = fixture.session();
    run(&session, "CREATE TABLE numbers (n BIGINT PRIMARY KEY)", vec![]).await.unwrap();
    session.begin(skep_sql::TransactionMode::default()).await.unwrap();
    for n in 1..=most {
        run(&session, "INSERT INTO numbers VALUES ($1)", vec![int(n)]).await.unwrap();
    }
    session.commit().await.unwrap();
}
