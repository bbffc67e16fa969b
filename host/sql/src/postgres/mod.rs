//! The backend at a server: a bounded pool of connections, each cleaned before somebody else gets it.
//!
//! A statement outside of a transaction that gives rows has one of its own, so that its rows can come page by page; it is
//! committed with its first page if there are no more rows, or if it has written anything.

mod connection;
mod fault;
mod lease;
mod login;
mod migrate;
mod portal;
mod tls;
mod url;
mod values;
mod wire;
mod words;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use skep_types::clock::Clock;
use tokio::task::AbortHandle;
use tokio_rustls::TlsConnector;

pub(crate) use self::lease::Lease;

use self::connection::{Connection, Counted, TypeNames};
use self::fault::Trouble;
use self::lease::{GRACE, in_time};
use self::login::Key;
use self::url::{Address, Tls};
use self::wire::IDLE;
use self::words::allowed;
use crate::backend::{Alone, Begun, Query};
use crate::error::Error;
use crate::gate::Gate;
use crate::options::{Isolation, PostgresOptions, TransactionMode};
use crate::words::{first, may_read};

/// How long the host tries to say that it leaves, before it just closes the connection.
const FAREWELL_MAX: Duration = Duration::from_secs(5);

/// Connections to one database of a server.
pub(crate) struct Pool {
    address: Address,
    options: PostgresOptions,
    clock: Arc<dyn Clock>,
    tls: Option<TlsConnector>,
    gate: Gate,
    /// The one that was used last is at the end, and is used next.
    idle: Mutex<Vec<Idle>>,
    numbers: AtomicU64,
    connections: Arc<AtomicU64>,
    types: Arc<TypeNames>,
}

/// A connection that nobody holds, until it has been so for too long.
struct Idle {
    number: u64,
    connection: Connection,
    timer: AbortHandle,
}

impl Pool {
    pub(crate) fn new(options: PostgresOptions, clock: &Arc<dyn Clock>) -> Result<Arc<Self>, Error> {
        let address = Address::parse(&options.url)?;
        let tls = match &address.tls {
            Tls::Off => None,
            Tls::On(root) => Some(tls::connector(root.as_deref()).map_err(Error::Invalid)?),
        };
        let places = usize::try_from(options.connections.get()).unwrap_or(usize::MAX);
        Ok(Arc::new(Self {
            address,
            tls,
            clock: Arc::clone(clock),
            gate: Gate::new(places, options.waiting_max),
            idle: Mutex::new(Vec::new()),
            numbers: AtomicU64::new(0),
            connections: Arc::new(AtomicU64::new(0)),
            types: Arc::new(Mutex::new(HashMap::new())),
            options,
        }))
    }

    pub(crate) fn figures(&self) -> (u64, u64, u64) {
        (self.connections.load(Relaxed), self.gate.in_use(), self.gate.waiting())
    }

    pub(crate) async fn check(self: &Arc<Self>, alone: &Alone) -> Result<(), Error> {
        let (mut lease, until) = self.lease(alone).await?;
        in_time(lease.left(until), lease.say("SELECT 1")).await.map_err(Trouble::tell)?;
        Ok(())
    }

    pub(crate) async fn begin(self: &Arc<Self>, mode: TransactionMode, alone: &Alone) -> Result<Lease, Error> {
        let read_only = mode.read_only || alone.read_only;
        let isolation = match mode.isolation {
            // All that it reads is of one moment, which never conflicts as long as it only reads.
            Isolation::Default if mode.read_only => " ISOLATION LEVEL REPEATABLE READ",
            Isolation::Default => "",
            Isolation::RepeatableRead => " ISOLATION LEVEL REPEATABLE READ",
            Isolation::Serializable => " ISOLATION LEVEL SERIALIZABLE",
        };
        // Who may write gets what the role gets: the operator may have said that it only reads.
        let begin = format!("BEGIN{isolation}{}", if read_only { " READ ONLY" } else { "" });
        let (mut lease, mut until) = self.lease(alone).await?;
        let mut begun = in_time(lease.left(until), lease.say(&begin)).await;
        if begun.as_ref().is_err_and(|trouble| lease.was_dead(trouble)) {
            (lease, until) = self.lease_anew(lease, alone).await?;
            begun = in_time(lease.left(until), lease.say(&begin)).await;
        }
        begun.map_err(Trouble::tell)?;
        Ok(lease)
    }

    /// A query outside of a transaction. If there are more rows than the first page has, the connection stays with them.
    pub(crate) async fn query(
        self: &Arc<Self>,
        query: Arc<Query>,
        alone: Alone,
    ) -> Result<(Begun, Option<Lease>), Error> {
        allowed(&query.sql)?;
        let page_max = query.limits.rows_max;
        let begin = if alone.read_only { "BEGIN READ ONLY" } else { "BEGIN" };
        let writes = !alone.read_only && !may_read(&first(&query.sql));
        let watched = !alone.read_only && !writes;
        let query = if writes {
            // All of its rows are in the first page.
            let Query { sql, params, limits, .. } = &*query;
            Arc::new(Query { sql: sql.clone(), params: params.clone(), first: page_max, limits: *limits })
        } else {
            query
        };
        let (mut lease, mut until) = self.lease(&alone).await?;
        let mut begun = in_time(lease.left(until), lease.open_alone(&query, begin, watched)).await;
        if begun.as_ref().is_err_and(|trouble| lease.was_dead(trouble)) {
            // Whatever the statement is, it was not committed.
            (lease, until) = self.lease_anew(lease, &alone).await?;
            begun = in_time(lease.left(until), lease.open_alone(&query, begin, watched)).await;
        }
        let (mut begun, has_written) = begun.map_err(Trouble::tell)?;
        let Some(cursor) = begun.cursor else {
            if writes || has_written {
                lease.commit(until).await?;
            } else {
                lease.finish();
            }
            return Ok((begun, None));
        };
        if !writes && !has_written {
            return Ok((begun, Some(lease)));
        }
        // What was written is committed before anybody has seen a row of it, so all of them fit the page.
        let rest = if writes { None } else { Some(lease.fetch(cursor, page_max, until).await?) };
        match rest {
            Some(rest) if rest.done => begun.page.rows.extend(rest.rows),
            _ => return Err(Error::TooLarge(query.limits.bytes_max)),
        }
        (begun.cursor, begun.page.done) = (None, true);
        lease.commit(until).await?;
        Ok((begun, None))
    }

    /// A statement outside of a transaction.
    pub(crate) async fn execute(self: &Arc<Self>, query: Arc<Query>, alone: Alone) -> Result<u64, Error> {
        allowed(&query.sql)?;
        let around = alone.read_only.then_some(("BEGIN READ ONLY", "COMMIT"));
        let (mut lease, mut until) = self.lease(&alone).await?;
        let mut done = in_time(lease.left(until), lease.execute_alone(&query, around)).await;
        if alone.read_only && done.as_ref().is_err_and(|trouble| lease.was_dead(trouble)) {
            (lease, until) = self.lease_anew(lease, &alone).await?;
            done = in_time(lease.left(until), lease.execute_alone(&query, around)).await;
        }
        let only_reads = alone.read_only || may_read(&first(&query.sql));
        let done = done.map_err(if only_reads { Trouble::tell } else { Trouble::tell_commit })?;
        if done.status != IDLE {
            return Err(Error::Denied("the statement has begun a transaction: that is done by calls".to_owned()));
        }
        Ok(done.rows)
    }

    /// A connection, and when the statement has to end that it is for. The server may be silent from its first word on, which
    /// tells it how long a statement may take.
    async fn lease(self: &Arc<Self>, alone: &Alone) -> Result<(Lease, Instant), Error> {
        let place = self.gate.enter(alone.wait).await?;
        if let Some(mut connection) = self.take() {
            let until = alone.until();
            match in_time(self.left(until), connection.limit(alone.statement)).await {
                Ok(()) => return Ok((Lease::new(connection, place, self, true), until)),
                Err(late @ Trouble::Late) => return Err(late.tell()),
                Err(_) => self.idle.lock().clear(),
            }
        }
        let mut connection = self.connect().await?;
        let until = alone.until();
        in_time(self.left(until), connection.limit(alone.statement)).await.map_err(Trouble::tell)?;
        Ok((Lease::new(connection, place, self, false), until))
    }

    /// Another connection in place of one that was found dead; what is as old as that is dead too.
    async fn lease_anew(self: &Arc<Self>, dead: Lease, alone: &Alone) -> Result<(Lease, Instant), Error> {
        drop(dead);
        self.idle.lock().clear();
        self.lease(alone).await
    }

    /// A connection that nobody holds and that the server has not closed.
    fn take(&self) -> Option<Connection> {
        loop {
            let Idle { mut connection, timer, .. } = self.idle.lock().pop()?;
            timer.abort();
            if connection.wire.is_alive() {
                return Some(connection);
            }
        }
    }

    async fn connect(&self) -> Result<Connection, Error> {
        let connected = tokio::time::timeout(self.options.connect, login::connect(&self.address, self.tls.as_ref()));
        match connected.await {
            Ok(Ok((wire, key))) => Ok(Connection::new(wire, key, &self.types, Counted::new(&self.connections))),
            Ok(Err(why)) => Err(Error::Unavailable(format!("PostgreSQL: {why}"))),
            Err(_) => Err(Error::Unavailable("PostgreSQL does not answer".to_owned())),
        }
    }

    /// A connection comes back, clean.
    fn keep(self: &Arc<Self>, connection: Connection) {
        let number = self.numbers.fetch_add(1, Relaxed);
        let (home, idle): (Weak<Self>, _) = (Arc::downgrade(self), self.options.idle);
        let timer = tokio::spawn(async move {
            tokio::time::sleep(idle).await;
            let Some(home) = home.upgrade() else { return };
            let old = {
                let mut idle = home.idle.lock();
                let at = idle.iter().position(|idle| idle.number == number);
                at.map(|at| idle.remove(at).connection)
            };
            if let Some(old) = old {
                _ = tokio::time::timeout(FAREWELL_MAX, old.wire.leave()).await;
            }
        });
        self.idle.lock().push(Idle { number, connection, timer: timer.abort_handle() });
    }

    /// Interrupts what a connection does.
    async fn cancel(&self, key: Key) {
        let cancelled = login::cancel(&self.address, self.tls.as_ref(), key);
        if let Ok(Err(why)) = tokio::time::timeout(self.options.connect, cancelled).await {
            tracing::debug!(why, "PostgreSQL was not told to interrupt a statement; it ends with its own timeout");
        }
    }

    /// How long the server may be waited for.
    fn left(&self, until: Instant) -> Duration {
        until.saturating_duration_since(self.clock.now()) + GRACE
    }
}
