//! Parts that travel.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::dots::Dots;
use super::part::{Changes, Part};
use super::replica::Replica;

/// What a state has seen of each replica: what it sends to be told the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Digest(pub BTreeMap<Replica, Dots>);

/// News of some replicas, for another state to merge. The whole state is the delta since nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delta {
    /// By the node's name: of two lives of one node only the newer counts.
    pub(crate) parts: BTreeMap<Arc<str>, (Replica, Part)>,
}

impl Delta {
    /// Whether it has no news.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// The news of each replica.
    pub fn parts(&self) -> impl Iterator<Item = (&Replica, &Part)> {
        self.parts.values().map(|(replica, part)| (replica, part))
    }

    /// Takes in another delta, so that one message carries both.
    pub fn merge(&mut self, other: &Self) {
        for (replica, part) in other.parts() {
            self.add(replica, part.clone());
        }
    }

    pub(crate) fn add(&mut self, replica: &Replica, part: Part) {
        match self.parts.get_mut(replica.name()) {
            Some((own, known)) if own == replica => known.merge(&part, &mut Changes::default()),
            Some((own, _)) if own.incarnation() > replica.incarnation() => {}
            _ => {
                self.parts.insert(replica.shared_name(), (replica.clone(), part));
            }
        }
    }
}
