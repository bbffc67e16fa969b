//! How much memory a statement takes. It is a program of its own: SQLite counts for the process.

#![allow(clippy::unwrap_used, missing_docs)]

use std::sync::Arc;
use std::time::Duration;

use skep_sql::{Access, Database, Error, SessionLimits, SqliteOptions, Value};
use skep_types::ByteSize;
use skep_types::clock::SystemClock;

#[tokio::test]
async fn sqlite_sorts_in_so_much_memory_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let options = SqliteOptions { memory_max: ByteSize::mib(64), ..SqliteOptions::new(folder.path().join("test.db")) };
    let database = Database::sqlite(options, Arc::new(SystemClock));
    let limits = SessionLimits { statement: Duration::from_secs(60), ..SessionLimits::default() };
    let session = database.session(Access::default(), limits);
    for rows in [300, 100_000] {
        for sql in [
            // A sorter, a set, and an intermediate result.
            format!(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) \
                 SELECT count(*) FROM (SELECT randomblob(100000) AS b FROM n ORDER BY b LIMIT -1 OFFSET 1)"
            ),
            format!(
                "WITH RECURSIVE n(i, b) AS (SELECT 1, x'' UNION SELECT i + 1, randomblob(100000) FROM n WHERE i < {rows}) \
                 SELECT count(*) FROM n"
            ),
            format!(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}), \
                 m AS MATERIALIZED (SELECT randomblob(100000) AS b FROM n) SELECT count(*) FROM m a WHERE a.b = (SELECT max(b) FROM m)"
            ),
        ] {
            let found = match session.query(&sql, vec![], 10).await {
                Ok(mut cursor) => cursor.next(10).await,
                Err(error) => Err(error),
            };
            if rows == 300 {
                assert!(found.is_ok(), "{sql}: {found:?}");
            } else {
                assert_eq!(found, Err(Error::TooLarge(64 << 20)), "{sql}");
            }
        }
    }
    let mut cursor = session.query("SELECT 1", vec![], 1).await.unwrap();
    assert_eq!(cursor.next(1).await, Ok(vec![vec![Value::Integer(1)]]));
}
