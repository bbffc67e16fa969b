//! Databases, from the command line's side.

use bytes::Bytes;
use http::Method;

use super::{Client, encoded};
use crate::api::{DatabaseAnswer, DatabaseQuestion, DatabaseStatus, MigrationStatus};

impl Client {
    /// All databases, by name.
    ///
    /// # Errors
    /// When the node does not answer.
    pub async fn databases(&self) -> anyhow::Result<Vec<DatabaseStatus>> {
        self.json(Method::GET, "/api/sql", Bytes::new()).await
    }

    /// One database, as `PLUGIN/DATABASE`.
    ///
    /// # Errors
    /// When the node does not answer or has no such database.
    pub async fn database(&self, database: &str) -> anyhow::Result<DatabaseStatus> {
        self.json(Method::GET, &path(database)?, Bytes::new()).await
    }

    /// Its migrations, in their order.
    ///
    /// # Errors
    /// When the node does not answer or has no such database, or that cannot be asked.
    pub async fn database_migrations(&self, database: &str) -> anyhow::Result<Vec<MigrationStatus>> {
        self.json(Method::GET, &format!("{}/migrations", path(database)?), Bytes::new()).await
    }

    /// The first rows of what a statement gives, which may only read.
    ///
    /// # Errors
    /// When the node does not answer or has no such database, or that refuses the statement.
    pub async fn database_query(&self, database: &str, statement: &str) -> anyhow::Result<DatabaseAnswer> {
        let question = DatabaseQuestion { statement: statement.to_owned() };
        let body = serde_json::to_vec(&question)?.into();
        self.json(Method::POST, &format!("{}/query", path(database)?), body).await
    }
}

fn path(database: &str) -> anyhow::Result<String> {
    let Some((plugin, name)) = database.split_once('/') else {
        anyhow::bail!("`{database}` names no database: write PLUGIN/DATABASE, as `skep sql ls` does");
    };
    Ok(format!("/api/sql/{}/{}", encoded(plugin), encoded(name)))
}
