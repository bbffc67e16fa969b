//! A store in memory that does what the port says, as plainly as can be.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use skep_store::*;
use skep_types::{HandlerName, PluginName};

pub struct Memory {
    state: Mutex<State>,
    observer: Arc<dyn Observer>,
}

#[derive(Default)]
struct State {
    rows: BTreeMap<u64, Row>,
    last_id: u64,
    fence: u64,
    version: u64,
    queues: BTreeMap<QueueRef, QueueState>,
    ticks: BTreeMap<(PluginName, String), Timestamp>,
    /// When jobs were leased, as far as that counts.
    begun: BTreeMap<QueueRef, Vec<Timestamp>>,
    /// Queues that were leased of under a running cap.
    capped: BTreeSet<QueueRef>,
    changes: Changes,
}

#[derive(Clone)]
struct Row {
    job: Job,
    unique: Option<Unique>,
    blockers: BTreeSet<u64>,
    ends: Ends,
    errors: Vec<Attempt>,
}

impl Memory {
    pub fn new(observer: Arc<dyn Observer>) -> Self {
        Self { state: Mutex::default(), observer }
    }

    /// Carries a write out, tells the observer, and answers.
    fn write<T: Send + 'static, E: Send + 'static>(
        &self,
        write: impl FnOnce(&mut State) -> Result<T, E>,
    ) -> StoreFuture<T, E> {
        let mut state = self.state.lock();
        let answer = write(&mut state);
        let changes = std::mem::take(&mut state.changes);
        drop(state);
        self.observer.changed(changes);
        Box::pin(async move {
            tokio::task::yield_now().await;
            answer
        })
    }

    fn read<T: Send + 'static>(&self, read: impl FnOnce(&State) -> Result<T, Error>) -> StoreFuture<T> {
        let answer = read(&self.state.lock());
        Box::pin(async move {
            tokio::task::yield_now().await;
            answer
        })
    }
}

impl State {
    fn insert(&mut self, plugin: &PluginName, new: NewJob, so_far: &[Inserted], now: Timestamp) -> Option<Inserted> {
        if let Some(unique) = &new.unique {
            let stands = |row: &Row| {
                row.job.queue.plugin == *plugin
                    && row.unique.as_ref().is_some_and(|other| {
                        other.key == unique.key
                            && unique.states.has(row.job.state)
                            && other.until.is_none_or(|until| until > now)
                    })
            };
            if let Some(row) = self.rows.values_mut().find(|row| stands(row)) {
                if unique.conflict == Conflict::Refuse {
                    return None;
                }
                return Some(Inserted { id: row.job.id, was_there: true, state: row.job.state });
            }
        }
        self.last_id += 1;
        let id = self.last_id;
        let before = new.after.iter().map(|after| match after {
            After::Job(id) => id.0,
            After::Place(at) => so_far[*at].id.0,
        });
        let blockers: BTreeSet<u64> =
            before.filter(|id| self.rows.get(id).is_some_and(|row| !row.job.state.is_final())).collect();
        let run_at = new.run_at.unwrap_or(now).max(now);
        let queue = QueueRef { plugin: plugin.clone(), queue: new.queue };
        let state = match () {
            () if !blockers.is_empty() => JobState::Suspended,
            () if run_at > now => JobState::Scheduled,
            () => JobState::Available,
        };
        let waiting = (state == JobState::Suspended).then_some(Waiting::Jobs(blockers.len() as u32));
        let job = Job {
            id: JobId(id),
            queue,
            name: new.name,
            state,
            waiting,
            args: new.args,
            priority: new.priority,
            attempt: 0,
            max_attempts: new.max_attempts,
            inserted: now,
            run_at,
            attempted: None,
            ended: None,
            output: None,
            meta: new.meta,
            lease: None,
        };
        self.rows.insert(id, Row { job, unique: new.unique, blockers, ends: new.ends, errors: Vec::new() });
        self.tell(id);
        Some(Inserted { id: JobId(id), was_there: false, state })
    }

    /// Notes what whoever listens wants to know of a job's new state.
    fn tell(&mut self, id: u64) {
        let Some(row) = self.rows.get(&id) else { return };
        match row.job.state {
            JobState::Available => self.changes.available.push(row.job.queue.clone()),
            JobState::Scheduled | JobState::Retryable => {
                let due = self.changes.next_due.map_or(row.job.run_at, |at| at.min(row.job.run_at));
                self.changes.next_due = Some(due);
            }
            state if state.is_final() => self.changes.ended.push((row.job.id, state)),
            _ => {}
        }
    }

    fn ready(row: &mut Row, now: Timestamp) {
        row.job.waiting = None;
        row.job.state = if row.job.run_at > now { JobState::Scheduled } else { JobState::Available };
    }

    fn finish(&mut self, id: u64, state: JobState, now: Timestamp) {
        let row = self.rows.get_mut(&id).unwrap();
        (row.job.state, row.job.ended, row.job.lease, row.job.waiting) = (state, Some(now), None, None);
        self.tell(id);
        let waiting: Vec<u64> =
            self.rows.iter().filter(|(_, row)| row.blockers.contains(&id)).map(|(id, _)| *id).collect();
        for next in waiting {
            let row = self.rows.get_mut(&next).unwrap();
            row.blockers.remove(&id);
            if row.job.state != JobState::Suspended {
                continue;
            }
            if state != JobState::Completed && row.ends == Ends::Completed {
                self.finish(next, JobState::Cancelled, now);
            } else if row.blockers.is_empty() {
                Self::ready(row, now);
                self.tell(next);
            } else {
                row.job.waiting = Some(Waiting::Jobs(row.blockers.len() as u32));
            }
        }
    }

    fn settle(&mut self, settle: Settle) -> Result<(), Lost> {
        let (id, now) = (settle.id.0, settle.now);
        let row = self.rows.get_mut(&id).ok_or(Lost(settle.id))?;
        if row.job.lease.as_ref().map(|lease| lease.fence) != Some(settle.fence) {
            return Err(Lost(settle.id));
        }
        row.job.lease = None;
        if self.capped.contains(&row.job.queue) {
            // As to another host on PostgreSQL.
            self.changes.available.push(row.job.queue.clone());
        }
        let attempt = row.job.attempt;
        let mut failed = |error: String| row.errors.push(Attempt { attempt, at: now, error });
        match settle.as_ {
            Settled::Completed { output } => {
                row.job.output = output;
                self.finish(id, JobState::Completed, now);
            }
            Settled::Retryable { error, run_at } => {
                failed(error);
                (row.job.state, row.job.run_at) = (JobState::Retryable, run_at);
                self.tell(id);
            }
            Settled::Snoozed { run_at } => {
                (row.job.state, row.job.run_at, row.job.attempt) = (JobState::Scheduled, run_at, attempt - 1);
                self.tell(id);
            }
            Settled::Cancelled { reason } => {
                failed(reason);
                self.finish(id, JobState::Cancelled, now);
            }
            Settled::Discarded { error } => {
                failed(error);
                self.finish(id, JobState::Discarded, now);
            }
            Settled::Returned => {
                (row.job.state, row.job.attempt) = (JobState::Available, attempt - 1);
                self.tell(id);
            }
            Settled::Unknown => {
                (row.job.state, row.job.waiting) = (JobState::Suspended, Some(Waiting::Revision));
                row.job.attempt = attempt - 1;
            }
        }
        Ok(())
    }

    fn lease(&mut self, request: &LeaseRequest) -> Leased {
        let LeaseRequest { caps, now, .. } = request;
        if caps.running_max.is_some() {
            self.capped.insert(request.queue.clone());
        }
        let running = |row: &&Row| row.job.state == JobState::Executing && row.job.queue == request.queue;
        let running = self.rows.values().filter(running).count();
        let running = caps.running_max.map_or(usize::MAX, |max| (max.get() as usize).saturating_sub(running));
        let begun = self.begun.entry(request.queue.clone()).or_default();
        let rate = caps.rate.map_or(usize::MAX, |rate| {
            begun.retain(|at| at + rate.period_ms > *now);
            rate_room(rate, begun.len())
        });
        let room = request.limit.min(running).min(rate);
        let mut available: Vec<_> = self
            .rows
            .values()
            .filter(|row| row.job.state == JobState::Available && row.job.queue == request.queue)
            .map(|row| (row.job.priority, row.job.run_at, row.job.id.0))
            .collect();
        available.sort_unstable();
        let leased = available.into_iter().take(room).map(|(_, _, id)| {
            self.fence += 1;
            let job = &mut self.rows.get_mut(&id).unwrap().job;
            let lease = Lease { fence: Fence(self.fence), worker: request.worker.clone(), until: request.until };
            (job.state, job.lease, job.attempted) = (JobState::Executing, Some(lease), Some(request.now));
            job.attempt += 1;
            job.clone()
        });
        let jobs: Vec<Job> = leased.collect();
        let mut held_back = (jobs.len() == room && room < request.limit).then_some(HeldBack::Running);
        if let Some(rate) = caps.rate {
            let begun = self.begun.entry(request.queue.clone()).or_default();
            begun.extend(jobs.iter().map(|_| *now));
            if held_back.is_some() && room == rate_room(rate, begun.len() - jobs.len()) {
                held_back = Some(HeldBack::Rate { again: begun[0] + rate.period_ms });
            }
        }
        Leased { jobs, held_back }
    }

    fn take_away(&mut self, now: Timestamp, limit: usize, from: impl Fn(&Lease) -> bool) -> Vec<JobId> {
        let dead: Vec<u64> = self
            .rows
            .values()
            .filter(|row| row.job.lease.as_ref().is_some_and(&from))
            .map(|row| row.job.id.0)
            .take(limit)
            .collect();
        for id in &dead {
            let row = self.rows.get_mut(id).unwrap();
            row.job.lease = None;
            row.errors.push(Attempt { attempt: row.job.attempt, at: now, error: "its worker is dead".to_owned() });
            if row.job.attempt >= row.job.max_attempts {
                self.finish(*id, JobState::Discarded, now);
            } else {
                row.job.state = JobState::Available;
                self.tell(*id);
            }
        }
        dead.into_iter().map(JobId).collect()
    }

    fn operate(&mut self, filter: &JobFilter, op: Op, now: Timestamp) -> OpReport {
        let chosen: Vec<u64> =
            self.rows.values().filter(|row| chosen(filter, &row.job)).map(|row| row.job.id.0).collect();
        let mut changed = 0;
        for id in chosen {
            let row = self.rows.get_mut(&id).unwrap();
            let state = row.job.state;
            match op {
                Op::Cancel if !state.is_final() => {
                    if let Some(lease) = row.job.lease.take() {
                        self.changes.taken.push((JobId(id), lease.fence));
                    }
                    self.finish(id, JobState::Cancelled, now);
                }
                Op::Retry if state.is_final() || matches!(state, JobState::Retryable | JobState::Scheduled) => {
                    row.job.max_attempts = row.job.max_attempts.max(row.job.attempt + 1);
                    (row.job.state, row.job.run_at, row.job.ended) = (JobState::Available, now, None);
                    self.tell(id);
                }
                Op::Delete if state.is_final() => {
                    self.rows.remove(&id);
                }
                _ => continue,
            }
            changed += 1;
        }
        OpReport { changed, next: None }
    }
}

fn rate_room(rate: RateCap, begun: usize) -> usize {
    (rate.count.get() as usize).saturating_sub(begun)
}

fn chosen(filter: &JobFilter, job: &Job) -> bool {
    filter.plugin.as_ref().is_none_or(|plugin| *plugin == job.queue.plugin)
        && filter.queue.as_ref().is_none_or(|queue| *queue == job.queue.queue)
        && filter.name.as_ref().is_none_or(|name| *name == job.name)
        && filter.state.is_none_or(|state| state == job.state)
        && (filter.ids.is_empty() || filter.ids.contains(&job.id))
}

impl Store for Memory {
    fn get(&self, _: PluginName, keys: Vec<String>, _: Timestamp) -> StoreFuture<Vec<Option<Item>>> {
        self.read(move |_| Ok(keys.iter().map(|_| None).collect()))
    }

    fn list(&self, _: ListRequest) -> StoreFuture<Page> {
        self.read(|_| Ok(Page::default()))
    }

    fn commit(&self, commit: Commit) -> StoreFuture<Committed, CommitError> {
        self.write(|state| {
            for (at, tick) in commit.ticks.iter().enumerate() {
                let place = (tick.plugin.clone(), tick.schedule.clone());
                if state.ticks.get(&place).copied() != tick.last {
                    return Err(CommitError::Conflict(commit.checks.len() + at));
                }
                state.ticks.insert(place, tick.at);
            }
            let mut inserted = Vec::new();
            for (at, job) in commit.jobs.into_iter().enumerate() {
                let one = state.insert(&commit.plugin, job, &inserted, commit.now);
                inserted.push(one.ok_or(CommitError::Duplicate(at))?);
            }
            state.version += 1;
            Ok(Committed { version: state.version, jobs: inserted, ..Committed::default() })
        })
    }

    fn settle_and_lease(&self, settle: Vec<Settle>, lease: Option<LeaseRequest>) -> StoreFuture<Round> {
        self.write(|state| {
            let settled = settle.into_iter().map(|settle| state.settle(settle)).collect();
            let leased = lease.map(|request| state.lease(&request)).unwrap_or_default();
            Ok((settled, leased))
        })
    }

    fn heartbeat(&self, leases: Vec<(JobId, Fence)>, _: Timestamp, until: Timestamp) -> StoreFuture<Vec<Lost>> {
        self.write(|state| {
            let mut lost = Vec::new();
            for (id, fence) in leases {
                let lease = state.rows.get_mut(&id.0).and_then(|row| row.job.lease.as_mut());
                match lease.filter(|lease| lease.fence == fence) {
                    Some(lease) => lease.until = until,
                    None => lost.push(Lost(id)),
                }
            }
            Ok(lost)
        })
    }

    fn stage(&self, now: Timestamp, limit: usize) -> StoreFuture<(u64, Option<Timestamp>)> {
        self.write(|state| {
            let put_off = |row: &&Row| matches!(row.job.state, JobState::Scheduled | JobState::Retryable);
            let due: Vec<u64> = state
                .rows
                .values()
                .filter(put_off)
                .filter(|row| row.job.run_at <= now)
                .map(|row| row.job.id.0)
                .take(limit)
                .collect();
            for id in &due {
                state.rows.get_mut(id).unwrap().job.state = JobState::Available;
                state.tell(*id);
            }
            let next = state.rows.values().filter(put_off).map(|row| row.job.run_at.max(now)).min();
            Ok((due.len() as u64, next))
        })
    }

    fn reclaim(&self, now: Timestamp, limit: usize) -> StoreFuture<(Vec<JobId>, Option<Timestamp>)> {
        self.write(|state| {
            let taken = state.take_away(now, limit, |lease| lease.until <= now);
            let next = state.rows.values().filter_map(|row| row.job.lease.as_ref().map(|lease| lease.until)).min();
            Ok((taken, next))
        })
    }

    fn reclaim_others(&self, worker: String, now: Timestamp) -> StoreFuture<u64> {
        self.write(|state| Ok(state.take_away(now, usize::MAX, |lease| lease.worker != worker).len() as u64))
    }

    fn resume(&self, plugin: PluginName, names: Vec<HandlerName>, now: Timestamp) -> StoreFuture<u64> {
        self.write(|state| {
            let waits = |row: &&mut Row| {
                row.job.waiting == Some(Waiting::Revision)
                    && row.job.queue.plugin == plugin
                    && names.contains(&row.job.name)
            };
            let mut ids = Vec::new();
            for row in state.rows.values_mut().filter(waits) {
                State::ready(row, now);
                ids.push(row.job.id.0);
            }
            ids.iter().for_each(|id| state.tell(*id));
            Ok(ids.len() as u64)
        })
    }

    fn prune(&self, of: JobState, before: Timestamp, limit: usize) -> StoreFuture<u64> {
        self.write(|state| {
            let gone = |row: &&Row| row.job.state == of && row.job.ended.is_some_and(|ended| ended < before);
            let gone: Vec<u64> = state.rows.values().filter(gone).map(|row| row.job.id.0).take(limit).collect();
            gone.iter().for_each(|id| drop(state.rows.remove(id)));
            Ok(gone.len() as u64)
        })
    }

    fn expire(&self, _: Timestamp, _: usize) -> StoreFuture<u64> {
        self.write(|_| Ok(0))
    }

    fn job(&self, id: JobId) -> StoreFuture<(Job, Vec<Attempt>)> {
        self.read(|state| state.rows.get(&id.0).map(|row| (row.job.clone(), row.errors.clone())).ok_or(Error::NotFound))
    }

    fn jobs(&self, filter: JobFilter, before: Option<JobId>, limit: usize) -> StoreFuture<JobPage> {
        self.read(|state| {
            let below = before.map_or(u64::MAX, |id| id.0);
            let rows = state.rows.range(..below).rev().map(|(_, row)| &row.job).filter(|job| chosen(&filter, job));
            let mut jobs: Vec<Job> = rows.take(limit + 1).cloned().collect();
            let more = jobs.len() > limit;
            jobs.truncate(limit);
            Ok(JobPage { next: jobs.last().filter(|_| more).map(|job| job.id), jobs })
        })
    }

    fn operate(&self, filter: JobFilter, op: Op, _: Option<JobId>, now: Timestamp) -> StoreFuture<OpReport> {
        self.write(|state| Ok(state.operate(&filter, op, now)))
    }

    fn queue_counts(&self) -> StoreFuture<Vec<QueueCounts>> {
        self.read(|state| {
            let mut counts: BTreeMap<QueueRef, [u64; 8]> = BTreeMap::new();
            for job in state.rows.values().map(|row| &row.job) {
                counts.entry(job.queue.clone()).or_default()[job.state as usize] += 1;
            }
            Ok(counts.into_iter().map(|(queue, counts)| QueueCounts { queue, counts }).collect())
        })
    }

    fn queue_states(&self) -> StoreFuture<Vec<(QueueRef, QueueState)>> {
        self.read(|state| Ok(state.queues.clone().into_iter().collect()))
    }

    fn set_queue_state(&self, queue: QueueRef, said: QueueState) -> StoreFuture<()> {
        self.write(|state| {
            state.queues.insert(queue, said);
            Ok(())
        })
    }

    fn ticks(&self, plugin: PluginName) -> StoreFuture<Vec<(String, Timestamp)>> {
        self.read(|state| {
            let of = state.ticks.iter().filter(|((of, _), _)| *of == plugin);
            Ok(of.map(|((_, name), at)| (name.clone(), *at)).collect())
        })
    }

    fn usage(&self) -> StoreFuture<Vec<PluginUsage>> {
        self.read(|_| Ok(Vec::new()))
    }

    fn set_quota(&self, _: PluginName, _: u64) {}

    fn backup(&self, _: PathBuf) -> StoreFuture<u64> {
        self.read(|_| Ok(0))
    }

    fn close(&self) -> StoreFuture<()> {
        self.read(|_| Ok(()))
    }
}
