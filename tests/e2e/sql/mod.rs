//! Databases, end to end: what plugins ask, what they may, what bounds them, and what operators see.

mod ends;
mod migrations;
mod postgres;

use std::sync::Arc;

use serde_json::{Value, json};
use skep_node::Mode;
use skep_tests::{Host, eventually, guests};
use tempfile::TempDir;

use crate::cache::reload;

/// A table, and a number that many change.
const SCHEMA: &str = "create table bees (name text primary key, age integer, queen boolean not null default false); \
                      create table counter (value integer not null); insert into counter values (0);";
/// More than a statement may take, in a runaway that allocates nothing.
const RUNAWAY: &str = "with recursive n(i) as (values (1) union all select i + 1 from n) select count(*) from n";

/// A plugin that asks its databases what it is told to, with more of its entry.
fn probe(name: &str, more: &str) -> String {
    let wasm = guests::sql_probe();
    format!("[plugins.{name}]\nsource = {wasm:?}\nroutes = [\"{name}.test/{{*path}}\"]\n{more}\n")
}

/// A folder with a manifest and migrations.
fn folder(manifest: &str, migrations: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("skep.toml"), manifest).unwrap();
    std::fs::create_dir(dir.path().join("migrations")).unwrap();
    for (name, statements) in migrations {
        std::fs::write(dir.path().join("migrations").join(name), statements).unwrap();
    }
    dir
}

/// A host with plugins whose database `main` has the schema.
async fn start(manifest: &str) -> Host {
    Host::in_folder(folder(manifest, &[("0001_bees.sql", SCHEMA)]), Mode::Production).await.unwrap()
}

/// The usual database.
const MAIN: &str = "sql.main.migrations = 'migrations'";

async fn ask(host: &Host, plugin: &str, path: &str, statement: &str) -> (u16, String) {
    let request = host.request("POST", path).header("host", format!("{plugin}.test")).body(statement.to_owned());
    let reply = skep_tests::host::send(request).await;
    (reply.status, reply.body)
}

/// An answer that must be 200.
async fn said(host: &Host, plugin: &str, path: &str, statement: &str) -> String {
    let (status, body) = ask(host, plugin, path, statement).await;
    assert_eq!(status, 200, "{path} {statement}: {body}");
    body
}

/// What the guest was told when it was refused.
async fn refused(host: &Host, plugin: &str, path: &str, statement: &str) -> String {
    let (status, body) = ask(host, plugin, path, statement).await;
    assert_eq!(status, 409, "{path} {statement}: {body}");
    body
}

async fn rows(host: &Host, plugin: &str, statement: &str) -> Value {
    serde_json::from_str(&said(host, plugin, "/query", statement).await).unwrap()
}

async fn bees(host: &Host, plugin: &str) -> String {
    said(host, plugin, "/count", "select * from bees").await
}

async fn restart(host: Host) -> Host {
    Host::in_folder(host.stop().await, Mode::Production).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_is_there_after_a_reload_a_deploy_and_a_restart() {
    let host = start(&probe("sq1", MAIN)).await;
    assert_eq!(said(&host, "sq1", "/dialect", "").await, "Sqlite");
    said(&host, "sq1", "/execute?p=maja&p=7", "insert into bees (name, age) values (?1, ?2)").await;
    reload(&host, &probe("sq1", "sql.main = { migrations = 'migrations', max_rows = 7, connections = 2 }"))
        .await
        .unwrap();
    said(&host, "sq1", "/execute?p=willi&p=null", "insert into bees (name, age) values (?1, ?2)").await;
    let wasm = std::fs::read(guests::sql_probe()).unwrap();
    host.admin().deploy("sq1", guests::variant(&wasm, 1).into()).await.unwrap();
    said(&host, "sq1", "/execute?p=cassandra&p=true", "insert into bees (name, queen) values (?1, ?2)").await;
    let host = restart(host).await;
    let all = rows(&host, "sq1", "select * from bees order by name").await;
    let expected = json!([
        { "name": "cassandra", "age": null, "queen": true },
        { "name": "maja", "age": 7, "queen": false },
        { "name": "willi", "age": null, "queen": false },
    ]);
    assert_eq!(all, expected);
    let file = host.path().join(".skep/sql/sq1/main.sqlite");
    assert!(file.exists(), "{}", file.display());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_is_broken_is_told_by_its_kind_and_changes_nothing() {
    let host = start(&probe("sq2", MAIN)).await;
    said(&host, "sq2", "/execute", "insert into bees (name) values ('maja')").await;
    for (statement, rule) in [
        ("insert into bees (name) values ('maja')", "Violated Unique"),
        ("update bees set queen = null", "Violated NotNull"),
    ] {
        assert_eq!(refused(&host, "sq2", "/execute", statement).await, rule, "{statement}");
    }
    for (statement, why) in [
        ("selct 1", "Invalid("),
        ("select * from wasps", "Invalid("),
        ("delete from bees where name = ?1", "Invalid("),
        ("delete from bees; delete from counter", "Invalid("),
        ("begin", "Denied("),
        ("attach 'other.sqlite' as other", "Denied("),
        ("pragma journal_mode = delete", "Denied("),
        ("drop table skep_migrations", "Denied("),
    ] {
        let said = refused(&host, "sq2", "/execute", statement).await;
        assert!(said.starts_with(why), "{statement}: {said}");
    }
    assert_eq!(bees(&host, "sq2").await, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_are_all_or_nothing_and_lose_nothing_to_each_other() {
    let host = Arc::new(start(&probe("sq3", MAIN)).await);
    let two = "insert into bees (name) values ('maja')\ninsert into bees (name) values ('willi')";
    assert_eq!(ask(&host, "sq3", "/transaction?fail=1", two).await.0, 500);
    assert_eq!(bees(&host, "sq3").await, "0");
    let broken = format!("{two}\ninsert into bees (name) values ('maja')");
    assert_eq!(refused(&host, "sq3", "/transaction", &broken).await, "Violated Unique");
    assert_eq!(bees(&host, "sq3").await, "0");
    said(&host, "sq3", "/transaction", two).await;
    assert_eq!(bees(&host, "sq3").await, "2");
    let beside = said(&host, "sq3", "/beside", "delete from bees").await;
    assert!(beside.contains("send the statement through it"), "{beside}");
    assert_eq!(bees(&host, "sq3").await, "2");
    let writers: Vec<_> = (0..6)
        .map(|_| {
            let host = Arc::clone(&host);
            tokio::spawn(async move { said(&host, "sq3", "/add?n=5", "").await })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(rows(&host, "sq3", "select value from counter").await, json!([{ "value": 30 }]));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_the_manifest_says_is_open() {
    let owner = probe("sq4", &format!("{MAIN}\nsql.books.read_only = true"));
    let reader = probe("sq4-reader", "grants.sql = { 'sq4/main' = 'read' }");
    let writer = probe("sq4-writer", "grants.sql = { 'sq4/main' = 'read-write' }");
    let host = start(&format!("{owner}{reader}{writer}{}", probe("sq4-other", ""))).await;
    let insert = "insert into bees (name) values ('maja')";
    assert_eq!(said(&host, "sq4-writer", "/execute?db=sq4/main", insert).await, "1");
    assert_eq!(said(&host, "sq4-reader", "/count?db=sq4/main", "select * from bees").await, "1");
    for (statement, path) in [
        ("delete from bees", "/execute?db=sq4/main"),
        ("insert into bees (name) values ('willi') returning name", "/query?db=sq4/main"),
        ("create table wasps (name text)", "/execute?db=sq4/main"),
        ("delete from bees", "/transaction?db=sq4/main"),
    ] {
        let said = refused(&host, "sq4-reader", path, statement).await;
        assert!(said.starts_with("Denied("), "{statement}: {said}");
    }
    let said = refused(&host, "sq4", "/execute?db=books", "create table books (title text)").await;
    assert!(said.starts_with("Denied("), "{said}");
    for (plugin, db, hint) in [
        ("sq4-other", "sq4/main", r#"write `sql = { \"sq4/main\" = \"read\" }` in the plugin's grants"#),
        ("sq4-other", "main", "declare it with `[plugins.sq4-other.sql.main]`"),
        ("sq4-reader", "sq4/books", "is not granted"),
    ] {
        let said = refused(&host, plugin, &format!("/query?db={db}"), "select 1").await;
        assert!(said.starts_with("Denied(") && said.contains(hint), "{plugin} {db}: {said}");
    }
    assert_eq!(bees(&host, "sq4").await, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runaway_is_stopped_and_its_neighbours_do_not_wait_for_it() {
    let slow = "sql.main = { migrations = 'migrations', statement_timeout = '700ms', connections = 4 }";
    let host = Arc::new(start(&format!("{}{}", probe("sq5", slow), probe("sq5-neighbour", MAIN))).await);
    let runaways: Vec<_> = (0..3)
        .map(|_| {
            let host = Arc::clone(&host);
            tokio::spawn(async move { refused(&host, "sq5", "/query", RUNAWAY).await })
        })
        .collect();
    eventually("they run", async || host.admin().database("sq5/main").await.unwrap().in_use >= 3).await;
    // Another reader and the writer of the same database, and another plugin's.
    assert_eq!(bees(&host, "sq5").await, "0");
    said(&host, "sq5", "/execute", "insert into bees (name) values ('maja')").await;
    said(&host, "sq5-neighbour", "/execute", "insert into bees (name) values ('willi')").await;
    for runaway in runaways {
        assert_eq!(runaway.await.unwrap(), "Timeout");
    }
    // One that writes is undone.
    let said = refused(&host, "sq5", "/execute", &format!("update counter set value = ({RUNAWAY})")).await;
    assert_eq!(said, "Timeout");
    assert_eq!(rows(&host, "sq5", "select value from counter").await, json!([{ "value": 0 }]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_much_is_refused() {
    let small = "sql.main = { migrations = 'migrations', max_rows = 2000, value_bytes = '1KiB', max_size = '256KiB', \
                 connections = 10 }";
    let host = start(&format!("{}{}", probe("sq6", small), probe("sq6-neighbour", MAIN))).await;
    let many = |rows: u32| {
        format!("with recursive n(i) as (values (1) union all select i + 1 from n where i < {rows}) select i from n")
    };
    assert_eq!(said(&host, "sq6", "/count", &many(2000)).await, "2000");
    assert_eq!(refused(&host, "sq6", "/count", &many(2001)).await, "TooLarge { limit_bytes: 2000 }");
    let long = format!("select '{}' as x", "x".repeat(1025));
    assert_eq!(refused(&host, "sq6", "/query", &long).await, "TooLarge { limit_bytes: 1024 }");
    let statement = format!("select 1 -- {}", "x".repeat(64 << 10));
    assert_eq!(refused(&host, "sq6", "/query", &statement).await, "TooLarge { limit_bytes: 65536 }");
    let cursors = said(&host, "sq6", "/many-cursors?n=20", &many(2000)).await;
    assert_eq!(cursors, "8 Some(TooLarge { limit_bytes: 8 })");
    let fill = "insert into bees (name) select hex(randomblob(400)) from \
                (with recursive n(i) as (values (1) union all select i + 1 from n where i < 50) select i from n)";
    let mut written = 0;
    let full = loop {
        let (status, body) = ask(&host, "sq6", "/execute", fill).await;
        if status != 200 {
            break body;
        }
        written += 50;
        assert!(written < 1000, "256 KiB do not hold so many");
    };
    assert_eq!((full.as_str(), bees(&host, "sq6").await), ("Full", written.to_string()));
    said(&host, "sq6-neighbour", "/execute", fill).await;
    said(&host, "sq6", "/execute", "delete from bees").await;
    said(&host, "sq6", "/execute", "insert into bees (name) values ('maja')").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_list_look_and_ask() {
    let quick = "sql.main = { migrations = 'migrations', statement_timeout = '300ms' }";
    let host = start(&probe("sq7", quick)).await;
    said(&host, "sq7", "/execute", "insert into bees (name, age) values ('maja', 7)").await;
    refused(&host, "sq7", "/execute", "insert into bees (name) values ('maja')").await;
    let admin = host.admin();
    let all = admin.databases().await.unwrap();
    let names: Vec<_> = all.iter().map(|one| format!("{}/{} {}", one.plugin, one.database, one.dialect)).collect();
    assert_eq!(names, ["sq7/main sqlite"]);
    let stats = admin.database("sq7/main").await.unwrap();
    assert!(stats.statements >= 2 && stats.errors.constraint == 1 && stats.bytes > Some(0), "{stats:?}");
    let answer = admin.database_query("sq7/main", "select name, age, x'00ff' as x from bees").await.unwrap();
    assert_eq!((answer.columns.join(" ").as_str(), answer.more), ("name age x", false));
    assert_eq!(answer.rows, [[json!("maja"), json!(7), json!("x'00ff'")]]);
    for (statement, why) in [("delete from bees", "denied"), ("selct", "invalid"), (RUNAWAY, "too long")] {
        let error = admin.database_query("sq7/main", statement).await.unwrap_err().to_string();
        assert!(error.contains(why), "{statement}: {error}");
    }
    let error = admin.database("sq7/mine").await.unwrap_err().to_string();
    assert_eq!(error, "there is no database `sq7/mine`; there are: sq7/main");
    assert_eq!(bees(&host, "sq7").await, "1");
    let output = tokio::process::Command::new(guests::skep())
        .args(["sql", "query", "sq7/main", "select name, age from bees", "--dir"])
        .arg(host.path())
        .output()
        .await
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "name  age\nmaja  7\n", "{output:?}");
    let counted = |name: &str, labels: &[(&str, &str)]| host.counter(name, &[&[("plugin", "sq7")], labels].concat());
    eventually("it is counted", async || {
        counted("skep_sql_errors_total", &[("kind", "constraint")]) == 1
            && counted("skep_sql_statements_total", &[]) >= 2
    })
    .await;
}
