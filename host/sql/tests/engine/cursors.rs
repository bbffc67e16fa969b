//! Pages, and what a cursor holds.

use std::time::Duration;

use skep_sql::{Error, TransactionMode};
use skep_types::ByteSize;

use crate::fixture::{drain, each, eventually, int, numbers, one, run, text};

const ALL: &str = "SELECT n FROM numbers ORDER BY n";

#[tokio::test]
async fn rows_come_in_pages_and_in_order() {
    each(async |fixture| {
        numbers(&fixture, 100).await;
        let session = fixture.session();
        for in_transaction in [false, true] {
            if in_transaction {
                session.begin(TransactionMode::default()).await.unwrap();
            }
            for (first, page, least_pages) in [(1, 1, 100), (7, 10, 11), (100, 3, 34), (99, 100, 2), (1_000, 1_000, 1)]
            {
                let mut cursor = session.query(ALL, vec![], first).await.unwrap();
                let (mut found, mut pages) = (Vec::new(), 0);
                while !cursor.is_done() {
                    let rows = cursor.next(page).await.unwrap();
                    assert!(rows.len() <= page);
                    pages += 1;
                    found.extend(rows);
                }
                assert_eq!(found, (1..=100).map(|n| vec![int(n)]).collect::<Vec<_>>());
                assert!(pages >= least_pages, "{pages} pages of {page}");
                assert_eq!(cursor.next(1).await, Ok(vec![]));
            }
        }
        session.commit().await.unwrap();
        fixture.quiet().await;
    })
    .await;
}

#[tokio::test]
async fn a_page_ends_before_it_has_too_many_bytes_or_rows() {
    each(async |fixture| {
        numbers(&fixture, 40).await;
        let session = fixture.limited(|limits| {
            limits.page_bytes_max = ByteSize(1_000);
            limits.page_rows_max = 8;
        });
        // A row is 2 × 16 bytes and its text.
        for (length, rows) in [(0, 8), (300, 3), (5_000, 1)] {
            let sql = "SELECT n, CAST($1 AS TEXT) FROM numbers ORDER BY n";
            let mut cursor = session.query(sql, vec![text(&"x".repeat(length))], 1_000).await.unwrap();
            let mut found = 0;
            while !cursor.is_done() {
                let page = cursor.next(1_000).await.unwrap();
                assert!(page.len() <= rows, "{} rows with {length}", page.len());
                assert!(page.len() == rows || found + page.len() == 40);
                found += page.len();
            }
            assert_eq!(found, 40);
        }
    })
    .await;
}

#[tokio::test]
async fn a_cursor_sees_the_moment_of_its_query() {
    each(async |fixture| {
        numbers(&fixture, 50).await;
        let (session, other) = (fixture.session(), fixture.session());
        let mut cursor = session.query(ALL, vec![], 1).await.unwrap();
        assert_eq!(cursor.next(1).await, Ok(vec![vec![int(1)]]));
        assert_eq!(run(&other, "DELETE FROM numbers WHERE n > 10", vec![]).await, Ok(40));
        // The session sees what others wrote; the cursor does not.
        assert_eq!(one(&session, "SELECT count(*) FROM numbers", vec![]).await, Ok(int(10)));
        assert_eq!(drain(cursor).await.unwrap().len(), 49);
    })
    .await;
}

#[tokio::test]
async fn a_session_writes_beside_its_cursor_and_sees_it() {
    each(async |fixture| {
        numbers(&fixture, 50).await;
        let session = fixture.session();
        let cursor = session.query(ALL, vec![], 1).await.unwrap();
        assert_eq!(run(&session, "DELETE FROM numbers WHERE n > 10", vec![]).await, Ok(40));
        assert_eq!(one(&session, "SELECT count(*) FROM numbers", vec![]).await, Ok(int(10)));
        assert_eq!(drain(cursor).await.unwrap().len(), 50);
    })
    .await;
}

#[tokio::test]
async fn a_cursor_holds_a_connection_until_it_ends() {
    each(async |fixture| {
        numbers(&fixture, 50).await;
        let session = fixture.session();
        fixture.quiet().await;
        let all_fetched = session.query(ALL, vec![], 50).await.unwrap();
        eventually(|| fixture.database.stats().in_use == 0).await;
        assert_eq!(drain(all_fetched).await.unwrap().len(), 50);

        let dropped = session.query(ALL, vec![], 1).await.unwrap();
        assert_eq!(fixture.database.stats().in_use, 1);
        drop(dropped);
        fixture.quiet().await;

        let read = session.query(ALL, vec![], 1).await.unwrap();
        assert_eq!(fixture.database.stats().in_use, 1);
        drain(read).await.unwrap();
        fixture.quiet().await;

        let mut outlives = session.query(ALL, vec![], 1).await.unwrap();
        drop(session);
        fixture.quiet().await;
        // What came with the query is here; the rest is not.
        assert_eq!(outlives.next(10).await, Ok(vec![vec![int(1)]]));
        assert!(matches!(outlives.next(10).await, Err(Error::Invalid(why)) if why.contains("closed")));
    })
    .await;
}

#[tokio::test]
async fn so_many_cursors_are_open_at_a_time_and_no_more() {
    each(async |fixture| {
        numbers(&fixture, 50).await;
        let session = fixture.limited(|limits| limits.cursors_max = 2);
        for in_transaction in [false, true] {
            if in_transaction {
                session.begin(TransactionMode { read_only: true, ..TransactionMode::default() }).await.unwrap();
            }
            let mut first = session.query(ALL, vec![], 1).await.unwrap();
            let second = session.query(ALL, vec![], 1).await.unwrap();
            if !in_transaction {
                assert_eq!(session.query(ALL, vec![], 1).await.err(), Some(Error::TooLarge(2)));
            }
            drop(second);
            let mut third = session.query(ALL, vec![], 1).await.unwrap();
            // Both are read by turns.
            for n in 1..=50 {
                assert_eq!(first.next(1).await, Ok(vec![vec![int(n)]]));
                assert_eq!(third.next(1).await, Ok(vec![vec![int(n)]]));
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_cursor_that_is_open_for_too_long_is_closed() {
    each(async |fixture| {
        numbers(&fixture, 50).await;
        let session = fixture.limited(|limits| limits.transaction = Duration::from_millis(200));
        let mut cursor = session.query(ALL, vec![], 1).await.unwrap();
        fixture.quiet().await;
        cursor.next(1).await.unwrap();
        assert!(matches!(cursor.next(1).await, Err(Error::Invalid(why)) if why.contains("too long")));
        // The session is as good as before.
        assert_eq!(one(&session, "SELECT count(*) FROM numbers", vec![]).await, Ok(int(50)));
    })
    .await;
}

#[tokio::test]
async fn a_result_has_a_limit_over_all_its_pages() {
    each(async |fixture| {
        numbers(&fixture, 50).await;
        let session = fixture.limited(|limits| limits.result_rows_max = 30);
        let sql = "SELECT n FROM numbers WHERE n <= 30";
        assert_eq!(drain(session.query(sql, vec![], 4).await.unwrap()).await.unwrap().len(), 30);
        let refused = match session.query(ALL, vec![], 4).await {
            Ok(cursor) => drain(cursor).await.err(),
            Err(error) => Some(error),
        };
        assert_eq!(refused, Some(Error::TooLarge(30)));
        fixture.quiet().await;
    })
    .await;
}

#[tokio::test]
async fn rows_of_a_write_fit_a_page_or_nothing_is_written() {
    each(async |fixture| {
        numbers(&fixture, 50).await;
        let session = fixture.limited(|limits| limits.page_rows_max = 10);
        let sql = "DELETE FROM numbers WHERE n <= 10 RETURNING n";
        let cursor = session.query(sql, vec![], 1).await.unwrap();
        fixture.quiet().await;
        assert_eq!(one(&fixture.reader(), "SELECT count(*) FROM numbers", vec![]).await, Ok(int(40)));
        assert_eq!(drain(cursor).await.unwrap().len(), 10);
        let refused = session.query("DELETE FROM numbers RETURNING n", vec![], 1).await;
        assert!(matches!(refused.err(), Some(Error::TooLarge(_))));
        fixture.quiet().await;
        assert_eq!(one(&session, "SELECT count(*) FROM numbers", vec![]).await, Ok(int(40)));
        // In a transaction they come in pages.
        session.begin(TransactionMode::default()).await.unwrap();
        let cursor = session.query("DELETE FROM numbers RETURNING n", vec![], 1).await.unwrap();
        assert_eq!(drain(cursor).await.unwrap().len(), 40);
        let _left = session.query("INSERT INTO numbers VALUES (1), (2), (3) RETURNING n", vec![], 1).await.unwrap();
        session.commit().await.unwrap();
        assert_eq!(one(&session, "SELECT count(*) FROM numbers", vec![]).await, Ok(int(3)));
    })
    .await;
}
