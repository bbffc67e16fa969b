//! A connection and its thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use rusqlite::Connection;
use skep_types::clock::Clock;
use tokio::sync::oneshot;

use super::Home;
use super::guard::Guard;
use super::open::{Role, open};
use super::serve::Serving;
use super::watch::Watch;
use crate::error::Error;
use crate::gate::Place;
use crate::options::SqliteOptions;

/// One question and the end of a lease: there is never more under way.
const WAITING_MAX: usize = 2;
/// SQLite's parser calls itself; the limits of the guard keep it far below this.
const STACK_BYTES: usize = 4 << 20;

type Work = Box<dyn for<'c> FnOnce(Result<&mut Serving<'c>, &Error>) + Send>;

enum Job {
    Work(Work),
    /// The holder is done with it.
    Give(Worker, Place, Arc<Home>),
}

/// A connection that nobody holds, or the way to one that is held.
pub(super) struct Worker {
    jobs: SyncSender<Job>,
    watch: Arc<Watch>,
}

/// A connection that is held. Its drop interrupts what it does, undoes what is not committed, and gives it back.
pub(crate) struct Lease {
    held: Option<(Worker, Place)>,
    home: Arc<Home>,
    /// A question was dropped before its answer; what it does goes on until it sees that.
    asking: bool,
}

struct Counted(Arc<AtomicU64>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl Worker {
    /// Starts the thread. It opens the connection with the first question, and ends when nobody has asked for a while.
    pub(super) fn start(
        options: &Arc<SqliteOptions>,
        role: Role,
        clock: &Arc<dyn Clock>,
        connections: &Arc<AtomicU64>,
    ) -> Result<Self, Error> {
        let (jobs, inbox) = sync_channel(WAITING_MAX);
        let watch = Arc::new(Watch::new(Arc::clone(clock), options.memory_max.0));
        let thread = Thread {
            options: Arc::clone(options),
            role,
            watch: Arc::clone(&watch),
            inbox,
            connections: Arc::clone(connections),
        };
        let name = if role == Role::Write { "sql-write" } else { "sql-read" };
        let started = std::thread::Builder::new().name(name.to_owned()).stack_size(STACK_BYTES);
        match started.spawn(move || thread.run()) {
            Ok(_) => Ok(Self { jobs, watch }),
            Err(error) => Err(Error::Unavailable(format!("the system starts no thread: {error}"))),
        }
    }

    pub(super) fn hold(self, place: Place, home: &Arc<Home>) -> Lease {
        Lease { held: Some((self, place)), home: Arc::clone(home), asking: false }
    }

    /// Whether its thread is still there.
    fn send(&self, job: Job) -> Result<(), Job> {
        match self.jobs.try_send(job) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(job) | TrySendError::Disconnected(job)) => Err(job),
        }
    }
}

impl Lease {
    /// Asks the connection's thread.
    pub(super) async fn ask<T: Send + 'static>(
        &mut self,
        work: impl for<'c> FnOnce(&mut Serving<'c>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        if self.asking {
            return Err(Error::Unavailable("an earlier statement was given up while it worked".to_owned()));
        }
        let (reply, answer) = oneshot::channel();
        let mut work: Work = Box::new(move |serving| {
            let done = match serving {
                // Whoever asked has gone away.
                _ if reply.is_closed() => return,
                Ok(serving) => work(serving),
                Err(error) => Err(error.clone()),
            };
            _ = reply.send(done);
        });
        loop {
            let Some((worker, _)) = &mut self.held else {
                return Err(Error::Unavailable("the connection was given back".to_owned()));
            };
            match worker.send(Job::Work(work)) {
                Ok(()) => break,
                // The thread has just ended because nobody had asked for a while. A new one has nothing to lose.
                Err(Job::Work(back)) => {
                    work = back;
                    *worker = self.home.start()?;
                }
                Err(Job::Give(..)) => return Err(Error::Unavailable("the connection was given back".to_owned())),
            }
        }
        self.asking = true;
        let answer = answer.await;
        self.asking = false;
        answer.unwrap_or_else(|_| Err(Error::Unavailable("the connection's thread has failed".to_owned())))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some((worker, place)) = self.held.take() {
            worker.watch.stop();
            let jobs = worker.jobs.clone();
            // If the thread has gone, the place is free by this very drop.
            _ = jobs.try_send(Job::Give(worker, place, Arc::clone(&self.home)));
        }
    }
}

struct Thread {
    options: Arc<SqliteOptions>,
    role: Role,
    watch: Arc<Watch>,
    inbox: Receiver<Job>,
    connections: Arc<AtomicU64>,
}

impl Thread {
    fn run(self) {
        // Each round is a connection.
        while let Ok(job) = self.inbox.recv_timeout(self.options.idle) {
            let work = match job {
                Job::Work(work) => work,
                Job::Give(worker, place, home) => {
                    self.watch.go_on();
                    home.give_back(worker, place);
                    continue;
                }
            };
            let guard = Guard::default();
            match open(&self.options, self.role, &guard, &self.watch) {
                Ok(connection) => {
                    self.connections.fetch_add(1, Relaxed);
                    let counted = Counted(Arc::clone(&self.connections));
                    let goes_on = self.serve(&connection, &guard, work);
                    drop(connection);
                    drop(counted);
                    if !goes_on {
                        return;
                    }
                }
                Err(error) => work(Err(&error)),
            }
        }
    }

    /// Serves until the connection breaks; or until nobody wants it, then the thread ends too.
    fn serve(&self, connection: &Connection, guard: &Guard, first: Work) -> bool {
        let mut serving = Serving::new(connection, self.role, guard.clone(), Arc::clone(&self.watch));
        first(Ok(&mut serving));
        let mut is_held = true;
        loop {
            let job = if is_held { self.inbox.recv().ok() } else { self.inbox.recv_timeout(self.options.idle).ok() };
            match job {
                Some(Job::Work(work)) => {
                    is_held = true;
                    work(Ok(&mut serving));
                }
                Some(Job::Give(worker, place, home)) => {
                    is_held = false;
                    serving.clean();
                    if serving.broken {
                        drop(serving);
                        home.give_back(worker, place);
                        return true;
                    }
                    home.give_back(worker, place);
                }
                None => return false,
            }
        }
    }
}
