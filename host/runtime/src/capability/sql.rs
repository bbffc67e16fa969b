//! `skep:plugin/sql`: the guest's side of the databases in `skep-sql`.

use skep_bindings::sql::{self, Answer, Column, Constraint, Dialect, Isolation, Page, Refusal, Value, Violation};
use skep_bindings::types::Error;
use skep_sql::{Cursor, Database, Session, SessionLimits, TransactionMode};
use wasmtime::component::Resource;

use super::cache::Access;
use super::take;
use crate::state::CallState;

/// What a value costs a guest beside its text or bytes.
const VALUE_BYTES: usize = 16;

/// A database that the manifest gives to a plugin.
#[derive(Clone)]
pub struct GrantedDatabase {
    /// The name that the guest opens: "main" for its own, "shop/main" for another plugin's.
    pub name: Box<str>,
    /// The database.
    pub database: Database,
    /// In whose words it is asked.
    pub dialect: SqlDialect,
    /// What may be done with it.
    pub access: Access,
    /// What bounds a call.
    pub limits: SessionLimits,
}

/// In whose words a database is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SqlDialect {
    /// SQLite.
    Sqlite,
    /// PostgreSQL.
    Postgres,
}

/// What a call holds of one database. Dropping it rolls back, and gives the connection back.
pub(super) struct HeldDatabase {
    session: Session,
    /// The guest's handle of the transaction that is open.
    transaction: Option<u32>,
    cursors: Vec<(u32, Cursor)>,
}

impl HeldDatabase {
    /// What counts as held of it.
    pub(super) fn len(&self) -> usize {
        1 + self.cursors.len()
    }
}

/// Through what a statement is sent.
#[derive(Clone, Copy)]
enum Through {
    /// The database with this handle.
    Database(u32),
    /// The transaction with this handle.
    Transaction(u32),
}

impl CallState {
    fn granted_database(&self, handle: u32) -> Result<&GrantedDatabase, Error> {
        self.env.databases.get(handle as usize).ok_or(Error::NotFound)
    }

    /// What the call holds of the database, from its first use on. A handle of a database is an index into the revision's grants,
    /// so it outlives the call; what is held does not.
    fn held_database(&mut self, handle: u32) -> Result<&mut HeldDatabase, Error> {
        if !self.held.databases.iter().any(|(of, _)| *of == handle) {
            let granted = self.granted_database(handle)?;
            let access = skep_sql::Access { read_only: granted.access == Access::Read };
            let session = granted.database.session(access, granted.limits.clone());
            self.held.databases.push((handle, HeldDatabase { session, transaction: None, cursors: Vec::new() }));
        }
        let held = self.held.databases.iter_mut().find(|(of, _)| *of == handle);
        held.map(|(_, held)| held).ok_or(Error::NotFound)
    }

    /// What a statement is sent through, if it may be.
    fn through(&mut self, through: Through) -> Result<&mut HeldDatabase, Error> {
        match through {
            Through::Database(handle) => {
                let held = self.held_database(handle)?;
                match held.transaction {
                    None => Ok(held),
                    Some(_) => Err(Error::Invalid(
                        "a transaction of this database is open in this call: send the statement through it".to_owned(),
                    )),
                }
            }
            Through::Transaction(number) => {
                let held = self.held.databases.iter_mut().find(|(_, held)| held.transaction == Some(number));
                let held = held.map(|(_, held)| held).filter(|held| held.session.in_transaction());
                // A conflict or its time has ended it; a statement must not be taken for one by itself then.
                held.ok_or_else(|| Error::Invalid("the transaction has ended".to_owned()))
            }
        }
    }

    async fn ask(
        &mut self,
        through: Through,
        statement: String,
        params: Vec<Value>,
        max: u32,
    ) -> Result<Answer, Refusal> {
        let params = self.charged(&statement, params);
        let max = rows_max(max);
        let held = self.through(through).map_err(Refusal::Other)?;
        let mut cursor = held.session.query(&statement, params, max).await.map_err(refused)?;
        let rows = cursor.next(max).await.map_err(refused)?;
        let columns: Vec<_> = cursor.columns().iter().map(column).collect();
        self.stats.owe(columns.iter().map(|column| column.name.len() + VALUE_BYTES).sum());
        let first = self.page(rows, cursor.is_done());
        let rest = if first.done { None } else { Some(self.hold_cursor(through, cursor).map_err(Refusal::Other)?) };
        Ok(Answer { columns, first, rest })
    }

    async fn carry_out(&mut self, through: Through, statement: String, params: Vec<Value>) -> Result<u64, Refusal> {
        let params = self.charged(&statement, params);
        let held = self.through(through).map_err(Refusal::Other)?;
        let executed = held.session.execute(&statement, params).await.map_err(refused)?;
        Ok(executed.rows_affected)
    }

    fn hold_cursor(&mut self, through: Through, cursor: Cursor) -> Result<Resource<sql::Cursor>, Error> {
        let number = self.held.number(self.env.handles_max)?;
        self.through(through)?.cursors.push((number, cursor));
        Ok(Resource::new_own(number))
    }

    /// The parameters as the engine takes them, paid for.
    fn charged(&mut self, statement: &str, params: Vec<Value>) -> Vec<skep_sql::Value> {
        let params: Vec<_> = params.into_iter().map(to_engine).collect();
        self.stats.owe(statement.len() + params.iter().map(skep_sql::Value::bytes).sum::<usize>());
        params
    }

    fn page(&mut self, rows: Vec<skep_sql::Row>, done: bool) -> Page {
        self.stats.owe(rows.iter().flatten().map(skep_sql::Value::bytes).sum());
        Page { rows: rows.into_iter().map(|row| row.into_iter().map(to_guest).collect()).collect(), done }
    }

    /// Ends a transaction on the guest's side: what it had open is closed.
    fn end_transaction(&mut self, number: u32) -> Result<&Session, Error> {
        let held = self.held.databases.iter_mut().find(|(_, held)| held.transaction == Some(number));
        let (_, held) = held.ok_or_else(|| Error::Invalid("the transaction has ended".to_owned()))?;
        held.transaction = None;
        held.cursors.clear();
        Ok(&held.session)
    }
}

impl sql::Host for CallState {
    fn open(&mut self, name: String) -> Result<Resource<sql::Database>, Error> {
        self.stats.owe(name.len());
        let at = self.env.databases.iter().position(|granted| *granted.name == *name);
        match at.and_then(|at| u32::try_from(at).ok()) {
            Some(at) => Ok(Resource::new_own(at)),
            None if name.contains('/') => Err(Error::Denied(format!(
                "the database `{name}` is not granted; write `sql = {{ \"{name}\" = \"read\" }}` in the plugin's grants"
            ))),
            None => Err(Error::Denied(format!(
                "there is no database `{name}`; declare it with `[plugins.{}.sql.{name}]`",
                self.env.plugin
            ))),
        }
    }
}

impl sql::HostDatabase for CallState {
    fn dialect(&mut self, this: Resource<sql::Database>) -> Dialect {
        match self.granted_database(this.rep()).map(|granted| granted.dialect) {
            Ok(SqlDialect::Postgres) => Dialect::Postgres,
            Ok(SqlDialect::Sqlite) | Err(_) => Dialect::Sqlite,
        }
    }

    async fn query(
        &mut self,
        this: Resource<sql::Database>,
        statement: String,
        params: Vec<Value>,
        max: u32,
    ) -> Result<Answer, Refusal> {
        self.ask(Through::Database(this.rep()), statement, params, max).await
    }

    async fn execute(
        &mut self,
        this: Resource<sql::Database>,
        statement: String,
        params: Vec<Value>,
    ) -> Result<u64, Refusal> {
        self.carry_out(Through::Database(this.rep()), statement, params).await
    }

    async fn begin(
        &mut self,
        this: Resource<sql::Database>,
        read_only: bool,
        isolation: Isolation,
    ) -> Result<Resource<sql::Transaction>, Error> {
        let number = self.held.number(self.env.handles_max)?;
        let held = self.through(Through::Database(this.rep()))?;
        held.cursors.clear();
        let isolation = match isolation {
            Isolation::Standard => skep_sql::Isolation::Default,
            Isolation::RepeatableRead => skep_sql::Isolation::RepeatableRead,
            Isolation::Serializable => skep_sql::Isolation::Serializable,
        };
        held.session.begin(TransactionMode { read_only, isolation }).await.map_err(unfit)?;
        held.transaction = Some(number);
        Ok(Resource::new_own(number))
    }

    fn drop(&mut self, _: Resource<sql::Database>) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl sql::HostTransaction for CallState {
    async fn query(
        &mut self,
        this: Resource<sql::Transaction>,
        statement: String,
        params: Vec<Value>,
        max: u32,
    ) -> Result<Answer, Refusal> {
        self.ask(Through::Transaction(this.rep()), statement, params, max).await
    }

    async fn execute(
        &mut self,
        this: Resource<sql::Transaction>,
        statement: String,
        params: Vec<Value>,
    ) -> Result<u64, Refusal> {
        self.carry_out(Through::Transaction(this.rep()), statement, params).await
    }

    async fn commit(&mut self, this: Resource<sql::Transaction>) -> Result<(), Refusal> {
        let session = self.end_transaction(this.rep()).map_err(Refusal::Other)?;
        session.commit().await.map_err(refused)
    }

    async fn rollback(&mut self, this: Resource<sql::Transaction>) -> Result<(), Error> {
        let session = self.end_transaction(this.rep())?;
        session.rollback().await.map_err(unfit)
    }

    fn drop(&mut self, this: Resource<sql::Transaction>) -> wasmtime::Result<()> {
        // The session with it, which is what rolls back without anybody waiting; the next statement gets another one.
        self.held.databases.retain(|(_, held)| held.transaction != Some(this.rep()));
        Ok(())
    }
}

impl sql::HostCursor for CallState {
    async fn next(&mut self, this: Resource<sql::Cursor>, max: u32) -> Result<Page, Error> {
        let number = this.rep();
        let closed = || Error::Invalid("the cursor is closed".to_owned());
        // It is out while it is asked, and comes back unless it failed or is done.
        let held = self.held.databases.iter_mut().find_map(|(of, held)| Some((*of, take(&mut held.cursors, number)?)));
        let (of, mut cursor) = held.ok_or_else(closed)?;
        let rows = cursor.next(rows_max(max)).await.map_err(unfit)?;
        let done = cursor.is_done();
        if !done && let Some((_, held)) = self.held.databases.iter_mut().find(|(other, _)| *other == of) {
            held.cursors.push((number, cursor));
        }
        Ok(self.page(rows, done))
    }

    fn drop(&mut self, this: Resource<sql::Cursor>) -> wasmtime::Result<()> {
        for (_, held) in &mut self.held.databases {
            drop(take(&mut held.cursors, this.rep()));
        }
        Ok(())
    }
}

/// 0 is as many as a page holds.
fn rows_max(max: u32) -> usize {
    if max == 0 { usize::MAX } else { max as usize }
}

fn to_engine(value: Value) -> skep_sql::Value {
    match value {
        Value::Null => skep_sql::Value::Null,
        Value::Boolean(value) => skep_sql::Value::Boolean(value),
        Value::Integer(value) => skep_sql::Value::Integer(value),
        Value::Real(value) => skep_sql::Value::Real(value),
        Value::Text(value) => skep_sql::Value::Text(value),
        Value::Blob(value) => skep_sql::Value::Blob(value.into()),
    }
}

fn to_guest(value: skep_sql::Value) -> Value {
    match value {
        skep_sql::Value::Null => Value::Null,
        skep_sql::Value::Boolean(value) => Value::Boolean(value),
        skep_sql::Value::Integer(value) => Value::Integer(value),
        skep_sql::Value::Real(value) => Value::Real(value),
        skep_sql::Value::Text(value) => Value::Text(value),
        skep_sql::Value::Blob(value) => Value::Blob(value.into()),
    }
}

fn column(column: &skep_sql::Column) -> Column {
    Column { name: column.name.clone(), declared: column.declared.clone() }
}

/// What a guest is told of the engine's word.
fn refused(error: skep_sql::Error) -> Refusal {
    match error {
        skep_sql::Error::Constraint { kind, message } => {
            let constraint = match kind {
                skep_sql::Constraint::Unique => Constraint::Unique,
                skep_sql::Constraint::ForeignKey => Constraint::ForeignKey,
                skep_sql::Constraint::NotNull => Constraint::NotNull,
                skep_sql::Constraint::Check => Constraint::Check,
                skep_sql::Constraint::Other => Constraint::Other,
            };
            Refusal::Violated(Violation { constraint, message })
        }
        other => Refusal::Other(unfit(other)),
    }
}

/// The same where no rule of the schema can be broken.
fn unfit(error: skep_sql::Error) -> Error {
    match error {
        skep_sql::Error::Invalid(why) => Error::Invalid(why),
        skep_sql::Error::Denied(why) => Error::Denied(why),
        skep_sql::Error::Timeout => Error::Timeout,
        skep_sql::Error::TooLarge(limit) => Error::TooLarge(limit),
        skep_sql::Error::Conflict => Error::Conflict,
        skep_sql::Error::Full => Error::Full,
        skep_sql::Error::OutcomeUnknown => Error::OutcomeUnknown,
        skep_sql::Error::Busy => Error::Unavailable("the database has too much to do".to_owned()),
        skep_sql::Error::Unavailable(why) => Error::Unavailable(why),
        other => Error::Invalid(other.to_string()),
    }
}
