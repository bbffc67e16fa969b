//! What is announced, in the shape of Phoenix's clients.

use std::sync::Arc;

use hashbrown::HashMap;
use skep_types::TopicId;

use crate::member::{Member, group, write_members};
use crate::state::{Entry, Ref};

/// Where diffs leave the engine: the host publishes them on the topic as `presence_diff`.
pub trait Announce: Send + Sync {
    /// Called for one diff after the other, in order for each topic, without any lock of the engine that its operations
    /// need: it may list and track. It should not block, since other topics wait for it.
    fn announce(&self, topic: &TopicId, diff: &Diff);
}

/// The net change of a topic since its last diff.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Diff {
    /// Who came and who went. Apply joins before leaves, as Phoenix's clients do: an update is both, under one key.
    Members {
        /// Sorted by key; metas in the order of tracking.
        joins: Vec<Member>,
        /// Sorted by key, with the full data that they had.
        leaves: Vec<Member>,
    },
    /// How many keys there are, of a topic that is [only counted](crate::Mode::Count).
    Count(u64),
}

impl Diff {
    /// The payload of `presence_diff`: `{"joins":{key:{"metas":[..]}},"leaves":{..}}`, or `{"count":n}`.
    #[must_use]
    pub fn to_json(&self) -> String {
        match self {
            Self::Members { joins, leaves } => {
                let mut out = String::with_capacity(32 + 128 * self.entries());
                out.push_str("{\"joins\":");
                write_members(joins, &mut out);
                out.push_str(",\"leaves\":");
                write_members(leaves, &mut out);
                out.push('}');
                out
            }
            Self::Count(count) => format!("{{\"count\":{count}}}"),
        }
    }

    /// How many joins and leaves it has.
    #[must_use]
    pub fn entries(&self) -> usize {
        match self {
            Self::Members { joins, leaves } => joins.iter().chain(leaves).map(|member| member.metas.len()).sum(),
            Self::Count(_) => 0,
        }
    }
}

/// A join, the leave of what it updates, or both: never torn apart.
type Group = (Option<Arc<Entry>>, Option<Arc<Entry>>);

/// Cuts changes into diffs of at most so many entries. Joins come first, in order, each with the leave of what it
/// updates, so that nobody who stays is ever missing between two diffs; what only leaves comes last.
pub(crate) fn cut(joins: Vec<Arc<Entry>>, leaves: Vec<Arc<Entry>>, entries_max: usize) -> Vec<Diff> {
    let entries_max = entries_max.max(2);
    let updated: HashMap<Ref, usize, foldhash::fast::RandomState> = {
        let previous = joins.iter().enumerate().filter_map(|(at, join)| Some((join.previous()?, at)));
        previous.collect()
    };
    let mut groups: Vec<Group> = joins.into_iter().map(|join| (Some(join), None)).collect();
    for leave in leaves {
        match updated.get(&leave.id()).and_then(|at| groups.get_mut(*at)) {
            Some((_, slot)) => *slot = Some(leave),
            None => groups.push((None, Some(leave))),
        }
    }
    let (mut diffs, mut joins, mut leaves) = (Vec::new(), Vec::new(), Vec::new());
    for (join, leave) in groups {
        let more = usize::from(join.is_some()) + usize::from(leave.is_some());
        if joins.len() + leaves.len() + more > entries_max {
            diffs.push(members(std::mem::take(&mut joins), std::mem::take(&mut leaves)));
        }
        joins.extend(join);
        leaves.extend(leave);
    }
    if !joins.is_empty() || !leaves.is_empty() {
        diffs.push(members(joins, leaves));
    }
    diffs
}

fn members(mut joins: Vec<Arc<Entry>>, mut leaves: Vec<Arc<Entry>>) -> Diff {
    // Stable sorts: under one key the order of tracking stays.
    joins.sort_by(|a, b| a.key.cmp(&b.key));
    leaves.sort_by(|a, b| a.key.cmp(&b.key));
    Diff::Members { joins: group(joins), leaves: group(leaves) }
}
