//! The admin listener's view of the databases.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use skep_admin::api::{DatabaseAnswer, DatabaseErrors, DatabaseStatus, MigrationState, MigrationStatus};
use skep_admin::{ControlError, ControlFuture, SqlControl};
use skep_manifest::SqlPlace;
use skep_runtime::SqlDialect;
use skep_sql::{Access, Error, Session, Value};
use skep_types::{ByteSize, DatabaseId, PluginName};

use super::{NodeControl, detached};
use crate::databases::Open;

/// What one answer to an operator may have.
const ANSWER_BYTES_MAX: ByteSize = ByteSize::mib(2);
/// More migrations than these are not shown, nor likely.
const MIGRATIONS_MAX: usize = 10_000;

impl NodeControl {
    fn open_database(&self, database: &str) -> Result<(DatabaseId, Open), ControlError> {
        let id = database.parse::<DatabaseId>().ok();
        let found = id.and_then(|id| self.0.databases.get(&id).map(|open| (id, open)));
        found.ok_or_else(|| {
            let known: Vec<_> = self.0.databases.list().keys().map(ToString::to_string).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            ControlError::NotFound(format!("there is no database `{database}`; there are: {known}"))
        })
    }
}

fn status(id: &DatabaseId, open: &Open) -> DatabaseStatus {
    let stats = open.database.stats();
    let errors = stats.errors;
    DatabaseStatus {
        plugin: id.owner.to_string(),
        database: id.name.to_string(),
        dialect: match open.dialect() {
            SqlDialect::Sqlite => "sqlite".to_owned(),
            SqlDialect::Postgres => "postgres".to_owned(),
        },
        read_only: open.config.read_only,
        bytes: open.size(),
        bytes_max: match &open.config.place {
            SqlPlace::Sqlite(sqlite) => Some(sqlite.max_size.0),
            SqlPlace::Postgres(_) => None,
        },
        statements: stats.statements,
        transactions: stats.transactions,
        rows: stats.rows,
        microseconds: stats.nanos / 1_000,
        errors: DatabaseErrors {
            invalid: errors.invalid,
            constraint: errors.constraint,
            denied: errors.denied,
            busy: errors.busy,
            timeout: errors.timeout,
            too_large: errors.too_large,
            conflict: errors.conflict,
            full: errors.full,
            unavailable: errors.unavailable,
            outcome_unknown: errors.outcome_unknown,
        },
        connections: stats.connections,
        in_use: stats.in_use,
        waiting: stats.waiting,
    }
}

impl SqlControl for NodeControl {
    fn databases(&self) -> Vec<DatabaseStatus> {
        self.0.databases.list().iter().map(|(id, open)| status(id, open)).collect()
    }

    fn database(&self, database: &str) -> Result<DatabaseStatus, ControlError> {
        let (id, open) = self.open_database(database)?;
        Ok(status(&id, &open))
    }

    fn database_migrations(&self, database: String) -> ControlFuture<Vec<MigrationStatus>> {
        let found = self.open_database(&database);
        detached(async move {
            let (id, open) = found?;
            let applied = applied(&asker(&open), &id.owner).await?;
            let in_folder = match open.config.migrations.clone() {
                Some(folder) => tokio::task::spawn_blocking(move || in_folder(&folder)).await,
                None => Ok(Ok(BTreeMap::new())),
            };
            let in_folder = in_folder.map_err(|error| ControlError::Refused(format!("the host failed: {error}")))?;
            let in_folder = in_folder.map_err(|error| ControlError::Refused(error.to_string()))?;
            Ok(merged(&applied, &in_folder))
        })
    }

    fn database_query(&self, database: String, statement: String) -> ControlFuture<DatabaseAnswer> {
        let found = self.open_database(&database);
        detached(async move {
            let (_, open) = found?;
            let session = asker(&open);
            let mut cursor = session.query(&statement, Vec::new(), usize::MAX).await.map_err(refused)?;
            let rows = cursor.next(usize::MAX).await.map_err(refused)?;
            Ok(DatabaseAnswer {
                columns: cursor.columns().iter().map(|column| column.name.clone()).collect(),
                rows: rows.into_iter().map(|row| row.into_iter().map(shown).collect()).collect(),
                more: !cursor.is_done(),
            })
        })
    }
}

/// A session that only reads, under the limits of guests.
fn asker(open: &Open) -> Session {
    open.database.session(Access { read_only: true }, open.limits(ANSWER_BYTES_MAX))
}

/// By number: the name, and when it was applied.
type Migrations = BTreeMap<u32, (String, Option<u64>)>;

/// What the engine has noted. The name of a plugin has nothing in it that a text in quotes could end with.
async fn applied(session: &Session, owner: &PluginName) -> Result<Migrations, ControlError> {
    let noted = format!("select number, name, applied_at from skep_migrations where owner = '{owner}' order by number");
    let mut cursor = match session.query(&noted, Vec::new(), usize::MAX).await {
        Ok(cursor) => cursor,
        // There is no such table before the first one.
        Err(Error::Invalid(_)) => return Ok(Migrations::new()),
        Err(error) => return Err(refused(error)),
    };
    let mut found = Migrations::new();
    while found.len() < MIGRATIONS_MAX {
        let rows = cursor.next(usize::MAX).await.map_err(refused)?;
        if rows.is_empty() {
            break;
        }
        found.extend(rows.iter().filter_map(|row| match row.as_slice() {
            [Value::Integer(number), Value::Text(name), Value::Integer(at_ms)] => {
                Some((u32::try_from(*number).ok()?, (name.clone(), u64::try_from(*at_ms).ok())))
            }
            _ => None,
        }));
    }
    Ok(found)
}

/// The files of a folder by number; what is no migration is the engine's to complain of.
fn in_folder(folder: &Path) -> std::io::Result<Migrations> {
    let mut found = Migrations::new();
    for file in std::fs::read_dir(folder)?.take(MIGRATIONS_MAX) {
        let path: PathBuf = file?.path();
        let is_sql = path.extension().is_some_and(|extension| extension == "sql");
        let stem = path.file_stem().and_then(|stem| stem.to_str()).filter(|_| is_sql);
        if let Some((number, name)) = stem.and_then(|stem| stem.split_once('_'))
            && let Ok(number) = number.parse()
        {
            found.insert(number, (name.to_owned(), None));
        }
    }
    Ok(found)
}

fn merged(applied: &Migrations, in_folder: &Migrations) -> Vec<MigrationStatus> {
    let mut all = in_folder.clone();
    all.extend(applied.clone());
    let state = |number: u32| match (applied.contains_key(&number), in_folder.contains_key(&number)) {
        (true, true) => MigrationState::Applied,
        (true, false) => MigrationState::Ahead,
        (false, _) => MigrationState::Pending,
    };
    let status = |(number, (name, at_ms))| MigrationStatus { state: state(number), number, name, at_ms };
    all.into_iter().map(status).collect()
}

/// A value in a form that JSON can carry.
fn shown(value: Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Boolean(value) => value.into(),
        Value::Integer(value) => value.into(),
        Value::Real(value) => value.into(),
        Value::Text(value) => value.into(),
        Value::Blob(bytes) => {
            let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("x'{digits}'").into()
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it maps errors")]
fn refused(error: Error) -> ControlError {
    match error {
        Error::Busy | Error::Unavailable(_) => ControlError::Unavailable(error.to_string()),
        _ => ControlError::Refused(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn migrations_are_told_with_what_has_become_of_them() {
        let dir = tempfile::tempdir().unwrap();
        for file in ["0001_orders.sql", "0002_prices.sql", "README.md", "notes.sql", "x_y.sql"] {
            std::fs::write(dir.path().join(file), "").unwrap();
        }
        let in_folder = in_folder(dir.path()).unwrap();
        let applied = [(1, "orders"), (3, "later")].map(|(number, name)| (number, (name.to_owned(), Some(7))));
        let applied = Migrations::from(applied);
        let told = merged(&applied, &in_folder);
        let told: Vec<_> = told.iter().map(|one| format!("{} {} {}", one.number, one.name, one.state)).collect();
        assert_eq!(told, ["1 orders applied", "2 prices pending", "3 later ahead"]);
        let times: Vec<_> = merged(&applied, &in_folder).iter().map(|one| one.at_ms).collect();
        assert_eq!(times, [Some(7), None, Some(7)]);
    }

    #[test]
    fn values_are_shown_as_json_has_them() {
        let row = [Value::Null, Value::Boolean(true), Value::Integer(-7), Value::Real(0.5), Value::Text("a".into())];
        let row = row.map(shown);
        assert_eq!(serde_json::to_string(&row).unwrap(), r#"[null,true,-7,0.5,"a"]"#);
        assert_eq!(shown(Value::Blob(vec![0, 255].into())), "x'00ff'");
    }
}
