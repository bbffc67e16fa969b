//! Counts and names that the writer keeps beside the database, so that nothing is counted and no name is looked up.
//!
//! They are a copy of the tables `counters`, `plugins` and `queues`: read when a transaction begins and another process has
//! written meanwhile, written back before it ends, forgotten when it is undone.

use foldhash::HashMap;
use rusqlite::{Connection, params};
use skep_types::{HandlerName, PluginName};

use super::write::row::JobRow;
use crate::job::{JobState, QueueRef, QueueState};

/// Numbers that grow for good.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counters {
    pub(super) version: u64,
    pub(super) job: u64,
    pub(super) fence: u64,
    pub(super) message: u64,
    pub(super) mail: u64,
}

/// What is known of a plugin.
pub(super) struct Plugin {
    pub(super) id: i64,
    pub(super) items: i64,
    pub(super) jobs: i64,
    pub(super) processes: i64,
    pub(super) bytes: i64,
    queues: usize,
    changed: bool,
}

/// What is known of a queue.
pub(super) struct Queue {
    pub(super) queue: QueueRef,
    pub(super) state: QueueState,
    counts: [i64; 8],
    changed: bool,
}

impl Queue {
    /// How many of its jobs are in this state.
    pub(super) fn count(&self, state: JobState) -> i64 {
        self.counts.get(state as usize).copied().unwrap_or(0)
    }
}

/// The copy.
#[derive(Default)]
pub(super) struct State {
    /// What SQLite's `data_version` was when it was read; another one means that another process wrote.
    seen: Option<i64>,
    pub(super) counters: Counters,
    written: Counters,
    plugins: HashMap<PluginName, Plugin>,
    /// The plugins' names by their numbers.
    names: HashMap<i64, PluginName>,
    queue_ids: HashMap<QueueRef, i64>,
    queues: HashMap<i64, Queue>,
    /// Jobs that execute, as far as they were leased lately: a worker will soon say what became of them.
    leased: HashMap<i64, JobRow>,
}

/// How many such jobs are kept in memory; others are read.
const LEASED_MAX: usize = 50_000;

impl State {
    /// Makes sure that the copy is what the database has, at the beginning of a transaction.
    pub(super) fn refresh(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let version: i64 = connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?;
        if self.seen == Some(version) {
            return Ok(());
        }
        *self = Self::read(connection)?;
        self.seen = Some(version);
        Ok(())
    }

    /// What was changed was undone.
    pub(super) fn forget(&mut self) {
        self.seen = None;
    }

    fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let counters = connection.query_row("SELECT version, job, fence, message, mail FROM counters", [], |row| {
            let number = |at| row.get::<_, i64>(at).map(i64::cast_unsigned);
            Ok(Counters {
                version: number(0)?,
                job: number(1)?,
                fence: number(2)?,
                message: number(3)?,
                mail: number(4)?,
            })
        })?;
        let mut state = Self { counters, written: counters, ..Self::default() };
        let mut statement = connection.prepare("SELECT id, name, items, jobs, processes, bytes FROM plugins")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (id, name) = (row.get(0)?, plugin_name(row, 1)?);
            let (items, jobs, processes, bytes) = (row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?);
            state.names.insert(id, name.clone());
            state.plugins.insert(name, Plugin { id, items, jobs, processes, bytes, queues: 0, changed: false });
        }
        let mut statement = connection.prepare(
            "SELECT id, plugin, name, paused, concurrency, suspended, scheduled, available, executing, retryable,
               completed, cancelled, discarded FROM queues",
        )?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let id: i64 = row.get(0)?;
            let Some(plugin) = state.names.get(&row.get(1)?).cloned() else { continue };
            let queue = QueueRef { plugin, queue: handler_name(row, 2)? };
            let mut counts = [0; 8];
            for (at, count) in counts.iter_mut().enumerate() {
                *count = row.get(5 + at)?;
            }
            let said = QueueState { paused: row.get(3)?, concurrency: row.get(4)? };
            state.add_queue(id, queue, said, counts);
        }
        Ok(state)
    }

    fn add_queue(&mut self, id: i64, queue: QueueRef, state: QueueState, counts: [i64; 8]) {
        if let Some(plugin) = self.plugins.get_mut(&queue.plugin) {
            plugin.queues += 1;
        }
        self.queue_ids.insert(queue.clone(), id);
        self.queues.insert(id, Queue { queue, state, counts, changed: false });
    }

    /// The plugin, if it has ever written anything.
    pub(super) fn plugin(&self, name: &PluginName) -> Option<&Plugin> {
        self.plugins.get(name)
    }

    /// The plugin's number; it gets one if it has none.
    pub(super) fn plugin_id(&mut self, connection: &Connection, name: &PluginName) -> rusqlite::Result<i64> {
        if let Some(plugin) = self.plugins.get(name) {
            return Ok(plugin.id);
        }
        connection.prepare_cached("INSERT INTO plugins(name) VALUES (?1)")?.execute([name.as_str()])?;
        let id = connection.last_insert_rowid();
        let plugin = Plugin { id, items: 0, jobs: 0, processes: 0, bytes: 0, queues: 0, changed: false };
        self.names.insert(id, name.clone());
        self.plugins.insert(name.clone(), plugin);
        Ok(id)
    }

    /// Counts what a plugin has more, or less.
    pub(super) fn used(&mut self, name: &PluginName, items: i64, jobs: i64, bytes: i64) {
        if let Some(plugin) = self.plugins.get_mut(name) {
            plugin.items += items;
            plugin.jobs += jobs;
            plugin.bytes += bytes;
            plugin.changed = true;
        }
    }

    /// Counts what a plugin has more, or less, of processes.
    pub(super) fn has_processes(&mut self, name: &PluginName, processes: i64) {
        if let Some(plugin) = self.plugins.get_mut(name) {
            plugin.processes += processes;
            plugin.changed = true;
        }
    }

    /// The plugin that has this number.
    pub(super) fn plugin_named(&self, id: i64) -> Option<PluginName> {
        self.names.get(&id).cloned()
    }

    /// The queue's number, if it has one.
    pub(super) fn queue_known(&self, queue: &QueueRef) -> Option<i64> {
        self.queue_ids.get(queue).copied()
    }

    /// How many queues the plugin has.
    pub(super) fn queues_of(&self, plugin: &PluginName) -> usize {
        self.plugins.get(plugin).map_or(0, |plugin| plugin.queues)
    }

    /// The queue's number; it gets one if it has none.
    pub(super) fn queue_id(&mut self, connection: &Connection, queue: &QueueRef) -> rusqlite::Result<i64> {
        if let Some(id) = self.queue_ids.get(queue) {
            return Ok(*id);
        }
        let plugin = self.plugin_id(connection, &queue.plugin)?;
        connection
            .prepare_cached("INSERT INTO queues(plugin, name) VALUES (?1, ?2)")?
            .execute(params![plugin, queue.queue.as_str()])?;
        let id = connection.last_insert_rowid();
        self.add_queue(id, queue.clone(), QueueState::default(), [0; 8]);
        Ok(id)
    }

    /// What is known of a queue by its number.
    pub(super) fn queue(&self, id: i64) -> Option<&Queue> {
        self.queues.get(&id)
    }

    /// What an operator said of it.
    pub(super) fn queue_said(&mut self, id: i64, state: QueueState) {
        if let Some(queue) = self.queues.get_mut(&id) {
            queue.state = state;
        }
    }

    /// The numbers of a plugin's queues.
    pub(super) fn queue_ids_of<'a>(&'a self, plugin: &'a PluginName) -> impl Iterator<Item = i64> + 'a {
        self.queues.iter().filter(move |(_, queue)| queue.queue.plugin == *plugin).map(|(id, _)| *id)
    }

    /// A job went from a state to another; from or to nowhere if it is new or gone.
    pub(super) fn moved(&mut self, queue: i64, from: Option<JobState>, to: Option<JobState>) {
        let Some(queue) = self.queues.get_mut(&queue) else { return };
        queue.changed = true;
        for (state, by) in [(from, -1), (to, 1)] {
            if let Some(count) = state.and_then(|state| queue.counts.get_mut(state as usize)) {
                *count += by;
            }
        }
    }

    /// A job was put on lease; this is its row.
    pub(super) fn lease(&mut self, row: JobRow) {
        if self.leased.len() < LEASED_MAX {
            self.leased.insert(row.id, row);
        }
    }

    /// The row of a job that executes, if it is known.
    pub(super) fn leased(&mut self, id: i64) -> Option<&mut JobRow> {
        self.leased.get_mut(&id)
    }

    /// A job does not execute any more.
    pub(super) fn unlease(&mut self, id: i64) {
        self.leased.remove(&id);
    }

    /// Writes back what changed, at the end of a transaction.
    pub(super) fn write(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        if self.counters != self.written {
            let Counters { version, job, fence, message, mail } = self.counters;
            let numbers = [version, job, fence, message, mail].map(u64::cast_signed);
            connection
                .prepare_cached("UPDATE counters SET version = ?1, job = ?2, fence = ?3, message = ?4, mail = ?5")?
                .execute(numbers)?;
            self.written = self.counters;
        }
        for plugin in self.plugins.values_mut().filter(|plugin| plugin.changed) {
            let Plugin { id, items, jobs, processes, bytes, .. } = *plugin;
            connection
                .prepare_cached("UPDATE plugins SET items = ?2, jobs = ?3, processes = ?4, bytes = ?5 WHERE id = ?1")?
                .execute([id, items, jobs, processes, bytes])?;
            plugin.changed = false;
        }
        for (id, queue) in self.queues.iter_mut().filter(|(_, queue)| queue.changed) {
            let [a, b, c, d, e, f, g, h] = queue.counts;
            connection
                .prepare_cached(
                    "UPDATE queues SET suspended = ?2, scheduled = ?3, available = ?4, executing = ?5, retryable = ?6,
                       completed = ?7, cancelled = ?8, discarded = ?9 WHERE id = ?1",
                )?
                .execute([*id, a, b, c, d, e, f, g, h])?;
            queue.changed = false;
        }
        Ok(())
    }
}

/// A name that was written as one.
pub(super) fn plugin_name(row: &rusqlite::Row<'_>, at: usize) -> rusqlite::Result<PluginName> {
    PluginName::new(row.get_ref(at)?.as_str()?).map_err(|error| unreadable(at, error))
}

/// A name that was written as one.
pub(super) fn handler_name(row: &rusqlite::Row<'_>, at: usize) -> rusqlite::Result<HandlerName> {
    HandlerName::new(row.get_ref(at)?.as_str()?).map_err(|error| unreadable(at, error))
}

/// What a column holds is not what was ever written there.
pub(super) fn unreadable(at: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(at, rusqlite::types::Type::Text, Box::new(error))
}
