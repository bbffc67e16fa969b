//! What a connection's thread does for whoever holds the connection.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use rusqlite::Connection;

use super::fault::{breaks, tell};
use super::guard::Guard;
use super::open::Role;
use super::statement::{Statement, Stop, booleans};
use super::watch::Watch;
use crate::backend::Query;
use crate::error::Error;
use crate::page::{Filling, Page, PageLimits};
use crate::value::{Column, Row};

/// How many statements a connection keeps prepared. The one that was not used for longest makes room.
const STATEMENTS_MAX: usize = 64;

/// A connection at work.
pub(super) struct Serving<'c> {
    pub(super) connection: &'c Connection,
    pub(super) guard: Guard,
    pub(super) watch: Arc<Watch>,
    pub(super) role: Role,
    prepared: HashMap<Arc<str>, (Statement<'c>, u64)>,
    uses: u64,
    cursors: HashMap<u64, Open<'c>>,
    next_cursor: u64,
    /// The connection has to be closed.
    pub(super) broken: bool,
}

/// An open result.
struct Open<'c> {
    statement: Statement<'c>,
    booleans: Vec<bool>,
    /// The row that came too late for the last page.
    pending: Option<(Row, u64)>,
    rows: u64,
    limits: PageLimits,
}

/// What is asked of a statement.
pub(super) struct Ask {
    pub(super) query: Arc<Query>,
    pub(super) until: Instant,
}

/// A query that was begun.
pub(super) struct Opened {
    pub(super) columns: Vec<Column>,
    pub(super) page: Page,
    /// Where the rest is; nothing, if the page is all.
    pub(super) cursor: Option<u64>,
}

impl<'c> Serving<'c> {
    pub(super) fn new(connection: &'c Connection, role: Role, guard: Guard, watch: Arc<Watch>) -> Self {
        let (prepared, cursors) = (HashMap::new(), HashMap::new());
        Self { connection, guard, watch, role, prepared, uses: 0, cursors, next_cursor: 0, broken: false }
    }

    /// Begins or ends a transaction, in the host's own name.
    pub(super) fn transact(&mut self, sql: &str) -> Result<(), Error> {
        if sql != "BEGIN" && sql != "BEGIN IMMEDIATE" {
            self.close_all();
        }
        let done = self.guard.own(|| self.connection.execute_batch(sql));
        let done = done.map_err(|error| self.fault(&Stop::Fault(error), u64::MAX));
        // A disk that fails while it writes may have written.
        if self.broken && sql == "COMMIT" { done.map_err(|_| Error::OutcomeUnknown) } else { done }
    }

    /// Nothing of what was done for one holder is left for the next.
    pub(super) fn clean(&mut self) {
        self.close_all();
        self.watch.disarm();
        if !self.connection.is_autocommit() && self.transact("ROLLBACK").is_err() {
            self.broken = true;
        }
    }

    /// Begins a query. Nothing: it writes, and this connection only reads.
    pub(super) fn open(&mut self, ask: &Ask, first: usize) -> Result<Option<Opened>, Error> {
        let length_max = ask.query.limits.row_bytes_max;
        self.limited(ask)?;
        let opened = self.try_open(ask, first);
        self.watch.disarm();
        opened.map_err(|stop| self.fault(&stop, length_max))
    }

    /// Carries a statement out, past its rows. Nothing: it writes, and this connection only reads.
    pub(super) fn execute(&mut self, ask: &Ask) -> Result<Option<u64>, Error> {
        self.limited(ask)?;
        let done = self.try_execute(ask);
        self.watch.disarm();
        let alone = self.role == Role::Write && self.connection.is_autocommit();
        let done = done.map_err(|stop| self.fault(&stop, ask.query.limits.row_bytes_max));
        // The same, for what commits by itself.
        if self.broken && alone { done.map_err(|_| Error::OutcomeUnknown) } else { done }
    }

    /// The next rows of a cursor.
    pub(super) fn fetch(&mut self, cursor: u64, rows_max: usize, until: Instant) -> Result<Page, Error> {
        let Some(mut open) = self.cursors.remove(&cursor) else {
            return Err(Error::Invalid("the cursor is closed".to_owned()));
        };
        self.watch.arm(until);
        let page = open.fill(rows_max);
        self.watch.disarm();
        let length_max = open.limits.row_bytes_max;
        let stays = page.as_ref().is_ok_and(|page| !page.done);
        if stays {
            self.cursors.insert(cursor, open);
        } else {
            self.keep(open.statement);
        }
        page.map_err(|stop| self.fault(&stop, length_max))
    }

    pub(super) fn close(&mut self, cursor: u64) {
        if let Some(open) = self.cursors.remove(&cursor) {
            self.keep(open.statement);
        }
    }

    fn try_open(&mut self, ask: &Ask, first: usize) -> Result<Option<Opened>, Stop> {
        let mut statement = self.prepare(&ask.query.sql)?;
        if self.role == Role::Read && !statement.only_reads() {
            self.keep(statement);
            return Ok(None);
        }
        if let Err(stop) = statement.bind(&ask.query.params) {
            self.keep(statement);
            return Err(stop);
        }
        let columns = statement.columns();
        let booleans = booleans(&columns);
        let mut open = Open { statement, booleans, pending: None, rows: 0, limits: ask.query.limits };
        let page = open.fill(first);
        let done = page.as_ref().map_or(true, |page| page.done);
        let cursor = if done {
            self.keep(open.statement);
            None
        } else {
            self.next_cursor += 1;
            self.cursors.insert(self.next_cursor, open);
            Some(self.next_cursor)
        };
        Ok(Some(Opened { columns, page: page?, cursor }))
    }

    fn try_execute(&mut self, ask: &Ask) -> Result<Option<u64>, Stop> {
        let mut statement = self.prepare(&ask.query.sql)?;
        if self.role == Role::Read && !statement.only_reads() {
            self.keep(statement);
            return Ok(None);
        }
        let done = statement.bind(&ask.query.params).and_then(|()| statement.run());
        let changed = if statement.counts && !statement.only_reads() { self.connection.changes() } else { 0 };
        self.keep(statement);
        done.map(|()| Some(changed))
    }

    /// The limits that SQLite itself keeps, and the time.
    fn limited(&mut self, ask: &Ask) -> Result<(), Error> {
        let set = self.guard.limit_length(self.connection, ask.query.limits.row_bytes_max);
        set.map_err(|error| self.fault(&Stop::Fault(error), u64::MAX))?;
        self.watch.arm(ask.until);
        Ok(())
    }

    fn prepare(&mut self, sql: &str) -> Result<Statement<'c>, Stop> {
        match self.prepared.remove(sql) {
            Some((statement, _)) => Ok(statement),
            None => Statement::prepare(self.connection, sql),
        }
    }

    /// Keeps a statement for the next who asks for the same.
    fn keep(&mut self, mut statement: Statement<'c>) {
        statement.reset();
        self.uses += 1;
        if self.prepared.len() >= STATEMENTS_MAX
            && let Some(oldest) =
                self.prepared.iter().min_by_key(|(_, (_, used))| *used).map(|(sql, _)| Arc::clone(sql))
        {
            self.prepared.remove(&oldest);
        }
        self.prepared.insert(Arc::clone(&statement.sql), (statement, self.uses));
    }

    fn close_all(&mut self) {
        let open: Vec<u64> = self.cursors.keys().copied().collect();
        for cursor in open {
            self.close(cursor);
        }
    }

    pub(super) fn fault(&mut self, stop: &Stop, length_max: u64) -> Error {
        match stop {
            Stop::Refused(error) => error.clone(),
            Stop::Fault(error) => {
                self.broken |= breaks(error);
                tell(error, || self.watch.why(), length_max)
            }
        }
    }
}

impl Open<'_> {
    /// Fills a page, and looks whether there is a row behind it.
    fn fill(&mut self, rows_max: usize) -> Result<Page, Stop> {
        let mut filling = Filling::new(rows_max, self.limits);
        loop {
            let (row, bytes) = match self.pending.take() {
                Some(pending) => pending,
                None => {
                    let Some(row) = self.statement.step(&self.booleans)? else {
                        return Ok(filling.finish(true));
                    };
                    self.rows += 1;
                    if self.rows > self.limits.result_rows_max {
                        return Err(Stop::Refused(Error::TooLarge(self.limits.result_rows_max)));
                    }
                    let bytes = self.limits.row(&row)?;
                    (row, bytes)
                }
            };
            if let Some(row) = filling.put(row, bytes) {
                self.pending = Some((row, bytes));
                return Ok(filling.finish(false));
            }
        }
    }
}
