//! The one thread that writes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::checkpoint::Checkpoints;
use super::fault::{breaks, explain, is_full, is_locked};
use super::open;
use super::operation::{End, Operation};
use super::options::SqliteOptions;
use super::state::State;
use super::tx::{Effects, Quotas, Tx};
use super::write::{dependants, outbox, trim};
use crate::error::Error;
use crate::queue::{Queue, Taken};
use crate::store::{Changes, Observer};

/// Messages that were told stay in the outbox until the next group; until this much later if none comes.
const TIDY_AFTER: Duration = Duration::from_millis(200);
/// How long a broken file is left alone before it is opened again; doubled each time.
const RETRY_FIRST: Duration = Duration::from_millis(50);
/// The longest such time.
const RETRY_MAX: Duration = Duration::from_secs(5);

/// What the writer shares with the handle and the readers.
pub(super) struct Shared {
    pub(super) options: SqliteOptions,
    pub(super) queue: Queue<Box<dyn Operation>>,
    pub(super) quotas: Quotas,
    /// Grows when connections are not to be relied on any more.
    pub(super) generation: AtomicU64,
}

/// The thread's own.
pub(super) struct Writer {
    shared: Arc<Shared>,
    observer: Arc<dyn Observer>,
    connection: Option<Connection>,
    checkpoints: Checkpoints,
    broken: Option<Broken>,
    state: State,
    /// Rows of the outbox that were told: the first, and the one behind the last.
    told: Vec<(u64, u64)>,
    unresolved: bool,
    /// The last transaction was undone: what is to be done unasked waits a little.
    stalled: bool,
}

struct Broken {
    since: Instant,
    wait: Duration,
    reason: Error,
}

/// What happened to a transaction that failed.
enum Failed {
    /// It was undone.
    Undone(rusqlite::Error),
    /// It may be there.
    Unknown(rusqlite::Error),
}

impl Writer {
    pub(super) fn new(
        shared: Arc<Shared>,
        observer: Arc<dyn Observer>,
        mut connection: Connection,
        checkpoints: Checkpoints,
    ) -> rusqlite::Result<Self> {
        checkpoints.watch(&mut connection)?;
        Ok(Self {
            shared,
            observer,
            connection: Some(connection),
            checkpoints,
            broken: None,
            state: State::default(),
            told: Vec::new(),
            unresolved: true,
            stalled: false,
        })
    }

    /// Tells what a crash left in the outbox, before anything else is written; `reopened`: or a disk that failed.
    pub(super) fn tell_left(&mut self, reopened: bool) -> rusqlite::Result<()> {
        let Some(connection) = &self.connection else { return Ok(()) };
        let outbox::Left { publishes, rows } = outbox::left(connection, &self.told)?;
        self.told.extend(rows);
        if reopened || !publishes.is_empty() {
            self.tell(Changes { publishes, reopened, ..Changes::default() });
        }
        Ok(())
    }

    /// Works until the queue is closed and empty. Others let go of the file when they are told to, and it is the last.
    pub(super) fn run(self, others_end: impl FnOnce()) {
        let over = Over(Arc::clone(&self.shared));
        self.work(others_end);
        drop(over);
    }

    fn work(mut self, others_end: impl FnOnce()) {
        loop {
            match self.shared.queue.take(self.patience()) {
                Taken::Group(group) => {
                    if self.mend() {
                        self.group(group);
                    } else {
                        self.refuse(group);
                    }
                    if let Some(connection) = &self.connection {
                        self.checkpoints.look(connection);
                    }
                }
                Taken::Idle => {
                    if self.mend() && (self.unresolved || !self.told.is_empty()) {
                        self.group(Vec::new());
                    }
                }
                Taken::Closed => break,
            }
        }
        // What was told need not be told again when it opens next.
        if self.connection.is_some() && !self.told.is_empty() {
            self.group(Vec::new());
        }
        drop(self.checkpoints);
        others_end();
    }

    /// How long to wait for something to do.
    fn patience(&self) -> Option<Duration> {
        match &self.broken {
            Some(broken) if self.connection.is_none() => Some(broken.wait.saturating_sub(broken.since.elapsed())),
            _ if self.unresolved && !self.stalled => Some(Duration::ZERO),
            _ => (self.unresolved || !self.told.is_empty()).then_some(TIDY_AFTER),
        }
    }

    /// Carries a group out and answers it.
    fn group(&mut self, mut group: Vec<Box<dyn Operation>>) {
        let ended = self.transact(&mut group);
        self.stalled = ended.is_err();
        match ended {
            Ok(()) => self.answer(group, &End::Durable),
            Err(Failed::Unknown(error)) => {
                self.break_off(&error);
                self.answer(group, &End::Unknown);
            }
            Err(Failed::Undone(error)) if breaks(&error) => {
                let reason = self.break_off(&error);
                self.answer(group, &End::Undone(reason));
            }
            Err(Failed::Undone(error)) if group.len() <= 1 || is_locked(&error) || self.connection.is_none() => {
                let reason = Error::Unavailable(explain(&error));
                self.answer(group, &End::Undone(reason));
            }
            // One of them is too much; the others need not suffer for it.
            Err(Failed::Undone(_)) => group.into_iter().for_each(|one| {
                if self.connection.is_some() {
                    self.group(vec![one]);
                } else {
                    self.refuse(vec![one]);
                }
            }),
        }
    }

    /// One transaction, made durable, and told.
    fn transact(&mut self, group: &mut [Box<dyn Operation>]) -> Result<(), Failed> {
        let Some(connection) = &self.connection else {
            return Err(Failed::Undone(rusqlite::Error::InvalidQuery));
        };
        let mut effects = Effects::default();
        let done =
            carry_out(connection, &mut self.state, &mut effects, &self.shared, group, &self.told, self.unresolved);
        let failed = match done {
            Ok(()) => match connection.prepare_cached("COMMIT").and_then(|mut commit| commit.execute([])) {
                Ok(_) => None,
                // Where there was no room, its last page was not written, and without that it is not there.
                Err(error) if is_full(&error) => Some(Failed::Undone(error)),
                Err(error) => Some(Failed::Unknown(error)),
            },
            Err(error) => Some(Failed::Undone(error)),
        };
        if let Some(failed) = failed {
            self.state.forget();
            let stuck = !connection.is_autocommit() && connection.execute_batch("ROLLBACK").is_err();
            if stuck {
                let (Failed::Undone(error) | Failed::Unknown(error)) = &failed;
                self.break_off(error);
            }
            return Err(failed);
        }
        // Only now is it known to work again.
        self.broken = None;
        self.told.clear();
        self.told.extend(effects.outbox);
        self.unresolved = effects.unresolved;
        if let Some(changes) = effects.into_changes(&self.state) {
            self.tell(changes);
        }
        Ok(())
    }

    fn tell(&self, changes: Changes) {
        let observer = &self.observer;
        if catch_unwind(AssertUnwindSafe(|| observer.changed(changes))).is_err() {
            tracing::error!("the store's observer panicked; what it was told is lost");
        }
    }

    fn answer(&self, group: Vec<Box<dyn Operation>>, end: &End) {
        let more: Vec<_> = group.into_iter().filter_map(|operation| operation.answer(end)).collect();
        if !more.is_empty() {
            self.shared.queue.put_back(more);
        }
    }

    fn refuse(&self, group: Vec<Box<dyn Operation>>) {
        let reason = self.broken.as_ref().map(|broken| broken.reason.clone());
        let reason = reason.unwrap_or_else(|| Error::Unavailable("the file is not open".to_owned()));
        self.answer(group, &End::Undone(reason));
    }

    /// Lets go of the connection: a disk that failed once may have forgotten what it was given.
    fn break_off(&mut self, error: &rusqlite::Error) -> Error {
        let reason = Error::Unavailable(explain(error));
        if self.connection.take().is_some() {
            tracing::error!(error = %error, "the store's disk failed; the file is opened again");
            self.shared.generation.fetch_add(1, Ordering::Release);
        }
        self.state.forget();
        let wait = self.broken.as_ref().map_or(RETRY_FIRST, |broken| (broken.wait * 2).min(RETRY_MAX));
        self.broken = Some(Broken { since: now(), wait, reason: reason.clone() });
        reason
    }

    /// Whether there is a connection; opens one, where it is time to.
    fn mend(&mut self) -> bool {
        if self.connection.is_some() {
            return true;
        }
        if self.broken.as_ref().is_some_and(|broken| broken.since.elapsed() < broken.wait) {
            return false;
        }
        let opened = open::reopen(&self.shared.options).and_then(|mut connection| {
            self.checkpoints.watch(&mut connection)?;
            self.connection = Some(connection);
            // What ended in the unknown may be there.
            self.tell_left(true)
        });
        match opened {
            Ok(()) => {
                tracing::info!("the store's file is open again");
                self.unresolved = true;
                true
            }
            Err(error) => {
                self.break_off(&error);
                false
            }
        }
    }
}

/// Tells those who close the store, and those who wait, that the writer has gone, however it went.
struct Over(Arc<Shared>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.queue.over();
    }
}

/// How long a broken file was left alone is no time of the store's data.
#[expect(clippy::disallowed_methods, reason = "a pause between attempts; nothing that is kept depends on it")]
fn now() -> Instant {
    Instant::now()
}

/// Everything of a transaction but its end.
fn carry_out(
    connection: &Connection,
    state: &mut State,
    effects: &mut Effects,
    shared: &Shared,
    group: &mut [Box<dyn Operation>],
    told: &[(u64, u64)],
    unresolved: bool,
) -> rusqlite::Result<()> {
    connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    state.refresh(connection)?;
    let mut tx = Tx { connection, state, effects, quotas: &shared.quotas };
    outbox::forget(&mut tx, told)?;
    for operation in group {
        operation.run(&mut tx)?;
    }
    if unresolved {
        dependants::go_on(&mut tx)?;
        trim::go_on(&mut tx)?;
    }
    state.write(connection)
}
