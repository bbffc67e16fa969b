//! One database of the double: an SQLite in memory, under the rules of the host.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use rusqlite::{
    Connection, ErrorCode, Statement,
    config::DbConfig,
    ffi,
    hooks::{AuthAction, AuthContext, Authorization},
    types::ValueRef,
};

use super::{Column, Constraint, Error, Refusal, Value, Violation};

/// As in the host.
const STATEMENT_BYTES_MAX: usize = 64 * 1024;
const PARAMS_MAX: usize = 1000;
const VALUE_BYTES_MAX: usize = 1024 * 1024;

/// One of them.
pub(crate) struct Base {
    pub(super) connection: Connection,
    pub(super) rules: Rules,
    /// Whether what is asked is not the guest's.
    own: Arc<AtomicBool>,
    pub(super) in_transaction: bool,
    /// Why the transaction that is open is undone already.
    failed: Option<Refusal>,
    /// Cursors of before are closed.
    pub(super) epoch: u64,
}

/// What the manifest would say of a database.
#[derive(Default)]
pub(crate) struct Rules {
    pub(crate) read_only: bool,
    pub(crate) denied: bool,
    /// How the next statement, transaction or commit fails.
    pub(crate) failing: Option<Error>,
}

impl Base {
    #[allow(clippy::expect_used, reason = "a test that cannot be run fails by a panic")]
    pub(super) fn new() -> Self {
        let mut connection = Connection::open_in_memory().expect("an SQLite in memory opens");
        connection.pragma_update(None, "foreign_keys", true).expect("it knows foreign keys");
        let own = Arc::<AtomicBool>::default();
        let is_own = Arc::clone(&own);
        let guard = move |asked: AuthContext<'_>| {
            if is_own.load(Ordering::Relaxed) || is_for_guests(&asked.action) {
                Authorization::Allow
            } else {
                Authorization::Deny
            }
        };
        connection.authorizer(Some(guard)).expect("it asks");
        // A text in double quotes is a name, so that a mistyped column is an error and no text.
        for double_quoted in [DbConfig::SQLITE_DBCONFIG_DQS_DML, DbConfig::SQLITE_DBCONFIG_DQS_DDL] {
            connection.set_db_config(double_quoted, false).expect("it knows what quotes are");
        }
        Self { connection, rules: Rules::default(), own, in_transaction: false, failed: None, epoch: 0 }
    }

    /// Runs statements of the test's or the double's own.
    pub(super) fn run(&self, statements: &str) -> rusqlite::Result<()> {
        self.own.store(true, Ordering::Relaxed);
        let ran = self.connection.execute_batch(statements);
        self.own.store(false, Ordering::Relaxed);
        ran
    }

    /// What was open is closed.
    pub(super) fn turn(&mut self, in_transaction: bool, words: &str) -> Result<u64, Refusal> {
        self.epoch += 1;
        self.in_transaction = in_transaction;
        self.failed = None;
        self.run(words).map_err(refusal)?;
        Ok(self.epoch)
    }

    /// Does what may be refused. A transaction in which something is refused is undone, and goes on answering so.
    pub(super) fn attempt<R>(
        &mut self,
        of: Option<u64>,
        run: impl FnOnce(&mut Self) -> Result<R, Refusal>,
    ) -> Result<R, Refusal> {
        match of {
            None if self.in_transaction => return Err(invalid("a transaction of this database is open: use that")),
            Some(epoch) if epoch != self.epoch || !self.in_transaction => {
                return Err(invalid("the transaction has ended"));
            }
            _ => {}
        }
        if let Some(failed) = &self.failed {
            return Err(failed.clone());
        }
        let done = match self.rules.failing.take() {
            Some(error) => Err(Refusal::Other(error)),
            None => run(self),
        };
        if let (Some(_), Err(refusal)) = (of, &done) {
            self.failed = Some(refusal.clone());
            self.undo()?;
        }
        done
    }

    pub(super) fn undo(&self) -> Result<(), Refusal> {
        if self.connection.is_autocommit() { Ok(()) } else { self.run("ROLLBACK").map_err(refusal) }
    }

    fn prepare(&self, statement: &str, params: &[Value]) -> Result<Statement<'_>, Refusal> {
        if statement.len() > STATEMENT_BYTES_MAX {
            return Err(Refusal::Other(Error::TooLarge(STATEMENT_BYTES_MAX as u64)));
        }
        if params.len() > PARAMS_MAX {
            return Err(Refusal::Other(Error::TooLarge(PARAMS_MAX as u64)));
        }
        let mut prepared = self.connection.prepare(statement).map_err(refusal)?;
        if self.rules.read_only && !prepared.readonly() {
            return Err(Refusal::Other(Error::Denied("the database is granted for reading".to_owned())));
        }
        if prepared.parameter_count() != params.len() {
            let wanted = prepared.parameter_count();
            return Err(invalid(&format!("the statement has {wanted} parameters, and is given {}", params.len())));
        }
        for (at, value) in params.iter().enumerate() {
            bind(&mut prepared, at + 1, value)?;
        }
        Ok(prepared)
    }

    pub(super) fn all(&self, statement: &str, params: &[Value]) -> Result<(Vec<Column>, Vec<Vec<Value>>), Refusal> {
        let mut prepared = self.prepare(statement, params)?;
        let columns: Vec<Column> = prepared
            .columns()
            .map(|column| Column { name: column.name().to_owned(), declared: column.decl_type().map(str::to_owned) })
            .collect();
        let mut found = prepared.raw_query();
        let mut rows = Vec::new();
        while let Some(row) = found.next().map_err(refusal)? {
            let value = |(at, column)| Ok(read(row.get_ref(at).map_err(refusal)?, column));
            rows.push(columns.iter().enumerate().map(value).collect::<Result<_, Refusal>>()?);
        }
        Ok((columns, rows))
    }
}

/// What the host does not keep to itself.
fn is_for_guests(action: &AuthAction<'_>) -> bool {
    match action {
        AuthAction::Attach { .. }
        | AuthAction::Detach { .. }
        | AuthAction::Transaction { .. }
        | AuthAction::Savepoint { .. } => false,
        AuthAction::Pragma { pragma_value, .. } => pragma_value.is_none_or(|value| !is_setting(value)),
        _ => true,
    }
}

/// Whether a pragma is told something, and not asked for a table or an index.
fn is_setting(value: &str) -> bool {
    value.parse::<i64>().is_ok() || ["on", "off", "true", "false"].iter().any(|word| value.eq_ignore_ascii_case(word))
}

fn bind(statement: &mut Statement<'_>, at: usize, value: &Value) -> Result<(), Refusal> {
    let bytes = match value {
        Value::Text(text) => text.len(),
        Value::Blob(bytes) => bytes.len(),
        _ => 0,
    };
    if bytes > VALUE_BYTES_MAX {
        return Err(Refusal::Other(Error::TooLarge(VALUE_BYTES_MAX as u64)));
    }
    let bound = match value {
        Value::Null => statement.raw_bind_parameter(at, rusqlite::types::Null),
        Value::Boolean(value) => statement.raw_bind_parameter(at, value),
        Value::Integer(value) => statement.raw_bind_parameter(at, value),
        Value::Real(value) => statement.raw_bind_parameter(at, value),
        Value::Text(value) => statement.raw_bind_parameter(at, value),
        Value::Blob(value) => statement.raw_bind_parameter(at, value),
    };
    bound.map_err(refusal)
}

/// A value as the host reads it.
fn read(value: ValueRef<'_>, column: &Column) -> Value {
    let is_boolean = || {
        let declared = column.declared.as_deref();
        declared.is_some_and(|declared| ["bool", "boolean"].iter().any(|word| declared.eq_ignore_ascii_case(word)))
    };
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number @ (0 | 1)) if is_boolean() => Value::Boolean(number == 1),
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(number) => Value::Real(number),
        ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
    }
}

pub(super) fn invalid(why: &str) -> Refusal {
    Refusal::Other(Error::Invalid(why.to_owned()))
}

/// What the host would say.
pub(super) fn refusal(error: rusqlite::Error) -> Refusal {
    let rusqlite::Error::SqliteFailure(code, _) = &error else { return invalid(&error.to_string()) };
    let constraint = match (code.code, code.extended_code) {
        (ErrorCode::AuthorizationForStatementDenied, _) => {
            return Refusal::Other(Error::Denied("this is not for guests".to_owned()));
        }
        (ErrorCode::TooBig, _) => return Refusal::Other(Error::TooLarge(VALUE_BYTES_MAX as u64)),
        (ErrorCode::ConstraintViolation, extended) => match extended {
            ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_ROWID => {
                Constraint::Unique
            }
            ffi::SQLITE_CONSTRAINT_FOREIGNKEY => Constraint::ForeignKey,
            ffi::SQLITE_CONSTRAINT_NOTNULL => Constraint::NotNull,
            ffi::SQLITE_CONSTRAINT_CHECK => Constraint::Check,
            _ => Constraint::Other,
        },
        _ => return invalid(&error.to_string()),
    };
    Refusal::Violated(Violation { constraint, message: error.to_string() })
}
