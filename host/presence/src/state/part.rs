//! What is known of one replica, and how two such merge.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::dots::Dots;
use super::entry::Entry;

/// What became visible and what no longer is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Entries that are there now.
    pub joins: Vec<Arc<Entry>>,
    /// Entries that were there.
    pub leaves: Vec<Arc<Entry>>,
}

/// Some numbers of one replica's clock, and the entries alive among them. A seen number without an entry has left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    pub(crate) seen: Dots,
    pub(crate) entries: BTreeMap<u64, Arc<Entry>>,
}

impl Part {
    /// The numbers that it tells of.
    #[must_use]
    pub fn seen(&self) -> &Dots {
        &self.seen
    }

    /// The entries alive among them.
    pub fn entries(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.entries.values()
    }

    /// Takes in what another part of the same replica tells: commutative, associative, idempotent.
    pub(crate) fn merge(&mut self, other: &Self, changes: &mut Changes) {
        for (first, last) in other.seen.ranges() {
            // Of what both have seen, only what both hold alive is alive.
            let here = self.entries.range(first..=last).map(|(clock, _)| *clock);
            let left: Vec<u64> = here.filter(|clock| !other.entries.contains_key(clock)).collect();
            changes.leaves.extend(left.iter().filter_map(|clock| self.entries.remove(clock)));
        }
        for (clock, entry) in &other.entries {
            if !self.seen.contains(*clock) {
                self.entries.insert(*clock, Arc::clone(entry));
                changes.joins.push(Arc::clone(entry));
            }
        }
        self.seen.extend(&other.seen);
    }
}
