//! A guest over `skep:plugin/sql`, by the SDK: it does what the path says with the statement in the body. `db` is the database,
//! `main` if it is not said; each `p` is a parameter: a number, `true`, `false`, `null`, or a text.
//!
//! | route | does |
//! |---|---|
//! | `/query` | all rows, as a JSON array of objects |
//! | `/execute` | how many rows it changed |
//! | `/count` | how many rows it gives, fetched page by page |
//! | `/transaction` | the statements of the body, one a line, in a transaction; `fail=1` undoes it at the end |
//! | `/add?n=` | adds 1 to `counter.value` so often, each time in a transaction that reads it first; answers the value |
//! | `/add-serializable?n=` | the same, in transactions that see nothing of others |
//! | `/beside` | begins a transaction, sends the statement beside it, and answers what came of that |
//! | `/hold?what=&end=` | begins a `transaction` and executes the statement, or opens a `cursor`; then ends as told while it holds it: `return`, `trap`, `panic`, `spin` |
//! | `/keep` | begins a transaction, executes the statement, and keeps the handles for the next call of the instance |
//! | `/kept` | the same call's, or an earlier call's: executes the statement through the handle that was kept, or `none` |
//! | `/many-cursors?n=` | opens so many cursors; answers how many there were when it was refused |
//! | `/dialect` | `Sqlite` or `Postgres` |
//! | `/calls` | how many calls the instance has had |
//!
//! What the host refuses is a 409 with the debug text of the error; a rule that is broken a 409 `Violated RULE`. The last segment
//! of the path decides.

mod hold;

use hostile_common::Query;
use skep_sdk::{
    prelude::*,
    sql::{Database, Isolation, Params, Row, TransactionOptions, Value},
};

#[skep::http]
fn handle(req: Request) -> Response {
    let query = Query::parse(req.query());
    let route = req.path().rsplit('/').next().unwrap_or_default();
    let statement = String::from_utf8_lossy(req.body()).into_owned();
    match operate(route, &query, &statement) {
        Ok(text) => text.into_response(),
        Err(error) => refused(&error),
    }
}

fn refused(error: &Error) -> Response {
    if let Some(violation) = error.violation() {
        return (StatusCode::CONFLICT, format!("Violated {:?}", violation.constraint)).into_response();
    }
    match error.capability() {
        Some(why) => (StatusCode::CONFLICT, format!("{why:?}")).into_response(),
        None => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

fn operate(route: &str, query: &Query, statement: &str) -> Result<String> {
    let name = query.get("db").unwrap_or("main");
    let open = || Database::open(name);
    Ok(match route {
        "" | "ok" => "ok".to_owned(),
        "calls" => hostile_common::count().to_string(),
        "query" => {
            let rows: Vec<Row> = open()?.query_all(statement, params(query))?;
            skep_sdk::serde_json::to_string(&rows)?
        }
        "execute" => open()?.execute(statement, params(query))?.to_string(),
        "count" => {
            let rows = open()?.query::<Row>(statement, params(query))?;
            rows.map(|row| row.map(|_| 1_u64)).sum::<Result<u64>>()?.to_string()
        }
        "transaction" => {
            open()?.transaction(|tx| {
                for line in statement.lines() {
                    tx.execute(line, params(query))?;
                }
                if query.get("fail").is_some() { Err(Error::from("the route asked for it")) } else { Ok(()) }
            })?;
            "ok".to_owned()
        }
        "add" => add(&open()?, TransactionOptions::new(), query.number("n", 1))?,
        "add-serializable" => {
            let serializable = TransactionOptions::new().isolation(Isolation::Serializable);
            add(&open()?, serializable, query.number("n", 1))?
        }
        "beside" => open()?.transaction(|tx| {
            tx.query_one::<i64>("select 1", ())?;
            Ok::<_, Error>(match open()?.execute(statement, ()) {
                Ok(rows) => rows.to_string(),
                Err(error) => error.to_string(),
            })
        })?,
        "hold" => hold::hold(name, query, statement)?,
        "keep" => hold::keep(name, statement)?,
        "kept" => hold::kept(statement)?,
        "many-cursors" => hold::many(name, query.number("n", 100), statement)?,
        "dialect" => format!("{:?}", open()?.dialect()),
        _ => "no such route".to_owned(),
    })
}

/// What is lost if two read the same value.
fn add(db: &Database, options: TransactionOptions, times: u64) -> Result<String> {
    for _ in 0..times {
        db.transaction_with(options, |tx| {
            let value: i64 = tx.query_one("select value from counter", ())?;
            tx.execute(&format!("update counter set value = {}", value + 1), ())
        })?;
    }
    Ok(db.query_one::<i64>("select value from counter", ())?.to_string())
}

fn params(query: &Query) -> Params {
    let given = query.iter().filter(|(name, _)| name == "p").map(|(_, text)| text.as_str());
    given.map(param).collect::<Vec<_>>().into()
}

fn param(text: &str) -> Value {
    match text {
        "null" => Value::Null,
        "true" => Value::Boolean(true),
        "false" => Value::Boolean(false),
        _ => {
            let whole = text.parse().map(Value::Integer).ok();
            let real = || text.parse().map(Value::Real).ok();
            whole.or_else(real).unwrap_or_else(|| Value::Text(text.to_owned()))
        }
    }
}

#[cfg(test)]
mod tests;
