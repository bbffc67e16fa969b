//! `skep sql`: the databases of a running node.

#![allow(clippy::print_stdout)] // The commands' answers.

use skep_admin::api::{DatabaseAnswer, DatabaseStatus, MigrationStatus};
use skep_types::ByteSize;

use super::operate::client;
use super::output::{one_line, print_json};
use super::time::moment;
use crate::cli::{Sql, SqlCommand};

/// A column of a table for people is no wider; the rest of a value is in the JSON.
const WIDTH_MAX: usize = 60;

pub(crate) async fn run(args: Sql) -> anyhow::Result<()> {
    let client = client(&args.dir)?;
    match args.command {
        SqlCommand::Ls { json } => list(&client.databases().await?, json),
        SqlCommand::Stats { database, json } => stats(&client.database(&database).await?, json),
        SqlCommand::Migrations { database, json } => migrations(&client.database_migrations(&database).await?, json),
        SqlCommand::Query { database, statement, json } => {
            answer(&client.database_query(&database, &statement).await?, json)
        }
    }
}

fn list(databases: &[DatabaseStatus], json: bool) -> anyhow::Result<()> {
    if json {
        return print_json(&databases);
    }
    println!("{:<32} {:<9} {:>21} {:>11} {:>7}", "DATABASE", "KIND", "BYTES", "STATEMENTS", "ERRORS");
    for database in databases {
        println!(
            "{:<32} {:<9} {:>21} {:>11} {:>7}",
            format!("{}/{}", database.plugin, database.database),
            database.dialect,
            bytes(database),
            database.statements,
            database.errors.total()
        );
    }
    Ok(())
}

fn bytes(database: &DatabaseStatus) -> String {
    match (database.bytes, database.bytes_max) {
        (Some(bytes), Some(max)) => format!("{bytes} / {}", ByteSize(max)),
        _ => "-".to_owned(),
    }
}

fn stats(database: &DatabaseStatus, json: bool) -> anyhow::Result<()> {
    if json {
        return print_json(database);
    }
    let read_only = if database.read_only { ", read-only" } else { "" };
    println!("{}/{} ({}{read_only})", database.plugin, database.database, database.dialect);
    let errors = &database.errors;
    let mean = database.microseconds.checked_div(database.statements).unwrap_or(0);
    for (name, text) in [
        ("bytes", bytes(database)),
        ("statements", format!("{}, {mean} µs each", database.statements)),
        ("transactions", database.transactions.to_string()),
        ("rows", database.rows.to_string()),
        (
            "refused",
            format!(
                "{} invalid, {} constraint, {} denied, {} too large, {} full",
                errors.invalid, errors.constraint, errors.denied, errors.too_large, errors.full
            ),
        ),
        (
            "failed",
            format!(
                "{} timeout, {} conflict, {} busy, {} unavailable, {} outcome unknown",
                errors.timeout, errors.conflict, errors.busy, errors.unavailable, errors.outcome_unknown
            ),
        ),
        (
            "now",
            format!(
                "{} connections, {} in use, {} calls waiting",
                database.connections, database.in_use, database.waiting
            ),
        ),
    ] {
        println!("  {name:<12} {text}");
    }
    Ok(())
}

fn migrations(migrations: &[MigrationStatus], json: bool) -> anyhow::Result<()> {
    if json {
        return print_json(&migrations);
    }
    for migration in migrations {
        let at = migration.at_ms.map_or_else(|| "-".to_owned(), moment);
        println!("{:<8} {at:<24} {:04}_{}", migration.state, migration.number, one_line(&migration.name));
    }
    Ok(())
}

fn answer(answer: &DatabaseAnswer, json: bool) -> anyhow::Result<()> {
    if json {
        return print_json(answer);
    }
    let head: Vec<String> = answer.columns.iter().map(|column| cell(column)).collect();
    let rows = answer.rows.iter().map(|row| row.iter().map(value).collect::<Vec<_>>());
    let lines: Vec<_> = std::iter::once(head).chain(rows).collect();
    let columns = answer.columns.len();
    let width = |at: usize| lines.iter().filter_map(|line| line.get(at)).map(|text| text.chars().count()).max();
    let widths: Vec<_> = (0..columns).map(|at| width(at).unwrap_or(0)).collect();
    for line in &lines {
        let cells = line.iter().zip(&widths).map(|(text, width)| format!("{text:<width$}"));
        println!("{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
    if answer.more {
        println!("… there is more: say `limit`, or ask for less");
    }
    Ok(())
}

fn value(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Null => "NULL".to_owned(),
        serde_json::Value::String(text) => cell(text),
        other => other.to_string(),
    }
}

/// A text on one line, and not too long.
fn cell(text: &str) -> String {
    let text = one_line(text);
    if text.chars().count() <= WIDTH_MAX {
        return text;
    }
    let cut: String = text.chars().take(WIDTH_MAX - 1).collect();
    format!("{cut}…")
}
