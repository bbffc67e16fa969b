//! The model: what the port says, done in the most obvious way.

use std::collections::{BTreeMap, BTreeSet};

use skep_store::{
    After, Area, Attempt, Commit, CommitError, Committed, Conflict, Ends, Error, Fence, HeldBack, Inserted, Item, Job,
    JobFilter, JobId, JobState, Key, Lease, LeaseRequest, Leased, ListRequest, Lost, Mail, MailId, NewJob, Op,
    Outgoing, Page, Publish, QueueRef, QueueState, RateCap, Settle, Settled, Timestamp, Unique, Waiting, Write,
};
use skep_types::PluginName;

use super::QUEUES;
use super::naive_processes::Processes;
use crate::{name, plugin};

pub(super) struct Naive {
    pub(super) now: Timestamp,
    version: u64,
    fence: u64,
    pub(super) last_job: u64,
    items: BTreeMap<Key, Item>,
    jobs: BTreeMap<JobId, Kept>,
    uniques: BTreeMap<(PluginName, [u8; 16]), (JobId, Unique)>,
    keys: BTreeMap<JobId, [u8; 16]>,
    pub(super) ticks: BTreeMap<String, Timestamp>,
    pub(super) said: BTreeMap<QueueRef, QueueState>,
    pub(super) quotas: BTreeMap<PluginName, u64>,
    pub(super) ended: Vec<(JobId, JobState)>,
    pub(super) taken: Vec<(JobId, Fence)>,
    pub(super) publishes: Vec<Publish>,
    pub(super) available: Vec<QueueRef>,
    /// When jobs were leased under a rate.
    begun: Vec<(QueueRef, Timestamp)>,
    pub(super) processes: Processes,
}

#[derive(Clone)]
struct Kept {
    job: Job,
    ends: Ends,
    before: BTreeSet<JobId>,
    attempts: Vec<Attempt>,
}

impl Kept {
    fn bytes(&self) -> u64 {
        let meta: usize = self.job.meta.iter().map(|(name, value)| name.len() + value.len() + 8).sum();
        let output = self.job.output.as_ref().map_or(0, bytes::Bytes::len);
        let errors: usize = self.attempts.iter().map(|attempt| attempt.error.len()).sum();
        256 + (self.job.args.len() + meta + output + errors) as u64
    }
}

/// The next number is this one, if there is one.
pub(super) fn go_on(last: &mut u64, next: Option<u64>) {
    if let Some(next) = next {
        assert!(next > *last, "{next} was given, and {last} before");
        *last = next - 1;
    }
}

impl Naive {
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            now,
            version: 0,
            fence: 0,
            last_job: 0,
            items: BTreeMap::new(),
            jobs: BTreeMap::new(),
            uniques: BTreeMap::new(),
            keys: BTreeMap::new(),
            ticks: BTreeMap::new(),
            said: BTreeMap::new(),
            quotas: BTreeMap::new(),
            ended: Vec::new(),
            taken: Vec::new(),
            publishes: Vec::new(),
            available: Vec::new(),
            begun: Vec::new(),
            processes: Processes::default(),
        }
    }

    pub(super) fn queue(&self, at: usize) -> QueueRef {
        QueueRef { plugin: plugin("shop"), queue: name(QUEUES[at]) }
    }

    fn live(&self, key: &Key) -> Option<&Item> {
        self.items.get(key).filter(|item| item.expires.is_none_or(|at| at > self.now))
    }

    pub(super) fn version(&self, key: &Key) -> Option<u64> {
        self.live(key).map(|item| item.version)
    }

    /// A backend may leave numbers out, but gives none twice, and those of one write in a row: the model goes on from the first.
    pub(super) fn follow(&mut self, done: &Committed) {
        go_on(&mut self.version, Some(done.version));
        let new = done.jobs.iter().find(|inserted| !inserted.was_there);
        go_on(&mut self.last_job, new.map(|inserted| inserted.id.0));
        self.processes.follow(&done.mail);
    }

    /// As [`follow`](Self::follow).
    pub(super) fn follow_lease(&mut self, jobs: &[Job]) {
        let fences = jobs.iter().filter_map(|job| job.lease.as_ref().map(|lease| lease.fence.0));
        go_on(&mut self.fence, fences.min());
    }

    /// Works on a copy, and takes it if nothing refuses.
    pub(super) fn commit(&mut self, commit: &Commit) -> Result<Committed, CommitError> {
        let mut copy = self.copy();
        let done = copy.try_commit(commit)?;
        *self = copy;
        Ok(done)
    }

    fn copy(&self) -> Self {
        Self {
            items: self.items.clone(),
            jobs: self.jobs.clone(),
            uniques: self.uniques.clone(),
            keys: self.keys.clone(),
            ticks: self.ticks.clone(),
            said: self.said.clone(),
            quotas: self.quotas.clone(),
            ended: self.ended.clone(),
            taken: self.taken.clone(),
            publishes: self.publishes.clone(),
            available: self.available.clone(),
            begun: self.begun.clone(),
            processes: self.processes.clone(),
            ..*self
        }
    }

    fn try_commit(&mut self, commit: &Commit) -> Result<Committed, CommitError> {
        for (at, check) in commit.checks.iter().enumerate() {
            if self.version(&check.key) != check.version {
                return Err(CommitError::Conflict(at));
            }
        }
        for tick in &commit.ticks {
            if self.ticks.get(&tick.schedule).copied() != tick.last {
                return Err(CommitError::Conflict(commit.checks.len()));
            }
            self.ticks.insert(tick.schedule.clone(), tick.at);
        }
        if let Some(change) = &commit.process {
            self.processes.check(change)?;
        }
        let before: BTreeMap<_, _> = self.quotas.keys().map(|plugin| (plugin.clone(), self.usage(plugin).2)).collect();
        self.version += 1;
        let mut done = Committed { version: self.version, ..Committed::default() };
        for write in &commit.writes {
            done.sums.extend(self.write(write)?);
        }
        for (place, job) in commit.jobs.iter().enumerate() {
            let inserted = self.insert(commit, place, job, &done.jobs)?;
            done.jobs.push(inserted);
        }
        done.process = commit.process.as_ref().map(|change| self.processes.change(change));
        let mail = commit.messages.iter().filter_map(|message| match message {
            Outgoing::Mail(mail) => Some(mail),
            Outgoing::Publish(_) => None,
        });
        done.mail = self.processes.post(&commit.plugin, mail, self.now);
        let mut messages = 0;
        for message in &commit.messages {
            let Outgoing::Publish(publish) = message else { continue };
            self.publishes.push(publish.clone());
            let event = publish.event.as_ref().map_or(0, String::len);
            messages += 64 + (publish.topic.to_string().len() + event + publish.data.len()) as u64;
        }
        self.within_quotas(&before, &commit.plugin, messages)?;
        // What goes with the end of a process, or below its events, makes no room for what comes with it.
        if let Some(change) = &commit.process {
            self.processes.trim(change);
        }
        Ok(done)
    }

    fn within_quotas(&self, before: &BTreeMap<PluginName, u64>, of: &PluginName, messages: u64) -> Result<(), Error> {
        for (plugin, quota) in &self.quotas {
            let mut after = self.usage(plugin).2;
            if plugin == of {
                after += messages;
            }
            if after > before[plugin] && after > *quota {
                return Err(Error::Quota(*quota));
            }
        }
        Ok(())
    }

    pub(super) fn post(&mut self, from: &PluginName, mail: &[Mail]) -> Result<Vec<MailId>, Error> {
        let before: BTreeMap<_, _> = self.quotas.keys().map(|plugin| (plugin.clone(), self.usage(plugin).2)).collect();
        let mut copy = self.copy();
        let ids = copy.processes.post(from, mail.iter(), self.now);
        copy.within_quotas(&before, from, 0)?;
        *self = copy;
        Ok(ids)
    }

    fn write(&mut self, write: &Write) -> Result<Option<i64>, Error> {
        let (key, value, expires, sum) = match write {
            Write::Delete(key) => {
                self.items.remove(key);
                return Ok(None);
            }
            Write::Set { key, expires: Some(at), .. } if *at <= self.now => {
                self.items.remove(key);
                return Ok(None);
            }
            Write::Set { key, value, expires } => (key, value.clone(), *expires, None),
            Write::Sum { key, by } => {
                let item = self.live(key);
                let text = item.map_or(Ok("0"), |item| std::str::from_utf8(&item.value)).unwrap();
                let Ok(before) = text.parse::<i64>() else {
                    return Err(Error::Invalid(format!("`{}` is not a number", key.key)));
                };
                let Some(sum) = before.checked_add(*by) else {
                    return Err(Error::Invalid(format!("the sum in `{}` passes 64 bits", key.key)));
                };
                (key, sum.to_string().into(), item.and_then(|item| item.expires), Some(sum))
            }
        };
        let item = Item { key: key.key.clone(), value, version: self.version, expires };
        self.items.insert(key.clone(), item);
        Ok(sum)
    }

    fn holder(&self, plugin: &PluginName, key: [u8; 16]) -> Option<JobId> {
        let (id, unique) = self.uniques.get(&(plugin.clone(), key))?;
        let state = self.jobs.get(id)?.job.state;
        (unique.until.is_none_or(|until| until > self.now) && unique.states.has(state)).then_some(*id)
    }

    fn insert(
        &mut self,
        commit: &Commit,
        place: usize,
        new: &NewJob,
        before: &[Inserted],
    ) -> Result<Inserted, CommitError> {
        if let Some(unique) = &new.unique
            && let Some(id) = self.holder(&commit.plugin, unique.key)
        {
            if unique.conflict == Conflict::Refuse {
                return Err(CommitError::Duplicate(place));
            }
            self.replace(id, new, unique);
            return Ok(Inserted { id, was_there: true, state: self.jobs[&id].job.state });
        }
        self.last_job += 1;
        let id = JobId(self.last_job);
        let mut kept = Kept {
            job: Job {
                id,
                queue: QueueRef { plugin: commit.plugin.clone(), queue: new.queue.clone() },
                name: new.name.clone(),
                state: JobState::Available,
                waiting: None,
                args: new.args.clone(),
                priority: new.priority,
                attempt: 0,
                max_attempts: new.max_attempts,
                inserted: self.now,
                run_at: new.run_at.unwrap_or(self.now),
                attempted: None,
                ended: None,
                output: None,
                meta: new.meta.clone(),
                lease: None,
            },
            ends: new.ends,
            before: BTreeSet::new(),
            attempts: Vec::new(),
        };
        let mut broken = None;
        for after in &new.after {
            let other = match *after {
                After::Job(id) => id,
                After::Place(place) => before[place].id,
            };
            let Some(other) = self.jobs.get(&other).filter(|other| other.job.queue.plugin == commit.plugin) else {
                continue;
            };
            if !other.job.state.is_final() {
                kept.before.insert(other.job.id);
            } else if other.job.state != JobState::Completed && new.ends == Ends::Completed {
                broken = Some(match *after {
                    After::Place(place)
                        if !before[place].was_there || before[..place].iter().any(|one| one.id == before[place].id) =>
                    {
                        let first = before.iter().position(|one| one.id == other.job.id).unwrap();
                        format!("job {first} of the commit, which this one waits for, was cancelled")
                    }
                    _ => format!("job {}, which this one waits for, was {}", other.job.id, other.job.state),
                });
            }
        }
        if let Some(unique) = &new.unique {
            self.uniques.insert((commit.plugin.clone(), unique.key), (id, *unique));
            self.keys.insert(id, unique.key);
        }
        let waits = !kept.before.is_empty();
        self.jobs.insert(id, kept);
        if let Some(broken) = broken {
            self.jobs.get_mut(&id).unwrap().before.clear();
            self.fail(id, &broken);
            self.end(id, JobState::Cancelled);
        } else if waits {
            self.to(id, JobState::Suspended);
        } else {
            self.ready(id);
        }
        Ok(Inserted { id, was_there: false, state: self.jobs[&id].job.state })
    }

    fn replace(&mut self, id: JobId, new: &NewJob, unique: &Unique) {
        let now = self.now;
        let replace = unique.replace;
        let kept = self.jobs.get_mut(&id).unwrap();
        let state = kept.job.state;
        let any = replace.args || replace.run_at || replace.priority || replace.max_attempts;
        if state.is_final() || state == JobState::Executing || !replace.states.has(state) || !any {
            return;
        }
        if replace.args {
            kept.job.args = new.args.clone();
        }
        if replace.priority {
            kept.job.priority = new.priority;
        }
        if replace.max_attempts {
            kept.job.max_attempts = new.max_attempts;
        }
        if replace.run_at {
            kept.job.run_at = new.run_at.unwrap_or(now);
            if state == JobState::Retryable && kept.job.run_at > now {
            } else if state != JobState::Suspended {
                self.ready(id);
            }
        }
    }

    fn to(&mut self, id: JobId, state: JobState) {
        let kept = self.jobs.get_mut(&id).unwrap();
        kept.job.state = state;
        kept.job.lease = None;
        kept.job.waiting = match state {
            JobState::Suspended if kept.before.is_empty() => Some(Waiting::Revision),
            JobState::Suspended => Some(Waiting::Jobs(kept.before.len() as u32)),
            _ => None,
        };
        if state == JobState::Available {
            self.available.push(kept.job.queue.clone());
        }
    }

    fn ready(&mut self, id: JobId) {
        let later = self.jobs[&id].job.run_at > self.now;
        self.to(id, if later { JobState::Scheduled } else { JobState::Available });
    }

    fn fail(&mut self, id: JobId, error: &str) {
        let at = self.now;
        let kept = self.jobs.get_mut(&id).unwrap();
        let mut error = error.to_owned();
        while error.len() > 4096 {
            error.pop();
        }
        kept.attempts.push(Attempt { attempt: kept.job.attempt, at, error });
        if kept.attempts.len() > 20 {
            kept.attempts.remove(0);
        }
    }

    fn end(&mut self, id: JobId, state: JobState) {
        self.end_alone(id, state);
        let mut ended = vec![(id, state)];
        while let Some((id, state)) = ended.pop() {
            let waiting = self.jobs.values().filter(|kept| kept.before.contains(&id)).map(|kept| kept.job.id);
            for other in waiting.collect::<Vec<_>>() {
                let kept = self.jobs.get_mut(&other).unwrap();
                if state != JobState::Completed && kept.ends == Ends::Completed {
                    self.fail(other, &format!("job {id}, which this one waits for, was {state}"));
                    self.end_alone(other, JobState::Cancelled);
                    ended.push((other, JobState::Cancelled));
                    continue;
                }
                kept.before.remove(&id);
                if kept.before.is_empty() {
                    self.ready(other);
                } else {
                    self.to(other, JobState::Suspended);
                }
            }
        }
    }

    fn end_alone(&mut self, id: JobId, state: JobState) {
        self.jobs.get_mut(&id).unwrap().before.clear();
        self.to(id, state);
        self.jobs.get_mut(&id).unwrap().job.ended = Some(self.now);
        self.ended.push((id, state));
    }

    /// All leases, by number.
    pub(super) fn leases(&self) -> Vec<(JobId, Fence)> {
        let leased = self.jobs.values().filter_map(|kept| Some((kept.job.id, kept.job.lease.as_ref()?.fence)));
        leased.collect()
    }

    fn holds(&self, id: JobId, fence: Fence) -> bool {
        self.leases().contains(&(id, fence))
    }

    /// Whoever had something on lease is gone.
    pub(super) fn end_leases(&mut self) {
        self.jobs.values_mut().filter_map(|kept| kept.job.lease.as_mut()).for_each(|lease| lease.until = 0);
    }

    pub(super) fn settle(&mut self, settles: &[Settle]) -> Vec<Result<(), Lost>> {
        settles.iter().map(|settle| self.settle_one(settle)).collect()
    }

    fn settle_one(&mut self, settle: &Settle) -> Result<(), Lost> {
        let id = settle.id;
        if !self.holds(id, settle.fence) {
            return Err(Lost(id));
        }
        let job = &mut self.jobs.get_mut(&id).unwrap().job;
        if matches!(settle.as_, Settled::Snoozed { .. } | Settled::Returned | Settled::Unknown) {
            job.attempt -= 1;
        }
        match &settle.as_ {
            Settled::Completed { output } => {
                job.output = output.clone();
                self.end(id, JobState::Completed);
            }
            Settled::Retryable { error, run_at } => {
                job.run_at = *run_at;
                self.fail(id, error);
                self.to(id, if *run_at > self.now { JobState::Retryable } else { JobState::Available });
            }
            Settled::Snoozed { run_at } => {
                job.run_at = *run_at;
                self.ready(id);
            }
            Settled::Cancelled { reason: text } => {
                self.fail(id, text);
                self.end(id, JobState::Cancelled);
            }
            Settled::Discarded { error } => {
                self.fail(id, error);
                self.end(id, JobState::Discarded);
            }
            Settled::Returned => self.to(id, JobState::Available),
            Settled::Unknown => self.to(id, JobState::Suspended),
        }
        Ok(())
    }

    pub(super) fn lease(&mut self, request: &LeaseRequest) -> Leased {
        if request.limit == 0 || self.said.get(&request.queue).is_some_and(|said| said.paused) {
            return Leased::default();
        }
        let running = |job: &Job| job.queue == request.queue && job.state == JobState::Executing;
        let running = self.jobs.values().filter(|kept| running(&kept.job)).count();
        let running = request.caps.running_max.map(|max| (max.get() as usize).saturating_sub(running));
        // Each counts from the end of its step on.
        let end = |at: u64, rate: RateCap| at.next_multiple_of((rate.period_ms / 100).max(1)) + rate.period_ms;
        let counts = |rate: RateCap| {
            let begun = self.begun.iter().filter(|(queue, at)| *queue == request.queue && end(*at, rate) > self.now);
            begun.count()
        };
        let rate = request.caps.rate.map(|rate| (rate.count.get() as usize).saturating_sub(counts(rate)));
        let room = request.limit.min(running.unwrap_or(usize::MAX)).min(rate.unwrap_or(usize::MAX));
        let mut found: Vec<_> = self
            .jobs
            .values_mut()
            .map(|kept| &mut kept.job)
            .filter(|job| job.queue == request.queue && job.state == JobState::Available)
            .collect();
        found.sort_by_key(|job| (job.priority, job.run_at, job.id));
        let mut leased = Vec::new();
        for job in found.into_iter().take(room) {
            self.fence += 1;
            job.state = JobState::Executing;
            job.attempt += 1;
            job.attempted = Some(request.now);
            job.lease = Some(Lease { fence: Fence(self.fence), worker: request.worker.clone(), until: request.until });
            leased.push(Job { ended: None, output: None, ..job.clone() });
            self.begun.extend(request.caps.rate.map(|_| (request.queue.clone(), self.now)));
        }
        let mut held_back = None;
        if leased.len() == room && room < request.limit {
            held_back = Some(HeldBack::Running);
            if let Some(cap) = request.caps.rate.filter(|_| rate <= running || running.is_none()) {
                let again = |at: &u64| {
                    let later =
                        self.begun.iter().filter(|(queue, begun)| *queue == request.queue && end(*begun, cap) > *at);
                    later.count() < cap.count.get() as usize
                };
                held_back = Some(HeldBack::Rate { again: (self.now..).find(again).unwrap() });
            }
        }
        Leased { jobs: leased, held_back }
    }

    pub(super) fn heartbeat(&mut self, beats: &[(JobId, Fence)], until: Timestamp) -> Vec<Lost> {
        let mut lost = Vec::new();
        for (id, fence) in beats {
            if self.holds(*id, *fence) {
                self.jobs.get_mut(id).unwrap().job.lease.as_mut().unwrap().until = until;
            } else {
                lost.push(Lost(*id));
            }
        }
        lost
    }

    fn select(&self, choose: impl Fn(&Job) -> bool) -> Vec<JobId> {
        self.jobs.values().filter(|kept| choose(&kept.job)).map(|kept| kept.job.id).collect()
    }

    fn due(job: &Job) -> bool {
        matches!(job.state, JobState::Scheduled | JobState::Retryable)
    }

    pub(super) fn stage(&mut self, limit: usize) -> (u64, Option<Timestamp>) {
        let mut due = self.select(|job| Self::due(job) && job.run_at <= self.now);
        due.sort_by_key(|id| (self.jobs[id].job.run_at, *id));
        due.truncate(limit);
        for id in &due {
            self.to(*id, JobState::Available);
        }
        let next = self.jobs.values().filter(|kept| Self::due(&kept.job)).map(|kept| kept.job.run_at).min();
        (due.len() as u64, next.map(|next| next.max(self.now)))
    }

    fn take_away(&mut self, id: JobId, why: &str) {
        self.fail(id, why);
        let job = &self.jobs[&id].job;
        if job.attempt < job.max_attempts {
            self.to(id, JobState::Available);
        } else {
            self.end(id, JobState::Discarded);
        }
    }

    pub(super) fn reclaim(&mut self, limit: usize) -> (Vec<JobId>, Option<Timestamp>) {
        let until = |job: &Job| job.lease.as_ref().map(|lease| lease.until);
        let mut late = self.select(|job| until(job).is_some_and(|until| until <= self.now));
        late.sort_by_key(|id| (until(&self.jobs[id].job), *id));
        late.truncate(limit);
        for id in &late {
            self.take_away(*id, "its lease ran out: the worker was gone, or too slow to say that it is there");
        }
        let next = self.jobs.values().filter_map(|kept| until(&kept.job)).min();
        (late, next.map(|next| next.max(self.now)))
    }

    pub(super) fn reclaim_others(&mut self, worker: &str) -> u64 {
        let others = self.select(|job| job.lease.as_ref().is_some_and(|lease| lease.worker != worker));
        for id in &others {
            self.take_away(*id, "its worker is gone: the host was started again");
        }
        others.len() as u64
    }

    pub(super) fn resume(&mut self, known: &str) -> u64 {
        let fits = |job: &Job| {
            job.waiting == Some(Waiting::Revision) && job.name.as_str() == known && job.queue.plugin.as_str() == "shop"
        };
        let waiting = self.select(fits);
        for id in &waiting {
            self.ready(*id);
        }
        waiting.len() as u64
    }

    fn delete(&mut self, id: JobId) {
        self.jobs.remove(&id);
        self.uniques.retain(|_, (holder, _)| *holder != id);
    }

    pub(super) fn prune(&mut self, state: JobState, before: Timestamp, limit: usize) -> u64 {
        let mut old = self.select(|job| job.state == state && job.ended.is_some_and(|ended| ended < before));
        old.sort_by_key(|id| (self.jobs[id].job.ended, *id));
        old.truncate(limit);
        for id in &old {
            self.delete(*id);
        }
        old.len() as u64
    }

    pub(super) fn expire(&mut self) -> u64 {
        let before = self.items.len();
        let now = self.now;
        self.items.retain(|_, item| item.expires.is_none_or(|at| at > now));
        (before - self.items.len()) as u64
    }

    pub(super) fn operate(&mut self, filter: &JobFilter, op: Op) -> u64 {
        let mut chosen = self.select(|job| {
            filter.queue.as_ref().is_none_or(|queue| *queue == job.queue.queue)
                && filter.state.is_none_or(|state| state == job.state)
                && (filter.ids.is_empty() || filter.ids.contains(&job.id))
        });
        chosen.reverse();
        let seen: Vec<_> = chosen.iter().map(|id| self.jobs[id].job.state).collect();
        let mut changed = 0;
        for (id, seen) in chosen.into_iter().zip(seen) {
            // What became of it through one before it is another state.
            changed += u64::from(self.jobs[&id].job.state == seen && self.operate_one(id, op));
        }
        changed
    }

    fn operate_one(&mut self, id: JobId, op: Op) -> bool {
        let kept = self.jobs[&id].clone();
        let state = kept.job.state;
        match op {
            Op::Cancel if !state.is_final() => {
                self.taken.extend(kept.job.lease.map(|lease| (id, lease.fence)));
                self.fail(id, "an operator cancelled it");
                self.end(id, JobState::Cancelled);
            }
            Op::Retry if state.is_final() || Self::due(&kept.job) => {
                if state.is_final() && self.displaced(id) {
                    return false;
                }
                let job = &mut self.jobs.get_mut(&id).unwrap().job;
                job.max_attempts = job.max_attempts.max(job.attempt + 1);
                (job.run_at, job.ended, job.output) = (self.now, None, None);
                self.to(id, JobState::Available);
            }
            Op::Delete if state.is_final() => self.delete(id),
            _ => return false,
        }
        true
    }

    /// Whether another has the place of a unique job.
    fn displaced(&self, id: JobId) -> bool {
        let plugin = &self.jobs[&id].job.queue.plugin;
        let key = self.keys.get(&id);
        key.is_some_and(|key| self.holder(plugin, *key).is_some_and(|holder| holder != id))
    }

    pub(super) fn ids(&self) -> Vec<JobId> {
        self.jobs.keys().rev().copied().collect()
    }

    pub(super) fn job(&self, id: JobId) -> (Job, Vec<Attempt>) {
        let kept = self.jobs[&id].clone();
        (kept.job, kept.attempts)
    }

    pub(super) fn counts(&self, queue: &QueueRef) -> [u64; 8] {
        JobState::ALL.map(|state| self.select(|job| job.queue == *queue && job.state == state).len() as u64)
    }

    pub(super) fn usage(&self, plugin: &PluginName) -> (u64, u64, u64) {
        let items: Vec<_> = self.items.iter().filter(|(key, _)| key.space == *plugin).collect();
        let jobs: Vec<_> = self.jobs.values().filter(|kept| kept.job.queue.plugin == *plugin).collect();
        let mark = |key: &Key| usize::from(key.area == Area::Host);
        let item = |(key, item): &(&Key, &Item)| 64 + (mark(key) + key.key.len() + item.value.len()) as u64;
        let bytes = items.iter().map(item).sum::<u64>()
            + jobs.iter().map(|kept| kept.bytes()).sum::<u64>()
            + self.processes.usage(plugin).1;
        (items.len() as u64, jobs.len() as u64, bytes)
    }

    pub(super) fn list(&self, request: &ListRequest) -> Page {
        let mut page = Page::default();
        let mut bytes = 0;
        for (key, item) in &self.items {
            let fits = key.space == request.space
                && key.area == request.area
                && key.key.starts_with(&request.prefix)
                && request.after.as_ref().is_none_or(|after| key.key > *after)
                && self.live(key).is_some();
            if !fits {
                continue;
            }
            let mut item = item.clone();
            if request.keys_only {
                item.value.clear();
            }
            bytes += item.key.len() + item.value.len();
            if page.items.len() == request.limit || (bytes > request.bytes_max && !page.items.is_empty()) {
                page.more = true;
                break;
            }
            page.items.push(item);
        }
        page
    }
}
