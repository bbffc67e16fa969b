//! A PostgreSQL in place of a file. Without PostgreSQL's programs these say so and pass; with `SKEP_TEST_POSTGRES=required` they
//! fail.

use skep_test_postgres::Server;

use super::*;

/// A folder whose plugin's database is there. The URL is a secret, since it has a password.
fn at(url: &str, plugin: &str, more: &str, migrations: &[(&str, &str)]) -> TempDir {
    let manifest = probe(plugin, &format!("sql.main = {{ url = {{ file = 'url' }}, {more} }}"));
    let dir = folder(&manifest, migrations);
    std::fs::write(dir.path().join("url"), url).unwrap();
    dir
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_asks_a_postgresql_as_it_asks_a_file() {
    let Some(server) = Server::shared() else { return };
    let url = server.database();
    let dir = at(&url, "sp1", "migrations = 'migrations'", &[("0001_bees.sql", SCHEMA)]);
    let host = Host::in_folder(dir, Mode::Production).await.unwrap();
    assert_eq!(said(&host, "sp1", "/dialect", "").await, "Postgres");
    said(&host, "sp1", "/execute?p=maja&p=7&p=true", "insert into bees values ($1, $2, $3)").await;
    assert_eq!(
        rows(&host, "sp1", "select *, 1.50::numeric as price, '2024-02-29'::date as day from bees").await,
        json!([{ "name": "maja", "age": 7, "queen": true, "price": "1.50", "day": "2024-02-29" }])
    );
    assert_eq!(refused(&host, "sp1", "/execute", "insert into bees values ('maja')").await, "Violated Unique");
    let broken = "insert into bees values ('willi')\ninsert into bees values ('maja')";
    assert_eq!(refused(&host, "sp1", "/transaction", broken).await, "Violated Unique");
    assert_eq!((bees(&host, "sp1").await, server.ask(&url, "select count(*) from bees")), ("1".into(), "1".into()));
    let many = "select * from generate_series(1, 2500)";
    assert_eq!(said(&host, "sp1", "/count", many).await, "2500");
    let host = restart(host).await;
    assert_eq!(bees(&host, "sp1").await, "1");
    let migrations = host.admin().database_migrations("sp1/main").await.unwrap();
    assert_eq!(migrations.len(), 1, "{migrations:?}");
    let error = host.admin().database_query("sp1/main", "delete from bees").await.unwrap_err();
    assert_eq!(bees(&host, "sp1").await, "1", "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_of_a_call_gives_back_what_it_holds_of_a_postgresql() {
    let Some(server) = Server::shared() else { return };
    for (plugin, instances) in [("sp2", "'fresh'"), ("sp2-reused", "{ reuse = 1000 }")] {
        let dir =
            at(&server.database(), plugin, "migrations = 'migrations', connections = 2", &[("0001_bees.sql", SCHEMA)]);
        let manifest = std::fs::read_to_string(dir.path().join("skep.toml")).unwrap();
        let manifest =
            format!("{manifest}instances = {instances}\nlimits = {{ fuel = 50_000_000, deadline = '3s' }}\n");
        std::fs::write(dir.path().join("skep.toml"), manifest).unwrap();
        let host = Host::in_folder(dir, Mode::Production).await.unwrap();
        said(&host, plugin, "/execute", "insert into bees (name) values ('maja'), ('willi')").await;
        for end in ["return", "trap", "panic", "spin"] {
            for (what, statement) in [("transaction", "delete from bees"), ("cursor", "select * from bees")] {
                let (status, body) = ask(&host, plugin, &format!("/hold?what={what}&end={end}"), statement).await;
                assert_eq!(status, if end == "return" { 200 } else { 500 }, "{what} {end}: {body}");
                // Rows that are still locked would have this wait for them.
                assert_eq!(said(&host, plugin, "/execute", "update bees set age = 1").await, "2", "{what} {end}");
            }
        }
        let (status, _) = ask(&host, plugin, "/execute", "update bees set age = (select 1 from pg_sleep(60))").await;
        assert_ne!(status, 200);
        assert_eq!(said(&host, plugin, "/execute", "update bees set age = 2").await, "2");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_that_get_in_each_others_way_are_run_again() {
    let Some(server) = Server::shared() else { return };
    let dir = at(&server.database(), "sp3", "migrations = 'migrations'", &[("0001_bees.sql", SCHEMA)]);
    let host = Arc::new(Host::in_folder(dir, Mode::Production).await.unwrap());
    let writers: Vec<_> = (0..4)
        .map(|_| {
            let host = Arc::clone(&host);
            tokio::spawn(async move { ask(&host, "sp3", "/add-serializable?n=5", "").await })
        })
        .collect();
    let mut added = 0;
    for writer in writers {
        let (status, body) = writer.await.unwrap();
        // Eight tries are not always enough, and then nothing of the last one is there.
        assert!(status == 200 || body.starts_with("Conflict"), "{status} {body}");
        added += if status == 200 { 5 } else { 0 };
    }
    let value = rows(&host, "sp3", "select value from counter").await[0]["value"].as_i64().unwrap();
    assert!(added > 0 && (added..=20).contains(&value), "{value} of {added}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_away_is_unavailable_and_comes_back() {
    let Some(server) = Server::start() else { return };
    let url = server.database();
    server.ask(&url, "create table bees (name text)");
    server.kill();
    let host = Host::in_folder(at(&url, "sp4", "", &[]), Mode::Production).await.unwrap();
    let away = refused(&host, "sp4", "/query", "select 1").await;
    assert!(away.starts_with("Unavailable("), "{away}");
    server.start_again();
    eventually("it is back", async || ask(&host, "sp4", "/count", "select * from bees").await == (200, "0".into()))
        .await;
    let status = host.admin().database("sp4/main").await.unwrap();
    let shown = format!("{status:?} {away}");
    assert!(server.secrets().iter().all(|secret| !shown.contains(secret)), "{shown}");
    // With migrations it has to be there: nobody knows what is applied.
    server.kill();
    let dir =
        at(&url, "sp4", "migrations = 'migrations'", &[("0001_wings.sql", "alter table bees add wings integer;")]);
    let error = format!("{:#}", Host::in_folder(dir, Mode::Production).await.err().unwrap());
    assert!(error.contains("sp4/main") && server.secrets().iter().all(|secret| !error.contains(secret)), "{error}");
}
