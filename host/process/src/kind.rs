//! A kind of processes: what its plugin says of it now, and the index of its idle ones.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use skep_types::PluginName;

use crate::behaviour::Behaviour;
use crate::cell::Cell;
use crate::options::KindOptions;
use crate::time::Tick;

pub(crate) struct Kind {
    pub(crate) plugin: PluginName,
    pub(crate) name: Arc<str>,
    /// Replaced as a whole: a turn reads it once for each message.
    pub(crate) setup: ArcSwap<Setup>,
    /// Processes in memory.
    pub(crate) count: AtomicUsize,
    /// States from before upgrades up to this revision are not needed any more.
    pub(crate) settled: AtomicU64,
    /// Its processes end.
    pub(crate) removed: AtomicBool,
    /// Those that live and are idle, by when they began to be. An entry may be out of date; then it says too early.
    pub(crate) idle: Index,
    /// Those that sleep and could leave the memory, by when they went to sleep. As for `idle`.
    pub(crate) asleep: Index,
}

/// What a plugin says of a kind now.
pub(crate) struct Setup {
    pub(crate) options: KindOptions,
    pub(crate) revision: Arc<Revision>,
}

/// One behaviour. It lives as long as a process needs it.
pub(crate) struct Revision {
    /// Grows with each behaviour.
    pub(crate) id: u64,
    pub(crate) behaviour: Arc<dyn Behaviour>,
    pub(crate) version: u32,
    pub(crate) saves: bool,
    /// The one that it replaced, until the probation ends.
    pub(crate) replaced: Mutex<Option<Arc<Revision>>>,
    /// Whether it is there again: states from before the upgrade are restored.
    pub(crate) restores: bool,
}

impl Revision {
    pub(crate) fn is(&self, other: &Arc<dyn Behaviour>) -> bool {
        same(&self.behaviour, other)
    }
}

/// Whether it is the same object. The vtable says nothing: there may be several of one type.
pub(crate) fn same(one: &Arc<dyn Behaviour>, other: &Arc<dyn Behaviour>) -> bool {
    std::ptr::addr_eq(Arc::as_ptr(one), Arc::as_ptr(other))
}

impl Kind {
    pub(crate) fn new(plugin: PluginName, name: Arc<str>, setup: Setup) -> Self {
        Self {
            plugin,
            name,
            setup: ArcSwap::from_pointee(setup),
            count: AtomicUsize::new(0),
            settled: AtomicU64::new(0),
            removed: AtomicBool::new(false),
            idle: Index::default(),
            asleep: Index::default(),
        }
    }
}

/// Processes by a moment, the oldest first.
#[derive(Default)]
pub(crate) struct Index(Mutex<BTreeMap<(Tick, u64), Arc<Cell>>>);

impl Index {
    /// Whether it is the first one now, so that somebody should look at the clock.
    pub(crate) fn insert(&self, at: Tick, cell: &Arc<Cell>) -> bool {
        let mut map = self.0.lock();
        map.insert((at, cell.number.0), Arc::clone(cell));
        map.first_key_value().is_some_and(|((first, _), _)| *first == at)
    }

    pub(crate) fn remove(&self, at: Tick, cell: &Cell) {
        self.0.lock().remove(&(at, cell.number.0));
    }

    pub(crate) fn first(&self) -> Option<Tick> {
        self.0.lock().first_key_value().map(|((at, _), _)| *at)
    }

    /// Takes out the oldest, if it is from before `until`.
    pub(crate) fn pop(&self, until: Tick) -> Option<(Tick, Arc<Cell>)> {
        let mut map = self.0.lock();
        let entry = map.first_entry().filter(|entry| entry.key().0 <= until)?;
        let ((at, _), cell) = entry.remove_entry();
        Some((at, cell))
    }
}
