//! Tables that are written behind to the store: who writes which, over reloads.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use futures_util::future::join_all;
use parking_lot::Mutex;
use skep_behind::{Behind, Leaving, Options, Place};
use skep_cache::{Bucket, Caches};
use skep_manifest::WriteBehind;
use skep_store::Store;
use skep_types::{BucketId, Clock};

/// How long a reload that brings a bucket back waits for what the one before has not written yet.
const SETTLE: Duration = Duration::from_secs(5);

/// The write-behind of all buckets that have it.
pub(crate) struct Behinds {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    // Held for moments, over no await.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    active: BTreeMap<BucketId, Arc<Behind>>,
    /// Those that a reload took out, until everything is in the store.
    leaving: Vec<(BucketId, Arc<Behind>)>,
}

impl Behinds {
    pub(crate) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, state: Mutex::default() }
    }

    fn place(&self, id: &BucketId) -> Place {
        Place { id: id.clone(), store: Arc::clone(&self.store), clock: Arc::clone(&self.clock) }
    }

    /// Fills a bucket that nobody has seen yet with what the store has of it.
    ///
    /// # Errors
    /// When the store cannot be read, or a bucket of that name left a moment ago and cannot be written.
    pub(crate) async fn restore(&self, id: &BucketId, bucket: &Bucket) -> anyhow::Result<()> {
        let of_before: Vec<_> = {
            let state = self.state.lock();
            let same = state.leaving.iter().filter(|(left, _)| left == id);
            same.map(|(_, behind)| Arc::clone(behind)).collect()
        };
        for behind in &of_before {
            let flushed = behind.flush(SETTLE).await;
            flushed.with_context(|| format!("the bucket `{id}` left a moment ago and is not in the store yet"))?;
        }
        // A call that still has the bucket of before must not write over what is restored now.
        self.state.lock().leaving.retain(|(left, _)| left != id);
        let restored = self.place(id).restore(bucket).await;
        let restored = restored.with_context(|| format!("restoring the bucket `{id}` from the store"))?;
        if restored.entries > 0 {
            tracing::info!(bucket = %id, entries = restored.entries, "restored from the store");
        }
        if restored.skipped > 0 || restored.unread > 0 {
            tracing::warn!(
                bucket = %id, skipped = restored.skipped, unread = restored.unread,
                "entries were left in the store: the skipped ones do not fit the bucket's limits, the unread ones are of a form \
                 that this host does not know"
            );
        }
        Ok(())
    }

    /// Begins, goes on and ends as a manifest says, of which these buckets are in place.
    pub(crate) fn put_in_place(&self, wanted: &BTreeMap<BucketId, WriteBehind>, caches: &Caches) {
        let mut state = self.state.lock();
        let State { active, leaving } = &mut *state;
        let mut now = BTreeMap::new();
        for (id, WriteBehind { every }) in wanted {
            let Some(bucket) = caches.get(id) else { continue };
            let options = Options { every: *every, ..Options::default() };
            let goes_on = |behind: &Arc<Behind>| behind.is_of(&bucket) && behind.go_on(options);
            let known = match active.remove(id) {
                Some(behind) if goes_on(&behind) => Some(behind),
                other => {
                    leaving.extend(other.map(|behind| (id.clone(), behind)));
                    let at = leaving.iter().position(|(left, behind)| left == id && goes_on(behind));
                    at.map(|at| leaving.swap_remove(at).1)
                }
            };
            let behind = known.unwrap_or_else(|| Arc::new(Behind::start(self.place(id), bucket, options)));
            now.insert(id.clone(), behind);
        }
        leaving.extend(std::mem::replace(active, now));
        for (id, behind) in &*leaving {
            let stays = caches.get(id).is_some_and(|bucket| behind.is_of(&bucket));
            behind.leave(if stays { Leaving::WriteBehind } else { Leaving::Bucket });
        }
    }

    /// What failed is tried again at once: something may have changed.
    pub(crate) fn hurry(&self) {
        let state = self.state.lock();
        state.all().for_each(|behind| behind.hurry());
    }

    /// Lets go of those that have left, and revives those that broke.
    pub(crate) fn tidy(&self) {
        let mut state = self.state.lock();
        state.leaving.retain(|(_, behind)| !behind.has_ended());
        let State { active, leaving } = &mut *state;
        for behind in active.values_mut().chain(leaving.iter_mut().map(|(_, behind)| behind)) {
            if let Some(revived) = behind.revived() {
                tracing::error!(bucket = %behind.id(), "writing the bucket to the store failed in the host; it begins anew");
                *behind = Arc::new(revived);
            }
        }
    }

    /// Writes everything to the store within this time. What is not written then is lost with the process, which is said.
    pub(crate) async fn flush(&self, within: Duration) {
        let all: Vec<_> = self.state.lock().all().map(Arc::clone).collect();
        let flush = async |behind: &Behind| {
            if let Err(unflushed) = behind.flush(within).await {
                tracing::error!(bucket = %behind.id(), "changes are lost with this process: {unflushed}");
            }
        };
        join_all(all.iter().map(|behind| flush(behind))).await;
    }
}

impl State {
    fn all(&self) -> impl Iterator<Item = &Arc<Behind>> {
        self.active.values().chain(self.leaving.iter().map(|(_, behind)| behind))
    }
}
