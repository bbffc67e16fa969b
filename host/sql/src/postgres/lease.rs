//! A connection that is held.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use postgres_protocol::message::frontend;

use super::Pool;
use super::connection::Connection;
use super::fault::Trouble;
use super::portal::{Portal, still_in_transaction};
use super::wire::End;
use super::words::allowed;
use crate::backend::{Begun, Query};
use crate::error::Error;
use crate::gate::Place;
use crate::page::Page;

/// By how much the host waits longer than the server should work, before it takes the connection for lost.
pub(super) const GRACE: Duration = Duration::from_millis(500);
/// How long cleaning a connection may take, before it is closed instead.
const CLEAN_MAX: Duration = Duration::from_secs(5);

/// A connection that is held. Its drop interrupts what it does, undoes what is not committed, and gives it back.
pub(crate) struct Lease {
    held: Option<(Connection, Place)>,
    home: Arc<Pool>,
    cursors: HashMap<u64, Portal>,
    numbers: u64,
    /// What has only read is committed when the connection is cleaned: nobody has to wait for that.
    only_read: bool,
    /// Somebody has had the connection before: it may be found dead.
    is_old: bool,
}

impl Lease {
    pub(super) fn new(connection: Connection, place: Place, home: &Arc<Pool>, is_old: bool) -> Self {
        let (held, home) = (Some((connection, place)), Arc::clone(home));
        Self { held, home, cursors: HashMap::new(), numbers: 0, only_read: false, is_old }
    }

    /// Whether the connection had died before anything was asked over it, as far as that can be known.
    pub(super) fn was_dead(&self, trouble: &Trouble) -> bool {
        self.is_old && matches!(trouble, Trouble::Lost(_) | Trouble::Ended(_))
    }

    pub(super) fn connection(&mut self) -> Result<&mut Connection, Trouble> {
        match &mut self.held {
            Some((connection, _)) if connection.wire.is_clean() => Ok(connection),
            _ => Err(Trouble::Lost("an earlier statement was given up while it worked".to_owned())),
        }
    }

    /// How long the server may be waited for.
    pub(super) fn left(&self, until: Instant) -> Duration {
        self.home.left(until)
    }

    /// Begins a query, in a transaction that is begun with it or that is there. Answers whether it has written anything, if
    /// that is watched.
    pub(super) async fn try_open(
        &mut self,
        query: &Query,
        begin: Option<&str>,
        watched: bool,
    ) -> Result<(Begun, bool), Trouble> {
        self.numbers += 1;
        let number = self.numbers;
        let connection = self.connection()?;
        connection.wire.row_bytes_max = usize::try_from(query.limits.row_bytes_max).unwrap_or(usize::MAX);
        let prepared = connection.prepare(&query.sql).await?;
        if let Some(begin) = begin {
            connection.write_own(begin)?;
        }
        let columns = prepared.columns.clone();
        let mut portal = Portal::new(format!("c{number}"), prepared, query.limits, watched);
        let page = portal.begin(connection, usize::from(begin.is_some()), &query.params, query.first).await?;
        let cursor = (!page.done).then_some(number);
        let has_written = portal.has_written.take().unwrap_or(false);
        if cursor.is_some() {
            self.cursors.insert(number, portal);
        }
        Ok((Begun { columns, page, cursor }, has_written))
    }

    /// Carries a statement out, between what comes before it and behind it.
    pub(super) async fn try_execute(&mut self, query: &Query, around: Option<(&str, &str)>) -> Result<Done, Trouble> {
        let connection = self.connection()?;
        let prepared = connection.prepare(&query.sql).await.map_err(Trouble::before)?;
        if let Some((before, _)) = around {
            connection.write_own(before)?;
        }
        connection.write_execute("", &prepared, &query.params, 0)?;
        if let Some((_, behind)) = around {
            connection.write_own(behind)?;
        }
        let answer = connection.run().await?;
        let rows = answer.ends.get(usize::from(around.is_some())).map_or(0, rows_affected);
        Ok(Done { rows, status: answer.status })
    }

    pub(super) async fn try_fetch(&mut self, cursor: u64, rows_max: usize) -> Result<Page, Trouble> {
        let closed = || Trouble::Refused(Error::Invalid("the cursor is closed".to_owned()));
        let mut portal = self.cursors.remove(&cursor).ok_or_else(closed)?;
        let page = portal.next(self.connection()?, rows_max).await?;
        if !page.done {
            self.cursors.insert(cursor, portal);
        }
        Ok(page)
    }

    /// Forgets what the server prepared for a statement that is out of date, and leaves the transaction that failed for it.
    async fn begin_anew(&mut self, sql: &str) -> Result<(), Trouble> {
        let connection = self.connection()?;
        connection.forget(sql)?;
        connection.wire.say("ROLLBACK").await.map(|_| ())
    }

    /// [`try_open`](Self::try_open), once more if what was prepared is out of date.
    pub(super) async fn open_alone(
        &mut self,
        query: &Query,
        begin: &str,
        watched: bool,
    ) -> Result<(Begun, bool), Trouble> {
        match self.try_open(query, Some(begin), watched).await {
            Err(Trouble::Server(error)) if error.is_stale() => {
                self.begin_anew(&query.sql).await?;
                self.try_open(query, Some(begin), watched).await
            }
            other => other,
        }
    }

    /// [`try_execute`](Self::try_execute), once more if what was prepared is out of date.
    pub(super) async fn execute_alone(&mut self, query: &Query, around: Option<(&str, &str)>) -> Result<Done, Trouble> {
        match self.try_execute(query, around).await {
            Err(Trouble::Server(error)) if error.is_stale() => {
                self.begin_anew(&query.sql).await?;
                self.try_execute(query, around).await
            }
            other => other,
        }
    }

    pub(super) async fn say(&mut self, sql: &str) -> Result<u8, Trouble> {
        Ok(self.connection()?.wire.say(sql).await?.status)
    }
}

/// What came of a statement.
pub(super) struct Done {
    pub(super) rows: u64,
    pub(super) status: u8,
}

/// What a transaction does with its connection.
impl Lease {
    pub(crate) async fn open(&mut self, query: Arc<Query>, until: Instant) -> Result<Begun, Error> {
        allowed(&query.sql)?;
        let opened = in_time(self.left(until), self.try_open(&query, None, false)).await;
        opened.map(|(begun, _)| begun).map_err(Trouble::tell)
    }

    pub(crate) async fn execute(&mut self, query: Arc<Query>, until: Instant) -> Result<u64, Error> {
        allowed(&query.sql)?;
        let done = in_time(self.left(until), self.try_execute(&query, None)).await;
        let done = done.and_then(|done| still_in_transaction(done.status).map(|()| done.rows));
        done.map_err(Trouble::tell)
    }

    pub(crate) async fn fetch(&mut self, cursor: u64, rows_max: usize, until: Instant) -> Result<Page, Error> {
        in_time(self.left(until), self.try_fetch(cursor, rows_max)).await.map_err(Trouble::tell)
    }

    /// The server forgets the cursor with the next question.
    pub(crate) fn close(&mut self, cursor: u64) {
        if let Some(portal) = self.cursors.remove(&cursor)
            && let Ok(connection) = self.connection()
        {
            _ = frontend::close(b'P', &portal.name, connection.wire.outgoing());
        }
    }

    pub(crate) async fn commit(&mut self, until: Instant) -> Result<(), Error> {
        let left = self.left(until);
        let connection = self.connection().map_err(Trouble::tell)?;
        let answer = in_time(left, connection.wire.say("COMMIT")).await.map_err(Trouble::tell_commit)?;
        if matches!(answer.ends.as_slice(), [End::Complete(tag)] if tag == "COMMIT") {
            return Ok(());
        }
        Err(Error::Invalid("the transaction was undone: a statement in it had failed".to_owned()))
    }

    /// What was done has only read, and is over.
    pub(crate) fn finish(mut self) {
        self.only_read = true;
    }

    pub(crate) async fn rollback(&mut self, until: Instant) -> Result<(), Error> {
        // What cannot be said any more is done by the server itself, when the connection ends.
        _ = in_time(self.left(until), self.say("ROLLBACK")).await;
        Ok(())
    }
}

/// Does something with the server, for so long. What is late is interrupted when the lease is dropped.
pub(super) async fn in_time<T>(left: Duration, work: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
    tokio::time::timeout(left, work).await.unwrap_or(Err(Trouble::Late))
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some((mut connection, place)) = self.held.take() else { return };
        // Without a runtime the connection is closed, and the server undoes what was not committed.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let home = Arc::clone(&self.home);
        let end = if self.only_read { "COMMIT" } else { "ROLLBACK" };
        runtime.spawn(async move {
            if connection.wire.is_clean() {
                if let Ok(Ok(())) = tokio::time::timeout(CLEAN_MAX, connection.clean(end)).await {
                    home.keep(connection);
                }
            } else {
                home.cancel(connection.key).await;
            }
            drop(place);
        });
    }
}

/// `INSERT 0 3` has inserted three.
fn rows_affected(end: &End) -> u64 {
    let End::Complete(tag) = end else { return 0 };
    let mut words = tag.split(' ');
    let changes = matches!(words.next(), Some("INSERT" | "UPDATE" | "DELETE" | "MERGE"));
    words.next_back().filter(|_| changes).and_then(|count| count.parse().ok()).unwrap_or(0)
}
