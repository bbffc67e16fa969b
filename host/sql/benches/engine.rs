//! Point lookups and inserts per second, beside bare `rusqlite` on the calling thread in the same run.
//!
//! `cargo bench -p skep-sql`. The difference is the way to a connection's thread and back, which is what keeps a runtime's
//! threads free, and the checks of a session. PostgreSQL is measured too where its programs are.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods, missing_docs)]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::{Connection, params};
use skep_sql::{Access, Database, Durability, PostgresOptions, Session, SessionLimits, SqliteOptions, Value};
use skep_types::clock::SystemClock;

const ROWS: i64 = 10_000;
const TIME: Duration = Duration::from_secs(2);
const SELECT: &str = "SELECT name FROM users WHERE id = $1";
const INSERT: &str = "INSERT INTO users (name) VALUES ($1)";

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    // On the disk of the build, not in memory.
    let folder = tempfile::TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    for durability in [Durability::Normal, Durability::Full] {
        println!("SQLite, durability {durability:?}");
        let (bare_select, bare_insert) = bare(&folder.path().join(format!("bare-{durability:?}.db")), durability);
        let path = folder.path().join(format!("engine-{durability:?}.db"));
        let options = SqliteOptions { durability, ..SqliteOptions::new(path) };
        let database = Database::sqlite(options, Arc::new(SystemClock));
        let fill = "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT)";
        let (select, insert) = runtime.block_on(engine(&database, fill));
        tell("select", select, bare_select);
        tell("insert", insert, bare_insert);
        for callers in [8, 64] {
            let all = runtime.block_on(many(&database, callers));
            tell(&format!("select, {callers} callers"), all, bare_select);
        }
    }
    let Some(server) = skep_test_postgres::Server::shared() else { return };
    println!("PostgreSQL (no fsync), beside nothing");
    let _context = runtime.enter();
    let database = Database::postgres(PostgresOptions::new(server.database()), Arc::new(SystemClock)).unwrap();
    let fill = "CREATE TABLE users (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name TEXT)";
    let (select, insert) = runtime.block_on(engine(&database, fill));
    println!("  select {select:>10.0}/s\n  insert {insert:>10.0}/s");
    println!("  select, 8 callers {:>10.0}/s", runtime.block_on(many(&database, 8)));
}

fn tell(what: &str, engine: f64, bare: f64) {
    println!("  {what:<20} {engine:>10.0}/s   bare {bare:>10.0}/s   ratio {:.2}", engine / bare);
}

fn name(id: i64) -> String {
    format!("somebody with a name {id}")
}

/// How often something was done in [`TIME`], per second.
fn rate(mut work: impl FnMut(i64)) -> f64 {
    let (began, mut count) = (Instant::now(), 0);
    while began.elapsed() < TIME {
        for _ in 0..16 {
            count += 1;
            work(count);
        }
    }
    count as f64 / began.elapsed().as_secs_f64()
}

fn bare(path: &Path, durability: Durability) -> (f64, f64) {
    let connection = Connection::open(path).unwrap();
    connection.pragma_update(None, "journal_mode", "wal").unwrap();
    let synchronous = if durability == Durability::Full { "full" } else { "normal" };
    connection.pragma_update(None, "synchronous", synchronous).unwrap();
    connection.execute_batch("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT)").unwrap();
    connection.execute_batch("BEGIN").unwrap();
    for id in 0..ROWS {
        connection.prepare_cached(INSERT).unwrap().execute([name(id)]).unwrap();
    }
    connection.execute_batch("COMMIT").unwrap();
    let select = rate(|count| {
        let id = 1 + count * 7919 % ROWS;
        let mut statement = connection.prepare_cached(SELECT).unwrap();
        let _: String = statement.query_row(params![id], |row| row.get(0)).unwrap();
    });
    let insert = rate(|count| {
        connection.prepare_cached(INSERT).unwrap().execute([name(count)]).unwrap();
    });
    (select, insert)
}

async fn select(session: &Session, count: i64) {
    let id = 1 + count * 7919 % ROWS;
    let mut cursor = session.query(SELECT, vec![Value::Integer(id)], 1).await.unwrap();
    assert_eq!(cursor.next(1).await.unwrap().len(), 1);
}

/// A session for each statement, as a call has that has one.
fn session(database: &Database) -> Session {
    let limits = SessionLimits {
        wait: Duration::from_secs(60),
        transaction: Duration::from_secs(60),
        ..SessionLimits::default()
    };
    database.session(Access::default(), limits)
}

async fn engine(database: &Database, fill: &str) -> (f64, f64) {
    let filling = session(database);
    filling.execute(fill, vec![]).await.unwrap();
    filling.begin(skep_sql::TransactionMode::default()).await.unwrap();
    for id in 0..ROWS {
        filling.execute(INSERT, vec![Value::Text(name(id))]).await.unwrap();
    }
    filling.commit().await.unwrap();
    let (began, mut selects) = (Instant::now(), 0);
    while began.elapsed() < TIME {
        selects += 1;
        select(&session(database), selects).await;
    }
    let selected = selects as f64 / began.elapsed().as_secs_f64();
    let (began, mut inserts) = (Instant::now(), 0);
    while began.elapsed() < TIME {
        inserts += 1;
        session(database).execute(INSERT, vec![Value::Text(name(inserts))]).await.unwrap();
    }
    (selected, inserts as f64 / began.elapsed().as_secs_f64())
}

async fn many(database: &Database, callers: i64) -> f64 {
    let began = Instant::now();
    let callers: Vec<_> = (0..callers)
        .map(|caller| {
            let database = database.clone();
            tokio::spawn(async move {
                let mut count = 0;
                while began.elapsed() < TIME {
                    count += 1;
                    select(&session(&database), caller * 1_000_003 + count).await;
                }
                count
            })
        })
        .collect();
    let mut count = 0;
    for caller in callers {
        count += caller.await.unwrap();
    }
    count as f64 / began.elapsed().as_secs_f64()
}
