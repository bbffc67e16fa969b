//! Databases that are not opened, and what is said about it.

use std::path::PathBuf;
use std::sync::Arc;

use skep_store::{Error, PostgresOpenError, PostgresOptions};
use skep_test_postgres::Server;

use crate::child::{open, options};
use crate::two::{Host, Told};

async fn refused(options: PostgresOptions) -> PostgresOpenError {
    match open(options, Arc::new(Told::default())).await {
        Ok(_) => panic!("it is opened"),
        Err(error) => error,
    }
}

/// It says this, and no password.
fn says(error: &PostgresOpenError, what: &str) {
    let text = format!("{error} {error:?}");
    assert!(text.contains(what), "{text}");
    for secret in Server::shared().unwrap().secrets() {
        assert!(!text.contains(secret), "{text}");
    }
}

async fn ask(url: &str, sql: &'static str) -> String {
    let url = url.to_owned();
    tokio::task::spawn_blocking(move || Server::shared().unwrap().ask(&url, sql)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_say_what_to_do() {
    let Some(server) = Server::shared() else { return };
    let url = server.database();
    let of = |url: String| refused(options(&url));
    says(&of(url.replace("%2F9@", "%2F8@")).await, "see to the user and the password in the URL");
    says(&of(url.replace("/test_", "/no_such_")).await, "create the database (`createdb`)");
    let port = url.rsplit(':').next().unwrap().split('/').next().unwrap().to_owned();
    says(&of(url.replace(&format!(":{port}/"), ":1/")).await, "no server");
    ask(&url, "CREATE ROLE guest LOGIN PASSWORD 'x'; REVOKE CREATE ON DATABASE template1 FROM PUBLIC").await;
    let (_, rest) = url.split_once('@').unwrap();
    says(&of(format!("postgres://guest:x@{rest}")).await, "GRANT CREATE ON DATABASE");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schema_of_another_program_is_left_alone() {
    let Some(server) = Server::shared() else { return };
    let url = server.database();
    ask(&url, "CREATE SCHEMA skep; CREATE TABLE skep.orders(id int); INSERT INTO skep.orders VALUES (7)").await;
    let error = refused(options(&url)).await;
    assert!(matches!(error, PostgresOpenError::Foreign { .. }), "{error:?}");
    says(&error, "name another schema");
    assert_eq!(ask(&url, "SELECT string_agg(tablename, ',') FROM pg_tables WHERE schemaname = 'skep'").await, "orders");
    let beside = PostgresOptions { schema: "skep_2".to_owned(), ..options(&url) };
    assert!(open(beside, Arc::new(Told::default())).await.is_ok());
    assert_eq!(ask(&url, "SELECT id FROM skep.orders").await, "7");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schema_of_a_newer_host_is_left_alone() {
    let Some(server) = Server::shared() else { return };
    let url = server.database();
    drop(Host::open(&url).await);
    ask(&url, "UPDATE skep.skep_schema SET version = version + 1").await;
    let version = ask(&url, "SELECT version FROM skep.skep_schema").await;
    let error = refused(options(&url)).await;
    assert!(matches!(error, PostgresOpenError::Newer { .. }), "{error:?}");
    says(&error, "start a newer host");
    assert_eq!(ask(&url, "SELECT version FROM skep.skep_schema").await, version);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_is_postgresqls_own_business() {
    let Some(server) = Server::shared() else { return };
    let host = Host::open(&server.database()).await;
    let Err(Error::Invalid(text)) = host.store.backup(PathBuf::from("/nowhere")).await else { panic!("it is made") };
    assert!(text.contains("pg_dump --schema=skep"), "{text}");
}
