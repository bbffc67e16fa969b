//! Who waits for whom. Whoever has a job locked has the list of those that wait for it.

use std::collections::{BTreeMap, BTreeSet};

use foldhash::HashSet;
use tokio_postgres::types::Type;

use super::Stock;
use super::keys::Keys;
use crate::postgres::batch::{Answers, Batch, Sql, get, params};
use crate::postgres::fault::{Fault, Missing};

/// How many are loaded at once: one more than are told in one transaction.
const LOAD_MAX: i64 = 5_001;

/// A job waits for the one before.
type Wait = (i64, i64);
/// The same, many of them.
type Columns = (Vec<i64>, Vec<i64>);

/// Those that wait, of a group.
#[derive(Default)]
pub(in crate::postgres) struct Waits {
    keys: Keys<Wait>,
    /// Those that the database has, as far as they are loaded.
    stored: HashSet<Wait>,
    /// Those that were added or removed.
    touched: BTreeSet<Wait>,
    /// Up to which job those that wait for one are loaded; all of them, if it is none.
    known: BTreeMap<i64, Option<i64>>,
    wanted: BTreeSet<i64>,
    asked: Vec<i64>,
}

static LOAD: Sql = Sql {
    text: "SELECT before, job FROM unnest($1::bigint[], $2::bigint[]) AS wanted(before, past) JOIN waits USING (before)
           WHERE job > past ORDER BY before, job LIMIT $3",
    types: &[Type::INT8_ARRAY, Type::INT8_ARRAY, Type::INT8],
};
static LOAD_JOBS: Sql = Sql {
    text: concat!(
        "SELECT ",
        super::row::columns!(),
        " FROM jobs WHERE id IN (
            SELECT job FROM (
              SELECT before, job FROM unnest($1::bigint[], $2::bigint[]) AS wanted(before, past)
              JOIN waits USING (before) WHERE job > past ORDER BY before, job LIMIT $3
            ) AS found
          ) ORDER BY id FOR UPDATE OF jobs"
    ),
    types: &[Type::INT8_ARRAY, Type::INT8_ARRAY, Type::INT8],
};
static INSERT: Sql = Sql {
    text: "INSERT INTO waits(before, job) SELECT * FROM unnest($1::bigint[], $2::bigint[])",
    types: &[Type::INT8_ARRAY, Type::INT8_ARRAY],
};
static DELETE: Sql = Sql {
    text: "DELETE FROM waits USING unnest($1::bigint[], $2::bigint[]) AS gone(before, job)
           WHERE waits.before = gone.before AND waits.job = gone.job",
    types: &[Type::INT8_ARRAY, Type::INT8_ARRAY],
};

impl Waits {
    /// Those that wait for this one are to be loaded, with their jobs.
    pub(in crate::postgres) fn want(&mut self, before: i64) {
        if !self.known.contains_key(&before) {
            self.wanted.insert(before);
        }
    }

    /// So many that wait for this one.
    pub(in crate::postgres) fn first(&mut self, before: i64, limit: usize) -> Result<Vec<i64>, Missing> {
        let found: Vec<i64> =
            self.keys.range((before, i64::MIN)..=(before, i64::MAX)).take(limit).map(|(_, job)| job).collect();
        if found.len() < limit && self.known.get(&before) != Some(&None) {
            self.wanted.insert(before);
            return Err(Missing);
        }
        Ok(found)
    }

    pub(in crate::postgres) fn add(&mut self, before: i64, job: i64) {
        self.keys.add((before, job));
        self.touched.insert((before, job));
    }

    pub(in crate::postgres) fn remove(&mut self, before: i64, job: i64) {
        self.keys.remove((before, job));
        self.touched.insert((before, job));
    }

    pub(super) fn keep(&mut self) {
        self.keys.keep();
    }

    pub(super) fn undo(&mut self) {
        self.keys.undo();
    }

    pub(super) fn load(&mut self, batch: &mut Batch) {
        self.asked = std::mem::take(&mut self.wanted).into_iter().collect();
        if !self.asked.is_empty() {
            let past = |before| self.known.get(before).copied().flatten().unwrap_or(i64::MIN);
            let past: Vec<i64> = self.asked.iter().map(past).collect();
            batch.ask(&LOAD, params![self.asked.clone(), past.clone(), LOAD_MAX]);
            batch.ask(&LOAD_JOBS, params![self.asked.clone(), past, LOAD_MAX]);
        }
    }

    pub(super) fn loaded(&mut self, answers: &mut Answers, stock: &mut Stock) -> Result<(), Fault> {
        let asked = std::mem::take(&mut self.asked);
        if asked.is_empty() {
            return Ok(());
        }
        let mut last = None;
        let rows = answers.rows();
        for row in &rows {
            let wait = (get(row, 0)?, get(row, 1)?);
            self.stored.insert(wait);
            self.keys.found(wait);
            last = Some(wait);
        }
        let full = i64::try_from(rows.len()).is_ok_and(|len| len >= LOAD_MAX);
        for before in asked {
            match last.filter(|_| full) {
                // It was not come to.
                Some((at, _)) if before > at => {}
                Some((at, job)) if before == at => _ = self.known.insert(before, Some(job)),
                _ => _ = self.known.insert(before, None),
            }
        }
        stock.take(&answers.rows())
    }

    pub(super) fn write(&self, batch: &mut Batch) {
        let (mut insert, mut delete) = (Columns::default(), Columns::default());
        for wait in &self.touched {
            let to = match (self.stored.contains(wait), self.keys.range(*wait..=*wait).next().is_some()) {
                (false, true) => &mut insert,
                (true, false) => &mut delete,
                _ => continue,
            };
            to.0.push(wait.0);
            to.1.push(wait.1);
        }
        for (columns, sql) in [(insert, &INSERT), (delete, &DELETE)] {
            if !columns.0.is_empty() {
                batch.ask(sql, params![columns.0, columns.1]);
            }
        }
    }
}
