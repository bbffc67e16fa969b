//! Jobs that ended, but those that wait for them were too many to be told at once.

use tokio_postgres::types::Type;

use crate::postgres::batch::{Answers, Batch, Sql, get, params};
use crate::postgres::fault::Fault;
use crate::postgres::table::{Change, Table};

/// How many that were left are looked at in one transaction.
pub(in crate::postgres) const LEFT_MAX: usize = 100;

/// What a group leaves, and what was left before.
#[derive(Default)]
pub(in crate::postgres) struct Ending {
    table: Table<i64, i64>,
    wanted: bool,
    asked: bool,
    /// What was left: the job, and when it ended.
    pub(in crate::postgres) left: Vec<(i64, i64)>,
}

/// What another host works off is left to it.
static LOAD: Sql =
    Sql { text: "SELECT job, now FROM ending ORDER BY job LIMIT $1 FOR UPDATE SKIP LOCKED", types: &[Type::INT8] };
static INSERT: Sql = Sql {
    text: "INSERT INTO ending(job, now) SELECT * FROM unnest($1::bigint[], $2::bigint[]) ON CONFLICT DO NOTHING",
    types: &[Type::INT8_ARRAY, Type::INT8_ARRAY],
};
static DELETE: Sql = Sql { text: "DELETE FROM ending WHERE job = ANY($1)", types: &[Type::INT8_ARRAY] };

impl Ending {
    /// What was left is to be loaded.
    pub(in crate::postgres) fn want_left(&mut self) {
        self.wanted = true;
    }

    pub(in crate::postgres) fn add(&mut self, job: i64, now: i64) {
        self.table.put(job, Some(now));
    }

    pub(in crate::postgres) fn remove(&mut self, job: i64) {
        self.table.put(job, None);
    }

    pub(super) fn keep(&mut self) {
        self.table.keep();
    }

    pub(super) fn undo(&mut self) {
        self.table.undo();
    }

    pub(super) fn load(&mut self, batch: &mut Batch) {
        self.asked = std::mem::take(&mut self.wanted);
        if self.asked {
            batch.ask(&LOAD, params![i64::try_from(LEFT_MAX).unwrap_or(i64::MAX)]);
        }
    }

    pub(super) fn loaded(&mut self, answers: &mut Answers) -> Result<(), Fault> {
        if self.asked {
            for row in answers.rows() {
                let left = (get(&row, 0)?, get(&row, 1)?);
                self.table.loaded(left.0, left.1);
                self.left.push(left);
            }
        }
        Ok(())
    }

    pub(super) fn write(&self, batch: &mut Batch) {
        let (mut insert, mut delete): ((Vec<i64>, Vec<i64>), Vec<i64>) = Default::default();
        for (job, change) in self.table.changes() {
            match change {
                Change::Insert(now) => {
                    insert.0.push(*job);
                    insert.1.push(*now);
                }
                Change::Delete => delete.push(*job),
                // It was taken up, and left again.
                Change::Update(_) | Change::Absent => {}
            }
        }
        if !insert.0.is_empty() {
            batch.ask(&INSERT, params![insert.0, insert.1]);
        }
        if !delete.is_empty() {
            batch.ask(&DELETE, params![delete]);
        }
    }
}
