//! A connection, and what it has prepared.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;
use postgres_protocol::Oid;
use postgres_protocol::message::frontend;

use super::fault::Trouble;
use super::login::Key;
use super::values::{self, Form};
use super::wire::{Answer, Wire, fallible_next};
use crate::error::Error;
use crate::page::PageLimits;
use crate::value::{Column, Row, Value};

/// How many statements a connection keeps prepared. The one that was not used for longest makes room.
const STATEMENTS_MAX: usize = 64;
/// How many names of types are known, of all the types that a database has.
const TYPES_MAX: usize = 1_000;

/// The name of the statement that tells whether a transaction has written.
const WRITTEN: &str = "written";

/// Names of types that are not built in, by their numbers.
pub(super) type TypeNames = Mutex<HashMap<Oid, Arc<str>>>;

pub(super) struct Connection {
    pub(super) wire: Wire,
    pub(super) key: Key,
    prepared: HashMap<Arc<str>, (Arc<Prepared>, u64)>,
    uses: u64,
    names: u64,
    types: Arc<TypeNames>,
    /// What the server was told of how long a statement may take.
    timeout: Option<Duration>,
    knows_written: bool,
    _counted: Counted,
}

/// A statement that the server knows.
pub(super) struct Prepared {
    name: String,
    params: Vec<Oid>,
    pub(super) columns: Vec<Column>,
    forms: Vec<Form>,
}

/// Rows that were fetched.
#[derive(Default)]
pub(super) struct Fetched {
    pub(super) rows: Vec<(Row, u64)>,
    pub(super) bytes: u64,
    pub(super) has_written: bool,
}

/// One more connection is open.
pub(super) struct Counted(Arc<AtomicU64>);

impl Counted {
    pub(super) fn new(counter: &Arc<AtomicU64>) -> Self {
        counter.fetch_add(1, Relaxed);
        Self(Arc::clone(counter))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl Connection {
    pub(super) fn new(wire: Wire, key: Key, types: &Arc<TypeNames>, counted: Counted) -> Self {
        Self {
            wire,
            key,
            prepared: HashMap::new(),
            uses: 0,
            names: 0,
            types: Arc::clone(types),
            timeout: None,
            knows_written: false,
            _counted: counted,
        }
    }

    /// Tells the server how long a statement may take, if it does not know.
    pub(super) async fn limit(&mut self, timeout: Duration) -> Result<(), Trouble> {
        if self.timeout != Some(timeout) {
            self.wire.say(&format!("SET statement_timeout = {}", timeout.as_millis().max(1))).await?;
            self.timeout = Some(timeout);
        }
        Ok(())
    }

    /// Nothing of what was done for one holder is left for the next, whose transaction ends like this. It is `DISCARD ALL`,
    /// without what was prepared.
    pub(super) async fn clean(&mut self, end: &str) -> Result<(), Trouble> {
        // What was written and never sent.
        self.wire.outgoing().clear();
        let timeout = self.timeout.unwrap_or_default().as_millis();
        let sql = format!(
            "{end}; CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; SET statement_timeout = {timeout}; \
             UNLISTEN *; SELECT pg_advisory_unlock_all(); DISCARD TEMP; DISCARD SEQUENCES"
        );
        self.wire.say(&sql).await.map(|_| ())
    }

    /// The statement, which the server is asked to prepare if it has not yet.
    pub(super) async fn prepare(&mut self, sql: &str) -> Result<Arc<Prepared>, Trouble> {
        self.uses += 1;
        if let Some((prepared, used)) = self.prepared.get_mut(sql) {
            *used = self.uses;
            return Ok(Arc::clone(prepared));
        }
        self.names += 1;
        let name = format!("s{}", self.names);
        if self.prepared.len() >= STATEMENTS_MAX
            && let Some(oldest) =
                self.prepared.iter().min_by_key(|(_, (_, used))| *used).map(|(sql, _)| Arc::clone(sql))
        {
            self.forget(&oldest)?;
        }
        let to = self.wire.outgoing();
        let written = frontend::parse(&name, sql, [], to).and_then(|()| frontend::describe(b'S', &name, to));
        written.map_err(|error| Trouble::Lost(error.to_string()))?;
        frontend::sync(to);
        let answer = self.wire.ask(|_, _| Ok(())).await?;
        let (columns, forms) = self.columns(&answer).await?;
        let prepared = Arc::new(Prepared { name, params: answer.params, columns, forms });
        self.prepared.insert(sql.into(), (Arc::clone(&prepared), self.uses));
        Ok(prepared)
    }

    /// The server forgets the statement with the next question.
    pub(super) fn forget(&mut self, sql: &str) -> Result<(), Trouble> {
        if let Some((prepared, _)) = self.prepared.remove(sql) {
            let written = frontend::close(b'S', &prepared.name, self.wire.outgoing());
            written.map_err(|error| Trouble::Lost(error.to_string()))?;
        }
        Ok(())
    }

    /// Writes that a statement is to be carried out, as a portal of this name, up to so many rows; 0: all.
    pub(super) fn write_execute(
        &mut self,
        portal: &str,
        prepared: &Prepared,
        params: &[Value],
        rows: i32,
    ) -> Result<(), Trouble> {
        let to = self.wire.outgoing();
        let before = to.len();
        let bound = values::bind(portal, &prepared.name, &prepared.params, params, &prepared.forms, to);
        if let Err(error) = bound {
            // What is half written must not be sent.
            to.truncate(before);
            return Err(Trouble::Refused(error));
        }
        self.write_more(portal, rows)
    }

    /// Writes that a portal is to go on.
    pub(super) fn write_more(&mut self, portal: &str, rows: i32) -> Result<(), Trouble> {
        let written = frontend::execute(portal, rows, self.wire.outgoing());
        written.map_err(|error| Trouble::Lost(error.to_string()))
    }

    /// Writes a statement of the host's own, which has neither parameters nor rows.
    pub(super) fn write_own(&mut self, sql: &str) -> Result<(), Trouble> {
        let to = self.wire.outgoing();
        let written = frontend::parse("", sql, [], to).and_then(|()| {
            values::bind("", "", &[], &[], &[], to).map_err(std::io::Error::other)?;
            frontend::execute("", 0, to)
        });
        written.map_err(|error| Trouble::Lost(error.to_string()))
    }

    /// Writes that the server is asked whether the transaction has written anything.
    pub(super) fn write_written(&mut self) -> Result<(), Trouble> {
        let to = self.wire.outgoing();
        let mut written = || {
            if !self.knows_written {
                frontend::close(b'S', WRITTEN, to)?;
                frontend::parse(WRITTEN, "SELECT pg_catalog.txid_current_if_assigned() IS NOT NULL", [], to)?;
            }
            values::bind("", WRITTEN, &[], &[], &[Form::Boolean], to).map_err(std::io::Error::other)?;
            frontend::execute("", 0, to)
        };
        written().map_err(|error| Trouble::Lost(error.to_string()))
    }

    /// Sends what is written, and takes the rows of the statement at this place, up to so many bytes; the row of the
    /// statement behind it says whether anything was written.
    pub(super) async fn fetch(
        &mut self,
        prepared: &Prepared,
        limits: PageLimits,
        at: usize,
        bytes_max: u64,
    ) -> Result<(Fetched, Answer), Trouble> {
        let mut fetched = Fetched::default();
        frontend::sync(self.wire.outgoing());
        let take = |of: usize, body: &_| {
            if of > at {
                fetched.has_written = values::read(body, &[Form::Boolean])? != [Value::Boolean(false)];
                return Ok(());
            }
            let row = values::read(body, &prepared.forms)?;
            let bytes = limits.row(&row)?;
            fetched.bytes += bytes;
            if fetched.bytes > bytes_max {
                return Err(Error::TooLarge(bytes_max));
            }
            fetched.rows.push((row, bytes));
            Ok(())
        };
        let answer = self.wire.ask(take).await?;
        // A statement that fails takes with it what is asked behind it.
        self.knows_written |= answer.ends.len() > at + 1;
        Ok((fetched, answer))
    }

    /// Sends what is written, and passes over rows.
    pub(super) async fn run(&mut self) -> Result<Answer, Trouble> {
        frontend::sync(self.wire.outgoing());
        self.wire.ask(|_, _| Ok(())).await
    }

    async fn columns(&mut self, answer: &Answer) -> Result<(Vec<Column>, Vec<Form>), Trouble> {
        let Some(described) = &answer.columns else { return Ok((Vec::new(), Vec::new())) };
        let (mut named, mut fields) = (Vec::new(), described.fields());
        while let Some(field) = fallible_next(&mut fields).map_err(|error| Trouble::Lost(error.to_string()))? {
            named.push((field.name().to_owned(), field.type_oid()));
        }
        self.learn(named.iter().map(|(_, oid)| *oid)).await?;
        let types = self.types.lock();
        let declared = |oid| values::known_name(oid).map(str::to_owned).or_else(|| Some(types.get(&oid)?.to_string()));
        let forms = named.iter().map(|(_, oid)| values::form(*oid)).collect();
        let columns = named.into_iter().map(|(name, oid)| Column { name, declared: declared(oid) }).collect();
        Ok((columns, forms))
    }

    /// Asks for the names of types that are not known.
    async fn learn(&mut self, oids: impl Iterator<Item = Oid>) -> Result<(), Trouble> {
        let unknown: Vec<Oid> = {
            let types = self.types.lock();
            oids.filter(|oid| values::known_name(*oid).is_none() && !types.contains_key(oid)).collect()
        };
        if unknown.is_empty() {
            return Ok(());
        }
        let asked: Vec<_> = unknown.iter().map(|oid| format!("pg_catalog.format_type({oid}, NULL)")).collect();
        let forms = vec![Form::Text; unknown.len()];
        let mut names = Vec::new();
        let sql = format!("SELECT {}", asked.join(", "));
        frontend::query(&sql, self.wire.outgoing()).map_err(|error| Trouble::Lost(error.to_string()))?;
        let take = |_, body: &_| {
            names = values::read(body, &forms)?;
            Ok(())
        };
        self.wire.ask(take).await?;
        let mut types = self.types.lock();
        if types.len() + unknown.len() > TYPES_MAX {
            types.clear();
        }
        for (oid, name) in unknown.into_iter().zip(names) {
            if let Value::Text(name) = name {
                types.insert(oid, name.into());
            }
        }
        Ok(())
    }
}
