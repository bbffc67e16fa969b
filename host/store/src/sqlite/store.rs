//! The handle: checks arguments and queues what is to be done.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use skep_types::{HandlerName, PluginName};
use tokio::sync::oneshot;

use super::checkpoint::Checkpoints;
use super::fault::Stop;
use super::open::{self, OpenError};
use super::operation::{Run, Steps, Task};
use super::options::SqliteOptions;
use super::readers::{Reader, Readers};
use super::tx::Quotas;
use super::writer::{Shared, Writer};
use super::{backup, read, write};
use crate::Timestamp;
use crate::check;
use crate::commit::{Commit, Committed};
use crate::error::{CommitError, Error};
use crate::item::{Item, ListRequest, Page};
use crate::job::{
    Attempt, Fence, Job, JobFilter, JobId, JobPage, JobState, LeaseRequest, Lost, Op, OpReport, QueueCounts, QueueRef,
    QueueState, Settle,
};
use crate::queue::{Queue, closed};
use crate::store::{Observer, PluginUsage, Round, Store, StoreFuture};

/// The store in one SQLite file. Its threads end when it is closed or dropped; what it has taken is done before.
pub struct SqliteStore {
    pub(super) shared: Arc<Shared>,
    readers: Arc<Readers>,
}

impl SqliteStore {
    /// Opens the file, or makes a new one, and tells the observer of messages that a crash left undelivered. It blocks
    /// until that is done.
    ///
    /// # Errors
    /// [`OpenError`]: the file is another's, of a newer host, damaged or out of reach. It is left as it is.
    pub fn open(options: SqliteOptions, observer: Arc<dyn Observer>) -> Result<Self, OpenError> {
        let path = options.path.clone();
        let connection = open::open(&options)?;
        let shared = Arc::new(Shared {
            queue: Queue::new(options.waiting_max, options.waiting_bytes_max.as_usize()),
            options,
            quotas: Quotas::default(),
            generation: AtomicU64::new(0),
        });
        let io = |source| OpenError::Io { path: path.clone(), source };
        let (checkpoints, checkpointer) = Checkpoints::start(&shared).map_err(io)?;
        let writer = Writer::new(Arc::clone(&shared), observer, connection, checkpoints)
            .and_then(|mut writer| writer.tell_left(false).map(|()| writer))
            .map_err(|source| open::failed(&path, source))?;
        let readers = Arc::new(Readers::default());
        let store = Self { shared, readers };
        // From here on, dropping the store ends the threads that have been started.
        let threads = store.readers.start(&store.shared).map_err(io)?;
        let readers = Arc::clone(&store.readers);
        let run = move || {
            writer.run(|| {
                readers.close();
                for thread in threads.into_iter().chain([checkpointer]) {
                    _ = thread.join();
                }
            });
        };
        let thread = std::thread::Builder::new().name("store-write".to_owned());
        thread.spawn(run).map_err(io)?;
        Ok(store)
    }

    pub(super) fn write<A: Send + 'static, T: Send + 'static, E: From<Error> + Send + 'static>(
        &self,
        args: A,
        bytes: usize,
        run: Run<A, T, E>,
    ) -> StoreFuture<T, E> {
        let (task, answer) = Task::new(args, bytes, run);
        answered(self.shared.queue.push(Box::new(task)).map(|()| answer))
    }

    pub(super) fn write_in_steps<A: Send + 'static>(&self, args: A, run: Run<A, u64, Error>) -> StoreFuture<u64> {
        let (steps, answer) = Steps::new(args, run);
        answered(self.shared.queue.push(Box::new(steps)).map(|()| answer))
    }

    pub(super) fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&mut Reader) -> Result<T, Stop<Error>> + Send + 'static,
    ) -> StoreFuture<T> {
        answered(self.readers.push(self.shared.options.waiting_max, read))
    }
}

type Answer<T, E> = oneshot::Receiver<Result<T, E>>;

fn answered<T: Send + 'static, E: From<Error> + Send + 'static>(
    queued: Result<Answer<T, E>, Error>,
) -> StoreFuture<T, E> {
    Box::pin(async move {
        // Nobody answers if the thread ends in the middle.
        queued?.await.unwrap_or_else(|_| Err(Error::OutcomeUnknown.into()))
    })
}

pub(super) fn refused<T: Send + 'static, E: From<Error> + Send + 'static>(error: Error) -> StoreFuture<T, E> {
    Box::pin(std::future::ready(Err(error.into())))
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.shared.queue.close(None);
        self.readers.close();
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("options", &self.shared.options.limits()).finish_non_exhaustive()
    }
}

impl Store for SqliteStore {
    fn get(&self, space: PluginName, keys: Vec<String>, now: Timestamp) -> StoreFuture<Vec<Option<Item>>> {
        self.read(move |reader| read::items::get(reader, &space, keys, now))
    }

    fn list(&self, request: ListRequest) -> StoreFuture<Page> {
        self.read(move |reader| read::items::list(reader, &request))
    }

    fn commit(&self, commit: Commit) -> StoreFuture<Committed, CommitError> {
        match check::commit(&commit, &self.shared.options.limits()) {
            Ok(bytes) => self.write(commit, bytes, write::commit::commit),
            Err(error) => refused(error),
        }
    }

    fn settle_and_lease(&self, settle: Vec<Settle>, lease: Option<LeaseRequest>) -> StoreFuture<Round> {
        match check::settles(&settle, &self.shared.options.limits()) {
            Ok(bytes) => self.write((settle, lease), bytes, write::settle::settle_and_lease),
            Err(error) => refused(error),
        }
    }

    fn heartbeat(&self, leases: Vec<(JobId, Fence)>, _now: Timestamp, until: Timestamp) -> StoreFuture<Vec<Lost>> {
        self.write((leases, until), 0, write::lease::heartbeat)
    }

    fn stage(&self, now: Timestamp, limit: usize) -> StoreFuture<(u64, Option<Timestamp>)> {
        self.write((now, limit), 0, write::upkeep::stage)
    }

    fn reclaim(&self, now: Timestamp, limit: usize) -> StoreFuture<(Vec<JobId>, Option<Timestamp>)> {
        self.write((now, limit), 0, write::upkeep::reclaim)
    }

    fn reclaim_others(&self, worker: String, now: Timestamp) -> StoreFuture<u64> {
        self.write_in_steps((worker, now), write::upkeep::reclaim_others)
    }

    fn resume(&self, plugin: PluginName, names: Vec<HandlerName>, now: Timestamp) -> StoreFuture<u64> {
        self.write_in_steps((plugin, names, now), write::upkeep::resume)
    }

    fn prune(&self, state: JobState, before: Timestamp, limit: usize) -> StoreFuture<u64> {
        self.write((state, before, limit), 0, write::upkeep::prune)
    }

    fn expire(&self, now: Timestamp, limit: usize) -> StoreFuture<u64> {
        self.write((now, limit), 0, write::upkeep::expire)
    }

    fn job(&self, id: JobId) -> StoreFuture<(Job, Vec<Attempt>)> {
        self.read(move |reader| read::jobs::job(reader, id))
    }

    fn jobs(&self, filter: JobFilter, before: Option<JobId>, limit: usize) -> StoreFuture<JobPage> {
        self.read(move |reader| read::jobs::jobs(reader, &filter, before, limit))
    }

    fn operate(&self, filter: JobFilter, op: Op, before: Option<JobId>, now: Timestamp) -> StoreFuture<OpReport> {
        self.write((filter, op, before, now), 0, write::operate::operate)
    }

    fn queue_counts(&self) -> StoreFuture<Vec<QueueCounts>> {
        self.read(|reader| read::overview::queue_counts(reader))
    }

    fn queue_states(&self) -> StoreFuture<Vec<(QueueRef, QueueState)>> {
        self.read(|reader| read::overview::queue_states(reader))
    }

    fn set_queue_state(&self, queue: QueueRef, state: QueueState) -> StoreFuture<()> {
        self.write((queue, state), 0, write::operate::set_queue_state)
    }

    fn ticks(&self, plugin: PluginName) -> StoreFuture<Vec<(String, Timestamp)>> {
        self.read(move |reader| read::overview::ticks(reader, &plugin))
    }

    fn usage(&self) -> StoreFuture<Vec<PluginUsage>> {
        let shared = Arc::clone(&self.shared);
        self.read(move |reader| read::overview::usage(reader, &shared.quotas))
    }

    fn set_quota(&self, plugin: PluginName, bytes: u64) {
        self.shared.quotas.write().insert(plugin, bytes);
    }

    fn backup(&self, to: PathBuf) -> StoreFuture<u64> {
        let (reply, answer) = oneshot::channel();
        let options = self.shared.options.clone();
        // It takes long, and must not keep a reader from others.
        let run = move || _ = reply.send(backup::backup(&options, &to));
        let started = std::thread::Builder::new().name("store-backup".to_owned()).spawn(run);
        answered(
            started.map(|_| answer).map_err(|error| Error::Unavailable(format!("no thread for the copy: {error}"))),
        )
    }

    fn close(&self) -> StoreFuture<()> {
        let (tell, told) = oneshot::channel();
        self.shared.queue.close(Some(tell));
        Box::pin(async move { told.await.unwrap_or_else(|_| Err(closed())) })
    }
}
