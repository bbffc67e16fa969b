//! The handle and its operations.

use std::fmt;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::Mutex;
use skep_types::{TopicId, TopicName, TopicSelector};
use tokio::sync::Notify;

use crate::core::Core;
use crate::data::Data;
use crate::diff::Announce;
use crate::error::Error;
use crate::member::{Member, Page, group, write_members};
use crate::options::{Mode, Modes, Options, PAGE_MEMBERS_MAX};
use crate::owner::Owner;
use crate::state::{Changes, Delta, Digest, Ref, Replica, State};
use crate::stats::{Counters, Stats, TopicStats};

/// Who is where. A cheap handle; all clones are one engine.
#[derive(Clone)]
pub struct Presence {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) options: Options,
    pub(crate) announce: Arc<dyn Announce>,
    // Nothing is awaited or announced while it is held.
    pub(crate) core: Mutex<Core>,
    /// Held by the one who announces, so that the diffs of a topic leave in order.
    pub(crate) announcing: Mutex<()>,
    /// Told when there is something due after there was nothing.
    pub(crate) woken: Notify,
    pub(crate) counters: Counters,
}

impl Presence {
    /// An engine without presences. Somebody must [`tick`](Self::tick) it, or run its [`service`](Self::service).
    #[must_use]
    pub fn new(options: Options, announce: Arc<dyn Announce>) -> Self {
        let core = Mutex::new(Core::new(&options));
        let (announcing, woken, counters) = Default::default();
        Self { inner: Arc::new(Inner { options, announce, core, announcing, woken, counters }) }
    }

    /// Makes an owner that presences can live with.
    ///
    /// # Errors
    /// [`Error::OwnerTaken`] while another guard of this id is held; [`Error::Full`] at `owners_max`.
    pub fn owner(&self, id: &str) -> Result<Owner, Error> {
        let mut core = self.inner.core.lock();
        if core.owners.contains_key(id) {
            return Err(Error::OwnerTaken);
        }
        if core.owners.len() >= self.inner.options.owners_max {
            return Err(Error::Full("there are as many owners as there may be"));
        }
        let id: Arc<str> = id.into();
        core.owners.insert(Arc::clone(&id), Vec::new());
        Ok(Owner { presence: self.clone(), id })
    }

    pub(crate) fn end(&self, owner: &str) {
        self.change(|core| core.end(&self.inner.options, owner));
    }

    /// Tracks an owner under a key, with a JSON object, and names the new presence. Members `phx_ref` and
    /// `phx_ref_prev` of the data are left out.
    ///
    /// # Errors
    /// [`Error::NoOwner`], [`Error::AlreadyTracked`], [`Error::TooLarge`], [`Error::Invalid`], and [`Error::Full`] at
    /// one of the limits of the [options](Options).
    pub fn track(&self, owner: &str, topic: &TopicId, key: &str, data: &[u8]) -> Result<Ref, Error> {
        let data = self.check(key, data)?;
        self.change(|core| core.track(&self.inner.options, owner, topic, key, data))
    }

    /// Replaces the data and names the presence anew; its meta keeps the name that others knew before.
    ///
    /// # Errors
    /// [`Error::NotTracked`], and as for [`track`](Self::track).
    pub fn update(&self, owner: &str, topic: &TopicId, key: &str, data: &[u8]) -> Result<Ref, Error> {
        let data = self.check(key, data)?;
        self.change(|core| core.update(&self.inner.options, owner, topic, key, data))
    }

    /// Ends a presence. Whether there was one.
    #[must_use = "it says whether there was one"]
    pub fn untrack(&self, owner: &str, topic: &TopicId, key: &str) -> bool {
        self.change(|core| core.untrack(&self.inner.options, owner, topic, key))
    }

    fn check(&self, key: &str, data: &[u8]) -> Result<Data, Error> {
        let Options { key_bytes_max, data_bytes_max, .. } = self.inner.options;
        if key.len() > key_bytes_max {
            return Err(Error::TooLarge("the key", key_bytes_max));
        }
        Data::new(data, data_bytes_max)
    }

    /// Changes the core, and wakes the service if something is due after nothing was.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Core) -> T) -> T {
        let mut core = self.inner.core.lock();
        let quiet = core.due.is_empty();
        let result = change(&mut core);
        let wake = quiet && !core.due.is_empty();
        drop(core);
        if wake {
            self.inner.woken.notify_one();
        }
        result
    }

    /// Members in the order of their keys, after the cursor: at most `limit` and [`PAGE_MEMBERS_MAX`], fewer when they
    /// have very many metas, but at least one where there is one. A client that follows the topic first and then lists
    /// it page by page ends with what is there, whatever changes meanwhile.
    #[must_use]
    pub fn list(&self, topic: &TopicId, cursor: Option<&str>, limit: usize) -> Page {
        let limit = limit.clamp(1, PAGE_MEMBERS_MAX);
        let mut core = self.inner.core.lock();
        core.topics.get_mut(topic).map(|topic| topic.list(cursor, limit)).unwrap_or_default()
    }

    /// All presences under one key.
    #[must_use]
    pub fn get(&self, topic: &TopicId, key: &str) -> Option<Member> {
        self.inner.core.lock().topics.get_mut(topic)?.get(key)
    }

    /// How many keys there are.
    #[must_use]
    pub fn count(&self, topic: &TopicId) -> u64 {
        self.inner.core.lock().topics.get_mut(topic).map_or(0, crate::topic::Topic::count)
    }

    /// The payload of `presence_state`: all members, `{key:{"metas":[..]}}`.
    #[must_use]
    pub fn state_json(&self, topic: &TopicId) -> String {
        let entries = self.inner.core.lock().topics.get_mut(topic).map(crate::topic::Topic::all).unwrap_or_default();
        let mut out = String::with_capacity(2 + 128 * entries.len());
        write_members(&group(entries), &mut out);
        out
    }

    /// How a topic is announced.
    #[must_use]
    pub fn mode(&self, topic: &TopicId) -> Mode {
        self.inner.core.lock().modes.of(topic)
    }

    /// Sets which topics are only counted. A topic whose mode changes must be listed anew by those who follow it.
    pub fn set_modes(&self, modes: Modes) {
        let mut core = self.inner.core.lock();
        for (id, topic) in &mut core.topics {
            topic.set_mode(modes.of(id));
        }
        core.modes = modes;
    }

    /// Topics in order, after the cursor: those of the selector, or all.
    #[must_use]
    pub fn topics(&self, selector: Option<&TopicSelector>, cursor: Option<&TopicId>, limit: usize) -> Vec<TopicStats> {
        // A blank sorts before every other name, since names have no control characters.
        let first = selector.and_then(|selector| {
            let name = match &selector.pattern {
                skep_types::TopicPattern::Exact(name) => name.clone(),
                skep_types::TopicPattern::Prefix(prefix) => TopicName::new(prefix).or(TopicName::new(" ")).ok()?,
            };
            Some(TopicId { owner: selector.owner.clone(), name })
        });
        let start = match (&first, cursor) {
            (Some(first), Some(cursor)) if cursor < first => Bound::Included(first),
            (_, Some(cursor)) => Bound::Excluded(cursor),
            (Some(first), None) => Bound::Included(first),
            (None, None) => Bound::Unbounded,
        };
        let core = self.inner.core.lock();
        let from = core.topics.range::<TopicId, _>((start, Bound::Unbounded));
        let those = from.take_while(|(id, _)| selector.is_none_or(|selector| selector.matches(id)));
        let there = those.filter(|(_, topic)| topic.entries() > 0).take(limit);
        there
            .map(|(id, topic)| TopicStats {
                topic: TopicId::clone(id),
                keys: topic.keys(),
                entries: topic.entries() as u64,
            })
            .collect()
    }

    /// Counts of the whole engine. It walks the topics.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let core = self.inner.core.lock();
        Stats {
            owners: core.owners.len() as u64,
            topics: core.topics.len() as u64,
            entries: core.topics.values().map(|topic| topic.entries() as u64).sum(),
            due: core.due.len() as u64,
            diffs: self.inner.counters.diffs.load(Ordering::Relaxed),
            diff_entries: self.inner.counters.entries.load(Ordering::Relaxed),
        }
    }

    /// What this engine has seen of each replica, to ask another for the rest.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.inner.core.lock().state.digest()
    }

    /// What one who has seen so much does not know.
    #[must_use]
    pub fn delta_since(&self, digest: &Digest) -> Delta {
        self.inner.core.lock().state.delta_since(digest)
    }

    /// Takes in news of other replicas; their entries are listed and announced as local ones are.
    pub fn merge(&self, delta: &Delta) {
        self.show(|state| state.merge(delta));
    }

    /// Shows the entries of a replica again.
    pub fn up(&self, replica: &Replica) {
        self.show(|state| state.up(replica));
    }

    /// Hides the entries of a replica that is not heard of.
    pub fn down(&self, replica: &Replica) {
        self.show(|state| state.down(replica));
    }

    /// Discards the entries of a replica.
    pub fn permdown(&self, replica: &Replica) {
        self.show(|state| state.permdown(replica));
    }

    fn show(&self, change: impl FnOnce(&mut State) -> Changes) {
        self.change(|core| {
            let changes = change(&mut core.state);
            core.apply(&self.inner.options, &changes);
        });
    }
}

impl fmt::Debug for Presence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presence").field("stats", &self.stats()).finish_non_exhaustive()
    }
}
