//! The backend in one file: a writer and some readers, each with a thread of its own.
//!
//! A statement outside of a transaction goes to a reader first, if it looks as if it only read; SQLite itself says whether it
//! does, and if not it goes to the writer. There is one writer of a file at a time, and a line before it.

mod fault;
mod functions;
mod guard;
mod lease;
mod migrate;
mod open;
mod serve;
mod statement;
mod watch;
mod worker;
mod writers;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use skep_types::clock::Clock;

pub(crate) use self::lease::Lease;

use self::open::Role;
use self::serve::{Ask, Opened};
use self::worker::Worker;
use crate::backend::{Alone, Begun, Query};
use crate::error::Error;
use crate::gate::{Gate, Place};
use crate::options::SqliteOptions;
use crate::page::Page;
use crate::words;

/// A file.
pub(crate) struct Sqlite {
    writer: Arc<Home>,
    readers: Arc<Home>,
    connections: Arc<AtomicU64>,
}

/// Where connections of one kind are while nobody holds them.
pub(crate) struct Home {
    options: Arc<SqliteOptions>,
    role: Role,
    clock: Arc<dyn Clock>,
    connections: Arc<AtomicU64>,
    gate: Gate,
    /// The one that was used last is at the end, and is used next.
    idle: Mutex<Vec<Worker>>,
}

impl Sqlite {
    pub(crate) fn new(options: SqliteOptions, clock: &Arc<dyn Clock>) -> Self {
        let connections = Arc::new(AtomicU64::new(0));
        let options = Arc::new(options);
        let home = |role, gate| {
            Arc::new(Home {
                role,
                clock: Arc::clone(clock),
                connections: Arc::clone(&connections),
                gate,
                idle: Mutex::new(Vec::new()),
                options: Arc::clone(&options),
            })
        };
        let writer = home(Role::Write, Gate::before(writers::place(&options.path), options.waiting_max));
        let readers = home(Role::Read, Gate::new(options.readers.get(), options.waiting_max));
        Self { writer, readers, connections }
    }

    pub(crate) fn figures(&self) -> (u64, u64, u64) {
        let of = |figure: fn(&Gate) -> u64| figure(&self.writer.gate) + figure(&self.readers.gate);
        (self.connections.load(Relaxed), of(Gate::in_use), of(Gate::waiting))
    }

    pub(crate) async fn check(&self, wait: Duration) -> Result<(), Error> {
        // The writer makes the file.
        let mut lease = self.writer.lease(wait).await?;
        lease.ask(|serving| serving.transact("BEGIN; SELECT count(*) FROM sqlite_schema; ROLLBACK")).await
    }

    pub(crate) async fn begin(&self, read_only: bool, wait: Duration) -> Result<Lease, Error> {
        let (home, begin) = if read_only { (&self.readers, "BEGIN") } else { (&self.writer, "BEGIN IMMEDIATE") };
        let mut lease = home.lease(wait).await?;
        lease.ask(move |serving| serving.transact(begin)).await?;
        Ok(lease)
    }

    /// A query outside of a transaction. If there are more rows than the first page has, the connection stays with them.
    pub(crate) async fn query(&self, query: Arc<Query>, alone: Alone) -> Result<(Begun, Option<Lease>), Error> {
        if alone.read_only || words::may_read(&words::first(&query.sql)) {
            let lease = self.readers.lease(alone.wait).await?;
            let (ask, first) = (ask(&query, alone.until()), query.first);
            let has_more = |opened: &Option<Opened>| opened.as_ref().is_some_and(|opened| opened.cursor.is_some());
            if let (Some(opened), lease) = lease.ask_once(has_more, move |serving| serving.open(&ask, first)).await? {
                return Ok((opened.into(), lease));
            }
            if alone.read_only {
                return Err(only_reads());
            }
        }
        let lease = self.writer.lease(alone.wait).await?;
        let (ask, page_max) = (ask(&query, alone.until()), query.limits.rows_max);
        let (opened, _) = lease
            .ask_once(never, move |serving| {
                serving.transact("BEGIN IMMEDIATE")?;
                let bytes_max = ask.query.limits.bytes_max;
                let opened = serving.open(&ask, page_max)?.ok_or_else(only_reads)?;
                if opened.cursor.is_some() {
                    // It is undone before the connection is given back.
                    return Err(Error::TooLarge(bytes_max));
                }
                serving.transact("COMMIT")?;
                Ok(opened)
            })
            .await?;
        Ok((opened.into(), None))
    }

    /// A statement outside of a transaction.
    pub(crate) async fn execute(&self, query: Arc<Query>, alone: Alone) -> Result<u64, Error> {
        if alone.read_only || words::may_read(&words::first(&query.sql)) {
            let lease = self.readers.lease(alone.wait).await?;
            let ask = ask(&query, alone.until());
            if let (Some(changed), _) = lease.ask_once(never, move |serving| serving.execute(&ask)).await? {
                return Ok(changed);
            }
            if alone.read_only {
                return Err(only_reads());
            }
        }
        let lease = self.writer.lease(alone.wait).await?;
        let ask = ask(&query, alone.until());
        let (changed, _) = lease.ask_once(never, move |serving| serving.execute(&ask)).await?;
        changed.ok_or_else(only_reads)
    }
}

/// The connection is not kept.
fn never<T>(_: &T) -> bool {
    false
}

impl Home {
    async fn lease(self: &Arc<Self>, wait: Duration) -> Result<Lease, Error> {
        let place = self.gate.enter(wait).await?;
        let idle = self.idle.lock().pop();
        let worker = match idle {
            Some(worker) => worker,
            None => self.start()?,
        };
        Ok(Lease::new(worker, place, self))
    }

    fn start(&self) -> Result<Worker, Error> {
        Worker::start(&self.options, self.role, &self.clock, &self.connections)
    }

    fn give_back(&self, worker: Worker, place: Place) {
        self.idle.lock().push(worker);
        drop(place);
    }
}

impl Lease {
    pub(crate) async fn open(&mut self, query: Arc<Query>, until: Instant) -> Result<Begun, Error> {
        let (ask, first) = (ask(&query, until), query.first);
        let opened = self.ask(move |serving| serving.open(&ask, first)).await?;
        opened.map(Begun::from).ok_or_else(only_reads)
    }

    pub(crate) async fn execute(&mut self, query: Arc<Query>, until: Instant) -> Result<u64, Error> {
        let ask = ask(&query, until);
        let changed = self.ask(move |serving| serving.execute(&ask)).await?;
        changed.ok_or_else(only_reads)
    }

    pub(crate) async fn fetch(&mut self, cursor: u64, rows_max: usize, until: Instant) -> Result<Page, Error> {
        self.ask(move |serving| serving.fetch(cursor, rows_max, until)).await
    }

    pub(crate) async fn close(&mut self, cursor: u64) {
        // It fails only if the connection does, which the next question tells.
        _ = self
            .ask(move |serving| {
                serving.close(cursor);
                Ok(())
            })
            .await;
    }

    pub(crate) async fn commit(&mut self) -> Result<(), Error> {
        self.ask(|serving| serving.transact("COMMIT")).await
    }

    pub(crate) async fn rollback(&mut self) -> Result<(), Error> {
        self.ask(|serving| serving.transact("ROLLBACK")).await
    }
}

impl From<Opened> for Begun {
    fn from(opened: Opened) -> Self {
        Self { columns: opened.columns, page: opened.page, cursor: opened.cursor }
    }
}

fn ask(query: &Arc<Query>, until: Instant) -> Ask {
    Ask { query: Arc::clone(query), until }
}

fn only_reads() -> Error {
    Error::Denied("the statement writes, and this session or transaction only reads".to_owned())
}
