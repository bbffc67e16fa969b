//! What a write sees: what it wants, then the loaded rows of its group.

use std::collections::BTreeSet;

use foldhash::{HashMap, HashSet};
use parking_lot::RwLock;
use skep_types::PluginName;

use super::counts::{Counts, Uses};
use super::effects::Effects;
use super::fault::{Missing, Stop, refuse};
use super::names::{Names, Unnamed};
use super::numbers::{Kind, Numbers};
use super::rows::Rows;
use crate::error::Error;
use crate::job::QueueRef;
use crate::limits::QUEUES_MAX;
use crate::number::number;

/// Quotas by plugin, in bytes.
pub(super) type Quotas = RwLock<HashMap<PluginName, u64>>;

/// Queues of which jobs were leased under a running cap: other hosts are told when one of these ends.
#[derive(Default)]
pub(super) struct Capped(RwLock<HashSet<i64>>);

impl Capped {
    /// How a queue was leased of last.
    pub(super) fn note(&self, queue: i64, is_capped: bool) {
        if self.has(queue) == is_capped {
            return;
        }
        let mut queues = self.0.write();
        if is_capped {
            queues.insert(queue);
        } else {
            queues.remove(&queue);
        }
    }

    pub(super) fn has(&self, queue: i64) -> bool {
        self.0.read().contains(&queue)
    }
}

/// Says what is to be loaded. It is asked again when names that had no number have got one.
pub(super) struct Wants<'a> {
    pub(super) rows: &'a mut Rows,
    pub(super) numbers: &'a mut Numbers,
    pub(super) counts: &'a mut Counts,
    pub(super) names: &'a Names,
    pub(super) unnamed: &'a mut Unnamed,
    pub(super) quotas: &'a Quotas,
}

impl Wants<'_> {
    /// The plugin's number, if it has one by now; it gets one if not.
    pub(super) fn plugin(&mut self, name: &PluginName) -> Option<i64> {
        let found = self.names.plugin(name);
        if found.is_none() {
            self.unnamed.plugins.insert(name.clone());
        }
        found
    }

    /// The queue's number, if it has one by now; it gets one if not, unless the plugin has too many.
    pub(super) fn queue(&mut self, queue: &QueueRef) -> Option<i64> {
        let found = self.names.queue(queue);
        if found.is_none() {
            self.unnamed.queues.insert(queue.clone());
        }
        found
    }

    /// What the plugin uses will be asked for, if it has a quota.
    pub(super) fn quota(&mut self, name: &PluginName) {
        if self.quotas.read().contains_key(name)
            && let Some(plugin) = self.plugin(name)
        {
            self.counts.want(plugin);
        }
    }
}

/// The loaded rows of a group, as its writes leave them.
pub(super) struct Tx<'a> {
    pub(super) rows: &'a mut Rows,
    pub(super) numbers: &'a mut Numbers,
    pub(super) counts: &'a mut Counts,
    pub(super) effects: &'a mut Effects,
    pub(super) names: &'a Names,
    pub(super) unnamed: &'a mut Unnamed,
    pub(super) quotas: &'a Quotas,
    pub(super) capped: &'a Capped,
    /// This host's number.
    pub(super) host: i64,
}

impl Tx<'_> {
    /// The plugin's number.
    pub(super) fn plugin(&mut self, name: &PluginName) -> Result<i64, Missing> {
        self.names.plugin(name).ok_or_else(|| {
            self.unnamed.plugins.insert(name.clone());
            Missing
        })
    }

    /// Sees to it that these queues of a plugin have numbers, unless they were too many.
    pub(super) fn named(&mut self, queues: &BTreeSet<QueueRef>) -> Result<(), Stop<Error>> {
        let unnamed: Vec<_> = queues.iter().filter(|queue| self.names.queue(queue).is_none()).collect();
        let Some(plugin) = unnamed.first().map(|queue| &queue.plugin) else { return Ok(()) };
        let has = self.names.plugin(plugin).map_or(0, |plugin| self.names.queues_of(plugin));
        if has + unnamed.len() > QUEUES_MAX {
            return refuse(Error::Invalid(format!("a plugin has at most {QUEUES_MAX} queues")));
        }
        self.unnamed.queues.extend(unnamed.into_iter().cloned());
        Err(Stop::Missing)
    }

    /// The next number.
    pub(super) fn number(&mut self, kind: Kind) -> Result<i64, Missing> {
        self.numbers.take(kind)
    }

    /// Counts what a plugin has more, or less.
    pub(super) fn uses(&mut self, plugin: i64, uses: Uses) {
        self.counts.uses(plugin, uses);
    }

    /// What needs no more room than before is always let through, so that a plugin over its quota can make room.
    pub(super) fn within_quota(&mut self, name: &PluginName, more: i64) -> Result<(), Stop<Error>> {
        if more <= 0 {
            return Ok(());
        }
        let Some(quota) = self.quotas.read().get(name).copied() else { return Ok(()) };
        let plugin = self.plugin(name)?;
        let Some(used) = self.counts.used(plugin) else {
            self.counts.want(plugin);
            return Err(Stop::Missing);
        };
        if number(used + more) > quota { refuse(Error::Quota(quota)) } else { Ok(()) }
    }
}
