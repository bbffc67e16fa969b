//! Who is there: by number, by name, and by name in order. Nothing here scans to find one.

use std::borrow::Borrow;
use std::collections::{BTreeSet, HashMap};
use std::hash::BuildHasher;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use parking_lot::{Mutex, RwLock};
use skep_types::PluginName;

use crate::address::Number;
use crate::cell::Cell;
use crate::kind::Kind;

/// Enough that two cores seldom want the same one.
const SHARDS: usize = 64;

type Cells = RwLock<HashTable<Arc<Cell>>>;

/// A process by its name; the name is in the cell, and only there.
struct ByName(Arc<Cell>);

impl Borrow<str> for ByName {
    fn borrow(&self) -> &str {
        self.0.name.as_deref().unwrap_or_default()
    }
}

impl PartialEq for ByName {
    fn eq(&self, other: &Self) -> bool {
        Borrow::<str>::borrow(self) == Borrow::<str>::borrow(other)
    }
}

impl Eq for ByName {}

impl PartialOrd for ByName {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ByName {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        Borrow::<str>::borrow(self).cmp(Borrow::<str>::borrow(other))
    }
}

/// A plugin.
#[derive(Default)]
pub(crate) struct Plugin {
    pub(crate) kinds: RwLock<HashMap<Arc<str>, Arc<Kind>>>,
    names: Mutex<BTreeSet<ByName>>,
    /// Whether it has, or had, kinds that are kept: if not, the store is never asked.
    pub(crate) keeps: std::sync::atomic::AtomicBool,
}

pub(crate) struct Registry {
    by_number: Vec<Cells>,
    by_name: Vec<Cells>,
    pub(crate) plugins: RwLock<HashMap<PluginName, Arc<Plugin>>>,
    hasher: RandomState,
    count: AtomicUsize,
}

/// The shard of a hash. Its high bits choose; a table of hashbrown goes by the low ones and the highest seven.
fn shard(shards: &[Cells], hash: u64) -> Option<&Cells> {
    shards.get(usize::try_from(hash >> 40).unwrap_or(0) % SHARDS)
}

/// Takes this very one out of a table.
fn take(table: &mut HashTable<Arc<Cell>>, hash: u64, cell: &Arc<Cell>) -> Option<Arc<Cell>> {
    let entry = table.find_entry(hash, |other| Arc::ptr_eq(other, cell)).ok()?;
    Some(entry.remove().0)
}

impl Registry {
    pub(crate) fn new() -> Self {
        let shards = || (0..SHARDS).map(|_| Cells::default()).collect();
        Self {
            by_number: shards(),
            by_name: shards(),
            plugins: RwLock::default(),
            hasher: RandomState::default(),
            count: AtomicUsize::new(0),
        }
    }

    fn hash_number(&self, number: Number) -> u64 {
        self.hasher.hash_one(number)
    }

    fn hash_name(&self, plugin: &PluginName, name: &str) -> u64 {
        self.hasher.hash_one((plugin.as_str(), name))
    }

    fn rehash_name(&self, cell: &Cell) -> u64 {
        self.hash_name(&cell.kind.plugin, cell.name.as_deref().unwrap_or_default())
    }

    pub(crate) fn plugin(&self, plugin: &PluginName) -> Option<Arc<Plugin>> {
        self.plugins.read().get(plugin).cloned()
    }

    pub(crate) fn kind(&self, plugin: &PluginName, kind: &str) -> Option<Arc<Kind>> {
        self.plugins.read().get(plugin)?.kinds.read().get(kind).cloned()
    }

    pub(crate) fn kinds(&self) -> Vec<Arc<Kind>> {
        let plugins = self.plugins.read();
        plugins.values().flat_map(|plugin| plugin.kinds.read().values().cloned().collect::<Vec<_>>()).collect()
    }

    /// Whether the store may know processes of this plugin that are not here.
    pub(crate) fn keeps(&self, plugin: &PluginName) -> bool {
        self.plugins.read().get(plugin).is_some_and(|plugin| plugin.keeps.load(Ordering::Relaxed))
    }

    pub(crate) fn number(&self, number: Number) -> Option<Arc<Cell>> {
        let hash = self.hash_number(number);
        shard(&self.by_number, hash)?.read().find(hash, |cell| cell.number == number).cloned()
    }

    pub(crate) fn name(&self, plugin: &PluginName, name: &str) -> Option<Arc<Cell>> {
        let hash = self.hash_name(plugin, name);
        let is = |cell: &Arc<Cell>| cell.name.as_deref() == Some(name) && cell.kind.plugin == *plugin;
        shard(&self.by_name, hash)?.read().find(hash, is).cloned()
    }

    /// Adds one. The one that has its name or its number, if there is one, and nothing is added.
    pub(crate) fn insert(&self, cell: &Arc<Cell>) -> Result<(), Arc<Cell>> {
        let hash = self.hash_number(cell.number);
        let Some(numbers) = shard(&self.by_number, hash) else { return Ok(()) };
        {
            let mut table = numbers.write();
            // One may come back from the store twice at once.
            if let Some(there) = table.find(hash, |other| other.number == cell.number) {
                return Err(Arc::clone(there));
            }
            table.insert_unique(hash, Arc::clone(cell), |cell| self.hash_number(cell.number));
        }
        cell.kind.count.fetch_add(1, Ordering::Relaxed);
        self.count.fetch_add(1, Ordering::Relaxed);
        // The name last: only by it can others find it already.
        let taken = self.insert_name(cell);
        if taken.is_err() {
            self.remove_number(cell);
        }
        taken
    }

    fn insert_name(&self, cell: &Arc<Cell>) -> Result<(), Arc<Cell>> {
        let Some(name) = cell.name.as_deref() else { return Ok(()) };
        let hash = self.rehash_name(cell);
        let Some(names) = shard(&self.by_name, hash) else { return Ok(()) };
        let mut table = names.write();
        let is = |other: &Arc<Cell>| other.name.as_deref() == Some(name) && other.kind.plugin == cell.kind.plugin;
        if let Some(there) = table.find(hash, is) {
            return Err(Arc::clone(there));
        }
        table.insert_unique(hash, Arc::clone(cell), |cell| self.rehash_name(cell));
        if let Some(plugin) = self.plugin(&cell.kind.plugin) {
            plugin.names.lock().insert(ByName(Arc::clone(cell)));
        }
        Ok(())
    }

    fn remove_number(&self, cell: &Arc<Cell>) {
        let hash = self.hash_number(cell.number);
        let Some(numbers) = shard(&self.by_number, hash) else { return };
        if take(&mut numbers.write(), hash, cell).is_some() {
            cell.kind.count.fetch_sub(1, Ordering::Relaxed);
            self.count.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Takes one out, once.
    pub(crate) fn remove(&self, cell: &Arc<Cell>) {
        let is = |other: &Arc<Cell>| Arc::ptr_eq(other, cell);
        if let Some(name) = cell.name.as_deref() {
            let hash = self.rehash_name(cell);
            // First the ordered one, so that a successor of the name is not taken out of it.
            if let Some(plugin) = self.plugin(&cell.kind.plugin) {
                let mut names = plugin.names.lock();
                if names.get(name).is_some_and(|found| is(&found.0)) {
                    names.remove(name);
                }
            }
            if let Some(names) = shard(&self.by_name, hash) {
                take(&mut names.write(), hash, cell);
            }
        }
        self.remove_number(cell);
    }

    /// The plugin's processes with names that begin so, in the order of the names' bytes.
    pub(crate) fn names(&self, plugin: &PluginName, prefix: &str, after: Option<&str>, limit: usize) -> Vec<Arc<Cell>> {
        let Some(plugin) = self.plugin(plugin) else { return Vec::new() };
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let names = plugin.names.lock();
        let begin = |found: &&ByName| Borrow::<str>::borrow(*found).starts_with(prefix);
        let range = names.range::<str, _>((from, Bound::Unbounded));
        range.take_while(begin).take(limit).map(|found| Arc::clone(&found.0)).collect()
    }

    pub(crate) fn shards(&self) -> usize {
        self.by_number.len()
    }

    /// The processes of one shard.
    pub(crate) fn shard(&self, at: usize) -> Vec<Arc<Cell>> {
        self.by_number.get(at).map(|shard| shard.read().iter().cloned().collect()).unwrap_or_default()
    }

    /// All processes, in steps, so that nobody waits for long.
    pub(crate) fn for_each_shard(&self, mut each: impl FnMut(Vec<Arc<Cell>>)) {
        (0..self.shards()).for_each(|at| each(self.shard(at)));
    }

    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }
}
