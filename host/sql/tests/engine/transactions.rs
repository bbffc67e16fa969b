//! Transactions, and how they end.

use std::time::Duration;

use skep_sql::{Constraint, Error, TransactionMode};

use crate::fixture::{all, each, int, numbers, one, run};

const COUNT: &str = "SELECT count(*) FROM numbers";
const INSERT: &str = "INSERT INTO numbers VALUES ($1)";

#[tokio::test]
async fn a_commit_is_seen_by_others_and_a_rollback_by_nobody() {
    each(async |fixture| {
        numbers(&fixture, 1).await;
        let (session, other) = (fixture.session(), fixture.session());
        for (commits, count) in [(true, 2), (false, 2)] {
            session.begin(TransactionMode::default()).await.unwrap();
            assert!(session.in_transaction());
            let number = if commits { 10 } else { 11 };
            run(&session, INSERT, vec![int(number)]).await.unwrap();
            assert_eq!(one(&session, COUNT, vec![]).await, Ok(int(if commits { 2 } else { 3 })));
            assert_eq!(one(&other, COUNT, vec![]).await, Ok(int(if commits { 1 } else { 2 })));
            if commits {
                session.commit().await.unwrap();
            } else {
                session.rollback().await.unwrap();
            }
            assert!(!session.in_transaction());
            assert_eq!(one(&other, COUNT, vec![]).await, Ok(int(count)));
        }
        fixture.quiet().await;
    })
    .await;
}

#[tokio::test]
async fn a_session_that_is_dropped_has_changed_nothing() {
    each(async |fixture| {
        numbers(&fixture, 1).await;
        let session = fixture.session();
        session.begin(TransactionMode::default()).await.unwrap();
        run(&session, INSERT, vec![int(10)]).await.unwrap();
        let cursor = session.query("SELECT n FROM numbers", vec![], 1).await.unwrap();
        drop(session);
        fixture.quiet().await;
        assert_eq!(one(&fixture.session(), COUNT, vec![]).await, Ok(int(1)));
        drop(cursor);
        // Whoever comes next may write at once.
        run(&fixture.session(), INSERT, vec![int(10)]).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_session_that_is_dropped_in_the_middle_of_a_statement_is_interrupted() {
    each(async |fixture| {
        numbers(&fixture, 1).await;
        for in_transaction in [false, true] {
            let session = fixture.session();
            if in_transaction {
                session.begin(TransactionMode::default()).await.unwrap();
                run(&session, INSERT, vec![int(10)]).await.unwrap();
            }
            let runs = tokio::time::timeout(Duration::from_millis(200), all(&session, fixture.runaway(), vec![])).await;
            assert!(runs.is_err(), "it has ended by itself");
            drop(session);
            fixture.quiet().await;
            assert_eq!(one(&fixture.session(), COUNT, vec![]).await, Ok(int(1)));
        }
    })
    .await;
}

#[tokio::test]
async fn a_statement_that_is_given_up_undoes_its_transaction() {
    each(async |fixture| {
        numbers(&fixture, 1).await;
        let session = fixture.session();
        session.begin(TransactionMode::default()).await.unwrap();
        run(&session, INSERT, vec![int(10)]).await.unwrap();
        let runs = tokio::time::timeout(Duration::from_millis(200), all(&session, fixture.runaway(), vec![])).await;
        assert!(runs.is_err(), "it has ended by itself");
        fixture.quiet().await;
        assert!(matches!(run(&session, INSERT, vec![int(11)]).await, Err(Error::Unavailable(_))));
        assert!(matches!(session.commit().await, Err(Error::Unavailable(_))));
        assert_eq!(one(&session, COUNT, vec![]).await, Ok(int(1)));
    })
    .await;
}

#[tokio::test]
async fn begin_commit_and_rollback_come_in_their_order() {
    each(async |fixture| {
        numbers(&fixture, 1).await;
        let session = fixture.session();
        assert!(matches!(session.commit().await, Err(Error::Invalid(_))));
        assert!(matches!(session.rollback().await, Err(Error::Invalid(_))));
        session.begin(TransactionMode::default()).await.unwrap();
        assert!(matches!(session.begin(TransactionMode::default()).await, Err(Error::Invalid(_))));
        // That was a mistake of the caller's, and the transaction goes on.
        run(&session, INSERT, vec![int(10)]).await.unwrap();
        session.commit().await.unwrap();
        assert!(matches!(session.commit().await, Err(Error::Invalid(_))));
        assert_eq!(one(&session, COUNT, vec![]).await, Ok(int(2)));
    })
    .await;
}

#[tokio::test]
async fn a_statement_that_fails_undoes_its_transaction_until_it_is_left() {
    each(async |fixture| {
        numbers(&fixture, 1).await;
        let session = fixture.session();
        let mistakes = [
            (INSERT, vec![int(1)]),
            ("SELECT * FROM nowhere", vec![]),
            ("COMMIT", vec![]),
            ("SELECT 1; SELECT 2", vec![]),
            (COUNT, vec![int(1)]),
        ];
        for (at, (mistake, params)) in mistakes.into_iter().enumerate() {
            for leave_by_commit in [false, true] {
                session.begin(TransactionMode::default()).await.unwrap();
                run(&session, INSERT, vec![int(10)]).await.unwrap();
                let refused = run(&session, mistake, params.clone()).await.unwrap_err();
                if at == 0 {
                    assert!(matches!(&refused, Error::Constraint { kind: Constraint::Unique, .. }));
                }
                // The connection is free at once.
                fixture.quiet().await;
                assert_eq!(run(&session, INSERT, vec![int(11)]).await, Err(refused.clone()));
                assert_eq!(all(&session, COUNT, vec![]).await, Err(refused.clone()));
                assert!(session.in_transaction());
                if leave_by_commit {
                    assert_eq!(session.commit().await, Err(refused));
                } else {
                    assert_eq!(session.rollback().await, Ok(()));
                }
                assert_eq!(one(&session, COUNT, vec![]).await, Ok(int(1)), "{mistake}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_transaction_that_lasts_too_long_is_undone() {
    each(async |fixture| {
        numbers(&fixture, 1).await;
        let session = fixture.limited(|limits| limits.transaction = Duration::from_millis(300));
        session.begin(TransactionMode::default()).await.unwrap();
        run(&session, INSERT, vec![int(10)]).await.unwrap();
        // The guest does something else, and another one waits for it.
        assert_eq!(run(&fixture.session(), INSERT, vec![int(20)]).await, Ok(1));
        fixture.quiet().await;
        assert_eq!(run(&session, INSERT, vec![int(11)]).await, Err(Error::Timeout));
        assert_eq!(session.commit().await, Err(Error::Timeout));
        assert_eq!(one(&session, COUNT, vec![]).await, Ok(int(2)));
    })
    .await;
}

#[tokio::test]
async fn a_statement_of_a_transaction_has_no_more_time_than_the_transaction() {
    each(async |fixture| {
        numbers(&fixture, 1).await;
        let session = fixture.limited(|limits| limits.transaction = Duration::from_millis(300));
        session.begin(TransactionMode::default()).await.unwrap();
        assert_eq!(all(&session, fixture.runaway(), vec![]).await, Err(Error::Timeout));
        assert_eq!(session.commit().await, Err(Error::Timeout));
        fixture.quiet().await;
    })
    .await;
}

#[tokio::test]
async fn who_may_only_read_only_reads() {
    each(async |fixture| {
        numbers(&fixture, 3).await;
        let writes = [
            "INSERT INTO numbers VALUES (4)",
            "INSERT INTO numbers VALUES (4) RETURNING n",
            "UPDATE numbers SET n = 9",
            "DELETE FROM numbers",
            "CREATE TABLE mine (n BIGINT)",
            "DROP TABLE numbers",
        ];
        let read_only = TransactionMode { read_only: true, ..TransactionMode::default() };
        for in_transaction in [None, Some(TransactionMode::default()), Some(read_only)] {
            for write in writes {
                for by_query in [false, true] {
                    // A read-only transaction of one who may write, or anything of one who may not.
                    let session = if in_transaction == Some(read_only) { fixture.session() } else { fixture.reader() };
                    if let Some(mode) = in_transaction {
                        session.begin(mode).await.unwrap();
                    }
                    assert_eq!(one(&session, COUNT, vec![]).await, Ok(int(3)));
                    let refused = if by_query {
                        all(&session, write, vec![]).await.map(|_| ())
                    } else {
                        run(&session, write, vec![]).await.map(|_| ())
                    };
                    assert!(matches!(refused, Err(Error::Denied(_))), "{write}: {refused:?}");
                }
            }
        }
        assert_eq!(one(&fixture.session(), COUNT, vec![]).await, Ok(int(3)));
    })
    .await;
}

#[tokio::test]
async fn readers_do_not_wait_for_a_writer() {
    each(async |fixture| {
        numbers(&fixture, 1).await;
        let writer = fixture.session();
        writer.begin(TransactionMode::default()).await.unwrap();
        run(&writer, INSERT, vec![int(10)]).await.unwrap();
        let reader = fixture.reader();
        reader.begin(TransactionMode { read_only: true, ..TransactionMode::default() }).await.unwrap();
        assert_eq!(one(&reader, COUNT, vec![]).await, Ok(int(1)));
        writer.commit().await.unwrap();
        reader.commit().await.unwrap();
        assert_eq!(one(&reader, COUNT, vec![]).await, Ok(int(2)));
    })
    .await;
}

#[tokio::test]
async fn what_is_asked_of_a_session_at_once_is_done_by_turns() {
    each(async |fixture| {
        numbers(&fixture, 50).await;
        let session = fixture.session();
        for in_transaction in [false, true] {
            if in_transaction {
                session.begin(TransactionMode::default()).await.unwrap();
            }
            let mut cursor = session.query("SELECT n FROM numbers ORDER BY n", vec![], 1).await.unwrap();
            assert_eq!(cursor.next(1).await, Ok(vec![vec![int(1)]]));
            let base = if in_transaction { 200 } else { 100 };
            let (first, second, page, count) = tokio::join!(
                run(&session, INSERT, vec![int(base)]),
                run(&session, INSERT, vec![int(base + 1)]),
                cursor.next(10),
                one(&session, COUNT, vec![]),
            );
            assert_eq!((first, second, page.map(|rows| rows.len())), (Ok(1), Ok(1), Ok(10)));
            assert_eq!(count, Ok(int(if in_transaction { 54 } else { 52 })));
        }
        session.commit().await.unwrap();
    })
    .await;
}
