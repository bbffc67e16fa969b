//! What a session does, one thing at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::MutexGuard;

use super::state::{Held, Source, State, Transaction};
use crate::backend::{Alone, Begun, Lease, Query};
use crate::check;
use crate::cursor::{Cursor, Rest, closed};
use crate::database::Shared;
use crate::error::Error;
use crate::options::{Access, SessionLimits, TransactionMode};
use crate::page::{Page, PageLimits};
use crate::value::Value;

/// Cursors know it weakly, so that the session's drop ends all.
pub(crate) struct Inner {
    pub(super) shared: Arc<Shared>,
    access: Access,
    limits: SessionLimits,
    pub(super) state: tokio::sync::Mutex<State>,
    in_transaction: AtomicBool,
    /// Cursors that were dropped, of which the state still knows: there are no more of them than cursors.
    abandoned: Mutex<Vec<u64>>,
}

impl Inner {
    pub(super) fn new(shared: Arc<Shared>, access: Access, limits: SessionLimits) -> Self {
        let state = tokio::sync::Mutex::new(State::default());
        let (in_transaction, abandoned) = (AtomicBool::new(false), Mutex::new(Vec::new()));
        Self { shared, access, limits, state, in_transaction, abandoned }
    }

    pub(super) fn in_transaction(&self) -> bool {
        self.in_transaction.load(Relaxed)
    }

    pub(super) async fn query(self: &Arc<Self>, sql: &str, params: Vec<Value>, first: usize) -> Result<Cursor, Error> {
        let mut state = self.lock().await;
        let asked = self.asked(sql, params, first);
        let room = check::within(state.cursors.len() + 1, self.limits.cursors_max.max(1) as u64);
        let asked = room.and(asked);
        let (begun, source) = match state.take_running() {
            Some(mut held) => {
                let begun = match asked {
                    Ok(asked) => held.lease.open(asked, self.until(held.until)).await,
                    Err(error) => Err(error),
                };
                let begun = state.settle(held, begun)?;
                let source = begun.cursor.map(Source::Transaction);
                (begun, source)
            }
            None => {
                if let Transaction::Failed(error) = &state.transaction {
                    return Err(error.clone());
                }
                let (begun, lease) = self.shared.backend.query(asked?, self.alone()).await?;
                let source = lease.zip(begun.cursor).map(|(lease, cursor)| {
                    let number = state.number();
                    Source::Own(self.held(lease, number), cursor)
                });
                (begun, source)
            }
        };
        let Begun { columns, page, .. } = begun;
        self.shared.counts.rows(page.rows.len());
        let rest = source.map(|source| {
            let number = state.number();
            state.cursors.insert(number, source);
            Rest { session: Arc::downgrade(self), number }
        });
        Ok(Cursor::new(columns, page.rows, rest))
    }

    pub(super) async fn execute(&self, sql: &str, params: Vec<Value>) -> Result<u64, Error> {
        let mut state = self.lock().await;
        let asked = self.asked(sql, params, 1);
        if let Some(mut held) = state.take_running() {
            let done = match asked {
                Ok(asked) => held.lease.execute(asked, self.until(held.until)).await,
                Err(error) => Err(error),
            };
            return state.settle(held, done);
        }
        if let Transaction::Failed(error) = &state.transaction {
            return Err(error.clone());
        }
        self.shared.backend.execute(asked?, self.alone()).await
    }

    pub(crate) async fn fetch(&self, number: u64, rows_max: usize) -> Result<Page, Error> {
        self.shared.counted(self.try_fetch(number, rows_max)).await
    }

    async fn try_fetch(&self, number: u64, rows_max: usize) -> Result<Page, Error> {
        let mut state = self.lock().await;
        let page = match state.cursors.remove(&number) {
            None => {
                return match &state.transaction {
                    Transaction::Failed(error) => Err(error.clone()),
                    Transaction::None | Transaction::Running(_) => Err(closed()),
                };
            }
            Some(Source::Transaction(cursor)) => {
                let mut held = state.take_running().ok_or_else(closed)?;
                let page = held.lease.fetch(cursor, rows_max, self.until(held.until)).await;
                let page = state.settle(held, page)?;
                if !page.done {
                    state.cursors.insert(number, Source::Transaction(cursor));
                }
                page
            }
            Some(Source::Own(mut held, cursor)) => {
                let until = self.until(held.until);
                let page = held.lease.fetch(cursor, rows_max, until).await?;
                if page.done {
                    held.lease.finish();
                } else {
                    state.cursors.insert(number, Source::Own(held, cursor));
                }
                page
            }
        };
        self.shared.counts.rows(page.rows.len());
        Ok(page)
    }

    pub(super) async fn begin(self: &Arc<Self>, mode: TransactionMode) -> Result<(), Error> {
        let mut state = self.lock().await;
        if !matches!(state.transaction, Transaction::None) {
            return Err(Error::Invalid("there is a transaction already: commit it or roll it back first".to_owned()));
        }
        state.cursors.clear();
        let lease = self.shared.backend.begin(mode, &self.alone()).await?;
        let number = state.number();
        state.transaction = Transaction::Running(self.held(lease, number));
        self.in_transaction.store(true, Relaxed);
        self.shared.counts.transaction();
        Ok(())
    }

    pub(super) async fn commit(&self) -> Result<(), Error> {
        let mut state = self.lock().await;
        let (lease, until) = self.leave(&mut state)??;
        lease.commit(until).await
    }

    pub(super) async fn rollback(&self) -> Result<(), Error> {
        let mut state = self.lock().await;
        match self.leave(&mut state)? {
            Ok((lease, until)) => lease.rollback(until).await,
            Err(_) => Ok(()),
        }
    }

    /// Takes the transaction out of the session; or what it failed for.
    fn leave(&self, state: &mut State) -> Result<Result<(Lease, Instant), Error>, Error> {
        state.cursors.clear();
        self.in_transaction.store(false, Relaxed);
        match std::mem::take(&mut state.transaction) {
            Transaction::None => Err(Error::Invalid("there is no transaction".to_owned())),
            Transaction::Failed(error) => Ok(Err(error)),
            Transaction::Running(held) => {
                let until = self.alone().until();
                Ok(Ok((held.lease, until)))
            }
        }
    }

    /// A cursor was dropped.
    pub(crate) fn abandon(&self, number: u64) {
        let Ok(mut state) = self.state.try_lock() else {
            self.abandoned.lock().push(number);
            return;
        };
        // One of a transaction is closed when the connection is asked for something the next time.
        match state.cursors.remove(&number) {
            Some(Source::Transaction(cursor)) => {
                state.cursors.insert(number, Source::Transaction(cursor));
                self.abandoned.lock().push(number);
            }
            Some(Source::Own(..)) | None => {}
        }
    }

    async fn lock(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().await;
        let abandoned = std::mem::take(&mut *self.abandoned.lock());
        for number in abandoned {
            if let Some(Source::Transaction(cursor)) = state.cursors.remove(&number)
                && let Some(mut held) = state.take_running()
            {
                held.lease.close(cursor).await;
                state.transaction = Transaction::Running(held);
            }
        }
        state
    }

    fn asked(&self, sql: &str, params: Vec<Value>, first: usize) -> Result<Arc<Query>, Error> {
        check::statement(sql, &params, &self.limits)?;
        Ok(Arc::new(Query { sql: sql.to_owned(), params, first, limits: PageLimits::of(&self.limits) }))
    }

    fn alone(&self) -> Alone {
        Alone {
            read_only: self.access.read_only,
            wait: self.limits.wait,
            statement: self.limits.statement,
            clock: Arc::clone(&self.shared.clock),
        }
    }

    /// When a statement has to end that begins now, on a connection that is held until then.
    fn until(&self, held: Instant) -> Instant {
        self.alone().until().min(held)
    }

    fn held(self: &Arc<Self>, lease: Lease, number: u64) -> Held {
        Held::new(lease, Arc::downgrade(self), number, self.shared.clock.now(), self.limits.transaction)
    }
}
