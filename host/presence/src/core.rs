//! What is behind the lock: the replicated state, and the same entries by topic and by owner.
//!
//! One lock for all: an owner's end and a track of it are then one after the other, and no ghost can slip between. What
//! happens under it is a few map operations per entry; JSON is read and written outside.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use hashbrown::HashMap;
use skep_types::TopicId;

use crate::data::Data;
use crate::error::Error;
use crate::options::{Modes, Options};
use crate::state::Join;
use crate::state::{Changes, Entry, Ref, State};
use crate::topic::{News, Topic};

#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) state: State,
    pub(crate) topics: BTreeMap<Arc<TopicId>, Topic>,
    pub(crate) owners: HashMap<Arc<str>, Vec<Arc<Entry>>, foldhash::fast::RandomState>,
    pub(crate) modes: Modes,
    /// Topics with changes, each once, in the order of their time: they all wait for one tick.
    pub(crate) due: VecDeque<(Instant, Arc<TopicId>)>,
}

impl Core {
    pub(crate) fn new(options: &Options) -> Self {
        let (topics, owners, due) = Default::default();
        Self { state: State::new(options.replica.clone()), topics, owners, modes: options.modes.clone(), due }
    }

    pub(crate) fn track(
        &mut self,
        options: &Options,
        owner: &str,
        topic: &TopicId,
        key: &str,
        data: Data,
    ) -> Result<Ref, Error> {
        let (owner, tracks) = self.owners.get_key_value(owner).ok_or(Error::NoOwner)?;
        if find(tracks, topic, key).is_some() {
            return Err(Error::AlreadyTracked);
        }
        if tracks.len() >= options.tracks_max {
            return Err(Error::Full("the owner is tracked as often as it may be"));
        }
        let topic = match self.topics.get_key_value(topic) {
            Some((_, held)) if held.entries() >= options.members_max => {
                return Err(Error::Full("the topic has as many presences as it may have"));
            }
            Some((_, held)) if crowded(options, held) => return Err(CROWDED),
            Some((id, _)) => Arc::clone(id),
            None => Arc::new(topic.clone()),
        };
        let owner = Arc::clone(owner);
        Ok(self.add(options, Join { owner, topic, key: key.into(), data, previous: 0 }))
    }

    pub(crate) fn update(
        &mut self,
        options: &Options,
        owner: &str,
        topic: &TopicId,
        key: &str,
        data: Data,
    ) -> Result<Ref, Error> {
        let tracks = self.owners.get_mut(owner).ok_or(Error::NoOwner)?;
        let at = find(tracks, topic, key).ok_or(Error::NotTracked)?;
        let held = self.topics.get(topic).ok_or(Error::NotTracked)?;
        if crowded(options, held) {
            return Err(CROWDED);
        }
        let old = tracks.swap_remove(at);
        let previous = held.gathered.previous(&old);
        self.remove(options, &old);
        let (owner, topic, key) = (Arc::clone(&old.owner), Arc::clone(&old.topic), Arc::clone(&old.key));
        Ok(self.add(options, Join { owner, topic, key, data, previous }))
    }

    pub(crate) fn untrack(&mut self, options: &Options, owner: &str, topic: &TopicId, key: &str) -> bool {
        let Some(tracks) = self.owners.get_mut(owner) else { return false };
        let Some(at) = find(tracks, topic, key) else { return false };
        let entry = tracks.swap_remove(at);
        self.remove(options, &entry);
        true
    }

    pub(crate) fn end(&mut self, options: &Options, owner: &str) {
        for entry in self.owners.remove(owner).unwrap_or_default() {
            self.remove(options, &entry);
        }
    }

    fn add(&mut self, options: &Options, join: Join) -> Ref {
        let entry = self.state.join(join);
        self.joined(options, &entry);
        let id = entry.id();
        if let Some(tracks) = self.owners.get_mut(&entry.owner) {
            // Most owners have one or two: no room for four.
            tracks.reserve_exact(usize::from(tracks.len() < 4));
            tracks.push(entry);
        }
        id
    }

    fn remove(&mut self, options: &Options, entry: &Arc<Entry>) {
        self.state.leave(entry);
        self.left(options, entry);
    }

    /// Shows what a merge or a change of a replica's status has done.
    pub(crate) fn apply(&mut self, options: &Options, changes: &Changes) {
        for entry in &changes.leaves {
            self.left(options, entry);
        }
        for entry in &changes.joins {
            self.joined(options, entry);
        }
    }

    fn joined(&mut self, options: &Options, entry: &Arc<Entry>) {
        if !self.topics.contains_key(&entry.topic) {
            self.topics.insert(Arc::clone(&entry.topic), Topic::new(self.modes.of(&entry.topic)));
        }
        self.changed(options, entry, Topic::join);
    }

    fn left(&mut self, options: &Options, entry: &Arc<Entry>) {
        self.changed(options, entry, Topic::leave);
    }

    fn changed(&mut self, options: &Options, entry: &Arc<Entry>, change: fn(&mut Topic, &Arc<Entry>)) {
        let Some(topic) = self.topics.get_mut(&entry.topic) else { return };
        change(topic, entry);
        if !topic.due {
            topic.due = true;
            self.due.push_back((options.clock.now() + options.tick, Arc::clone(&entry.topic)));
        }
    }

    /// Takes the news of the next topic that is due. An empty topic is forgotten with its last news.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<(Arc<TopicId>, News)> {
        let (at, _) = self.due.front()?;
        if *at > now {
            return None;
        }
        let (_, id) = self.due.pop_front()?;
        if self.due.is_empty() {
            // A queue that once held every topic would keep their room.
            self.due = VecDeque::new();
        }
        let topic = self.topics.get_mut(&id)?;
        let news = topic.take();
        if topic.entries() == 0 {
            self.topics.remove(&id);
        }
        Some((id, news))
    }
}

const CROWDED: Error = Error::Full("too many of the topic have left since the last tick");

/// What has left is held until it is announced, so somebody who joins, lists and leaves in a loop must be stopped.
fn crowded(options: &Options, topic: &Topic) -> bool {
    topic.gathered.left() >= options.members_max.saturating_mul(2)
}

fn find(tracks: &[Arc<Entry>], topic: &TopicId, key: &str) -> Option<usize> {
    tracks.iter().position(|entry| &*entry.key == key && *entry.topic == *topic)
}
