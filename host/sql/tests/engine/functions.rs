//! Functions that are done in SQLite's place: the same answers, in less time.

use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use skep_sql::{Error, Value};
use skep_types::ByteSize;

use crate::fixture::{all, blob, int, one, sqlite, text};

const CALLS: [&str; 5] = ["instr($1, $2)", "replace($1, $2, $3)", "trim($1, $2)", "ltrim($1, $2)", "rtrim($1, $2)"];

fn argument() -> impl Strategy<Value = Value> {
    prop_oneof![
        8 => "[aäb]{0,6}".prop_map(Value::Text),
        2 => "[ab]{0,6}".prop_map(|text| Value::Blob(text.into_bytes().into())),
        1 => (-20_i64..20).prop_map(Value::Integer),
        1 => Just(Value::Null),
    ]
}

fn bare(connection: &rusqlite::Connection, sql: &str, arguments: &[Value]) -> Value {
    use rusqlite::types::Value as V;
    let arguments = arguments.iter().map(|argument| match argument {
        Value::Text(text) => V::Text(text.clone()),
        Value::Blob(bytes) => V::Blob(bytes.to_vec()),
        Value::Integer(number) => V::Integer(*number),
        _ => V::Null,
    });
    let found: V = connection
        .prepare_cached(sql)
        .unwrap()
        .query_row(rusqlite::params_from_iter(arguments), |row| row.get(0))
        .unwrap();
    match found {
        V::Null => Value::Null,
        V::Integer(number) => int(number),
        V::Real(number) => Value::Real(number),
        V::Text(found) => text(&found),
        V::Blob(bytes) => blob(&bytes),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn they_answer_as_sqlites_own() {
    let fixture = sqlite();
    let session = fixture.session();
    let plain = rusqlite::Connection::open_in_memory().unwrap();
    let runtime = tokio::runtime::Handle::current();
    let mut runner = TestRunner::new(Config { cases: 300, failure_persistence: None, ..Config::default() });
    tokio::task::block_in_place(|| {
        runner
            .run(&(argument(), argument(), argument()), |(a, b, c)| {
                for call in CALLS {
                    let sql = format!("SELECT {call}");
                    let arguments = if call.contains("$3") {
                        vec![a.clone(), b.clone(), c.clone()]
                    } else {
                        vec![a.clone(), b.clone()]
                    };
                    let wanted = bare(&plain, &sql, &arguments);
                    let found = runtime.block_on(one(&session, &sql, arguments));
                    prop_assert_eq!(found, Ok(wanted), "{} of {:?}", call, (&a, &b, &c));
                }
                Ok(())
            })
            .unwrap();
    });
    for call in CALLS {
        let refused = all(
            &session,
            &format!("SELECT {}", call.replace("$1", "1.5").replace("$2", "'.'").replace("$3", "''")),
            vec![],
        )
        .await;
        assert!(matches!(&refused, Err(Error::Invalid(why)) if why.contains("CAST")), "{refused:?}");
    }
    let index = "CREATE TABLE parts (t TEXT, short TEXT GENERATED ALWAYS AS (replace(t, '-', '')))";
    crate::fixture::run(&session, index, vec![]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn long_texts_take_no_longer_than_a_statement_may() {
    let fixture = sqlite();
    let session = fixture.limited(|limits| {
        limits.statement = Duration::from_secs(10);
        limits.row_bytes_max = ByteSize::mib(4);
    });
    let long = "WITH t(a, b) AS (SELECT hex(zeroblob(500000)), hex(zeroblob(250000)) || '1') ";
    assert_eq!(one(&session, &format!("{long} SELECT instr(a, b) FROM t"), vec![]).await, Ok(int(0)));
    assert_eq!(
        one(&session, &format!("{long} SELECT length(replace(a, b, '')) FROM t"), vec![]).await,
        Ok(int(1_000_000))
    );
    assert_eq!(one(&session, &format!("{long} SELECT a LIKE '%' || substr(b, -200) FROM t"), vec![]).await, Ok(int(0)));
    for call in ["trim(a, b)", "unhex(a, b)"] {
        let refused = all(&session, &format!("{long} SELECT {call} FROM t"), vec![]).await;
        assert!(matches!(refused, Err(Error::Invalid(_))), "{call}: {refused:?}");
    }
    assert!(all(&session, &format!("{long} SELECT a LIKE '%' || b FROM t"), vec![]).await.is_err());
    assert_eq!(
        all(&session, &format!("{long} SELECT replace(a, '0', b) FROM t"), vec![]).await,
        Err(Error::TooLarge(4 << 20))
    );
    for denied in ["json_patch('{}', '{}')", "jsonb_patch('{}', '{}')"] {
        let refused = all(&session, &format!("SELECT {denied}"), vec![]).await;
        assert!(matches!(refused, Err(Error::Denied(_))), "{refused:?}");
    }
}
