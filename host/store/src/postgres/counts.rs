//! What is counted: what plugins use, and how many jobs of each state are in a queue.
//!
//! Each host counts in rows of its own, as far as there are enough of them, so that hosts do not wait for each other at the
//! end of every transaction. Which row is of no account: what counts is the sum.

use std::collections::BTreeMap;

use foldhash::HashMap;
use tokio_postgres::types::Type;

use super::batch::{Answers, Batch, Sql, get, params};
use super::fault::Fault;
use crate::job::JobState;

/// How many rows there are of a plugin or of a queue.
const SLOTS: i64 = 8;

/// What a plugin has more, or less.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Uses {
    pub(super) items: i64,
    pub(super) jobs: i64,
    pub(super) processes: i64,
    pub(super) bytes: i64,
}

impl Uses {
    fn add(&mut self, other: Self, sign: i64) {
        self.items += sign * other.items;
        self.jobs += sign * other.jobs;
        self.processes += sign * other.processes;
        self.bytes += sign * other.bytes;
    }
}

enum Counted {
    Plugin(i64, Uses),
    Queue(i64, usize, i64),
}

/// What a group changes, and the bytes that plugins use.
#[derive(Default)]
pub(super) struct Counts {
    plugins: BTreeMap<i64, Uses>,
    queues: BTreeMap<i64, [i64; 8]>,
    /// What the write that is carried out has counted.
    own: Vec<Counted>,
    used: HashMap<i64, i64>,
    wanted: Vec<i64>,
    asked: Vec<i64>,
}

static USED: Sql = Sql {
    text: "SELECT plugin, sum(bytes)::bigint FROM plugin_counts WHERE plugin = ANY($1) GROUP BY plugin",
    types: &[Type::INT8_ARRAY],
};
static ADD_PLUGINS: Sql = Sql {
    text: "INSERT INTO plugin_counts AS old (plugin, slot, items, jobs, processes, bytes)
           SELECT plugin, $1, items, jobs, processes, bytes
           FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
             AS new(plugin, items, jobs, processes, bytes) ORDER BY plugin
           ON CONFLICT (plugin, slot) DO UPDATE SET items = old.items + excluded.items, jobs = old.jobs + excluded.jobs,
             processes = old.processes + excluded.processes, bytes = old.bytes + excluded.bytes",
    types: &[Type::INT2, Type::INT8_ARRAY, Type::INT8_ARRAY, Type::INT8_ARRAY, Type::INT8_ARRAY, Type::INT8_ARRAY],
};
static ADD_QUEUES: Sql = Sql {
    text: "INSERT INTO queue_counts AS old
           SELECT queue, $1, a, b, c, d, e, f, g, h
           FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
             $9::bigint[], $10::bigint[]) AS new(queue, a, b, c, d, e, f, g, h) ORDER BY queue
           ON CONFLICT (queue, slot) DO UPDATE SET
             suspended = old.suspended + excluded.suspended, scheduled = old.scheduled + excluded.scheduled,
             available = old.available + excluded.available, executing = old.executing + excluded.executing,
             retryable = old.retryable + excluded.retryable, completed = old.completed + excluded.completed,
             cancelled = old.cancelled + excluded.cancelled, discarded = old.discarded + excluded.discarded",
    types: &[
        Type::INT2,
        Type::INT8_ARRAY,
        Type::INT8_ARRAY,
        Type::INT8_ARRAY,
        Type::INT8_ARRAY,
        Type::INT8_ARRAY,
        Type::INT8_ARRAY,
        Type::INT8_ARRAY,
        Type::INT8_ARRAY,
        Type::INT8_ARRAY,
    ],
};

/// The row in which a host counts.
pub(super) fn slot(host: i64) -> i16 {
    i16::try_from(host.rem_euclid(SLOTS)).unwrap_or(0)
}

impl Counts {
    /// How many bytes a plugin uses will be asked for.
    pub(super) fn want(&mut self, plugin: i64) {
        if !self.used.contains_key(&plugin) {
            self.wanted.push(plugin);
        }
    }

    /// How many bytes a plugin uses by now, if that was asked for.
    pub(super) fn used(&self, plugin: i64) -> Option<i64> {
        let more = self.plugins.get(&plugin).map_or(0, |uses| uses.bytes);
        self.used.get(&plugin).map(|used| used + more)
    }

    /// Counts what a plugin has more, or less.
    pub(super) fn uses(&mut self, plugin: i64, uses: Uses) {
        if uses != Uses::default() {
            self.plugins.entry(plugin).or_default().add(uses, 1);
            self.own.push(Counted::Plugin(plugin, uses));
        }
    }

    /// A job went from a state to another; from or to nowhere if it is new or gone.
    pub(super) fn moved(&mut self, queue: i64, from: Option<JobState>, to: Option<JobState>) {
        for (state, by) in [(from, -1), (to, 1)] {
            if let Some(state) = state {
                self.count(queue, state as usize, by);
                self.own.push(Counted::Queue(queue, state as usize, by));
            }
        }
    }

    /// How many jobs more, or less, of a queue are in a state since the group began.
    pub(super) fn more(&self, queue: i64, state: JobState) -> i64 {
        self.queues.get(&queue).and_then(|counts| counts.get(state as usize)).copied().unwrap_or(0)
    }

    fn count(&mut self, queue: i64, state: usize, by: i64) {
        if let Some(count) = self.queues.entry(queue).or_default().get_mut(state) {
            *count += by;
        }
    }

    /// Another write begins.
    pub(super) fn keep(&mut self) {
        self.own.clear();
    }

    /// Undoes what was counted since [`keep`](Self::keep).
    pub(super) fn undo(&mut self) {
        for counted in std::mem::take(&mut self.own) {
            match counted {
                Counted::Plugin(plugin, uses) => self.plugins.entry(plugin).or_default().add(uses, -1),
                Counted::Queue(queue, state, by) => self.count(queue, state, -by),
            }
        }
    }

    pub(super) fn load(&mut self, batch: &mut Batch) {
        self.asked = std::mem::take(&mut self.wanted);
        if !self.asked.is_empty() {
            batch.ask(&USED, params![self.asked.clone()]);
        }
    }

    pub(super) fn loaded(&mut self, answers: &mut Answers) -> Result<(), Fault> {
        if self.asked.is_empty() {
            return Ok(());
        }
        for plugin in std::mem::take(&mut self.asked) {
            self.used.insert(plugin, 0);
        }
        for row in answers.rows() {
            self.used.insert(get(&row, 0)?, get(&row, 1)?);
        }
        Ok(())
    }

    /// The last of what a group writes, because others wait for these rows.
    pub(super) fn write(&self, batch: &mut Batch, slot: i16) {
        let plugins: Vec<_> = self.plugins.iter().filter(|(_, uses)| **uses != Uses::default()).collect();
        if !plugins.is_empty() {
            let of = |part: fn(&Uses) -> i64| plugins.iter().map(|(_, uses)| part(uses)).collect::<Vec<i64>>();
            batch.ask(
                &ADD_PLUGINS,
                params![
                    slot,
                    plugins.iter().map(|(plugin, _)| **plugin).collect::<Vec<i64>>(),
                    of(|uses| uses.items),
                    of(|uses| uses.jobs),
                    of(|uses| uses.processes),
                    of(|uses| uses.bytes),
                ],
            );
        }
        let queues: Vec<_> = self.queues.iter().filter(|(_, counts)| counts.iter().any(|count| *count != 0)).collect();
        if !queues.is_empty() {
            let mut columns = params![slot, queues.iter().map(|(queue, _)| **queue).collect::<Vec<i64>>()];
            for state in 0..JobState::ALL.len() {
                let of = queues.iter().map(|(_, counts)| counts.get(state).copied().unwrap_or(0));
                columns.push(Box::new(of.collect::<Vec<i64>>()));
            }
            batch.ask(&ADD_QUEUES, columns);
        }
    }
}
