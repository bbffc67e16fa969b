//! `skep:plugin/sql` with the functions that wit-bindgen generates, over an SQLite in memory.

use std::{cell::RefCell, collections::BTreeMap, vec};

use super::WORLD;
pub(crate) use crate::__private::bindings::imports::skep::plugin::sql::{
    Column, Constraint, Dialect, Isolation, Page, Refusal, Value, Violation,
};
use crate::__private::bindings::imports::skep::plugin::types::Error;
pub(crate) use base::{Base, Rules};
use base::{invalid, refusal};

mod base;

/// As in the host.
const PAGE_ROWS_MAX: u32 = 1000;
const NAME_BYTES_MAX: usize = 64;

/// By name; there is every database, as soon as somebody names it.
pub(super) type Databases = BTreeMap<String, Base>;

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

fn with<R>(name: &str, run: impl FnOnce(&mut Base) -> R) -> R {
    WORLD.with_borrow_mut(|world| run(world.databases.entry(name.to_owned()).or_insert_with(Base::new)))
}

/// Changes what the manifest would say of a database.
pub(crate) fn configure(name: &str, change: impl FnOnce(&mut Rules)) {
    with(name, |base| change(&mut base.rules));
}

/// Runs statements as they are, as a migration would.
pub(crate) fn run(name: &str, statements: &str) -> Result<(), String> {
    with(name, |base| base.run(statements).map_err(|error| error.to_string()))
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
        base.attempt(of, |base| {
            let (columns, rows) = base.all(statement, params)?;
            if columns.is_empty() {
                return Err(invalid("the statement gives no rows: execute it"));
            }
            Ok((columns, rows, base.epoch))
        })
    })?;
    let rest = Cursor { name: name.to_owned(), epoch, rows: RefCell::new(rows.into_iter()) };
    let first = rest.page(max);
    let rest = if first.done { None } else { Some(rest) };
    Ok(Answer { columns, first, rest })
}

fn execute(name: &str, of: Option<u64>, statement: &str, params: &[Value]) -> Result<u64, Refusal> {
    with(name, |base| {
        base.attempt(of, |base| {
            let before = base.connection.total_changes();
            base.all(statement, params)?;
            // What was changed last is not forgotten by a statement that changes nothing.
            Ok(if base.connection.total_changes() == before { 0 } else { base.connection.changes() })
        })
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
        let begun = with(&self.name, |base| base.attempt(None, |base| base.turn(true, "BEGIN IMMEDIATE")));
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
            let committed = base.attempt(Some(self.epoch), |base| base.run("COMMIT").map_err(refusal));
            // Whatever it answers, it has ended.
            if base.epoch == self.epoch {
                base.turn(false, "")?;
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
                let _ = base.undo();
                let _ = base.turn(false, "");
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
