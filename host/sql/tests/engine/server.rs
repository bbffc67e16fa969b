//! What only a server does: its types, its rights, its conflicts.

use std::sync::Arc;

use skep_sql::{Database, Error, Isolation, PostgresOptions, SessionLimits, TransactionMode, Value};
use skep_test_postgres::Server;
use skep_types::clock::SystemClock;

use crate::fixture::{READ_WRITE, all, blob, drain, int, numbers, one, postgres, run, text};

#[tokio::test]
async fn every_type_has_the_text_that_the_server_gives_it() {
    let Some(fixture) = postgres() else { return };
    let session = fixture.session();
    run(&session, "CREATE TYPE mood AS ENUM ('sad', 'it''s ok')", vec![]).await.unwrap();
    run(&session, "CREATE DOMAIN age AS INTEGER CHECK (VALUE >= 0)", vec![]).await.unwrap();
    run(&session, "CREATE TYPE pair AS (a INTEGER, b TEXT)", vec![]).await.unwrap();
    for (value, of, wanted) in [
        ("t", "boolean", Value::Boolean(true)),
        ("-32768", "smallint", int(-32768)),
        ("2147483647", "integer", int(2147483647)),
        ("-9223372036854775808", "bigint", int(i64::MIN)),
        ("7", "age", int(7)),
        ("0.1", "real", Value::Real(0.1)),
        ("1e-300", "double precision", Value::Real(1e-300)),
        ("-Infinity", "double precision", Value::Real(f64::NEG_INFINITY)),
        ("\\x00ff", "bytea", blob(b"\0\xff")),
        ("123456789012345678901234567890.000100", "numeric", text("123456789012345678901234567890.000100")),
        ("NaN", "numeric", text("NaN")),
        ("2024-02-29 23:59:59.123456", "timestamp", text("2024-02-29 23:59:59.123456")),
        ("2024-02-29 23:59:59+05", "timestamptz", text("2024-02-29 18:59:59+00")),
        ("infinity", "timestamptz", text("infinity")),
        ("0044-03-15 BC", "date", text("0044-03-15 BC")),
        ("24:00:00", "time", text("24:00:00")),
        ("1 year 2 months -3 days 04:05:06", "interval", text("1 year 2 mons -3 days +04:05:06")),
        ("550E8400-E29B-41D4-A716-446655440000", "uuid", text("550e8400-e29b-41d4-a716-446655440000")),
        ("{\"b\":1, \"a\": [null]}", "jsonb", text("{\"a\": [null], \"b\": 1}")),
        ("{\"b\":1}", "json", text("{\"b\":1}")),
        ("it's ok", "mood", text("it's ok")),
        ("{1,NULL,3}", "integer[]", text("{1,NULL,3}")),
        ("{\"a b\",\"c\\\"d\"}", "text[]", text("{\"a b\",\"c\\\"d\"}")),
        ("(1,\"x y\")", "pair", text("(1,\"x y\")")),
        ("[1,5)", "int4range", text("[1,5)")),
        ("192.168.0.1/24", "inet", text("192.168.0.1/24")),
        ("ab", "character(4)", text("ab  ")),
        ("ab", "name", text("ab")),
        ("'quick' 'fox'", "tsvector", text("'fox' 'quick'")),
    ] {
        let found = one(&session, &format!("SELECT $1::{of}"), vec![text(value)]).await;
        assert_eq!(found, Ok(wanted.clone()), "{of}");
        assert_eq!(one(&session, &format!("SELECT NULL::{of}"), vec![]).await, Ok(Value::Null));
        // It is the text that the server itself gives, where it is a text.
        if let Value::Text(own) = wanted.clone()
            && of != "character(4)"
        {
            assert_eq!(
                one(&session, &format!("SELECT $1::{of}::text"), vec![text(value)]).await,
                Ok(text(&own)),
                "{of}"
            );
        }
    }
    let cursor = session.query("SELECT NULL::mood, NULL::age, NULL::integer[], 1.5", vec![], 1).await.unwrap();
    let types: Vec<_> = cursor.columns().iter().map(|column| column.declared.clone().unwrap()).collect();
    assert_eq!(types, ["mood", "integer", "integer[]", "numeric"]);
}

#[tokio::test]
async fn parameters_fit_the_types_that_the_server_wants() {
    let Some(fixture) = postgres() else { return };
    let session = fixture.session();
    let sql = "CREATE TABLE typed (s SMALLINT, n NUMERIC, d DATE, j JSONB, t TEXT, r REAL, b BOOLEAN)";
    run(&session, sql, vec![]).await.unwrap();
    let insert = "INSERT INTO typed VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING s, n, d, j, t, r, b";
    let row = vec![int(7), int(8), text("2024-01-31"), text("[1]"), int(9), int(10), Value::Boolean(true)];
    let back =
        vec![int(7), text("8"), text("2024-01-31"), text("[1]"), text("9"), Value::Real(10.0), Value::Boolean(true)];
    assert_eq!(all(&session, insert, row.clone()).await, Ok(vec![back]));
    for (place, value, words) in [
        (0, int(40_000), "out of range"),
        (0, Value::Real(1.5), "invalid input"),
        (2, text("no date"), "invalid input"),
        (4, blob(b"x"), "parameter 5 is a blob"),
        (4, text("a\0b"), "0x00"),
    ] {
        let mut row = row.clone();
        row[place] = value;
        let refused = all(&session, insert, row).await;
        assert!(matches!(&refused, Err(Error::Invalid(why)) if why.contains(words)), "{refused:?}");
    }
    assert!(
        one(&session, "SELECT $1::float8", vec![Value::Real(f64::NAN)])
            .await
            .is_ok_and(|value| matches!(value, Value::Real(number) if number.is_nan()))
    );
    assert_eq!(one(&session, "SELECT count(*) FROM typed", vec![]).await, Ok(int(1)));
}

#[tokio::test]
async fn a_mistake_has_a_place_and_a_code() {
    let Some(fixture) = postgres() else { return };
    let refused = all(&fixture.session(), "SELECT 1,\n nocol", vec![]).await;
    let Err(Error::Invalid(why)) = refused else { panic!("{refused:?}") };
    assert!(why.contains("SQLSTATE 42703") && why.contains("at character 12"), "{why}");
}

#[tokio::test]
async fn what_changes_the_connection_or_leaves_the_database_is_refused() {
    let Some(fixture) = postgres() else { return };
    for sql in [
        "SET ROLE postgres",
        "SET statement_timeout = 0",
        "RESET ALL",
        "SET SESSION AUTHORIZATION postgres",
        "COPY numbers TO '/tmp/x'",
        "COPY (SELECT 1) TO PROGRAM 'id'",
        "COPY numbers FROM STDIN",
        "copy numbers to stdout",
        "DO $$ BEGIN PERFORM 1; END $$",
        "LISTEN x",
        "UNLISTEN *",
        "DISCARD ALL",
        "LOAD 'plpgsql'",
        "PREPARE x AS SELECT 1",
        "EXECUTE x",
        "DEALLOCATE ALL",
        "DECLARE c CURSOR FOR SELECT 1",
        "CLOSE ALL",
        "VACUUM",
        "GRANT ALL ON ALL TABLES IN SCHEMA public TO public",
        ";;/* /* */ */ SET ROLE postgres",
        "START TRANSACTION READ WRITE",
        "PREPARE TRANSACTION 'x'",
        "COMMIT AND CHAIN",
        "ABORT",
    ] {
        let session = fixture.session();
        for in_transaction in [false, true] {
            if in_transaction {
                session.begin(TransactionMode::default()).await.unwrap();
            }
            assert!(matches!(run(&session, sql, vec![]).await, Err(Error::Denied(_))), "{sql}");
            assert!(matches!(all(&session, sql, vec![]).await, Err(Error::Denied(_))), "{sql}");
        }
    }
}

#[tokio::test]
async fn a_role_without_rights_has_none_here_either() {
    let Some(fixture) = postgres() else { return };
    numbers(&fixture, 3).await;
    let server = Server::shared().unwrap();
    let url = server.database();
    let role = format!("reader_{}", url.rsplit('/').next().unwrap());
    server.ask(&url, &format!("CREATE ROLE {role} LOGIN PASSWORD 'x'; CREATE TABLE secrets (n INT)"));
    let place = url.split_once('@').unwrap().1;
    let own = PostgresOptions::new(format!("postgres://{role}:x@{place}"));
    let database = Database::postgres(own, Arc::new(SystemClock)).unwrap();
    let session = database.session(READ_WRITE, SessionLimits::default());
    for sql in ["SELECT * FROM secrets", "SELECT pg_read_file('/etc/passwd')", "DROP TABLE secrets"] {
        let refused = all(&session, sql, vec![]).await;
        assert!(matches!(&refused, Err(Error::Denied(_) | Error::Invalid(_))), "{sql}: {refused:?}");
    }
    assert!(matches!(all(&session, "SELECT lo_import('/etc/passwd')", vec![]).await, Err(Error::Denied(_))));
}

#[tokio::test]
async fn who_only_reads_does_not_talk_the_server_out_of_it() {
    let Some(fixture) = postgres() else { return };
    numbers(&fixture, 3).await;
    let reader = fixture.reader();
    for name in ["transaction_read_only", "default_transaction_read_only"] {
        let talk = format!("SELECT set_config('{name}', 'off', false)");
        for in_transaction in [false, true] {
            if in_transaction {
                reader.begin(TransactionMode::default()).await.unwrap();
            }
            _ = all(&reader, &talk, vec![]).await;
            assert!(run(&reader, "DELETE FROM numbers", vec![]).await.is_err());
            assert!(all(&reader, "DELETE FROM numbers RETURNING n", vec![]).await.is_err());
            if in_transaction {
                _ = reader.rollback().await;
            }
        }
    }
    let sneaky = "WITH gone AS (DELETE FROM numbers RETURNING n) SELECT count(*) FROM gone";
    assert!(matches!(all(&reader, sneaky, vec![]).await, Err(Error::Denied(_))));
    assert_eq!(one(&fixture.session(), "SELECT count(*) FROM numbers", vec![]).await, Ok(int(3)));
}

#[tokio::test]
async fn nothing_of_one_session_is_left_for_the_next() {
    let one_connection = |options: &mut PostgresOptions| options.connections = 1.try_into().unwrap();
    let Some(fixture) = crate::fixture::postgres_with(one_connection) else { return };
    let session = fixture.session();
    let ours =
        "SELECT current_setting('search_path') || current_setting('statement_timeout') || current_setting('TimeZone')";
    let before = one(&session, ours, vec![]).await.unwrap();
    run(&session, "CREATE TEMP TABLE mine (n INT)", vec![]).await.unwrap();
    session.begin(TransactionMode::default()).await.unwrap();
    for sql in [
        "SELECT set_config('search_path', 'elsewhere', false)",
        "SELECT set_config('statement_timeout', '0', false)",
        "SELECT set_config('TimeZone', 'Asia/Tokyo', false)",
        "SELECT pg_advisory_lock(7)",
    ] {
        all(&session, sql, vec![]).await.unwrap();
    }
    session.commit().await.unwrap();
    drop(session);
    fixture.quiet().await;
    let next = fixture.session();
    assert_eq!(one(&next, ours, vec![]).await, Ok(before));
    let locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = \
                 (SELECT oid FROM pg_database WHERE datname = current_database())";
    assert_eq!(one(&next, locks, vec![]).await, Ok(int(0)));
    assert!(matches!(all(&next, "SELECT * FROM mine", vec![]).await, Err(Error::Invalid(_))));
    assert_eq!(fixture.database.stats().connections, 1);
}

#[tokio::test]
async fn a_query_that_writes_behind_a_select_is_committed_with_its_first_page() {
    let Some(fixture) = postgres() else { return };
    numbers(&fixture, 50).await;
    let session = fixture.limited(|limits| limits.page_rows_max = 30);
    let sql = "WITH gone AS (DELETE FROM numbers WHERE n <= 20 RETURNING n) SELECT n FROM gone ORDER BY n";
    let cursor = session.query(sql, vec![], 1).await.unwrap();
    assert_eq!(one(&fixture.reader(), "SELECT count(*) FROM numbers", vec![]).await, Ok(int(30)));
    assert_eq!(drain(cursor).await.unwrap().len(), 20);
    let sql = "WITH new AS (INSERT INTO numbers SELECT generate_series(100, 200) RETURNING n) SELECT n FROM new";
    assert!(matches!(session.query(sql, vec![], 1).await.err(), Some(Error::TooLarge(_))));
    fixture.quiet().await;
    assert_eq!(one(&session, "SELECT count(*) FROM numbers", vec![]).await, Ok(int(30)));
}

#[tokio::test]
async fn transactions_that_cannot_both_be_are_in_conflict() {
    let Some(fixture) = postgres() else { return };
    numbers(&fixture, 2).await;
    let mode = TransactionMode { isolation: Isolation::Serializable, ..TransactionMode::default() };
    let (a, b) = (fixture.session(), fixture.session());
    for session in [&a, &b] {
        session.begin(mode).await.unwrap();
        assert_eq!(one(session, "SELECT sum(n)::bigint FROM numbers", vec![]).await, Ok(int(3)));
    }
    run(&a, "INSERT INTO numbers VALUES (10)", vec![]).await.unwrap();
    run(&b, "INSERT INTO numbers VALUES (11)", vec![]).await.unwrap();
    a.commit().await.unwrap();
    assert_eq!(b.commit().await, Err(Error::Conflict));
    // A deadlock is one too.
    let (a, b) = (fixture.session(), fixture.session());
    let lock = "UPDATE numbers SET n = n WHERE n = $1";
    for (session, n) in [(&a, 1), (&b, 2)] {
        session.begin(TransactionMode::default()).await.unwrap();
        run(session, lock, vec![int(n)]).await.unwrap();
    }
    let (first, second) = tokio::join!(run(&a, lock, vec![int(2)]), run(&b, lock, vec![int(1)]));
    assert_eq!([first, second].iter().filter(|done| **done == Err(Error::Conflict)).count(), 1);
}

#[tokio::test]
async fn an_answer_of_any_length_is_cut_off() {
    let Some(fixture) = postgres() else { return };
    let session = fixture.session();
    for sql in ["SELECT repeat('x', 50000000)", "SELECT array_agg(repeat('x', 1000)) FROM generate_series(1, 20000)"] {
        assert_eq!(all(&session, sql, vec![]).await, Err(Error::TooLarge(8 << 20)), "{sql}");
    }
    // Long rows come in pages all the same.
    let sql = "SELECT repeat('x', 700000) FROM generate_series(1, 60)";
    let mut cursor = session.query(sql, vec![], 1_000).await.unwrap();
    let mut pages = 0;
    while !cursor.is_done() {
        assert_eq!(cursor.next(1_000).await.unwrap().len(), 1);
        pages += 1;
    }
    assert_eq!(pages, 60);
    fixture.quiet().await;
}

#[tokio::test]
async fn a_table_that_changes_under_a_prepared_statement_is_no_matter() {
    let Some(fixture) = postgres() else { return };
    numbers(&fixture, 2).await;
    let session = fixture.session();
    let sql = "SELECT * FROM numbers ORDER BY n";
    assert_eq!(all(&session, sql, vec![]).await.unwrap()[0].len(), 1);
    for columns in 2..5 {
        run(&session, &format!("ALTER TABLE numbers ADD COLUMN c{columns} TEXT"), vec![]).await.unwrap();
        assert_eq!(all(&session, sql, vec![]).await.unwrap()[0].len(), columns);
        assert_eq!(run(&session, sql, vec![]).await, Ok(0));
    }
}
