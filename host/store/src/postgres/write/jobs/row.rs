//! How a job goes from one state to another.

use bytes::Bytes;

use crate::Timestamp;
use crate::job::{JobId, JobState};
use crate::limits::{ATTEMPTS_KEPT, ERROR_BYTES_MAX};
use crate::number::{len, number, sql};
use crate::postgres::counts::Uses;
use crate::postgres::fault::Missing;
use crate::postgres::rows::jobs::row::Job;
use crate::postgres::rows::jobs::uniques::Place;
use crate::postgres::tx::Tx;

/// A job that is to change.
#[derive(Clone, Debug)]
pub(super) struct JobRow {
    pub(super) id: i64,
    pub(super) job: Job,
    /// Bytes that it has more, which are not counted yet.
    pub(super) more: i64,
}

impl JobRow {
    pub(super) fn load(tx: &mut Tx<'_>, id: i64) -> Result<Option<Self>, Missing> {
        Ok(tx.rows.jobs.stock.get(id)?.map(|job| Self { id, job: job.clone(), more: 0 }))
    }

    pub(super) fn number(&self) -> JobId {
        JobId(number(self.id))
    }

    /// Where it goes when nothing keeps it back but its time.
    pub(super) fn ready(&self, now: Timestamp) -> JobState {
        if self.job.run_at > sql(now) { JobState::Scheduled } else { JobState::Available }
    }

    /// What will be asked for if it fails, so that all of many are asked for at once.
    pub(super) fn may_fail(&self, tx: &mut Tx<'_>) {
        let old = self.job.failures + 1 - sql(ATTEMPTS_KEPT);
        if old > 0 {
            tx.rows.jobs.attempts.want(self.id, old);
        }
    }

    /// Keeps how an attempt failed. What it counts for goes with the next change of the row.
    pub(super) fn failed(&mut self, tx: &mut Tx<'_>, now: Timestamp, error: &str) -> Result<(), Missing> {
        let error = error.get(..error.floor_char_boundary(ERROR_BYTES_MAX)).unwrap_or_default();
        self.job.failures += 1;
        let old = self.job.failures - sql(ATTEMPTS_KEPT);
        if old > 0 {
            let gone = tx.rows.jobs.attempts.remove(self.id, old)?;
            self.grow(-gone);
        }
        let error = Bytes::copy_from_slice(error.as_bytes());
        self.grow(len(&error));
        tx.rows.jobs.attempts.add(self.id, self.job.failures, self.job.attempt, sql(now), error);
        Ok(())
    }

    /// It has so many bytes more.
    pub(super) fn grow(&mut self, bytes: i64) {
        self.job.bytes += bytes;
        self.more += bytes;
    }

    /// Makes it final, whatever it was before.
    pub(super) fn end(&mut self, tx: &mut Tx<'_>, to: JobState, now: Timestamp) {
        self.end_with(tx, to, now, None);
    }

    /// The same, with what it returned.
    pub(super) fn end_with(&mut self, tx: &mut Tx<'_>, to: JobState, now: Timestamp, output: Option<&Bytes>) {
        let returned = output.map_or(0, |output| len(output));
        self.grow(returned);
        self.job.output_len = returned;
        self.job.output = Some(output.cloned());
        self.job.rank = sql(now);
        self.job.waiting = 0;
        self.moves(tx, to);
        tx.effects.ended.push((self.number(), to));
    }

    /// Puts it into a state that waits: for a worker, for its time, or for a revision.
    pub(super) fn wait(&mut self, tx: &mut Tx<'_>, to: JobState) {
        if to == JobState::Suspended {
            self.job.rank = 0;
        } else {
            self.job.rank = self.job.run_at;
            self.job.waiting = 0;
        }
        self.moves(tx, to);
    }

    /// Makes it available now, with at least one more attempt, whatever it was before.
    pub(super) fn revive(&mut self, tx: &mut Tx<'_>, now: Timestamp) {
        self.grow(-self.job.output_len);
        self.job.output_len = 0;
        self.job.output = Some(None);
        self.job.max_attempts = self.job.max_attempts.max(self.job.attempt + 1);
        self.job.run_at = sql(now);
        self.wait(tx, JobState::Available);
    }

    fn moves(&mut self, tx: &mut Tx<'_>, to: JobState) {
        let (queue, from) = (self.job.queue, self.job.state);
        self.job.state = to;
        if to != JobState::Executing {
            (self.job.fence, self.job.worker, self.job.host) = (0, None, None);
        }
        tx.counts.moved(queue, Some(from), Some(to));
        tx.charge(queue, 0, std::mem::take(&mut self.more));
        tx.announce(queue, to, self.job.run_at);
        if from == JobState::Executing && tx.capped.has(queue) {
            tx.effects.freed.insert(queue);
        }
        self.save(tx);
    }

    /// Leaves it as it is now, without a move.
    pub(super) fn save(&self, tx: &mut Tx<'_>) {
        tx.rows.jobs.stock.put(self.id, Some(self.job.clone()));
    }

    /// The place that it has or had, if it is a unique one.
    pub(super) fn place(&self, tx: &Tx<'_>) -> Option<Place> {
        Some((tx.plugin_of(self.job.queue)?, self.job.ukey.clone()?))
    }

    /// Deletes it, and all that belongs to it. It is final, so nothing waits for it.
    pub(super) fn delete(&self, tx: &mut Tx<'_>) -> Result<(), Missing> {
        if let Some(place) = self.place(tx)
            && tx.rows.jobs.uniques.get(&place)?.is_some_and(|holder| holder.job == self.id)
        {
            tx.rows.jobs.uniques.put(place, None);
        }
        tx.rows.jobs.delete(self.id);
        tx.counts.moved(self.job.queue, Some(self.job.state), None);
        tx.charge(self.job.queue, -1, -self.job.bytes);
        Ok(())
    }
}

/// These jobs, as they are by now; those that are gone are left out.
pub(super) fn load_all(tx: &mut Tx<'_>, ids: &[i64]) -> Result<Vec<JobRow>, Missing> {
    for id in ids {
        tx.rows.jobs.stock.want(*id);
    }
    let mut rows = Vec::with_capacity(ids.len());
    for id in ids {
        rows.extend(JobRow::load(tx, *id)?);
    }
    Ok(rows)
}

impl Tx<'_> {
    /// Counts what the plugin of this queue has more, or less.
    pub(super) fn charge(&mut self, queue: i64, jobs: i64, bytes: i64) {
        if let Some(plugin) = self.plugin_of(queue) {
            self.uses(plugin, Uses { jobs, bytes, ..Uses::default() });
        }
    }

    /// The number of the plugin of this queue.
    pub(super) fn plugin_of(&self, queue: i64) -> Option<i64> {
        self.names.plugin(&self.names.queue_name(queue)?.plugin)
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
