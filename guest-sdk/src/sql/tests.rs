use serde::Deserialize;
use serde_json::json;

use super::{Constraint, Database, Isolation, Params, Row, TransactionOptions, Value, params};
use crate::{CapabilityError, Error, Result, StatusCode, jobs::JobId, test};

#[derive(Debug, Deserialize, PartialEq)]
struct Bee {
    name: String,
    age: Option<u32>,
    #[serde(default)]
    queen: bool,
}

fn hive() -> Database {
    test::database("main").run(
        "create table bees (name text primary key, age integer, queen boolean not null default 0);
         create table cells (bee text references bees, number integer check (number > 0))",
    );
    let db = Database::open("main").unwrap();
    db.execute("insert into bees values ('maja', 7, 0), ('willi', null, 0), ('cassandra', 400, 1)", ()).unwrap();
    db
}

fn bee(name: &str, age: Option<u32>, queen: bool) -> Bee {
    Bee { name: name.into(), age, queen }
}

fn empty() -> Database {
    Database::open("main").unwrap()
}

#[track_caller]
fn one<T: serde::de::DeserializeOwned>(select: &str) -> T {
    empty().query_one(&format!("select {select}"), ()).unwrap()
}

#[track_caller]
fn unfit<T: serde::de::DeserializeOwned + std::fmt::Debug>(select: &str) -> String {
    empty().query_one::<T>(&format!("select {select}"), ()).unwrap_err().to_string()
}

#[test]
fn a_row_is_a_struct_a_tuple_a_value_or_itself() {
    let db = hive();
    let all = "select * from bees order by age";
    let bees: Vec<Bee> = db.query_all(all, ()).unwrap();
    assert_eq!(bees, [bee("willi", None, false), bee("maja", Some(7), false), bee("cassandra", Some(400), true)]);
    let pairs: Vec<(String, Option<u8>)> = db.query_all("select name, age from bees where age < 100", ()).unwrap();
    assert_eq!(pairs, [("maja".to_owned(), Some(7))]);
    let names: Vec<String> = db.query_all("select name from bees order by 1", ()).unwrap();
    assert_eq!(names, ["cassandra", "maja", "willi"]);
    let ages: Vec<Option<i64>> = db.query_all("select age from bees order by name", ()).unwrap();
    assert_eq!(ages, [Some(400), Some(7), None]);
    let rows: Vec<Row> = db.query(all, ()).unwrap().collect::<Result<_>>().unwrap();
    let queen = rows.last().unwrap();
    assert_eq!(queen.columns().collect::<Vec<_>>(), ["name", "age", "queen"]);
    assert_eq!(queen.values().nth(2), Some(&Value::Boolean(true)));
    assert_eq!(queen.get::<u16>("age").unwrap(), 400);
    assert!(queen.get::<u8>("age").unwrap_err().to_string().contains("column `age`"));
    assert!(queen.get::<u8>("wings").unwrap_err().to_string().contains("no column `wings`"));
    assert_eq!(serde_json::to_value(queen).unwrap(), json!({"name": "cassandra", "age": 400, "queen": true}));
    let json: Vec<serde_json::Value> = db.query_all("select age from bees where age > 7", ()).unwrap();
    assert_eq!(json, [json!({"age": 400})]);
    let back: Row = serde_json::from_value(json!({"a": 1, "b": null})).unwrap();
    assert_eq!(back.values().collect::<Vec<_>>(), [&Value::Integer(1), &Value::Null]);
}

#[test]
fn a_value_is_read_as_what_it_can_be() {
    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "lowercase")]
    enum Kind {
        Worker,
        Drone,
    }
    #[derive(Debug, Deserialize, PartialEq)]
    struct Id(i64);
    assert_eq!(one::<Kind>("'drone'"), Kind::Drone);
    assert_eq!(one::<(Kind, Id)>("'worker', 7"), (Kind::Worker, Id(7)));
    assert_eq!(one::<Id>("7"), Id(7));
    assert_eq!(one::<JobId>("7"), JobId(7));
    assert_eq!(one::<(bool, bool)>("1, 0"), (true, false));
    assert_eq!(one::<(f64, f64, f32)>("1, 0.5, '2.5'"), (1.0, 0.5, 2.5));
    assert_eq!(one::<(i64, u8, u128)>("'-7', '8', '9'"), (-7, 8, 9));
    assert_eq!(one::<Vec<u8>>("x'00ff'"), [0, 255]);
    assert_eq!(one::<[u8; 2]>("x'00ff'"), [0, 255]);
    assert_eq!(one::<crate::Bytes>("x'00ff'"), vec![0, 255]);
    assert_eq!(one::<Vec<i64>>("1, 2, 3"), [1, 2, 3]);
    assert_eq!(one::<Value>("null"), Value::Null);
    assert_eq!(one::<(Value, Value)>("x'07', 'a'"), (Value::Blob(vec![7]), Value::Text("a".into())));
    assert_eq!(one::<Option<(i64, i64)>>("1, 2"), Some((1, 2)));
    assert_eq!(one::<char>("'a'"), 'a');
}

#[test]
fn what_does_not_fit_says_where() {
    assert!(unfit::<Bee>("'maja' as name, 'old' as age").contains("column `age`: invalid type: string"));
    assert!(unfit::<Bee>("7 as age").contains("missing field `name`"));
    assert!(unfit::<(i64, i64)>("1, 2, 3").contains("the row has 3 columns, and 2 are wanted"));
    assert!(unfit::<i64>("1, 2").contains("the row has 2 columns: read it as a struct"));
    assert!(unfit::<String>("null as name").contains("column `name`: invalid type"));
    assert!(unfit::<u8>("256 as age").contains("column `age`: invalid value: integer `256`"));
    assert!(unfit::<bool>("2").contains("invalid type"));
    let error = unfit::<u8>("\n   'seven'");
    assert!(error.starts_with("querying `select 'seven'` in the database `main`: column"), "{error}");
}

#[test]
fn there_is_one_row_or_none_or_too_many() {
    let db = hive();
    let named = "select * from bees where name like ?1";
    assert_eq!(db.query_optional::<Bee>(named, params!["maja"]).unwrap(), Some(bee("maja", Some(7), false)));
    assert_eq!(db.query_optional::<Bee>(named, params!["nobody"]).unwrap(), None);
    let several = db.query_optional::<Bee>(named, params!["%a%"]).unwrap_err();
    assert!(several.to_string().contains("more than one row"), "{several}");
    let none = db.query_one::<Bee>(named, params!["nobody"]).unwrap_err();
    assert_eq!((none.status_code(), none.capability()), (404, Some(&CapabilityError::NotFound)));
}

#[test]
fn parameters_are_values_and_never_text() {
    let db = hive();
    let text = "'; drop table bees; --".to_owned();
    let given = params![&text, "b", Some(7_u8), None::<i64>, true, 0.5, vec![1_u8, 2], [3_u8; 2], JobId(9), 'c', &&8];
    let row: Row = db.query_one("select ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11", given).unwrap();
    let expected = [
        Value::Text(text),
        Value::Text("b".into()),
        Value::Integer(7),
        Value::Null,
        Value::Integer(1),
        Value::Real(0.5),
        Value::Blob(vec![1, 2]),
        Value::Blob(vec![3, 3]),
        Value::Integer(9),
        Value::Text("c".into()),
        Value::Integer(8),
    ];
    assert_eq!(row.into_iter().map(|(_, value)| value).collect::<Vec<_>>(), expected);
    assert_eq!(db.query_one::<i64>("select ?1 + ?2", [Value::Integer(1), Value::Integer(2)]).unwrap(), 3);
    assert_eq!(db.query_one::<i64>("select ?1 + ?2", (1..=2).collect::<Params>()).unwrap(), 3);
    let error = db.execute("delete from bees where age = ?1 or age = ?2", params![1, u64::MAX]).unwrap_err();
    assert!(
        matches!(error.capability(), Some(CapabilityError::Invalid(why)) if why.starts_with("parameter 2 is 18446"))
    );
    let error = db.execute("delete from bees where age = ?1", ()).unwrap_err();
    assert!(matches!(error.capability(), Some(CapabilityError::Invalid(_))), "{error}");
}

#[test]
fn rows_come_page_by_page() {
    let db = hive();
    let many = "with recursive n(i) as (values (1) union all select i + 1 from n where i < 2500) select i from n";
    let mut rows = db.query::<u32>(many, ()).unwrap();
    assert_eq!(rows.columns(), ["i"]);
    assert_eq!(rows.by_ref().take(1500).map(Result::unwrap).last(), Some(1500));
    assert_eq!(rows.map(Result::unwrap).sum::<u32>(), (1501..=2500).sum::<u32>());
    // A transaction that begins closes what is open; what was fetched is there.
    let mut rows = db.query::<u32>(many, ()).unwrap();
    db.transaction(|_| Ok::<_, Error>(())).unwrap();
    assert_eq!(rows.by_ref().take_while(Result::is_ok).count(), 1000);
    assert!(rows.next().is_none());
}

#[test]
fn an_unfit_row_is_the_end() {
    let db = hive();
    let mut rows = db.query::<u8>("select age from bees order by age desc", ()).unwrap();
    assert!(rows.next().unwrap().is_err());
    assert!(rows.next().is_none());
}

#[test]
fn a_broken_rule_is_told_by_its_kind() {
    let db = hive();
    for (statement, constraint, status) in [
        ("insert into bees (name) values ('maja')", Constraint::Unique, 409),
        ("insert into cells values ('nobody', 1)", Constraint::ForeignKey, 409),
        ("insert into cells values ('maja', 0)", Constraint::Check, 500),
        ("update bees set queen = null", Constraint::NotNull, 500),
    ] {
        let error = db.execute(statement, ()).unwrap_err();
        assert_eq!(error.violation().unwrap().constraint, constraint, "{error}");
        assert_eq!((error.status_code(), error.capability()), (status, None), "{error}");
    }
    let error = db.execute("insert into bees (name) values ('maja')", ()).unwrap_err();
    assert!(error.violation().unwrap().is_unique());
    assert!(error.to_string().ends_with("a key is taken: UNIQUE constraint failed: bees.name"), "{error}");
    assert_eq!(db.execute("update bees set age = 1", ()).unwrap(), 3);
    assert_eq!(db.execute("create table hives (name text)", ()).unwrap(), 0);
}

#[test]
fn a_transaction_is_all_or_nothing() {
    let db = hive();
    let count = || db.query_one::<u32>("select count(*) from bees", ()).unwrap();
    let error = db.transaction(|tx| {
        tx.execute("delete from bees", ())?;
        assert_eq!(tx.query_one::<u32>("select count(*) from bees", ())?, 0);
        Err::<(), _>(Error::new(StatusCode::CONFLICT, "not so"))
    });
    assert_eq!((error.unwrap_err().status_code(), count()), (409, 3));
    let left = db.transaction(|tx| {
        tx.execute("delete from bees where queen", ())?;
        tx.query_one::<u32>("select count(*) from bees", ())
    });
    assert_eq!((left.unwrap(), count()), (2, 2));
    // What fails undoes all of it, whatever the work makes of that.
    let mut second = None;
    let error = db.transaction(|tx| {
        tx.execute("delete from bees", ())?;
        let failed = tx.execute("insert into cells values ('maja', 0)", ());
        second = tx.execute("delete from cells", ()).unwrap_err().violation().cloned();
        failed.or(Ok::<_, Error>(0))
    });
    assert_eq!(error.unwrap_err().violation().unwrap().constraint, Constraint::Check);
    assert_eq!((second.unwrap().constraint, count()), (Constraint::Check, 2));
    // A rule that is checked at the commit.
    test::database("main").run("create table late (bee text references bees deferrable initially deferred)");
    let error = db.transaction(|tx| tx.execute("insert into late values ('nobody')", ())).unwrap_err();
    assert_eq!(error.violation().unwrap().constraint, Constraint::ForeignKey, "{error}");
    assert_eq!(db.query_one::<u32>("select count(*) from late", ()).unwrap(), 0);
}

#[test]
fn everything_goes_through_the_transaction_that_is_open() {
    let db = hive();
    let kept = std::cell::RefCell::new(None);
    db.transaction(|tx| {
        for error in
            [db.execute("delete from bees", ()).unwrap_err(), db.transaction(|_| Ok::<_, Error>(())).unwrap_err()]
        {
            assert!(matches!(error.capability(), Some(CapabilityError::Invalid(_))), "{error}");
        }
        *kept.borrow_mut() = Some(tx.query::<String>("select name from bees", ())?);
        tx.execute("delete from bees", ())
    })
    .unwrap();
    assert_eq!(kept.into_inner().unwrap().count(), 3);
    db.execute("insert into bees (name) values ('tekla')", ()).unwrap();
}

#[test]
fn a_transaction_that_was_in_the_way_of_another_is_run_again() {
    let db = hive();
    for fail_at in ["begin", "statement", "swallowed", "commit"] {
        let mut runs = 0;
        if fail_at == "begin" {
            test::database("main").fail(CapabilityError::Conflict);
        }
        let sum = db.transaction_with(TransactionOptions::new().isolation(Isolation::Serializable), |tx| {
            runs += 1;
            if runs == 1 && fail_at != "begin" && fail_at != "commit" {
                test::database("main").fail(CapabilityError::Conflict);
            }
            let sum = tx.query_one::<i64>("select sum(age) from bees", ());
            if runs == 1 && fail_at == "commit" {
                test::database("main").fail(CapabilityError::Conflict);
            }
            if fail_at == "swallowed" { sum.or(Ok(0)) } else { sum }
        });
        assert_eq!((sum.unwrap(), runs), (407, if fail_at == "begin" { 1 } else { 2 }), "{fail_at}");
    }
    let mut runs = 0;
    let error = db.transaction(|tx| {
        runs += 1;
        test::database("main").fail(CapabilityError::Conflict);
        tx.execute("delete from bees", ())
    });
    let error = error.unwrap_err();
    assert_eq!((runs, error.status_code(), error.capability()), (8, 503, Some(&CapabilityError::Conflict)));
    // A conflict of something else is the work's own.
    let mut runs = 0;
    let error = db.transaction(|_| {
        runs += 1;
        Err::<(), _>(CapabilityError::Conflict)
    });
    assert_eq!((runs, error.unwrap_err().status_code()), (1, 409));
}

#[test]
fn what_is_not_granted_is_denied() {
    let db = hive();
    test::database("main").read_only();
    assert_eq!(db.query_one::<u32>("select count(*) from bees", ()).unwrap(), 3);
    for statement in ["delete from bees", "insert into bees values ('a', 1, 0) returning name"] {
        let error = db.query::<String>(statement, ()).unwrap_err();
        assert!(matches!(error.capability(), Some(CapabilityError::Denied(_))), "{error}");
    }
    test::database("shop/main").deny();
    for name in ["shop/main", "Main", "", "a/b/c"] {
        let error = Database::open(name).unwrap_err();
        assert!(matches!(error.capability(), Some(CapabilityError::Denied(_))), "{name}");
    }
    for statement in ["begin", "  ROLLBACK", "pragma foreign_keys = off", "/* a */ attach 'a' as a"] {
        let error = Database::open("own").unwrap().execute(statement, ()).unwrap_err();
        assert!(matches!(error.capability(), Some(CapabilityError::Denied(_))), "{statement}: {error}");
    }
    assert!(db.query_all::<Row>("pragma table_info(bees)", ()).is_ok());
    let error = empty().execute("select 1; select 2", ()).unwrap_err();
    assert!(matches!(error.capability(), Some(CapabilityError::Invalid(_))), "{error}");
}

#[test]
fn migrations_are_applied_in_the_order_of_their_names() {
    let folder = std::env::temp_dir().join(format!("skep-sdk-migrations-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("0002_more.sql"), "alter table a add column c text; insert into a values (1, 'x')")
        .unwrap();
    std::fs::write(folder.join("0001_first.sql"), "create table a (b integer)").unwrap();
    std::fs::write(folder.join("README.md"), "no SQL").unwrap();
    test::database("main").migrations(&folder);
    std::fs::remove_dir_all(&folder).unwrap();
    let db = Database::open("main").unwrap();
    assert_eq!(db.query_all::<(i64, String)>("select * from a", ()).unwrap(), [(1, "x".to_owned())]);
}
