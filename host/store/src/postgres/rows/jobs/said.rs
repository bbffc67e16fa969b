//! What operators said of queues.

use tokio_postgres::types::Type;

use crate::job::QueueState;
use crate::postgres::batch::{Answers, Batch, Sql, get, params};
use crate::postgres::fault::{Fault, Missing};
use crate::postgres::table::{Change, Table};

/// Queues of a group.
#[derive(Default)]
pub(in crate::postgres) struct Said {
    table: Table<i64, QueueState>,
    asked: Vec<i64>,
}

/// They are not locked: whoever leases while an operator says something comes before it.
static LOAD: Sql =
    Sql { text: "SELECT id, paused, concurrency FROM queues WHERE id = ANY($1)", types: &[Type::INT8_ARRAY] };
static UPDATE: Sql = Sql {
    text: "UPDATE queues SET paused = new.paused, concurrency = new.concurrency, said = true
           FROM unnest($1::bigint[], $2::boolean[], $3::bigint[]) AS new(id, paused, concurrency)
           WHERE queues.id = new.id",
    types: &[Type::INT8_ARRAY, Type::BOOL_ARRAY, Type::INT8_ARRAY],
};

impl Said {
    pub(in crate::postgres) fn want(&mut self, queue: i64) {
        self.table.want(queue);
    }

    pub(in crate::postgres) fn is_paused(&mut self, queue: i64) -> Result<bool, Missing> {
        Ok(self.table.get(&queue)?.is_some_and(|state| state.paused))
    }

    pub(in crate::postgres) fn put(&mut self, queue: i64, state: QueueState) {
        self.table.put(queue, Some(state));
    }

    pub(super) fn keep(&mut self) {
        self.table.keep();
    }

    pub(super) fn undo(&mut self) {
        self.table.undo();
    }

    pub(super) fn load(&mut self, batch: &mut Batch) {
        self.asked = self.table.wanted();
        if !self.asked.is_empty() {
            batch.ask(&LOAD, params![self.asked.clone()]);
        }
    }

    pub(super) fn loaded(&mut self, answers: &mut Answers) -> Result<(), Fault> {
        let asked = std::mem::take(&mut self.asked);
        if !asked.is_empty() {
            for row in answers.rows() {
                let concurrency: Option<i64> = get(&row, 2)?;
                let state = QueueState { paused: get(&row, 1)?, concurrency: concurrency.map(concurrency_of) };
                self.table.loaded(get(&row, 0)?, state);
            }
        }
        self.table.absent(asked);
        Ok(())
    }

    pub(super) fn write(&self, batch: &mut Batch) {
        let mut columns: (Vec<i64>, Vec<bool>, Vec<Option<i64>>) = Default::default();
        for (queue, change) in self.table.changes() {
            // A queue is there as soon as it has a number, whether its row was looked at or not.
            let (Change::Insert(state) | Change::Update(state)) = change else { continue };
            columns.0.push(*queue);
            columns.1.push(state.paused);
            columns.2.push(state.concurrency.map(i64::from));
        }
        if !columns.0.is_empty() {
            batch.ask(&UPDATE, params![columns.0, columns.1, columns.2]);
        }
    }
}

/// As it was written.
pub(in crate::postgres) fn concurrency_of(value: i64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
