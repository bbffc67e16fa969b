//! Databases, over a node that is made up.

use bytes::Bytes;
use http::Method;
use serde_json::json;

use super::{Fake, later, serve};
use crate::api::{DatabaseAnswer, DatabaseErrors, DatabaseStatus, MigrationState, MigrationStatus};
use crate::client::Client;
use crate::control::{ControlError, ControlFuture, SqlControl};
use crate::server::AdminServer;

/// One database, which answers with what it was asked.
pub(super) struct Databases;

fn status() -> DatabaseStatus {
    DatabaseStatus {
        plugin: "shop".to_owned(),
        database: "main".to_owned(),
        dialect: "sqlite".to_owned(),
        bytes: Some(8192),
        statements: 7,
        errors: DatabaseErrors { constraint: 2, ..DatabaseErrors::default() },
        ..DatabaseStatus::default()
    }
}

fn migration() -> MigrationStatus {
    MigrationStatus { number: 1, name: "orders".to_owned(), state: MigrationState::Applied, at_ms: Some(7) }
}

fn found(database: &str) -> Result<(), ControlError> {
    let missing = || ControlError::NotFound(format!("there is no database `{database}`; there are: shop/main"));
    (database == "shop/main").then_some(()).ok_or_else(missing)
}

impl SqlControl for Databases {
    fn databases(&self) -> Vec<DatabaseStatus> {
        vec![status()]
    }

    fn database(&self, database: &str) -> Result<DatabaseStatus, ControlError> {
        found(database).map(|()| status())
    }

    fn database_migrations(&self, database: String) -> ControlFuture<Vec<MigrationStatus>> {
        later(found(&database).map(|()| vec![migration()]))
    }

    fn database_query(&self, database: String, statement: String) -> ControlFuture<DatabaseAnswer> {
        let answer = DatabaseAnswer {
            columns: vec!["asked".to_owned(), "null".to_owned()],
            rows: vec![vec![json!(statement), json!(null)]],
            more: true,
        };
        later(found(&database).map(|()| answer))
    }
}

async fn start() -> (AdminServer, Client) {
    serve(Fake { databases: Some(Databases), ..Fake::default() }).await
}

#[tokio::test]
async fn a_database_is_listed_looked_at_and_asked() {
    let (_server, client) = start().await;
    assert_eq!(client.databases().await.unwrap(), [status()]);
    assert_eq!(client.database("shop/main").await.unwrap(), status());
    assert_eq!(client.database_migrations("shop/main").await.unwrap(), [migration()]);
    let statement = "select '\u{1f980}&/?', \"a\"\n from b";
    let answer = client.database_query("shop/main", statement).await.unwrap();
    assert_eq!((&answer.rows[0][0], answer.more), (&json!(statement), true));
}

#[tokio::test]
async fn one_that_is_not_there_is_told_with_those_that_are() {
    let (_server, client) = start().await;
    for name in ["shop/mine", "shop/..", "shop/main/migrations"] {
        for error in [
            client.database(name).await.unwrap_err(),
            client.database_migrations(name).await.unwrap_err(),
            client.database_query(name, "select 1").await.unwrap_err(),
        ] {
            assert_eq!(error.to_string(), format!("there is no database `{name}`; there are: shop/main"));
        }
    }
    let error = client.database("main").await.unwrap_err().to_string();
    assert!(error.contains("write PLUGIN/DATABASE"), "{error}");
}

#[tokio::test]
async fn a_question_is_one_statement_and_nothing_else() {
    let (_server, client) = start().await;
    for (body, expected) in [
        ("", "EOF"),
        ("select 1", "expected value"),
        ("{}", "missing field `statement`"),
        (r#"{"statement":"select 1","write":true}"#, "unknown field `write`"),
    ] {
        let asked = client.send(Method::POST, "/api/sql/shop/main/query", Bytes::from(body)).await;
        let error = asked.unwrap_err().to_string();
        assert!(error.contains(expected), "{body}: {error}");
    }
    let asked = client.send(Method::GET, "/api/sql/shop/main/query", Bytes::new()).await;
    assert!(asked.unwrap_err().to_string().contains("405"));
}

#[tokio::test]
async fn a_node_without_databases_says_so() {
    let (_server, client) = serve(Fake::default()).await;
    for error in [
        client.databases().await.unwrap_err(),
        client.database("shop/main").await.unwrap_err(),
        client.database_migrations("shop/main").await.unwrap_err(),
        client.database_query("shop/main", "select 1").await.unwrap_err(),
    ] {
        assert_eq!(error.to_string(), "this node has no databases");
    }
}
