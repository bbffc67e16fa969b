//! A store that fails as it is told to.

use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use skep_store::{
    Attempt, Changes, Commit, CommitError, Committed, Error, Fence, Item, Job, JobFilter, JobId, JobPage, JobState,
    LeaseRequest, ListRequest, Lost, Observer, Op, OpReport, Page, PluginUsage, QueueCounts, QueueRef, QueueState,
    Round, Settle, SqliteOptions, SqliteStore, Store, StoreFuture, Timestamp, Write,
};
use skep_types::{ByteSize, HandlerName, PluginName};

/// What becomes of commits and lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    Well,
    /// Nothing can be done.
    Down,
    /// Commits are carried out, and nobody knows.
    Silent,
    /// Commits are not carried out, and nobody knows.
    Lying,
    /// The host's own code fails.
    Broken,
}

pub(crate) struct Flaky {
    inner: SqliteStore,
    mood: Mutex<Mood>,
    /// The writes of each commit that was asked for.
    pub(crate) sizes: Mutex<Vec<usize>>,
    /// Keys that are refused, by their end.
    pub(crate) poison: Mutex<Vec<&'static str>>,
}

struct Deaf;

impl Observer for Deaf {
    fn changed(&self, _: Changes) {}
}

impl Flaky {
    pub(crate) fn open(path: PathBuf) -> Arc<Self> {
        // As a node opens it.
        let most = ByteSize::mib(64);
        let options = SqliteOptions { value_bytes_max: most, commit_bytes_max: most, ..SqliteOptions::new(path) };
        let inner = SqliteStore::open(options, Arc::new(Deaf)).unwrap();
        Arc::new(Self { inner, mood: Mutex::new(Mood::Well), sizes: Mutex::default(), poison: Mutex::default() })
    }

    pub(crate) fn be(&self, mood: Mood) {
        *self.mood.lock() = mood;
    }

    fn is_poison(&self, commit: &Commit) -> bool {
        let poison = self.poison.lock();
        let refused = |write: &Write| match write {
            Write::Set { key, .. } | Write::Delete(key) | Write::Sum { key, .. } => {
                poison.iter().any(|end| key.key.ends_with(end))
            }
        };
        commit.writes.iter().any(refused)
    }
}

fn no<T: Send + 'static, E: From<Error> + Send + 'static>(error: Error) -> StoreFuture<T, E> {
    Box::pin(std::future::ready(Err(error.into())))
}

fn down() -> Error {
    Error::Unavailable("the disk is full".to_owned())
}

/// What is not asked for here.
fn none<T: Send + 'static>() -> StoreFuture<T> {
    no(Error::NotFound)
}

impl Store for Flaky {
    fn get(&self, space: PluginName, keys: Vec<String>, now: Timestamp) -> StoreFuture<Vec<Option<Item>>> {
        self.inner.get(space, keys, now)
    }
    fn list(&self, request: ListRequest) -> StoreFuture<Page> {
        if *self.mood.lock() == Mood::Down { no(down()) } else { self.inner.list(request) }
    }
    fn commit(&self, commit: Commit) -> StoreFuture<Committed, CommitError> {
        self.sizes.lock().push(commit.writes.len());
        if self.is_poison(&commit) {
            return no(Error::Invalid("poison".to_owned()));
        }
        match *self.mood.lock() {
            Mood::Well => self.inner.commit(commit),
            Mood::Down => no(down()),
            Mood::Lying => no(Error::OutcomeUnknown),
            Mood::Broken => panic!("as the test wants it"),
            Mood::Silent => {
                let committed = self.inner.commit(commit);
                Box::pin(async move {
                    committed.await.unwrap();
                    Err(Error::OutcomeUnknown.into())
                })
            }
        }
    }
    fn set_quota(&self, plugin: PluginName, bytes: u64) {
        self.inner.set_quota(plugin, bytes);
    }
    fn usage(&self) -> StoreFuture<Vec<PluginUsage>> {
        self.inner.usage()
    }
    fn expire(&self, now: Timestamp, limit: usize) -> StoreFuture<u64> {
        self.inner.expire(now, limit)
    }
    fn close(&self) -> StoreFuture<()> {
        self.inner.close()
    }

    fn settle_and_lease(&self, _: Vec<Settle>, _: Option<LeaseRequest>) -> StoreFuture<Round> {
        none()
    }
    fn heartbeat(&self, _: Vec<(JobId, Fence)>, _: Timestamp, _: Timestamp) -> StoreFuture<Vec<Lost>> {
        none()
    }
    fn stage(&self, _: Timestamp, _: usize) -> StoreFuture<(u64, Option<Timestamp>)> {
        none()
    }
    fn reclaim(&self, _: Timestamp, _: usize) -> StoreFuture<(Vec<JobId>, Option<Timestamp>)> {
        none()
    }
    fn reclaim_others(&self, _: String, _: Timestamp) -> StoreFuture<u64> {
        none()
    }
    fn resume(&self, _: PluginName, _: Vec<HandlerName>, _: Timestamp) -> StoreFuture<u64> {
        none()
    }
    fn prune(&self, _: JobState, _: Timestamp, _: usize) -> StoreFuture<u64> {
        none()
    }
    fn job(&self, _: JobId) -> StoreFuture<(Job, Vec<Attempt>)> {
        none()
    }
    fn jobs(&self, _: JobFilter, _: Option<JobId>, _: usize) -> StoreFuture<JobPage> {
        none()
    }
    fn operate(&self, _: JobFilter, _: Op, _: Option<JobId>, _: Timestamp) -> StoreFuture<OpReport> {
        none()
    }
    fn queue_counts(&self) -> StoreFuture<Vec<QueueCounts>> {
        none()
    }
    fn queue_states(&self) -> StoreFuture<Vec<(QueueRef, QueueState)>> {
        none()
    }
    fn set_queue_state(&self, _: QueueRef, _: QueueState) -> StoreFuture<()> {
        none()
    }
    fn ticks(&self, _: PluginName) -> StoreFuture<Vec<(String, Timestamp)>> {
        none()
    }
    fn backup(&self, _: PathBuf) -> StoreFuture<u64> {
        none()
    }
}
