//! A job's row, and how it goes from one state to another.

use rusqlite::{OptionalExtension, Row, params};

use crate::Timestamp;
use crate::job::{JobId, JobState};
use crate::limits::{ATTEMPTS_KEPT, ERROR_BYTES_MAX};
use crate::number::{len, number, sql};
use crate::sqlite::blob::{self, Part};
use crate::sqlite::tx::Tx;

/// The state in a row.
pub(in crate::sqlite) fn state(value: i64) -> JobState {
    let state = usize::try_from(value).ok().and_then(|at| JobState::ALL.get(at));
    // Only states are ever written.
    state.copied().unwrap_or(JobState::Discarded)
}

/// The lane of those that wait for their time.
pub(super) const LANE_DUE: i64 = -1;
/// The lane of those that are on lease.
pub(super) const LANE_LEASED: i64 = -2;

/// In which lane a job of this state stands.
pub(super) const fn lane(state: JobState, queue: i64, priority: i64) -> i64 {
    match state {
        JobState::Suspended => 0,
        JobState::Scheduled | JobState::Retryable => LANE_DUE,
        JobState::Available => queue * 10 + priority,
        JobState::Executing => LANE_LEASED,
        JobState::Completed | JobState::Cancelled | JobState::Discarded => -(state as i64),
    }
}

/// What is asked of a row that is to change.
#[derive(Clone, Copy)]
pub(in crate::sqlite) struct JobRow {
    pub(in crate::sqlite) id: i64,
    pub(super) queue: i64,
    pub(super) state: JobState,
    pub(super) waiting: i64,
    pub(super) priority: i64,
    pub(super) attempt: i64,
    pub(super) max_attempts: i64,
    pub(super) run_at: i64,
    pub(super) fence: i64,
    pub(super) any_end: bool,
    pub(super) dependants: bool,
    pub(super) failures: i64,
    pub(super) bytes: i64,
    pub(super) blobs: i64,
}

/// The columns that [`JobRow::read`] wants, in its order.
macro_rules! columns {
    () => {
        "id, queue, state, waiting, priority, attempt, max_attempts, run_at, fence, ends, dependants, failures, bytes, blobs"
    };
}
pub(super) use columns;

impl JobRow {
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            queue: row.get(1)?,
            state: state(row.get(2)?),
            waiting: row.get::<_, Option<i64>>(3)?.unwrap_or(0),
            priority: row.get(4)?,
            attempt: row.get(5)?,
            max_attempts: row.get(6)?,
            run_at: row.get(7)?,
            fence: row.get::<_, Option<i64>>(8)?.unwrap_or(0),
            any_end: row.get::<_, i64>(9)? != 0,
            dependants: row.get::<_, i64>(10)? != 0,
            failures: row.get(11)?,
            bytes: row.get(12)?,
            blobs: row.get(13)?,
        })
    }

    pub(super) fn load(tx: &mut Tx<'_>, id: i64) -> rusqlite::Result<Option<Self>> {
        if let Some(known) = tx.state.leased(id) {
            return Ok(Some(*known));
        }
        tx.connection
            .prepare_cached(concat!("SELECT ", columns!(), " FROM jobs WHERE id = ?1"))?
            .query_row([id], Self::read)
            .optional()
    }

    pub(super) fn job(&self) -> JobId {
        JobId(number(self.id))
    }

    /// Where it goes when nothing keeps it back but its time.
    pub(super) fn ready(&self, now: Timestamp) -> JobState {
        if self.run_at > sql(now) { JobState::Scheduled } else { JobState::Available }
    }

    /// Keeps how an attempt failed. What it counts for goes with the next change of the row.
    pub(super) fn failed(&mut self, tx: &mut Tx<'_>, now: Timestamp, error: &str) -> rusqlite::Result<()> {
        let error = error.get(..error.floor_char_boundary(ERROR_BYTES_MAX)).unwrap_or_default();
        self.failures += 1;
        tx.connection
            .prepare_cached("INSERT INTO attempts(job, seq, attempt, at, error) VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute(params![self.id, self.failures, self.attempt, sql(now), error])?;
        self.count(tx, len(error.as_bytes()));
        let old = self.failures - sql(ATTEMPTS_KEPT);
        if old > 0 {
            let gone: Option<i64> = tx
                .connection
                .prepare_cached("DELETE FROM attempts WHERE job = ?1 AND seq = ?2 RETURNING octet_length(error)")?
                .query_row([self.id, old], |row| row.get(0))
                .optional()?;
            self.count(tx, -gone.unwrap_or(0));
        }
        Ok(())
    }

    fn count(&mut self, tx: &mut Tx<'_>, bytes: i64) {
        self.bytes += bytes;
        tx.charge(self.queue, 0, bytes);
    }

    /// Makes it final, whatever it was before, and tells those that wait for it.
    pub(super) fn end(&mut self, tx: &mut Tx<'_>, to: JobState, now: Timestamp) -> rusqlite::Result<()> {
        self.end_with(tx, to, now, None)
    }

    /// The same, with what it returned.
    pub(super) fn end_with(
        &mut self,
        tx: &mut Tx<'_>,
        to: JobState,
        now: Timestamp,
        output: Option<&[u8]>,
    ) -> rusqlite::Result<()> {
        if let Some(output) = output {
            self.count(tx, len(output));
            if blob::inline(output).is_none() {
                blob::write(tx.connection, self.id, Part::Output, output)?;
                self.blobs |= Part::Output.bit();
            }
        }
        tx.connection
            .prepare_cached(
                "UPDATE jobs SET state = ?2, lane = ?3, rank = ?4, fence = NULL, worker = NULL, failures = ?5, bytes = ?6,
                   blobs = ?7, output = ?8 WHERE id = ?1",
            )?
            .execute(params![
                self.id,
                to as u8,
                lane(to, self.queue, self.priority),
                sql(now),
                self.failures,
                self.bytes,
                self.blobs,
                output.and_then(blob::inline)
            ])?;
        self.waits_for(tx, 0)?;
        self.moves(tx, to);
        tx.effects.ended.push((self.job(), to));
        Ok(())
    }

    /// Puts it into a state that waits: for a worker, for its time, or for a revision.
    pub(super) fn wait(&mut self, tx: &mut Tx<'_>, to: JobState) -> rusqlite::Result<()> {
        tx.connection
            .prepare_cached(
                "UPDATE jobs SET state = ?2, lane = ?3, rank = ?4, run_at = ?5, attempt = ?6, max_attempts = ?7,
                   failures = ?8, bytes = ?9, fence = NULL, worker = NULL WHERE id = ?1",
            )?
            .execute(params![
                self.id,
                to as u8,
                lane(to, self.queue, self.priority),
                if to == JobState::Suspended { 0 } else { self.run_at },
                self.run_at,
                self.attempt,
                self.max_attempts,
                self.failures,
                self.bytes
            ])?;
        if to != JobState::Suspended {
            self.waits_for(tx, 0)?;
        }
        self.moves(tx, to);
        Ok(())
    }

    /// What it waits for, in the column `waiting`; 0 is nothing.
    pub(super) fn waits_for(&mut self, tx: &Tx<'_>, waiting: i64) -> rusqlite::Result<()> {
        if self.waiting != waiting {
            self.waiting = waiting;
            tx.connection
                .prepare_cached("UPDATE jobs SET waiting = nullif(?2, 0) WHERE id = ?1")?
                .execute([self.id, waiting])?;
        }
        Ok(())
    }

    /// Makes it available now, with at least one more attempt, whatever it was before.
    pub(super) fn revive(&mut self, tx: &mut Tx<'_>, now: Timestamp) -> rusqlite::Result<()> {
        let output: i64 = tx
            .connection
            .prepare_cached(
                "SELECT coalesce(length(output), (SELECT length(data) FROM blobs WHERE blobs.id = jobs.id * 4 + 1), 0)
                 FROM jobs WHERE id = ?1",
            )?
            .query_row([self.id], |row| row.get(0))?;
        self.count(tx, -output);
        blob::delete(tx.connection, self.id, self.blobs & Part::Output.bit())?;
        self.blobs &= !Part::Output.bit();
        tx.connection
            .prepare_cached("UPDATE jobs SET output = NULL, blobs = ?2 WHERE id = ?1")?
            .execute([self.id, self.blobs])?;
        self.max_attempts = self.max_attempts.max(self.attempt + 1);
        self.run_at = sql(now);
        self.wait(tx, JobState::Available)
    }

    fn moves(&mut self, tx: &mut Tx<'_>, to: JobState) {
        if self.state == JobState::Executing {
            tx.state.unlease(self.id);
        }
        tx.state.moved(self.queue, Some(self.state), Some(to));
        tx.announce(self.queue, to, self.run_at);
        self.state = to;
    }

    /// Deletes it, and all that belongs to it. It is final, so nothing waits for it.
    pub(super) fn delete(&self, tx: &mut Tx<'_>) -> rusqlite::Result<()> {
        let ukey: Option<Vec<u8>> = tx
            .connection
            .prepare_cached("DELETE FROM jobs WHERE id = ?1 RETURNING ukey")?
            .query_row([self.id], |row| row.get(0))?;
        if let Some(ukey) = ukey
            && let Some(plugin) = tx.plugin_of(self.queue)
        {
            tx.connection
                .prepare_cached("DELETE FROM uniques WHERE plugin = ?1 AND key = ?2 AND job = ?3")?
                .execute(params![plugin, ukey, self.id])?;
        }
        blob::delete(tx.connection, self.id, self.blobs)?;
        if self.failures > 0 {
            tx.connection.prepare_cached("DELETE FROM attempts WHERE job = ?1")?.execute([self.id])?;
        }
        tx.state.moved(self.queue, Some(self.state), None);
        tx.charge(self.queue, -1, -self.bytes);
        Ok(())
    }
}

impl Tx<'_> {
    /// Counts what the plugin of this queue has more, or less.
    pub(super) fn charge(&mut self, queue: i64, jobs: i64, bytes: i64) {
        if let Some(plugin) = self.state.queue(queue).map(|queue| queue.queue.plugin.clone()) {
            self.state.used(&plugin, 0, jobs, bytes);
        }
    }

    /// The number of the plugin of this queue.
    pub(super) fn plugin_of(&self, queue: i64) -> Option<i64> {
        Some(self.state.plugin(&self.state.queue(queue)?.queue.plugin)?.id)
    }

    /// Whoever waits for work, or for its time, is told when the group is durable.
    pub(super) fn announce(&mut self, queue: i64, state: JobState, run_at: i64) {
        match state {
            JobState::Available => self.effects.available(queue),
            JobState::Scheduled | JobState::Retryable => self.effects.due(number(run_at)),
            _ => {}
        }
    }
}
