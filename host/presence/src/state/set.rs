//! The whole state of one replica.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use skep_types::TopicId;

use crate::data::Data;

use super::delta::{Delta, Digest};
use super::dots::Dots;
use super::entry::Entry;
use super::part::{Changes, Part};
use super::replica::Replica;

/// Leaves that are remembered for small deltas. A replica that has missed more is sent the whole part.
pub const REMOVALS_MAX: usize = 10_000;

/// All entries that one replica knows: its own, and those of others that it has merged.
#[derive(Clone, Debug)]
pub struct State {
    local: Replica,
    clock: u64,
    own: BTreeMap<u64, Arc<Entry>>,
    others: BTreeMap<Arc<str>, Other>,
    /// The latest leaves: the number of the leave, and of the join that it ended.
    removals: VecDeque<(u64, u64)>,
    /// The last leave that is no longer remembered.
    forgotten: u64,
}

#[derive(Clone, Debug)]
struct Other {
    replica: Replica,
    /// Whether its entries are shown.
    up: bool,
    part: Part,
}

/// What a local join is made of.
#[derive(Debug)]
pub(crate) struct Join {
    pub(crate) owner: Arc<str>,
    pub(crate) topic: Arc<TopicId>,
    pub(crate) key: Arc<str>,
    pub(crate) data: Data,
    pub(crate) previous: u64,
}

impl State {
    /// The empty state of a replica.
    #[must_use]
    pub fn new(local: Replica) -> Self {
        let (own, others, removals) = Default::default();
        Self { local, clock: 0, own, others, removals, forgotten: 0 }
    }

    /// Adds an entry of this replica.
    pub(crate) fn join(&mut self, join: Join) -> Arc<Entry> {
        self.clock += 1;
        let Join { owner, topic, key, data, previous } = join;
        let (replica, clock) = (self.local.clone(), self.clock);
        let entry = Arc::new(Entry { replica, clock, previous, owner, topic, key, data });
        self.own.insert(self.clock, Arc::clone(&entry));
        entry
    }

    /// Adds an entry of this replica, from text.
    ///
    /// # Errors
    /// [`Invalid`](crate::Error::Invalid) if the data is no JSON object.
    pub fn insert(&mut self, owner: &str, topic: &TopicId, key: &str, data: &[u8]) -> Result<Arc<Entry>, crate::Error> {
        let (topic, data) = (Arc::new(topic.clone()), Data::new(data, usize::MAX)?);
        Ok(self.join(Join { owner: owner.into(), topic, key: key.into(), data, previous: 0 }))
    }

    /// Removes an entry of this replica. Whether it was there.
    pub fn leave(&mut self, entry: &Entry) -> bool {
        if entry.replica != self.local || self.own.remove(&entry.clock).is_none() {
            return false;
        }
        self.clock += 1;
        if self.removals.len() == REMOVALS_MAX
            && let Some((leave, _)) = self.removals.pop_front()
        {
            self.forgotten = leave;
        }
        self.removals.push_back((self.clock, entry.clock));
        true
    }

    /// All entries that are shown: those of this replica and of others that are up.
    pub fn visible(&self) -> impl Iterator<Item = &Arc<Entry>> {
        let others = self.others.values().filter(|other| other.up).flat_map(|other| other.part.entries.values());
        self.own.values().chain(others)
    }

    /// What it has seen, its own numbers included.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let others = self.others.values().map(|other| (other.replica.clone(), other.part.seen.clone()));
        Digest(others.chain([(self.local.clone(), Dots::up_to(self.clock))]).collect())
    }

    /// Everything that it knows.
    #[must_use]
    pub fn whole(&self) -> Delta {
        self.delta_since(&Digest::default())
    }

    /// What one who has seen so much does not know. Its own news are as small as they can be while it remembers the
    /// leaves since then; other replicas' parts are sent whole when there is any difference.
    #[must_use]
    pub fn delta_since(&self, digest: &Digest) -> Delta {
        let mut delta = Delta::default();
        let nothing = Dots::default();
        let theirs = digest.0.get(&self.local);
        let own = self.own_since(theirs.unwrap_or(&nothing));
        // A new life without entries is news too: it ends the old one.
        if own.seen != nothing || theirs.is_none() {
            delta.add(&self.local, own);
        }
        for other in self.others.values().filter(|other| digest.0.get(&other.replica) != Some(&other.part.seen)) {
            delta.add(&other.replica, other.part.clone());
        }
        delta
    }

    fn own_since(&self, theirs: &Dots) -> Part {
        if *theirs == Dots::default() || !theirs.covers(1, self.forgotten) {
            return Part { seen: Dots::up_to(self.clock), entries: self.own.clone() };
        }
        let mut seen = theirs.missing(self.clock);
        for (_, join) in self.removals.iter().filter(|(leave, _)| !theirs.contains(*leave)) {
            // It says "seen, and not alive"; the number of the leave itself is missing there already.
            seen.insert(*join, *join);
        }
        let alive = seen.ranges().flat_map(|(first, last)| self.own.range(first..=last));
        let entries = alive.map(|(clock, entry)| (*clock, Arc::clone(entry))).collect();
        Part { seen, entries }
    }

    /// Takes in news. What comes of a replica that is down stays hidden; the first news of a node's new life discard
    /// what is left of its old one, and news of the old one count for nothing from then on.
    pub fn merge(&mut self, delta: &Delta) -> Changes {
        let mut changes = Changes::default();
        // Nobody knows better than this replica itself what it holds.
        let local = self.local.clone();
        for (replica, part) in delta.parts().filter(|(replica, _)| replica.name() != local.name()) {
            let mut own = Changes::default();
            let Some(other) = self.incarnate(replica, &mut changes) else { continue };
            other.part.merge(part, &mut own);
            if other.up {
                changes.joins.append(&mut own.joins);
                changes.leaves.append(&mut own.leaves);
            }
        }
        changes
    }

    /// Finds the node's current life, which is this one if it is newer than what was known.
    fn incarnate(&mut self, replica: &Replica, changes: &mut Changes) -> Option<&mut Other> {
        let fresh = || Other { replica: replica.clone(), up: true, part: Part::default() };
        let other = self.others.entry(replica.shared_name()).or_insert_with(fresh);
        if other.replica.incarnation() > replica.incarnation() {
            return None;
        }
        if other.replica.incarnation() < replica.incarnation() {
            let old = std::mem::replace(other, fresh());
            if old.up {
                changes.leaves.extend(old.part.entries.into_values());
            }
        }
        Some(other)
    }

    /// Shows the entries of a replica again. Nothing happens to one that is not known or not down.
    pub fn up(&mut self, replica: &Replica) -> Changes {
        match self.find(replica) {
            Some(other) if !other.up => {
                other.up = true;
                Changes { joins: other.part.entries.values().cloned().collect(), leaves: Vec::new() }
            }
            _ => Changes::default(),
        }
    }

    /// Hides the entries of a replica that is not heard of.
    pub fn down(&mut self, replica: &Replica) -> Changes {
        match self.find(replica) {
            Some(other) if other.up => {
                other.up = false;
                Changes { joins: Vec::new(), leaves: other.part.entries.values().cloned().collect() }
            }
            _ => Changes::default(),
        }
    }

    /// Discards the entries of a replica and what was seen of it. It counts as down, so that messages still under way
    /// show nothing; should it come back after all, it is sent for as a whole and shown by [`State::up`].
    pub fn permdown(&mut self, replica: &Replica) -> Changes {
        let changes = self.down(replica);
        if let Some(other) = self.find(replica) {
            other.part = Part::default();
        }
        changes
    }

    fn find(&mut self, replica: &Replica) -> Option<&mut Other> {
        self.others.get_mut(replica.name()).filter(|other| other.replica == *replica)
    }
}
