//! What is announced, in the shape of Phoenix's clients.

use std::sync::Arc;

use hashbrown::HashMap;
use skep_types::TopicId;

use crate::member::{Member, group, write_members};
use crate::options::Options;
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

/// The JSON around an entry's key and data: refs, names and brackets.
const META_BYTES: usize = 256;

/// What entries come to in JSON, at most.
fn bytes<'a>(entries: impl Iterator<Item = &'a Arc<Entry>>) -> usize {
    // A control character of a key is escaped as six.
    entries.map(|entry| META_BYTES + 6 * entry.key.len() + entry.data.as_str().len()).sum()
}

/// Cuts changes into diffs of a bounded size. Joins come first, in order, each with the leave of what it
/// updates, so that nobody who stays is ever missing between two diffs; what only leaves comes last.
pub(crate) fn cut(joins: Vec<Arc<Entry>>, leaves: Vec<Arc<Entry>>, options: &Options) -> Vec<Diff> {
    let entries_max = options.diff_entries_max.max(2);
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
    let mut size = 0;
    for (join, leave) in groups {
        let more = usize::from(join.is_some()) + usize::from(leave.is_some());
        let bytes = bytes(join.iter().chain(&leave));
        let full = joins.len() + leaves.len() + more > entries_max || size + bytes > options.diff_bytes_max;
        if full && size > 0 {
            size = 0;
            diffs.push(members(std::mem::take(&mut joins), std::mem::take(&mut leaves)));
        }
        size += bytes;
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
