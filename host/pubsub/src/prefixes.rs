//! Subscriptions that end in `*`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Release};

use foldhash::fast::RandomState;
use hashbrown::HashMap;
use parking_lot::{Mutex, RwLock};
use skep_types::{PluginName, TopicId};

use crate::members::{Member, Members};

/// The listeners of one prefix.
#[derive(Default)]
pub(crate) struct Group(Mutex<Members>);

impl Group {
    pub(crate) fn snapshot(&self) -> Arc<Vec<Member>> {
        self.0.lock().snapshot()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().len()
    }
}

/// All prefixes that somebody listens to. A topic's are found by cutting its name at each length in use, so that their
/// number does not matter; topics remember what they found until the generation changes.
#[derive(Default)]
pub(crate) struct Prefixes {
    owners: RwLock<HashMap<PluginName, Owner, RandomState>>,
    /// Grows when a prefix comes or goes; listeners of a known prefix do not change it. Even a topic that nobody knows
    /// can see from zero that there never was a prefix.
    generation: AtomicU64,
}

#[derive(Default)]
struct Owner {
    groups: HashMap<Arc<str>, Arc<Group>, RandomState>,
    /// Prefixes of each length, in bytes.
    lengths: BTreeMap<usize, usize>,
}

impl Prefixes {
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Acquire)
    }

    /// The groups that hear the topic.
    pub(crate) fn matching(&self, topic: &TopicId) -> Vec<Arc<Group>> {
        if self.generation() == 0 {
            return Vec::new();
        }
        let owners = self.owners.read();
        let Some(owner) = owners.get(&topic.owner) else { return Vec::new() };
        let name = topic.name.as_str();
        let heads = owner.lengths.range(..=name.len()).filter_map(|(length, _)| name.get(..*length));
        heads.filter_map(|head| owner.groups.get(head).map(Arc::clone)).collect()
    }

    pub(crate) fn join(&self, owner: &PluginName, prefix: &Arc<str>, member: Member) {
        let mut owners = self.owners.write();
        let owner = owners.entry(owner.clone()).or_default();
        if let Some(group) = owner.groups.get(prefix) {
            return group.0.lock().insert(member);
        }
        let group = Arc::<Group>::default();
        group.0.lock().insert(member);
        owner.groups.insert(Arc::clone(prefix), group);
        *owner.lengths.entry(prefix.len()).or_default() += 1;
        self.generation.fetch_add(1, Release);
    }

    pub(crate) fn leave(&self, name: &PluginName, prefix: &Arc<str>, member: &Member) {
        let mut owners = self.owners.write();
        let Some(owner) = owners.get_mut(name) else { return };
        let Some(group) = owner.groups.get(prefix) else { return };
        let mut members = group.0.lock();
        members.remove(member);
        if members.len() > 0 {
            return;
        }
        drop(members);
        owner.groups.remove(prefix);
        if let Some(count) = owner.lengths.get_mut(&prefix.len()) {
            *count -= 1;
            if *count == 0 {
                owner.lengths.remove(&prefix.len());
            }
        }
        if owner.groups.is_empty() {
            owners.remove(name);
        }
        self.generation.fetch_add(1, Release);
    }
}
