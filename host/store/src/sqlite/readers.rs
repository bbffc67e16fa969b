//! Threads that read, each with a connection of its own.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

use foldhash::HashMap;
use parking_lot::{Condvar, Mutex};
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::fault::{Stop, breaks, explain};
use super::open;
use super::state::{handler_name, plugin_name};
use super::writer::Shared;
use crate::error::Error;
use crate::job::QueueRef;
use crate::queue::closed;

type Read = Box<dyn FnOnce(Result<&mut Reader, Error>) -> bool + Send>;

/// The readers' queue.
#[derive(Default)]
pub(super) struct Readers {
    inner: Mutex<Inner>,
    filled: Condvar,
}

#[derive(Default)]
struct Inner {
    waiting: VecDeque<Read>,
    closed: bool,
}

/// What a read sees.
pub(super) struct Reader {
    pub(super) connection: Connection,
    pub(super) names: Names,
}

/// Queues by their numbers, which never become another's.
#[derive(Default)]
pub(super) struct Names(HashMap<i64, QueueRef>);

impl Reader {
    fn open(shared: &Shared) -> rusqlite::Result<Self> {
        Ok(Self { connection: open::reader(&shared.options)?, names: Names::default() })
    }
}

impl Names {
    pub(super) fn queue(&mut self, connection: &Connection, id: i64) -> rusqlite::Result<QueueRef> {
        if let Some(queue) = self.0.get(&id) {
            return Ok(queue.clone());
        }
        let queue = connection.query_row(
            "SELECT plugins.name, queues.name FROM queues JOIN plugins ON plugins.id = plugin WHERE queues.id = ?1",
            [id],
            |row| Ok(QueueRef { plugin: plugin_name(row, 0)?, queue: handler_name(row, 1)? }),
        )?;
        self.0.insert(id, queue.clone());
        Ok(queue)
    }
}

impl Readers {
    /// Starts the threads.
    pub(super) fn start(self: &Arc<Self>, shared: &Arc<Shared>) -> std::io::Result<Vec<JoinHandle<()>>> {
        (0..shared.options.readers.get())
            .map(|number| {
                let (readers, shared) = (Arc::clone(self), Arc::clone(shared));
                let run = move || readers.run(&shared);
                std::thread::Builder::new().name(format!("store-read-{number}")).spawn(run)
            })
            .collect()
    }

    /// Queues a read. What is over the bound is refused at once.
    pub(super) fn push<T: Send + 'static>(
        &self,
        len_max: usize,
        read: impl FnOnce(&mut Reader) -> Result<T, Stop<Error>> + Send + 'static,
    ) -> Result<oneshot::Receiver<Result<T, Error>>, Error> {
        let (reply, answer) = oneshot::channel();
        let read = Box::new(move |reader: Result<&mut Reader, Error>| {
            if reply.is_closed() {
                return true;
            }
            let (answer, healthy) = match reader.map(|reader| in_transaction(reader, read)) {
                Ok(Ok(found)) => (Ok(found), true),
                Ok(Err(Stop::Refused(error))) => (Err(error), true),
                Ok(Err(Stop::Fault(error))) => (Err(Error::Unavailable(explain(&error))), !breaks(&error)),
                Err(error) => (Err(error), false),
            };
            _ = reply.send(answer);
            healthy
        });
        let mut inner = self.inner.lock();
        if inner.closed {
            return Err(closed());
        }
        if inner.waiting.len() >= len_max {
            return Err(Error::Busy);
        }
        inner.waiting.push_back(read);
        self.filled.notify_one();
        Ok(answer)
    }

    /// Takes no more; the threads end when they have done what is there.
    pub(super) fn close(&self) {
        self.inner.lock().closed = true;
        self.filled.notify_all();
    }

    fn take(&self) -> Option<Read> {
        let mut inner = self.inner.lock();
        loop {
            if let Some(read) = inner.waiting.pop_front() {
                return Some(read);
            }
            if inner.closed {
                return None;
            }
            self.filled.wait(&mut inner);
        }
    }

    fn run(&self, shared: &Shared) {
        let mut reader: Option<Reader> = None;
        let mut generation = 0;
        while let Some(read) = self.take() {
            let present = shared.generation.load(Ordering::Acquire);
            if generation != present {
                generation = present;
                reader = None;
            }
            let healthy = catch_unwind(AssertUnwindSafe(|| match &mut reader {
                Some(reader) => read(Ok(reader)),
                None => match Reader::open(shared) {
                    Ok(opened) => read(Ok(reader.insert(opened))),
                    Err(error) => read(Err(Error::Unavailable(explain(&error)))),
                },
            }));
            // Whoever asked is told by the channel that closes; the thread goes on with another connection.
            if !healthy.unwrap_or(false) {
                reader = None;
            }
        }
    }
}

/// All that a read asks for is of one moment.
fn in_transaction<T>(
    reader: &mut Reader,
    read: impl FnOnce(&mut Reader) -> Result<T, Stop<Error>>,
) -> Result<T, Stop<Error>> {
    reader.connection.prepare_cached("BEGIN")?.execute([])?;
    let found = read(reader);
    reader.connection.prepare_cached("COMMIT")?.execute([])?;
    found
}
