//! What goes in comes out.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use skep_sql::{Constraint, Error, Value};

use crate::fixture::{Fixture, Kind, all, blob, each, int, one, run, sqlite, text};

async fn table(fixture: &Fixture) {
    let bytes = match fixture.kind {
        Kind::Sqlite => "BLOB",
        Kind::Postgres => "BYTEA",
    };
    let sql = format!(
        "CREATE TABLE kept (id BIGINT PRIMARY KEY, b BOOLEAN, i BIGINT, r DOUBLE PRECISION, t TEXT, x {bytes})"
    );
    run(&fixture.session(), &sql, vec![]).await.unwrap();
}

#[tokio::test]
async fn every_kind_of_value_comes_back_as_it_was() {
    each(async |fixture| {
        table(&fixture).await;
        let session = fixture.session();
        let rows = [
            vec![
                int(1),
                Value::Boolean(true),
                int(i64::MIN),
                Value::Real(-0.1),
                text("grüße, 世界 ' \" \\"),
                blob(b"\0\xff"),
            ],
            vec![int(2), Value::Boolean(false), int(i64::MAX), Value::Real(f64::MAX), text(""), blob(b"")],
            vec![int(3), Value::Null, Value::Null, Value::Null, Value::Null, Value::Null],
        ];
        for row in &rows {
            let sql = "INSERT INTO kept (id, b, i, r, t, x) VALUES ($1, $2, $3, $4, $5, $6)";
            assert_eq!(run(&session, sql, row.clone()).await, Ok(1));
        }
        assert_eq!(all(&session, "SELECT id, b, i, r, t, x FROM kept ORDER BY id", vec![]).await, Ok(rows.to_vec()));
        let infinite = vec![Value::Real(f64::INFINITY)];
        assert_eq!(run(&session, "UPDATE kept SET r = $1 WHERE id = 3", infinite).await, Ok(1));
        assert_eq!(one(&session, "SELECT r FROM kept WHERE id = 3", vec![]).await, Ok(Value::Real(f64::INFINITY)));
    })
    .await;
}

#[tokio::test]
async fn columns_have_names_and_types() {
    each(async |fixture| {
        table(&fixture).await;
        let cursor = fixture.session().query("SELECT id AS \"Nr.\", b, t FROM kept", vec![], 1).await.unwrap();
        let names: Vec<_> = cursor.columns().iter().map(|column| column.name.as_str()).collect();
        assert_eq!(names, ["Nr.", "b", "t"]);
        let types: Vec<_> =
            cursor.columns().iter().map(|column| column.declared.clone().unwrap().to_lowercase()).collect();
        assert_eq!(types, ["bigint", "boolean", "text"]);
        assert!(cursor.is_done());
    })
    .await;
}

#[tokio::test]
async fn parameters_are_found_by_their_numbers() {
    each(async |fixture| {
        table(&fixture).await;
        let session = fixture.session();
        let sql = "INSERT INTO kept (id, t, i) VALUES ($2, $1, $2)";
        assert_eq!(run(&session, sql, vec![text("a"), int(7)]).await, Ok(1));
        let found = all(&session, "SELECT id, t, i FROM kept WHERE t = $1", vec![text("a")]).await;
        assert_eq!(found, Ok(vec![vec![int(7), text("a"), int(7)]]));
        for params in [vec![], vec![text("a")], vec![text("a"), int(8), int(9)]] {
            let refused = run(&session, sql, params).await;
            assert!(matches!(&refused, Err(Error::Invalid(why)) if why.contains("2 parameters")), "{refused:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn sqlite_takes_its_own_parameters_too() {
    let fixture = sqlite();
    let session = fixture.session();
    assert_eq!(one(&session, "SELECT ?2 || ?1", vec![text("a"), text("b")]).await, Ok(text("ba")));
    assert_eq!(one(&session, "SELECT ? || ?", vec![text("a"), text("b")]).await, Ok(text("ab")));
    for sql in ["SELECT :name", "SELECT @name", "SELECT $name", "SELECT ?1 || $2"] {
        let refused = one(&session, sql, vec![text("a"), text("b")]).await;
        assert!(matches!(&refused, Err(Error::Invalid(why)) if why.contains("parameters")), "{sql}: {refused:?}");
    }
}

#[tokio::test]
async fn what_was_changed_is_counted() {
    each(async |fixture| {
        table(&fixture).await;
        let session = fixture.session();
        let sql = "INSERT INTO kept (id) VALUES (1), (2), (3)";
        assert_eq!(run(&session, sql, vec![]).await, Ok(3));
        assert_eq!(run(&session, "UPDATE kept SET i = 1 WHERE id > 1", vec![]).await, Ok(2));
        assert_eq!(run(&session, "SELECT * FROM kept", vec![]).await, Ok(0));
        assert_eq!(run(&session, "CREATE INDEX by_i ON kept (i)", vec![]).await, Ok(0));
        assert_eq!(run(&session, "DELETE FROM kept WHERE id = 9", vec![]).await, Ok(0));
        assert_eq!(run(&session, "DELETE FROM kept RETURNING id", vec![]).await, Ok(3));
        assert_eq!(all(&session, "SELECT id FROM kept", vec![]).await, Ok(vec![]));
        let sql = "INSERT INTO kept (id, t) VALUES (4, 'd'), (5, 'e') RETURNING id, t";
        assert_eq!(all(&session, sql, vec![]).await, Ok(vec![vec![int(4), text("d")], vec![int(5), text("e")]]));
        assert_eq!(one(&fixture.reader(), "SELECT count(*) FROM kept", vec![]).await, Ok(int(2)));
    })
    .await;
}

#[tokio::test]
async fn constraints_say_which_they_are() {
    each(async |fixture| {
        let session = fixture.session();
        run(&session, "CREATE TABLE parent (id BIGINT PRIMARY KEY)", vec![]).await.unwrap();
        let sql = "CREATE TABLE child (id BIGINT PRIMARY KEY, parent BIGINT NOT NULL REFERENCES parent, \
                   age BIGINT CHECK (age >= 0), email TEXT UNIQUE)";
        run(&session, sql, vec![]).await.unwrap();
        run(&session, "INSERT INTO parent VALUES (1)", vec![]).await.unwrap();
        run(&session, "INSERT INTO child VALUES (1, 1, 1, 'a')", vec![]).await.unwrap();
        for (sql, wanted) in [
            ("INSERT INTO child VALUES (1, 1, 1, 'b')", Constraint::Unique),
            ("INSERT INTO child VALUES (2, 1, 1, 'a')", Constraint::Unique),
            ("INSERT INTO child VALUES (2, 9, 1, 'b')", Constraint::ForeignKey),
            ("INSERT INTO child VALUES (2, NULL, 1, 'b')", Constraint::NotNull),
            ("INSERT INTO child VALUES (2, 1, -1, 'b')", Constraint::Check),
        ] {
            let refused = run(&session, sql, vec![]).await;
            assert!(matches!(&refused, Err(Error::Constraint { kind, .. }) if *kind == wanted), "{sql}: {refused:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_mistake_is_told_in_the_words_of_the_database() {
    each(async |fixture| {
        let session = fixture.session();
        for (sql, words) in
            [("SELEC 1", "syntax error"), ("SELECT * FROM nowhere", "nowhere"), ("SELECT nocol", "nocol")]
        {
            let refused = all(&session, sql, vec![]).await;
            assert!(matches!(&refused, Err(Error::Invalid(why)) if why.contains(words)), "{sql}: {refused:?}");
        }
        for sql in ["", "  ", "-- nothing", "/* nothing */", ";"] {
            assert!(matches!(all(&session, sql, vec![]).await, Err(Error::Invalid(_))), "{sql:?}");
            assert!(matches!(run(&session, sql, vec![]).await, Err(Error::Invalid(_))), "{sql:?}");
        }
        assert_eq!(one(&session, "SELECT 1;  -- the end\n;", vec![]).await, Ok(int(1)));
    })
    .await;
}

fn value() -> impl Strategy<Value = (Value, Value, Value, Value, Value)> {
    let maybe = |value: BoxedStrategy<Value>| prop_oneof![1 => Just(Value::Null), 5 => value];
    (
        maybe(any::<bool>().prop_map(Value::Boolean).boxed()),
        maybe(any::<i64>().prop_map(Value::Integer).boxed()),
        maybe(any::<f64>().prop_filter("no NaN", |number| !number.is_nan()).prop_map(Value::Real).boxed()),
        maybe("[^\0]{0,40}".prop_map(Value::Text).boxed()),
        maybe(proptest::collection::vec(any::<u8>(), 0..200).prop_map(|bytes| Value::Blob(bytes.into())).boxed()),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn any_rows_come_back_as_they_were() {
    each(async |fixture| {
        table(&fixture).await;
        let runtime = tokio::runtime::Handle::current();
        let mut runner = TestRunner::new(Config { cases: 24, failure_persistence: None, ..Config::default() });
        let rows = proptest::collection::vec(value(), 1..40);
        tokio::task::block_in_place(|| {
            runner
                .run(&rows, |rows| {
                    runtime.block_on(async {
                        let session = fixture.session();
                        run(&session, "DELETE FROM kept", vec![]).await.unwrap();
                        session.begin(skep_sql::TransactionMode::default()).await.unwrap();
                        let mut wanted = Vec::new();
                        for (id, (b, i, r, t, x)) in rows.into_iter().enumerate() {
                            let row = vec![int(id as i64), b, i, r, t, x];
                            let sql = "INSERT INTO kept (id, b, i, r, t, x) VALUES ($1, $2, $3, $4, $5, $6)";
                            run(&session, sql, row.clone()).await.unwrap();
                            wanted.push(row);
                        }
                        session.commit().await.unwrap();
                        let sql = "SELECT id, b, i, r, t, x FROM kept ORDER BY id";
                        let mut cursor = session.query(sql, vec![], 3).await.unwrap();
                        let mut found = Vec::new();
                        while !cursor.is_done() {
                            found.extend(cursor.next(7).await.unwrap());
                        }
                        prop_assert_eq!(found, wanted);
                        Ok(())
                    })
                })
                .unwrap();
        });
    })
    .await;
}
