//! Each limit, hit.

use std::time::Duration;

use skep_sql::{Error, TransactionMode, Value};
use skep_types::ByteSize;

use crate::fixture::{all, blob, each, int, one, run, text};

#[tokio::test]
async fn a_statement_that_runs_away_is_stopped() {
    each(async |fixture| {
        let session = fixture.limited(|limits| limits.statement = Duration::from_millis(200));
        assert_eq!(all(&session, fixture.runaway(), vec![]).await, Err(Error::Timeout));
        assert_eq!(run(&session, fixture.runaway(), vec![]).await, Err(Error::Timeout));
        fixture.quiet().await;
        // The connection is as good as before.
        assert_eq!(one(&session, "SELECT 1", vec![]).await, Ok(int(1)));
        assert!(fixture.database.stats().errors.timeout == 2);
    })
    .await;
}

#[tokio::test]
async fn statements_and_parameters_have_sizes() {
    each(async |fixture| {
        let session = fixture.limited(|limits| {
            limits.sql_bytes_max = ByteSize(100);
            limits.params_max = 3;
            limits.value_bytes_max = ByteSize(1_000);
            limits.params_bytes_max = ByteSize(2_000);
        });
        let comment = |bytes: usize| format!("SELECT 1 --{}", "x".repeat(bytes - 11));
        assert_eq!(one(&session, &comment(100), vec![]).await, Ok(int(1)));
        assert_eq!(all(&session, &comment(101), vec![]).await, Err(Error::TooLarge(100)));
        assert_eq!(all(&session, "SELECT 1", vec![Value::Null; 4]).await, Err(Error::TooLarge(3)));
        let length = "SELECT length(CAST($1 AS TEXT))";
        assert_eq!(one(&session, length, vec![text(&"x".repeat(1_000))]).await, Ok(int(1_000)));
        assert_eq!(all(&session, length, vec![text(&"x".repeat(1_001))]).await, Err(Error::TooLarge(1_000)));
        let many = vec![blob(&[0; 700]), blob(&[0; 700]), blob(&[0; 700])];
        assert_eq!(all(&session, "SELECT 1", many).await, Err(Error::TooLarge(2_000)));
        assert!(matches!(all(&session, "SELECT '\0'", vec![]).await, Err(Error::Invalid(_))));
    })
    .await;
}

#[tokio::test]
async fn values_and_rows_that_come_back_have_sizes() {
    each(async |fixture| {
        let session = fixture.limited(|limits| {
            limits.value_bytes_max = ByteSize(100_000);
            limits.row_bytes_max = ByteSize(150_000);
        });
        run(&session, "CREATE TABLE wide (t TEXT)", vec![]).await.unwrap();
        run(&session, "INSERT INTO wide VALUES ($1)", vec![text(&"x".repeat(60_000))]).await.unwrap();
        assert_eq!(all(&session, "SELECT t, t FROM wide", vec![]).await.unwrap().len(), 1);
        assert_eq!(all(&session, "SELECT t || t FROM wide", vec![]).await, Err(Error::TooLarge(100_000)));
        assert_eq!(all(&session, "SELECT t, t, t FROM wide", vec![]).await, Err(Error::TooLarge(150_000)));
        fixture.quiet().await;
        assert_eq!(one(&session, "SELECT 1", vec![]).await, Ok(int(1)));
    })
    .await;
}

#[tokio::test]
async fn who_waits_for_too_long_is_told_so() {
    each(async |fixture| {
        run(&fixture.session(), "CREATE TABLE t (n BIGINT)", vec![]).await.unwrap();
        let mut holders = Vec::new();
        // One writer, or all connections.
        for _ in 0..8 {
            let holder = fixture.limited(|limits| limits.wait = Duration::from_millis(50));
            if holder.begin(TransactionMode::default()).await.is_ok() {
                holders.push(holder);
            }
        }
        let session = fixture.limited(|limits| limits.wait = Duration::from_millis(50));
        assert_eq!(run(&session, "INSERT INTO t VALUES (1)", vec![]).await, Err(Error::Busy));
        assert_eq!(session.begin(TransactionMode::default()).await, Err(Error::Busy));
        drop(holders);
        let patient = fixture.session();
        assert_eq!(run(&patient, "INSERT INTO t VALUES (1)", vec![]).await, Ok(1));
    })
    .await;
}
