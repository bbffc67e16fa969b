//! Statements that want what they are not given.

use skep_sql::{Error, TransactionMode};

use crate::fixture::{Fixture, all, each, int, numbers, one, run, sqlite};

/// Both ways to say it, on a fresh session, in a transaction and without.
async fn refused(fixture: &Fixture, sql: &str) -> Vec<Error> {
    let mut errors = Vec::new();
    for in_transaction in [false, true] {
        for by_query in [false, true] {
            let session = fixture.session();
            if in_transaction {
                session.begin(TransactionMode::default()).await.unwrap();
            }
            let done = if by_query {
                all(&session, sql, vec![]).await.map(|rows| format!("{rows:?}"))
            } else {
                run(&session, sql, vec![]).await.map(|count| count.to_string())
            };
            errors.push(done.expect_err(sql));
        }
    }
    errors
}

#[tokio::test]
async fn nobody_begins_or_ends_transactions_by_text() {
    each(async |fixture| {
        numbers(&fixture, 1).await;
        for sql in [
            "BEGIN",
            "begin immediate",
            "COMMIT",
            "/* x */ CoMMit",
            ";COMMIT",
            "-- x\nCOMMIT",
            "END",
            "ROLLBACK",
            "SAVEPOINT a",
            "RELEASE a",
            "ROLLBACK TO a",
        ] {
            for error in refused(&fixture, sql).await {
                assert!(matches!(error, Error::Denied(_)), "{sql}: {error}");
            }
        }
        assert_eq!(one(&fixture.session(), "SELECT count(*) FROM numbers", vec![]).await, Ok(int(1)));
    })
    .await;
}

#[tokio::test]
async fn one_statement_at_a_time() {
    each(async |fixture| {
        numbers(&fixture, 1).await;
        let many = format!("SELECT 1{}", ";SELECT 1".repeat(7_000));
        let semicolons = format!("SELECT 1{}SELECT 1", ";".repeat(60_000));
        for sql in [
            "SELECT 1; SELECT 2",
            "SELECT 1; DELETE FROM numbers",
            "DELETE FROM numbers; SELECT 1",
            "SELECT 1; COMMIT",
            "SELECT 1;; \n -- x\n ; DROP TABLE numbers",
            many.as_str(),
            semicolons.as_str(),
        ] {
            for error in refused(&fixture, sql).await {
                assert!(matches!(error, Error::Invalid(_)), "{error}");
            }
        }
        assert_eq!(one(&fixture.session(), "SELECT count(*) FROM numbers", vec![]).await, Ok(int(1)));
        let blank = format!("SELECT 1{}", ";".repeat(60_000));
        assert_eq!(one(&fixture.session(), &blank, vec![]).await, Ok(int(1)));
    })
    .await;
}

#[tokio::test]
async fn sqlite_stays_in_its_file() {
    let fixture = sqlite();
    numbers(&fixture, 1).await;
    let elsewhere = fixture.folder.path().join("elsewhere.db");
    let path = elsewhere.display();
    for sql in [
        format!("ATTACH '{path}' AS other"),
        "ATTACH ':memory:' AS other".to_owned(),
        "DETACH main".to_owned(),
        "VACUUM".to_owned(),
        format!("VACUUM INTO '{path}'"),
        "SELECT load_extension('libm.so')".to_owned(),
        "SELECT load_extension('libm.so', 'main')".to_owned(),
        "SELECT fts3_tokenizer('simple')".to_owned(),
        "CREATE TEMP TABLE t (n)".to_owned(),
        "CREATE TABLE temp.t (n)".to_owned(),
        "CREATE TABLE TEMP.t AS SELECT 1".to_owned(),
        "CREATE INDEX temp.i ON numbers (n)".to_owned(),
        "CREATE VIRTUAL TABLE temp.f USING fts5(t)".to_owned(),
        "CREATE VIEW temp.v AS SELECT 1".to_owned(),
        "CREATE TRIGGER temp.tr AFTER INSERT ON main.numbers BEGIN SELECT 1; END".to_owned(),
        "CREATE TEMP VIEW v AS SELECT 1".to_owned(),
        "CREATE TEMP TRIGGER tr AFTER INSERT ON numbers BEGIN SELECT 1; END".to_owned(),
        "CREATE VIRTUAL TABLE d USING dbstat".to_owned(),
        "CREATE VIRTUAL TABLE f USING fts3(t)".to_owned(),
    ] {
        for error in refused(&fixture, &sql).await {
            // These are mistakes before they are anything else.
            let is_early = sql.starts_with("VACUUM") || sql.starts_with("CREATE INDEX");
            assert!(
                is_early && matches!(error, Error::Invalid(_)) || matches!(error, Error::Denied(_)),
                "{sql}: {error}"
            );
        }
    }
    let session = fixture.session();
    assert_eq!(all(&session, "SELECT * FROM sqlite_temp_master", vec![]).await, Ok(vec![]));
    for sql in ["ALTER TABLE numbers RENAME TO others", "ALTER TABLE others RENAME n TO m", "ALTER TABLE others ADD x"]
    {
        assert_eq!(run(&session, sql, vec![]).await, Ok(0), "{sql}");
    }
    assert!(!elsewhere.exists());
    let files: Vec<_> = fixture.folder.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(files.iter().all(|file| file.to_string_lossy().starts_with("test.db")), "{files:?}");
}

#[tokio::test]
async fn sqlite_pragmas_only_tell() {
    let fixture = sqlite();
    numbers(&fixture, 1).await;
    for sql in [
        "PRAGMA query_only = 0",
        "PRAGMA writable_schema = 1",
        "PRAGMA writable_schema",
        "PRAGMA journal_mode = delete",
        "PRAGMA journal_mode",
        "PRAGMA synchronous = off",
        "PRAGMA max_page_count = 100000000",
        "PRAGMA cache_size = -1000000",
        "PRAGMA temp_store_directory = '/'",
        "PRAGMA hard_heap_limit = 1",
        "PRAGMA soft_heap_limit = 1",
        "PRAGMA mmap_size = 1000000000",
        "PRAGMA foreign_keys = off",
        "PRAGMA trusted_schema = on",
        "PRAGMA user_version = 7",
        "PRAGMA page_size = 512",
        "PRAGMA wal_checkpoint(truncate)",
        "PRAGMA locking_mode = exclusive",
        "PRAGMA threads = 8",
        "PRAGMA busy_timeout = 100000",
        "PRAGMA database_list",
        "SELECT * FROM pragma_database_list",
        "SELECT * FROM pragma_journal_mode",
        "PRAGMA main.journal_mode",
    ] {
        for error in refused(&fixture, sql).await {
            assert!(matches!(error, Error::Denied(_)), "{sql}: {error}");
        }
    }
    let session = fixture.session();
    for sql in [
        "PRAGMA table_info(numbers)",
        "PRAGMA user_version",
        "PRAGMA foreign_key_check",
        "PRAGMA quick_check",
        "SELECT * FROM pragma_table_info('numbers')",
        "PRAGMA page_count",
    ] {
        let found = all(&session, sql, vec![]).await;
        assert!(found.is_ok(), "{sql}: {found:?}");
    }
    assert_eq!(one(&session, "PRAGMA foreign_keys", vec![]).await, Ok(int(1)));
}

#[tokio::test]
async fn sqlites_schema_is_not_written_by_hand() {
    let fixture = sqlite();
    numbers(&fixture, 1).await;
    for sql in [
        "UPDATE sqlite_master SET sql = 'CREATE TABLE numbers (x)'",
        "UPDATE sqlite_schema SET sql = NULL",
        "INSERT INTO sqlite_master VALUES ('table', 'x', 'x', 2, 'CREATE TABLE x (y)')",
        "DELETE FROM sqlite_master",
        "DROP TABLE sqlite_master",
        "CREATE TABLE sqlite_mine (n)",
    ] {
        for error in refused(&fixture, sql).await {
            assert!(matches!(error, Error::Denied(_) | Error::Invalid(_)), "{sql}: {error}");
        }
    }
    let session = fixture.session();
    assert_eq!(one(&session, "SELECT count(*) FROM sqlite_master WHERE name = 'numbers'", vec![]).await, Ok(int(1)));
    run(&session, "CREATE VIRTUAL TABLE texts USING fts5(t)", vec![]).await.unwrap();
    run(&session, "INSERT INTO texts VALUES ('the quick fox')", vec![]).await.unwrap();
    assert_eq!(one(&session, "SELECT count(*) FROM texts('quick')", vec![]).await, Ok(int(1)));
    // The tables behind it are only the module's to write.
    for error in refused(&fixture, "UPDATE texts_data SET block = zeroblob(10)").await {
        assert!(matches!(error, Error::Invalid(_) | Error::Denied(_)), "{error}");
    }
}

#[tokio::test]
async fn sqlite_refuses_what_would_take_all_memory_or_stack() {
    let fixture = sqlite();
    let session = fixture.session();
    for sql in [
        "SELECT zeroblob(1000000000)",
        "SELECT length(zeroblob(1000000000))",
        "SELECT length(replace(hex(zeroblob(1000000)), '0', '0123456789'))",
        "SELECT printf('%.*c', 100000000, 'x')",
        "SELECT length(group_concat(hex(zeroblob(1000000)))) FROM (VALUES (1), (2), (3), (4), (5), (6), (7), (8), (9))",
    ] {
        assert!(matches!(all(&session, sql, vec![]).await, Err(Error::TooLarge(_))), "{sql}");
    }
    let deep = [
        format!("SELECT {}1{}", "(".repeat(30_000), ")".repeat(30_000)),
        format!("SELECT {}1", "- ".repeat(30_000)),
        format!("SELECT {}1", "NOT ".repeat(15_000)),
        format!("SELECT 1{}", "+1".repeat(30_000)),
        format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(3_000)),
        format!("SELECT {}1{}", "(SELECT ".repeat(5_000), ")".repeat(5_000)),
        format!("SELECT {}1{}", "abs(".repeat(10_000), ")".repeat(10_000)),
        format!("SELECT {}", vec!["1"; 20_000].join(",")),
        format!("CREATE TABLE wide ({})", (0..5_000).map(|n| format!("c{n}")).collect::<Vec<_>>().join(",")),
        "SELECT ?2000000".to_owned(),
    ];
    for sql in deep {
        let refused = all(&session, &sql, vec![]).await;
        assert!(matches!(refused, Err(Error::Invalid(_) | Error::TooLarge(_))), "{refused:?}");
    }
    assert_eq!(one(&session, "SELECT 1", vec![]).await, Ok(int(1)));
}
