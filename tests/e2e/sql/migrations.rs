//! Migrations: applied before a revision serves, or the revision does not serve.

use skep_admin::api::MigrationState;

use super::*;

/// The revision that serves.
async fn revision(host: &Host, plugin: &str) -> String {
    let status = host.admin().status().await.unwrap();
    status.plugins.into_iter().find(|one| one.name == plugin).unwrap().revision.unwrap()
}

fn write(host: &Host, name: &str, statements: &str) {
    std::fs::write(host.path().join("migrations").join(name), statements).unwrap();
}

async fn told(host: &Host, database: &str) -> Vec<String> {
    let migrations = host.admin().database_migrations(database).await.unwrap();
    migrations.iter().map(|one| format!("{} {:04}_{}", one.state, one.number, one.name)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_that_fails_refuses_the_deploy_and_the_old_revision_goes_on() {
    let host = start(&probe("sm1", MAIN)).await;
    let before = revision(&host, "sm1").await;
    said(&host, "sm1", "/execute", "insert into bees (name) values ('maja')").await;
    write(&host, "0002_wings.sql", "alter table bees add column wings integer;");
    write(&host, "0003_hives.sql", "create table hives (name text);\ncreate tabel oops (x);");
    let wasm = std::fs::read(guests::sql_probe()).unwrap();
    let next = guests::variant(&wasm, 1);
    let error = host.admin().deploy("sm1", next.clone().into()).await.unwrap_err().to_string();
    assert!(error.contains("`sm1/main`") && error.contains("0003_hives.sql"), "{error}");
    assert_eq!(revision(&host, "sm1").await, before);
    let error =
        reload(&host, &probe("sm1", "sql.main = { migrations = 'migrations', max_rows = 7 }")).await.unwrap_err();
    assert!(error.to_string().contains("0003_hives.sql"), "{error}");
    assert_eq!(revision(&host, "sm1").await, before);
    assert_eq!(bees(&host, "sm1").await, "1");
    // The one before it stays; of the one that failed there is nothing.
    assert_eq!(told(&host, "sm1/main").await, ["applied 0001_bees", "applied 0002_wings", "pending 0003_hives"]);
    let said_of_hives = refused(&host, "sm1", "/query", "select * from hives").await;
    assert!(said_of_hives.starts_with("Invalid("), "{said_of_hives}");
    // Mended, it is applied, and the deploy goes through.
    write(&host, "0003_hives.sql", "create table hives (name text);");
    host.admin().deploy("sm1", next.into()).await.unwrap();
    assert_ne!(revision(&host, "sm1").await, before);
    assert_eq!(said(&host, "sm1", "/count", "select * from hives").await, "0");
    assert_eq!(bees(&host, "sm1").await, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_with_a_migration_that_fails_says_which() {
    let dir = folder(&probe("sm2", MAIN), &[("0001_bees.sql", SCHEMA), ("0002_more.sql", "alter table wasps add x;")]);
    let error = Host::in_folder(dir, Mode::Production).await.err().unwrap();
    let error = format!("{error:#}");
    assert!(error.contains("plugin `sm2` does not start") && error.contains("0002_more.sql"), "{error}");
    let dir = folder(&probe("sm2", MAIN), &[("1_bees.txt.sql", SCHEMA), ("bees.sql", SCHEMA)]);
    let error = Host::in_folder(dir, Mode::Production).await.err().unwrap();
    assert!(format!("{error:#}").contains("sm2/main"), "{error:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_applies_what_is_new_and_refuses_what_was_changed() {
    let host = start(&probe("sm3", MAIN)).await;
    said(&host, "sm3", "/execute", "insert into bees (name) values ('maja')").await;
    write(&host, "0002_wings.sql", "alter table bees add column wings integer default 4;");
    assert_eq!(told(&host, "sm3/main").await, ["applied 0001_bees", "pending 0002_wings"]);
    let host = restart(host).await;
    assert_eq!(rows(&host, "sm3", "select name, wings from bees").await, json!([{ "name": "maja", "wings": 4 }]));
    write(&host, "0002_wings.sql", "alter table bees add column wings integer default 2;");
    let error = Host::in_folder(host.stop().await, Mode::Production).await.err().unwrap();
    assert!(format!("{error:#}").contains("0002_wings.sql"), "{error:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_lags_behind_is_no_obstacle() {
    let host = start(&probe("sm4", MAIN)).await;
    write(&host, "0002_wings.sql", "alter table bees add column wings integer;");
    let wasm = std::fs::read(guests::sql_probe()).unwrap();
    host.admin().deploy("sm4", guests::variant(&wasm, 1).into()).await.unwrap();
    std::fs::remove_file(host.path().join("migrations/0002_wings.sql")).unwrap();
    host.admin().rollback("sm4", None).await.unwrap();
    assert_eq!(bees(&host, "sm4").await, "0");
    let last = host.admin().database_migrations("sm4/main").await.unwrap().pop().unwrap();
    assert_eq!((last.number, last.state), (2, MigrationState::Ahead));
    assert!(last.at_ms.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_may_have_no_migrations_or_several_databases() {
    let more = format!("{MAIN}\nsql.notes = {{}}\nsql.far.migrations = 'migrations'");
    let host = start(&probe("sm5", &more)).await;
    said(&host, "sm5", "/execute?db=notes", "create table bees (name text)").await;
    for database in ["main", "notes", "far"] {
        let path = format!("/execute?db={database}");
        said(&host, "sm5", &path, &format!("insert into bees (name) values ('{database}')")).await;
        let path = format!("/query?db={database}");
        let found = said(&host, "sm5", &path, "select name from bees").await;
        assert_eq!(found, format!(r#"[{{"name":"{database}"}}]"#));
    }
    assert_eq!(told(&host, "sm5/notes").await, Vec::<String>::new());
    assert_eq!(told(&host, "sm5/far").await, ["applied 0001_bees"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_development_a_migration_that_is_saved_is_applied() {
    let dir = folder(&probe("sm6", MAIN), &[("0001_bees.sql", SCHEMA)]);
    let host = Host::in_folder(dir, Mode::Development).await.unwrap();
    let watching = tokio::spawn(skep_node::watch::run(Arc::clone(&host.node)));
    // The watch has to be in place before the first save; it says nothing when it is.
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    write(&host, "0002_wings.sql", "alter tabel bees add column wings integer;");
    let note = || host.node.plugin("sm6").unwrap().note();
    eventually("its mistake is told", async || note().is_some_and(|note| note.contains("0002_wings.sql"))).await;
    assert_eq!(bees(&host, "sm6").await, "0");
    write(&host, "0002_wings.sql", "alter table bees add column wings integer;");
    eventually("it is applied", async || ask(&host, "sm6", "/query", "select wings from bees").await.0 == 200).await;
    eventually("nothing is wrong any more", async || note().is_none()).await;
    watching.abort();
}
