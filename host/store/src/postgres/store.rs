//! The handle: checks arguments and queues what is to be done.

use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use skep_types::{HandlerName, PluginName};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::fault::Fault;
use super::open::{self, OpenError, Target};
use super::operation::{Steps, Task};
use super::options::PostgresOptions;
use super::readers::{Read, Reader, Readers};
use super::session::Part;
use super::tx::{Capped, Quotas};
use super::verb::Verb;
use super::watch::{Bells, Watch};
use super::writer::{Shared, Writer};
use super::{hosts, names, read, write};
use crate::commit::{Commit, Committed};
use crate::error::{CommitError, Error};
use crate::item::{Item, ListRequest, Page};
use crate::job::{
    Attempt, Fence, Job, JobFilter, JobId, JobPage, JobState, LeaseRequest, Lost, Op, OpReport, QueueCounts, QueueRef,
    QueueState, Settle,
};
use crate::queue::{Queue, closed};
use crate::store::{Observer, PluginUsage, Round, Store, StoreFuture};
use crate::{Timestamp, check};

/// The store in a PostgreSQL database. Its thread ends when it is closed or dropped; what it has taken is done before.
pub struct PostgresStore {
    pub(super) shared: Arc<Shared>,
    readers: Arc<Readers>,
    /// The store's own thread, so that connections are served whatever else the host is at.
    runtime: Handle,
}

impl PostgresStore {
    /// Connects, brings the schema to the present version, and tells the observer of messages that a dead host left undelivered.
    /// It blocks until that is done.
    ///
    /// # Errors
    /// [`OpenError`]: the server is out of reach, or the schema is another's or of a newer host. It is left as it is.
    pub fn open(options: PostgresOptions, observer: Arc<dyn Observer>) -> Result<Self, OpenError> {
        let target = Target::new(options)?;
        let shared = Arc::new(Shared {
            queue: Queue::new(target.options.waiting_max, target.options.waiting_bytes_max.as_usize()),
            quotas: Quotas::default(),
            capped: Capped::default(),
            names: names::SharedNames::default(),
            host: AtomicI64::new(0),
            bells: Bells::default(),
            nudged: AtomicBool::new(false),
            target,
        });
        let readers = Arc::new(Readers::new(Arc::clone(&shared)));
        let failed = |error: std::io::Error| OpenError::Failed(format!("no thread for the store: {error}"));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let handle = runtime.handle().clone();
        let (tell, told) = std::sync::mpsc::sync_channel(1);
        let run = {
            let (shared, readers) = (Arc::clone(&shared), Arc::clone(&readers));
            move || {
                runtime.block_on(async {
                    let over = Over(Arc::clone(&shared));
                    match start(&shared, observer).await {
                        Ok((mut writer, watch)) => {
                            _ = tell.send(Ok(()));
                            let watch = tokio::spawn(watch.run());
                            writer.run().await;
                            watch.abort();
                            writer.leave().await;
                            readers.close().await;
                        }
                        Err(error) => _ = tell.send(Err(error)),
                    }
                    drop(over);
                });
            }
        };
        std::thread::Builder::new().name("store-postgres".to_owned()).spawn(run).map_err(failed)?;
        told.recv().map_err(|_| OpenError::Failed("the store's thread has gone".to_owned()))??;
        Ok(Self { shared, readers, runtime: handle })
    }

    pub(super) fn write<A: Send + 'static, T: Send + 'static, E: From<Error> + Send + 'static>(
        &self,
        args: A,
        bytes: usize,
        verb: Verb<A, T, E>,
    ) -> StoreFuture<T, E> {
        let (task, answer) = Task::new(args, bytes, verb);
        answered(self.shared.queue.push(Box::new(task)).map(|()| answer))
    }

    pub(super) fn write_in_steps<A: Send + 'static>(&self, args: A, verb: Verb<A, u64, Error>) -> StoreFuture<u64> {
        let (steps, answer) = Steps::new(args, verb);
        answered(self.shared.queue.push(Box::new(steps)).map(|()| answer))
    }

    pub(super) fn read<A, T, F>(&self, args: A, read: fn(Reader, Arc<A>) -> F) -> StoreFuture<T>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
        F: Future<Output = Result<T, Read>> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let readers = Arc::clone(&self.readers);
        self.runtime.spawn(async move { _ = reply.send(readers.read(Arc::new(args), read).await) });
        Box::pin(async move { answer.await.unwrap_or_else(|_| Err(closed())) })
    }
}

/// What has to be done before anything else.
async fn start(shared: &Arc<Shared>, observer: Arc<dyn Observer>) -> Result<(Writer, Watch), OpenError> {
    let session = open::connect(&shared.target).await?;
    open::migrate(&session, &shared.target).await?;
    let prepared = async {
        names::refresh(&session, &shared.names, Part::Look).await?;
        shared.host.store(hosts::register(&session).await?, Ordering::Release);
        Watch::new(Arc::clone(shared), Arc::clone(&observer)).await
    };
    let watch = prepared.await.map_err(|fault: Fault| OpenError::from(fault))?;
    let mut writer = Writer::new(Arc::clone(shared), observer, session);
    writer.look_around().await;
    Ok((writer, watch))
}

/// Tells those who close the store, and those who wait, that the writer has gone, however it went.
struct Over(Arc<Shared>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.queue.over();
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

impl Drop for PostgresStore {
    fn drop(&mut self) {
        self.shared.queue.close(None);
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").field("options", &self.shared.target.options).finish_non_exhaustive()
    }
}

impl Store for PostgresStore {
    fn get(&self, space: PluginName, keys: Vec<String>, now: Timestamp) -> StoreFuture<Vec<Option<Item>>> {
        self.read((space, keys, now), read::items::get_items)
    }

    fn list(&self, request: ListRequest) -> StoreFuture<Page> {
        self.read(request, read::items::list)
    }

    fn commit(&self, commit: Commit) -> StoreFuture<Committed, CommitError> {
        match check::commit(&commit, &self.shared.target.options.limits()) {
            Ok(bytes) => self.write(commit, bytes, write::commit::COMMIT),
            Err(error) => refused(error),
        }
    }

    fn settle_and_lease(&self, settle: Vec<Settle>, lease: Option<LeaseRequest>) -> StoreFuture<Round> {
        match check::settles(&settle, &self.shared.target.options.limits()) {
            Ok(bytes) => self.write((settle, lease), bytes, write::jobs::SETTLE_AND_LEASE),
            Err(error) => refused(error),
        }
    }

    fn heartbeat(&self, leases: Vec<(JobId, Fence)>, _now: Timestamp, until: Timestamp) -> StoreFuture<Vec<Lost>> {
        self.write((leases, until), 0, write::jobs::HEARTBEAT)
    }

    fn stage(&self, now: Timestamp, limit: usize) -> StoreFuture<(u64, Option<Timestamp>)> {
        self.write((now, limit), 0, write::jobs::STAGE)
    }

    fn reclaim(&self, now: Timestamp, limit: usize) -> StoreFuture<(Vec<JobId>, Option<Timestamp>)> {
        self.write((now, limit), 0, write::jobs::RECLAIM)
    }

    fn reclaim_others(&self, worker: String, now: Timestamp) -> StoreFuture<u64> {
        self.write_in_steps((worker, now), write::jobs::RECLAIM_OTHERS)
    }

    fn resume(&self, plugin: PluginName, names: Vec<HandlerName>, now: Timestamp) -> StoreFuture<u64> {
        self.write_in_steps((plugin, names, now), write::jobs::RESUME)
    }

    fn prune(&self, state: JobState, before: Timestamp, limit: usize) -> StoreFuture<u64> {
        self.write((state, before, limit), 0, write::jobs::PRUNE)
    }

    fn expire(&self, now: Timestamp, limit: usize) -> StoreFuture<u64> {
        self.write((now, limit), 0, write::items::EXPIRE)
    }

    fn job(&self, id: JobId) -> StoreFuture<(Job, Vec<Attempt>)> {
        self.read(id, read::jobs::job)
    }

    fn jobs(&self, filter: JobFilter, before: Option<JobId>, limit: usize) -> StoreFuture<JobPage> {
        self.read((filter, before, limit), read::jobs::jobs)
    }

    fn operate(&self, filter: JobFilter, op: Op, before: Option<JobId>, now: Timestamp) -> StoreFuture<OpReport> {
        self.write((filter, op, before, now), 0, write::jobs::OPERATE)
    }

    fn queue_counts(&self) -> StoreFuture<Vec<QueueCounts>> {
        self.read((), read::overview::queue_counts)
    }

    fn queue_states(&self) -> StoreFuture<Vec<(QueueRef, QueueState)>> {
        self.read((), read::overview::queue_states)
    }

    fn set_queue_state(&self, queue: QueueRef, state: QueueState) -> StoreFuture<()> {
        self.write((queue, state), 0, write::jobs::SET_QUEUE_STATE)
    }

    fn ticks(&self, plugin: PluginName) -> StoreFuture<Vec<(String, Timestamp)>> {
        self.read(plugin, read::plugins::ticks)
    }

    fn usage(&self) -> StoreFuture<Vec<PluginUsage>> {
        self.read((), read::plugins::usage)
    }

    fn set_quota(&self, plugin: PluginName, bytes: u64) {
        self.shared.quotas.write().insert(plugin, bytes);
    }

    fn backup(&self, _: PathBuf) -> StoreFuture<u64> {
        let schema = &self.shared.target.options.schema;
        refused(Error::Invalid(format!(
            "a store in PostgreSQL is copied by PostgreSQL: pg_dump --schema={schema} --format=custom"
        )))
    }

    fn close(&self) -> StoreFuture<()> {
        let (tell, told) = oneshot::channel();
        self.shared.queue.close(Some(tell));
        Box::pin(async move { told.await.unwrap_or_else(|_| Err(closed())) })
    }
}
