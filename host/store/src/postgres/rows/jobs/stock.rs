//! Jobs that are loaded, and where they are found.

use std::collections::BTreeSet;

use bytes::Bytes;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::keys::Keys;
use super::lanes::{Key, Lane, Peeks, Reach};
use super::row::{self, BESIDE, Job, columns};
use crate::postgres::batch::{Answers, Batch, Raw, Sql, get, params};
use crate::postgres::fault::{Fault, Missing};
use crate::postgres::names::Names;
use crate::postgres::table::{Change, Table};

/// When it is looked again for what another host has locked, in milliseconds.
const LOCKED_MS: i64 = 100;

/// What a worker is given of a job.
#[derive(Clone, Debug, Default)]
pub(in crate::postgres) struct Parts {
    pub(in crate::postgres) args: Bytes,
    pub(in crate::postgres) meta: Bytes,
}

/// Jobs of a group.
#[derive(Default)]
pub(in crate::postgres) struct Stock {
    table: Table<i64, Job>,
    keys: Keys<Key>,
    reach: Reach,
    peeks: Peeks,
    /// As the database has them.
    parts: Table<i64, Parts>,
    /// Queues of loaded jobs.
    queues: BTreeSet<i64>,
    asked: Vec<i64>,
    asked_places: bool,
    asked_parts: Vec<i64>,
}

/// By their numbers, and those that have places.
static LOAD: Sql = Sql {
    text: concat!(
        "SELECT ",
        columns!(),
        " FROM jobs WHERE id IN (
            SELECT unnest($1::bigint[])
            UNION SELECT job FROM unnest($2::bigint[], $3::bytea[]) AS wanted(plugin, key) JOIN uniques USING (plugin, key)
          ) ORDER BY id FOR UPDATE OF jobs"
    ),
    types: &[Type::INT8_ARRAY, Type::INT8_ARRAY, Type::BYTEA_ARRAY],
};
static LOAD_PARTS: Sql = Sql { text: "SELECT id, args, meta FROM jobs WHERE id = ANY($1)", types: &[Type::INT8_ARRAY] };

fn parts(row: &Row, at: usize) -> Result<Parts, Fault> {
    let bytes = |at| -> Result<Bytes, Fault> {
        let found: Option<&[u8]> = get(row, at)?;
        Ok(found.map(Bytes::copy_from_slice).unwrap_or_default())
    };
    Ok(Parts { args: bytes(at)?, meta: bytes(at + 1)? })
}

impl Stock {
    pub(in crate::postgres) fn want(&mut self, id: i64) {
        self.table.want(id);
    }

    pub(in crate::postgres) fn get(&mut self, id: i64) -> Result<Option<&Job>, Missing> {
        self.table.get(&id)
    }

    /// A new one.
    pub(in crate::postgres) fn insert(&mut self, id: i64, job: Job) {
        self.keys.add(job.key(id));
        self.table.put(id, Some(job));
    }

    /// Makes one that is loaded this one, or none.
    pub(in crate::postgres) fn put(&mut self, id: i64, job: Option<Job>) {
        if let Ok(Some(before)) = self.table.get(&id) {
            self.keys.remove(before.key(id));
        }
        if let Some(job) = &job {
            self.keys.add(job.key(id));
        }
        self.table.put(id, job);
    }

    /// The first of a lane up to this rank are to be loaded, so many more.
    pub(in crate::postgres) fn want_first(&mut self, lane: Lane, rank: i64, limit: usize) {
        self.reach.want(lane, rank, limit);
    }

    /// The first of a lane up to this rank, but for those that other hosts have locked.
    pub(in crate::postgres) fn first(&mut self, lane: Lane, rank: i64, limit: usize) -> Result<Vec<i64>, Missing> {
        let ((from, to), all) = self.reach.known(lane, rank);
        let found: Vec<i64> = self.keys.range(from..=to).take(limit).map(|(.., id)| id).collect();
        if found.len() < limit && !all {
            self.reach.want(lane, rank, limit - found.len());
            return Err(Missing);
        }
        Ok(found)
    }

    /// When the next one of a lane comes will be asked for: behind this rank, up to which so many are looked at.
    pub(in crate::postgres) fn want_next(&mut self, lane: Lane, rank: i64, limit: usize) {
        self.peeks.want(lane, rank, limit);
    }

    /// The rank of the next one in a lane behind this one; soon, if others have locked some that are not behind it.
    pub(in crate::postgres) fn next(&mut self, lane: Lane, rank: i64) -> Result<Option<i64>, Missing> {
        let peek = self.peeks.get(lane, rank)?;
        let (first, last) = (lane.first(), i64::MAX);
        let own = self.keys.range((first, rank.saturating_add(1), i64::MIN)..=(first, last, last)).next();
        let own = own.map(|(_, rank, _)| rank);
        let locked = peek.ids.iter().any(|id| !self.table.knows(id)).then_some(rank.saturating_add(LOCKED_MS));
        Ok(own.into_iter().chain(peek.next).chain(locked).min())
    }

    /// What a worker is given of these jobs.
    pub(in crate::postgres) fn parts(&mut self, ids: &[i64]) -> Result<Vec<Parts>, Missing> {
        let mut all = Vec::with_capacity(ids.len());
        for id in ids {
            let (args, meta) = self.table.get(id)?.map_or((None, None), |job| (job.args.clone(), job.meta.clone()));
            all.push(match (args, meta) {
                (Some(args), Some(meta)) => Ok(Parts { args, meta }),
                (args, _) => self.parts.get(id).map(|parts| {
                    let stored = parts.cloned().unwrap_or_default();
                    Parts { args: args.unwrap_or(stored.args), meta: stored.meta }
                }),
            });
        }
        all.into_iter().collect()
    }

    pub(super) fn take(&mut self, rows: &[Row]) -> Result<(), Fault> {
        rows.iter().try_for_each(|row| self.take_one(row).map(|_| ()))
    }

    /// A job was loaded. Answers its place as the database has it.
    pub(super) fn take_one(&mut self, row: &Row) -> Result<Key, Fault> {
        let (id, job) = Job::read(row)?;
        let stored = job.key(id);
        self.queues.insert(job.queue);
        if !self.table.knows(&id) {
            self.keys.found(stored);
            self.table.loaded(id, job);
        }
        Ok(stored)
    }

    pub(super) fn keep(&mut self) {
        self.table.keep();
        self.keys.keep();
    }

    pub(super) fn undo(&mut self) {
        self.table.undo();
        self.keys.undo();
    }

    /// Loads what is wanted, with whoever has one of these places.
    pub(super) fn load(&mut self, batch: &mut Batch, places: (Vec<i64>, Vec<Raw>)) {
        self.asked = self.table.wanted();
        self.asked_places = !places.0.is_empty();
        if self.asked_places || !self.asked.is_empty() {
            batch.ask(&LOAD, params![self.asked.clone(), places.0, places.1]);
        }
        self.reach.load(batch);
        self.peeks.load(batch);
        self.asked_parts = self.parts.wanted();
        if !self.asked_parts.is_empty() {
            batch.ask(&LOAD_PARTS, params![self.asked_parts.clone()]);
        }
    }

    pub(super) fn loaded(&mut self, answers: &mut Answers) -> Result<(), Fault> {
        let asked = std::mem::take(&mut self.asked);
        if self.asked_places || !asked.is_empty() {
            self.take(&answers.rows())?;
        }
        self.table.absent(asked);
        for (lane, to, most) in self.reach.asked() {
            let rows = answers.rows();
            let mut last = to;
            for row in &rows {
                last = self.take_one(row)?;
                if matches!(lane, Lane::Queue(_)) {
                    self.parts.loaded(get(row, 0)?, parts(row, BESIDE)?);
                }
            }
            let full = i64::try_from(rows.len()).is_ok_and(|len| len >= most);
            self.reach.reached(lane, if full { last } else { to });
        }
        self.peeks.loaded(answers)?;
        let asked = std::mem::take(&mut self.asked_parts);
        if !asked.is_empty() {
            for row in answers.rows() {
                self.parts.loaded(get(&row, 0)?, parts(&row, 1)?);
            }
        }
        self.parts.absent(asked);
        Ok(())
    }

    pub(super) fn has_strangers(&self, names: &Names) -> bool {
        self.queues.iter().any(|queue| names.queue_name(*queue).is_none())
    }

    pub(super) fn write(&self, batch: &mut Batch) {
        let (mut insert, mut update, mut delete) = (Vec::new(), Vec::new(), Vec::new());
        for (id, change) in self.table.changes() {
            match change {
                Change::Insert(job) => insert.push((*id, job)),
                Change::Update(job) => update.push((*id, job)),
                Change::Delete => delete.push(*id),
                Change::Absent => {}
            }
        }
        row::insert(batch, &insert);
        row::update(batch, &update);
        row::delete(batch, delete);
    }
}
