//! How attempts of jobs failed: the last ones of each job. Whoever has the job locked has them.

use bytes::Bytes;
use tokio_postgres::types::Type;

use crate::number::len;
use crate::postgres::batch::{Answers, Batch, Raw, Sql, get, params};
use crate::postgres::fault::{Fault, Missing};
use crate::postgres::table::{Change, Table};

/// Which job, and which of its failures.
type Place = (i64, i64);

/// A failure.
#[derive(Clone, Debug)]
struct Attempt {
    attempt: i64,
    at: i64,
    /// How many bytes its text has.
    len: i64,
    /// Of new ones only.
    error: Bytes,
}

/// Failures of a group.
#[derive(Default)]
pub(in crate::postgres) struct Attempts {
    table: Table<Place, Attempt>,
    asked: Vec<Place>,
    /// Jobs that have none any more.
    erased: Vec<i64>,
    kept: usize,
}

/// Job, failure, attempt, when, how.
type Columns = (Vec<i64>, Vec<i64>, Vec<i64>, Vec<i64>, Vec<Raw>);

static LOAD: Sql = Sql {
    text: "SELECT job, seq, octet_length(error)::bigint FROM unnest($1::bigint[], $2::bigint[]) AS wanted(job, seq)
           JOIN attempts USING (job, seq)",
    types: &[Type::INT8_ARRAY, Type::INT8_ARRAY],
};
static INSERT: Sql = Sql {
    text: "INSERT INTO attempts(job, seq, attempt, at, error)
           SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bytea[])",
    types: &[Type::INT8_ARRAY, Type::INT8_ARRAY, Type::INT8_ARRAY, Type::INT8_ARRAY, Type::BYTEA_ARRAY],
};
static DELETE: Sql = Sql {
    text: "DELETE FROM attempts USING unnest($1::bigint[], $2::bigint[]) AS gone(job, seq)
           WHERE attempts.job = gone.job AND attempts.seq = gone.seq",
    types: &[Type::INT8_ARRAY, Type::INT8_ARRAY],
};
static ERASE: Sql = Sql { text: "DELETE FROM attempts WHERE job = ANY($1)", types: &[Type::INT8_ARRAY] };

impl Attempts {
    /// How long this one is will be asked for.
    pub(in crate::postgres) fn want(&mut self, job: i64, seq: i64) {
        self.table.want((job, seq));
    }

    pub(in crate::postgres) fn add(&mut self, job: i64, seq: i64, attempt: i64, at: i64, error: Bytes) {
        self.table.put((job, seq), Some(Attempt { attempt, at, len: len(&error), error }));
    }

    /// Deletes one. Answers how many bytes its text had.
    pub(in crate::postgres) fn remove(&mut self, job: i64, seq: i64) -> Result<i64, Missing> {
        let Some(len) = self.table.get(&(job, seq))?.map(|attempt| attempt.len) else { return Ok(0) };
        self.table.put((job, seq), None);
        Ok(len)
    }

    /// Deletes those of a job.
    pub(super) fn erase(&mut self, job: i64) {
        self.erased.push(job);
    }

    pub(super) fn keep(&mut self) {
        self.table.keep();
        self.kept = self.erased.len();
    }

    pub(super) fn undo(&mut self) {
        self.table.undo();
        self.erased.truncate(self.kept);
    }

    pub(super) fn load(&mut self, batch: &mut Batch) {
        self.asked = self.table.wanted();
        if !self.asked.is_empty() {
            let columns: (Vec<i64>, Vec<i64>) = self.asked.iter().copied().unzip();
            batch.ask(&LOAD, params![columns.0, columns.1]);
        }
    }

    pub(super) fn loaded(&mut self, answers: &mut Answers) -> Result<(), Fault> {
        let asked = std::mem::take(&mut self.asked);
        if !asked.is_empty() {
            for row in answers.rows() {
                let attempt = Attempt { attempt: 0, at: 0, len: get(&row, 2)?, error: Bytes::new() };
                self.table.loaded((get(&row, 0)?, get(&row, 1)?), attempt);
            }
        }
        self.table.absent(asked);
        Ok(())
    }

    pub(super) fn write(&self, batch: &mut Batch) {
        let mut insert = Columns::default();
        let mut delete: (Vec<i64>, Vec<i64>) = Default::default();
        for ((job, seq), change) in self.table.changes() {
            match change {
                Change::Insert(new) => {
                    insert.0.push(*job);
                    insert.1.push(*seq);
                    insert.2.push(new.attempt);
                    insert.3.push(new.at);
                    insert.4.push(Raw(new.error.clone()));
                }
                Change::Delete => {
                    delete.0.push(*job);
                    delete.1.push(*seq);
                }
                // They never change.
                Change::Update(_) | Change::Absent => {}
            }
        }
        if !insert.0.is_empty() {
            batch.ask(&INSERT, params![insert.0, insert.1, insert.2, insert.3, insert.4]);
        }
        if !delete.0.is_empty() {
            batch.ask(&DELETE, params![delete.0, delete.1]);
        }
        // The last, so that what came into being with a job that is gone goes too.
        if !self.erased.is_empty() {
            batch.ask(&ERASE, params![self.erased.clone()]);
        }
    }
}
