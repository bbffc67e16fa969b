//! `[plugins.NAME.sql]`: mistakes in it, and what of it makes a revision.

use crate::mistakes::{check, plugin};
use crate::{name, parse};

#[test]
fn mistakes_in_databases_are_explained() {
    for (more, expected) in [
        ("sql = 1", "sql: expected a table for each database, `[plugins.NAME.sql.DATABASE]`, found a whole number"),
        (
            "sql.Main = {}",
            "sql.Main: `Main` is not a database name: use 1 to 64 lower-case letters, digits, `-` and `_`",
        ),
        ("sql.main = 'postgres://db/crm'", "sql.main: expected a table, found a string"),
        ("sql.main.timeout = '1s'", "sql.main.timeout: unknown key"),
        ("sql.main.statement_timeout = '0s'", "sql.main.statement_timeout: must be at least 1ms"),
        ("sql.main.transaction_timeout = '2h'", "sql.main.transaction_timeout: must be at most 1h"),
        ("sql.main.max_rows = 0", "sql.main.max_rows: must be at least 1"),
        ("sql.main.max_size = '1KiB'", "sql.main.max_size: must be at least 64 KiB"),
        ("sql.main.connections = 0", "sql.main.connections: must be at least 1"),
        ("sql.main.queue = 1_000_000", "sql.main.queue: must be at most 100000"),
        ("sql.main.migrations = ''", "sql.main.migrations: is empty"),
        (
            "sql.main = { read_only = true, migrations = 'm' }",
            "sql.main.migrations: cannot go with `read_only`: a migration writes",
        ),
        ("sql.main.password = { env = 'A' }", "sql.main.password: is for a PostgreSQL: write its `url`"),
        ("sql.main.url = 'mysql://db/crm'", "sql.main.url: is no PostgreSQL: write `postgres://USER@HOST"),
        ("sql.main.url = 'postgres://'", "sql.main.url: is no PostgreSQL"),
        ("sql.main.url = 'postgres://me:hunter2@db/crm'", "sql.main.url: has a password in it: a secret stays out"),
        ("sql.main.url = 'postgres://me@db/crm?password=hunter2'", "sql.main.url: has a password in it"),
        (
            "sql.main = { url = 'postgres://me@db/crm', password = 'hunter2' }",
            "sql.main.password: a secret is a reference",
        ),
        ("sql.main.url = 'postgres://db/crm'", "sql.main.url: names no user: write `postgres://USER@HOST"),
        ("sql.main.url = 'postgres://@db/crm?user=a@b'", "sql.main.url: names no user"),
        ("sql.main.url = {}", "sql.main.url: write exactly one of"),
        (
            "sql.main = { url = 'postgres://me@db/crm', max_size = '1MiB' }",
            "sql.main.max_size: is for a SQLite file; that of a PostgreSQL is said there",
        ),
        ("sql.main.durability = 'half'", "sql.main.durability: `half` is not known here"),
        ("sql.main.value_bytes = '9MiB'", "sql.main.value_bytes: must be at most 8 MiB"),
        ("sql.main.wait = '2h'", "sql.main.wait: must be at most 1h"),
        ("grants.sql = ['b/z']", "grants.sql: expected a table such as { \"shop/main\" = \"read\" }, found an array"),
        ("grants.sql = { z = 'read' }", "grants.sql.z: `z` names no database: write the plugin and its database"),
        (
            "grants.sql = { 'b/z' = 'write' }",
            "grants.sql.\"b/z\": `write` is not known here; write \"read\" or \"read-write\"",
        ),
        ("sql.x = {}\ngrants.sql = { 'a/x' = 'read' }", "grants.sql.\"a/x\": a plugin's own databases are open to it"),
    ] {
        check(&plugin(more), &format!("plugins.a.{expected}"));
    }
}

#[test]
fn no_message_repeats_a_password() {
    for url in ["postgres://me:hunter2@db/crm", "postgres://me@db/crm?password=hunter2", "pg://me:hunter2@db"] {
        let error = parse(&plugin(&format!("sql.main.url = '{url}'"))).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
    }
}

#[test]
fn a_grant_gives_what_its_owner_has() {
    let two = |granted: &str, access: &str| {
        plugin(&format!(
            "grants.sql = {{ '{granted}' = '{access}' }}\n[plugins.shop]\nsource = 's'\nsql = {{ main = {{}}, books = {{ \
             read_only = true }} }}"
        ))
    };
    assert!(parse(&two("shop/main", "read-write")).is_ok());
    assert!(parse(&two("shop/books", "read")).is_ok());
    let expected =
        "plugins.a.grants.sql.\"shop/book\": plugin `shop` declares no database `book`, did you mean `shop/books`?";
    check(&two("shop/book", "read"), expected);
    check(
        &two("ship/main", "read"),
        "plugins.a.grants.sql.\"ship/main\": plugin `ship` declares no database `main`, did",
    );
    check(
        &two("shop/books", "read-write"),
        "plugins.a.grants.sql.\"shop/books\": `shop/books` is `read_only`: write \"read\"",
    );
}

#[test]
fn what_the_code_can_tell_makes_a_revision() {
    let of = |settings: &str| {
        let manifest = parse(&plugin(&format!("sql.main = {{ {settings} }}"))).unwrap();
        manifest.plugins[&name("a")].settings_fingerprint()
    };
    let plain = of("");
    for noticed in [
        "url = 'postgres://me@db/crm'",
        "read_only = true",
        "max_rows = 7",
        "statement_timeout = '7s'",
        "value_bytes = '7KiB'",
    ] {
        assert_ne!(of(noticed), plain, "{noticed}");
    }
    for operators in [
        "connections = 7",
        "queue = 7",
        "max_size = '7MiB'",
        "migrations = 'm'",
        "wait = '7s'",
        "durability = 'normal'",
    ] {
        assert_eq!(of(operators), plain, "{operators}");
    }
    assert_eq!(of("url = 'postgres://me@db/crm'"), of("url = { env = 'CRM_URL' }"));
}
