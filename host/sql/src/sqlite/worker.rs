//! A connection and its thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use rusqlite::Connection;
use skep_types::clock::Clock;

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

/// Answers whether somebody holds the connection afterwards.
pub(super) type Work = Box<dyn for<'c> FnOnce(Result<&mut Serving<'c>, &Error>) -> bool + Send>;

/// The same, with what has to be given back if nobody holds it.
pub(super) type Once = Box<dyn for<'c> FnOnce(Result<&mut Serving<'c>, &Error>, Worker, Place) -> bool + Send>;

pub(super) enum Job {
    Work(Work),
    /// The holder wants nothing but this.
    Once(Once, Worker, Place),
    /// The holder is done with it.
    Give(Worker, Place, Arc<Home>),
}

/// A connection that nobody holds, or the way to one that is held.
pub(super) struct Worker {
    pub(super) jobs: SyncSender<Job>,
    pub(super) watch: Arc<Watch>,
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

    /// Gives the work back if the thread has ended.
    pub(super) fn send(&self, work: Work) -> Result<(), Work> {
        match self.jobs.try_send(Job::Work(work)) {
            Err(TrySendError::Full(Job::Work(work)) | TrySendError::Disconnected(Job::Work(work))) => Err(work),
            Ok(()) | Err(_) => Ok(()),
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
            let work: Work = match job {
                Job::Work(work) => work,
                Job::Once(once, worker, place) => Box::new(move |serving| once(serving, worker, place)),
                Job::Give(worker, place, home) => {
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
                Err(error) => {
                    work(Err(&error));
                }
            }
        }
    }

    /// Serves until the connection breaks; or until nobody wants it, then the thread ends too.
    fn serve(&self, connection: &Connection, guard: &Guard, first: Work) -> bool {
        let mut serving = Serving::new(connection, self.role, guard.clone(), Arc::clone(&self.watch));
        let mut is_held = first(Ok(&mut serving));
        loop {
            if !is_held && serving.broken {
                return true;
            }
            let job = if is_held { self.inbox.recv().ok() } else { self.inbox.recv_timeout(self.options.idle).ok() };
            match job {
                Some(Job::Work(work)) => is_held = work(Ok(&mut serving)),
                Some(Job::Once(once, worker, place)) => is_held = once(Ok(&mut serving), worker, place),
                Some(Job::Give(worker, place, home)) => {
                    is_held = false;
                    serving.clean();
                    home.give_back(worker, place);
                }
                None => return false,
            }
        }
    }
}
