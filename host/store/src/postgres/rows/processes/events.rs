//! What happened to processes. Nobody changes a process's events who does not have its record.
//!
//! Events are numbered without gaps, so it is known which are there. They are not loaded: what those counted for that are
//! deleted is counted where they are.

use std::collections::BTreeMap;

use bytes::Bytes;
use tokio_postgres::types::Type;

use super::Place;
use crate::limits::EVENT_OVERHEAD;
use crate::number::{len, sql};
use crate::postgres::batch::{Answers, Batch, Raw, Sql, params};
use crate::postgres::fault::Fault;
use crate::postgres::rows::Family;

/// Whose, and its place among the process's events.
type Event = (i64, i64, i64);

/// Events that go: from the first on, up to the one behind the last.
#[derive(Clone, Copy)]
struct Cut {
    process: Place,
    first: i64,
    behind: i64,
}

/// Events of a group.
#[derive(Default)]
pub(in crate::postgres) struct Events {
    /// Where the host counts.
    slot: i16,
    new: BTreeMap<Event, Bytes>,
    cuts: Vec<Cut>,
    /// What the write that is carried out has changed among the new ones, as it was, and where its cuts begin.
    undo: Vec<(Event, Option<Bytes>)>,
    kept: usize,
}

impl Events {
    pub(super) fn of(slot: i16) -> Self {
        Self { slot, ..Self::default() }
    }

    pub(in crate::postgres) fn append(&mut self, (plugin, number): Place, id: i64, data: Bytes) {
        let event = (plugin, number, id);
        self.undo.push((event, self.new.insert(event, data)));
    }

    /// Deletes events of a process. Answers what those of them counted for that came with this group; the others are counted
    /// when they are deleted.
    pub(in crate::postgres) fn cut(&mut self, process: Place, first: i64, behind: i64) -> i64 {
        self.cuts.push(Cut { process, first, behind });
        let (plugin, number) = process;
        let new: Vec<_> =
            self.new.range((plugin, number, first)..(plugin, number, behind)).map(|(at, _)| *at).collect();
        let mut bytes = 0;
        for event in new {
            let data = self.new.remove(&event);
            bytes += data.as_ref().map_or(0, |data| len(data) + sql(EVENT_OVERHEAD));
            self.undo.push((event, data));
        }
        bytes
    }

    /// How many events the group deletes.
    pub(in crate::postgres) fn cut_rows(&self) -> i64 {
        self.cuts.iter().map(|cut| cut.behind - cut.first).sum()
    }
}

static INSERT: Sql = Sql {
    text: "INSERT INTO process_events(plugin, number, id, data)
           SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bytea[])",
    types: &[Type::INT8_ARRAY, Type::INT8_ARRAY, Type::INT8_ARRAY, Type::BYTEA_ARRAY],
};
static CUT: Sql = Sql {
    text: "WITH gone AS (
             DELETE FROM process_events AS old
             USING unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[]) AS cut(plugin, number, first, behind)
             WHERE old.plugin = cut.plugin AND old.number = cut.number AND old.id >= cut.first AND old.id < cut.behind
             RETURNING old.plugin, octet_length(old.data) + $5 AS bytes
           ), freed AS (SELECT plugin, sum(bytes)::bigint AS bytes FROM gone GROUP BY plugin ORDER BY plugin)
           INSERT INTO plugin_counts AS old (plugin, slot, items, jobs, processes, bytes)
           SELECT plugin, $6, 0, 0, 0, -bytes FROM freed
           ON CONFLICT (plugin, slot) DO UPDATE SET bytes = old.bytes + excluded.bytes",
    types: &[Type::INT8_ARRAY, Type::INT8_ARRAY, Type::INT8_ARRAY, Type::INT8_ARRAY, Type::INT8, Type::INT2],
};

impl Family for Events {
    fn keep(&mut self) {
        self.undo.clear();
        self.kept = self.cuts.len();
    }

    fn undo(&mut self) {
        for (event, data) in self.undo.drain(..).rev() {
            match data {
                Some(data) => self.new.insert(event, data),
                None => self.new.remove(&event),
            };
        }
        self.cuts.truncate(self.kept);
    }

    fn load(&mut self, _: &mut Batch) {}

    fn loaded(&mut self, _: &mut Answers) -> Result<(), Fault> {
        Ok(())
    }

    fn write(&mut self, batch: &mut Batch) {
        // A number that somebody gives again has its own events.
        if !self.cuts.is_empty() {
            let of = |part: fn(&Cut) -> i64| self.cuts.iter().map(part).collect::<Vec<i64>>();
            batch.ask(
                &CUT,
                params![
                    of(|cut| cut.process.0),
                    of(|cut| cut.process.1),
                    of(|cut| cut.first),
                    of(|cut| cut.behind),
                    sql(EVENT_OVERHEAD),
                    self.slot,
                ],
            );
        }
        if !self.new.is_empty() {
            let of = |part: fn(&Event) -> i64| self.new.keys().map(part).collect::<Vec<i64>>();
            let data: Vec<Raw> = self.new.values().cloned().map(Raw).collect();
            batch.ask(&INSERT, params![of(|event| event.0), of(|event| event.1), of(|event| event.2), data]);
        }
    }
}
