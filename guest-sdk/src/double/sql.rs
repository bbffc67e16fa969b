//! `skep:plugin/sql` with the functions that wit-bindgen generates, over an SQLite in memory.

use std::{cell::RefCell, collections::BTreeMap, vec};

use rusqlite::{Connection, ErrorCode, Statement, ffi, types::ValueRef};

use super::WORLD;
pub(crate) use crate::__private::bindings::imports::skep::plugin::sql::{
    Column, Constraint, Dialect, Isolation, Page, Refusal, Value, Violation,
};
use crate::__private::bindings::imports::skep::plugin::types::Error;

/// As in the host.
const PAGE_ROWS_MAX: u32 = 1000;
const STATEMENT_BYTES_MAX: usize = 64 * 1024;
const PARAMS_MAX: usize = 1000;
const VALUE_BYTES_MAX: usize = 1024 * 1024;
const NAME_BYTES_MAX: usize = 64;
/// Statements that the host has words of its own for, or none.
const NOT_FOR_GUESTS: [&str; 11] =
    ["begin", "commit", "end", "rollback", "savepoint", "release", "attach", "detach", "pragma", "vacuum", "explain"];

/// By name; there is every database, as soon as somebody names it.
pub(super) type Databases = BTreeMap<String, Base>;

/// One of them.
pub(super) struct Base {
    connection: Connection,
    rules: Rules,
    in_transaction: bool,
    /// Cursors of before are closed.
    epoch: u64,
}

/// What the manifest would say of a database.
#[derive(Default)]
pub(crate) struct Rules {
    pub(crate) read_only: bool,
    pub(crate) denied: bool,
    /// How the next statement, transaction or commit fails.
    pub(crate) failing: Option<Error>,
}

pub(crate) struct Database {
    name: String,
}

pub(crate) struct Transaction {
    name: String,
    epoch: u64,
}

pub(crate) struct Cursor {
    name: String,
    epoch: u64,
    rows: RefCell<vec::IntoIter<Vec<Value>>>,
}

pub(crate) struct Answer {
    pub(crate) columns: Vec<Column>,
    pub(crate) first: Page,
    pub(crate) rest: Option<Cursor>,
}

impl Base {
    #[allow(clippy::expect_used, reason = "a test that cannot be run fails by a panic")]
    fn new() -> Self {
        let connection = Connection::open_in_memory().expect("an SQLite in memory opens");
        connection.pragma_update(None, "foreign_keys", true).expect("it knows foreign keys");
        Self { connection, rules: Rules::default(), in_transaction: false, epoch: 0 }
    }

    /// What was open is closed.
    fn turn(&mut self, in_transaction: bool, words: &str) -> Result<u64, Refusal> {
        self.epoch += 1;
        self.in_transaction = in_transaction;
        self.connection.execute_batch(words).map_err(refusal)?;
        Ok(self.epoch)
    }

    fn check(&mut self, of: Option<u64>) -> Result<(), Refusal> {
        if let Some(error) = self.rules.failing.take() {
            return Err(Refusal::Other(error));
        }
        match of {
            None if self.in_transaction => Err(invalid("a transaction of this database is open: use that")),
            Some(epoch) if epoch != self.epoch || !self.in_transaction => Err(invalid("the transaction has ended")),
            _ => Ok(()),
        }
    }

    fn prepare(&self, statement: &str, params: &[Value]) -> Result<Statement<'_>, Refusal> {
        if statement.len() > STATEMENT_BYTES_MAX {
            return Err(Refusal::Other(Error::TooLarge(STATEMENT_BYTES_MAX as u64)));
        }
        if params.len() > PARAMS_MAX {
            return Err(Refusal::Other(Error::TooLarge(PARAMS_MAX as u64)));
        }
        let word = statement.split(|c: char| !c.is_ascii_alphabetic()).find(|word| !word.is_empty());
        if word.is_some_and(|word| NOT_FOR_GUESTS.iter().any(|not| not.eq_ignore_ascii_case(word))) {
            return Err(Refusal::Other(Error::Denied(format!("`{}` is not for guests", word.unwrap_or_default()))));
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

    fn all(&self, statement: &str, params: &[Value]) -> Result<(Vec<Column>, Vec<Vec<Value>>), Refusal> {
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

fn invalid(why: &str) -> Refusal {
    Refusal::Other(Error::Invalid(why.to_owned()))
}

/// What the host would say.
fn refusal(error: rusqlite::Error) -> Refusal {
    let rusqlite::Error::SqliteFailure(code, _) = &error else { return invalid(&error.to_string()) };
    let constraint = match (code.code, code.extended_code) {
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

fn with<R>(name: &str, run: impl FnOnce(&mut Base) -> R) -> R {
    WORLD.with_borrow_mut(|world| run(world.databases.entry(name.to_owned()).or_insert_with(Base::new)))
}

/// Changes what the manifest would say of a database.
pub(crate) fn configure(name: &str, change: impl FnOnce(&mut Rules)) {
    with(name, |base| change(&mut base.rules));
}

/// Runs statements as they are, as a migration would.
pub(crate) fn run(name: &str, statements: &str) -> Result<(), String> {
    with(name, |base| base.connection.execute_batch(statements).map_err(|error| error.to_string()))
}

pub(crate) fn open(name: &str) -> Result<Database, Error> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    let is_name = |name: &str| (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(allowed);
    if !name.splitn(2, '/').all(is_name) || with(name, |base| base.rules.denied) {
        let text = format!("there is no database `{name}`; declare it in the manifest, `[plugins.<name>.sql.{name}]`");
        return Err(Error::Denied(text));
    }
    Ok(Database { name: name.to_owned() })
}

fn query(name: &str, of: Option<u64>, statement: &str, params: &[Value], max: u32) -> Result<Answer, Refusal> {
    let (columns, rows, epoch) = with(name, |base| {
        base.check(of)?;
        let (columns, rows) = base.all(statement, params)?;
        Ok((columns, rows, base.epoch))
    })?;
    if columns.is_empty() {
        return Err(invalid("the statement gives no rows: execute it"));
    }
    let rest = Cursor { name: name.to_owned(), epoch, rows: RefCell::new(rows.into_iter()) };
    let first = rest.page(max);
    let rest = if first.done { None } else { Some(rest) };
    Ok(Answer { columns, first, rest })
}

fn execute(name: &str, of: Option<u64>, statement: &str, params: &[Value]) -> Result<u64, Refusal> {
    with(name, |base| {
        base.check(of)?;
        let before = base.connection.total_changes();
        base.all(statement, params)?;
        // What was changed last is not forgotten by a statement that changes nothing.
        let changes = if base.connection.total_changes() == before { 0 } else { base.connection.changes() };
        Ok(changes)
    })
}

impl Database {
    #[allow(clippy::unused_self, reason = "as that of the host")]
    pub(crate) fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    pub(crate) fn query(&self, statement: &str, params: &[Value], max: u32) -> Result<Answer, Refusal> {
        query(&self.name, None, statement, params, max)
    }

    pub(crate) fn execute(&self, statement: &str, params: &[Value]) -> Result<u64, Refusal> {
        execute(&self.name, None, statement, params)
    }

    pub(crate) fn begin(&self, _: bool, _: Isolation) -> Result<Transaction, Error> {
        let begun = with(&self.name, |base| {
            base.check(None)?;
            base.turn(true, "BEGIN IMMEDIATE")
        });
        match begun {
            Ok(epoch) => Ok(Transaction { name: self.name.clone(), epoch }),
            Err(Refusal::Other(error)) => Err(error),
            Err(Refusal::Violated(violation)) => Err(Error::Invalid(violation.message)),
        }
    }
}

impl Transaction {
    pub(crate) fn query(&self, statement: &str, params: &[Value], max: u32) -> Result<Answer, Refusal> {
        query(&self.name, Some(self.epoch), statement, params, max)
    }

    pub(crate) fn execute(&self, statement: &str, params: &[Value]) -> Result<u64, Refusal> {
        execute(&self.name, Some(self.epoch), statement, params)
    }

    pub(crate) fn commit(&self) -> Result<(), Refusal> {
        with(&self.name, |base| {
            let allowed = base.check(Some(self.epoch));
            let committed = allowed.and_then(|()| base.turn(false, "COMMIT").map(|_| ()));
            if committed.is_err() && !base.connection.is_autocommit() {
                base.turn(false, "ROLLBACK")?;
            }
            committed
        })
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        // The world goes with its thread, and may go first.
        let _ = WORLD.try_with(|world| {
            if let Ok(mut world) = world.try_borrow_mut()
                && let Some(base) = world.databases.get_mut(&self.name)
                && base.in_transaction
                && base.epoch == self.epoch
            {
                let _ = base.turn(false, "ROLLBACK");
            }
        });
    }
}

impl Cursor {
    fn page(&self, max: u32) -> Page {
        let max = if max == 0 { PAGE_ROWS_MAX } else { max.min(PAGE_ROWS_MAX) };
        let mut left = self.rows.borrow_mut();
        let rows: Vec<_> = left.by_ref().take(max as usize).collect();
        Page { done: left.len() == 0, rows }
    }

    pub(crate) fn next(&self, max: u32) -> Result<Page, Error> {
        if with(&self.name, |base| base.epoch) != self.epoch {
            return Err(Error::Invalid("the cursor is closed".to_owned()));
        }
        Ok(self.page(max))
    }
}
