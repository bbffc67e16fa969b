//! Databases: list, look, migrations, and questions that change nothing.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;

use super::Admin;
use crate::api::DatabaseQuestion;
use crate::control::{ControlError, SqlControl};

pub(super) fn router() -> Router<Admin> {
    Router::new()
        .route("/api/sql", get(list))
        .route("/api/sql/{plugin}/{database}", get(one))
        .route("/api/sql/{plugin}/{database}/migrations", get(migrations))
        .route("/api/sql/{plugin}/{database}/query", post(query))
}

/// A database as a path names it.
type Database = Path<(String, String)>;

fn id((plugin, database): &(String, String)) -> String {
    format!("{plugin}/{database}")
}

fn sql(admin: &Admin) -> Result<&dyn SqlControl, ControlError> {
    admin.control.sql().ok_or_else(|| ControlError::NotFound("this node has no databases".to_owned()))
}

async fn list(State(admin): State<Admin>) -> Result<Response, ControlError> {
    Ok(Json(sql(&admin)?.databases()).into_response())
}

async fn one(State(admin): State<Admin>, Path(database): Database) -> Result<Response, ControlError> {
    Ok(Json(sql(&admin)?.database(&id(&database))?).into_response())
}

async fn migrations(State(admin): State<Admin>, Path(database): Database) -> Result<Response, ControlError> {
    let migrations = sql(&admin)?.database_migrations(id(&database));
    Ok(Json(migrations.await?).into_response())
}

async fn query(
    State(admin): State<Admin>,
    Path(database): Database,
    question: Bytes,
) -> Result<Response, ControlError> {
    let question = serde_json::from_slice(&question).map_err(|error| ControlError::Refused(error.to_string()));
    let DatabaseQuestion { statement } = question?;
    let answer = sql(&admin)?.database_query(id(&database), statement);
    Ok(Json(answer.await?).into_response())
}
