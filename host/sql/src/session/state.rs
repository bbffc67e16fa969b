//! What a session holds, and for how long.

use std::collections::HashMap;
use std::sync::Weak;
use std::time::{Duration, Instant};

use tokio::task::AbortHandle;

use super::inner::Inner;
use crate::backend::Lease;
use crate::error::Error;

#[derive(Default)]
pub(super) struct State {
    pub(super) transaction: Transaction,
    /// Where the rows of each cursor are.
    pub(super) cursors: HashMap<u64, Source>,
    numbers: u64,
}

#[derive(Default)]
pub(super) enum Transaction {
    #[default]
    None,
    Running(Held),
    /// It was undone because of this, and has to be left.
    Failed(Error),
}

pub(super) enum Source {
    /// The cursor of this number of the transaction's connection.
    Transaction(u64),
    /// A cursor of this number with a connection of its own.
    Own(Held, u64),
}

/// A connection, until it has been held for too long.
pub(super) struct Held {
    pub(super) lease: Lease,
    pub(super) until: Instant,
    number: u64,
    _watchdog: Watchdog,
}

struct Watchdog(AbortHandle);

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl State {
    pub(super) fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// Takes the running transaction for as long as something is done with it. Whoever gives up meanwhile has undone it.
    pub(super) fn take_running(&mut self) -> Option<Held> {
        let given_up = || Error::Unavailable("an earlier statement was given up while it worked".to_owned());
        match std::mem::take(&mut self.transaction) {
            Transaction::Running(held) => {
                self.transaction = Transaction::Failed(given_up());
                Some(held)
            }
            other => {
                self.transaction = other;
                None
            }
        }
    }

    /// What [`take_running`](Self::take_running) took, after something was done with it.
    pub(super) fn settle<T>(&mut self, held: Held, done: Result<T, Error>) -> Result<T, Error> {
        match &done {
            Ok(_) => self.transaction = Transaction::Running(held),
            Err(error) => self.fail(error),
        }
        done
    }

    fn fail(&mut self, error: &Error) {
        self.transaction = Transaction::Failed(error.clone());
        self.cursors.retain(|_, source| matches!(source, Source::Own(..)));
    }

    /// Undoes what is held for too long.
    fn expire(&mut self, number: u64) {
        if matches!(&self.transaction, Transaction::Running(held) if held.number == number) {
            self.fail(&Error::Timeout);
        }
        self.cursors.retain(|_, source| !matches!(source, Source::Own(held, _) if held.number == number));
    }
}

impl Held {
    /// Holds a connection, which a task takes away in the end.
    pub(super) fn new(lease: Lease, session: Weak<Inner>, number: u64, now: Instant, most: Duration) -> Self {
        let task = tokio::spawn(async move {
            tokio::time::sleep(most).await;
            if let Some(session) = session.upgrade() {
                // Whoever has it now does so for no longer than a statement may work.
                session.state.lock().await.expire(number);
            }
        });
        Self { lease, until: now + most, number, _watchdog: Watchdog(task.abort_handle()) }
    }
}
