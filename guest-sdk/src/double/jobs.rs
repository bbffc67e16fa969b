//! `skep:plugin/jobs` with the functions that wit-bindgen generates, over memory. Jobs are done when the test says so.

use std::collections::BTreeMap;

use super::WORLD;
pub(crate) use crate::__private::bindings::imports::skep::plugin::jobs::{
    After, Inserted, NewJob, Parts, Replace, State, States, Status, Unique,
};
use crate::__private::bindings::imports::skep::plugin::types::Error;
use crate::{
    __private::bindings::workers::exports::skep::plugin::job_handler::{Definition, Job, Outcome},
    jobs::{Worker, worker},
};

/// As in the host.
const PRIORITY_MAX: u8 = 9;
const META_MAX: usize = 16;
const META_BYTES_MAX: usize = 255;
/// Jobs that put themselves off by nothing, or enqueue each other, would go on for ever.
const PERFORMED_MAX: usize = 10_000;

#[derive(Clone, Default)]
pub(crate) struct Jobs {
    known: BTreeMap<String, Known>,
    /// By their numbers.
    all: BTreeMap<u64, Kept>,
}

#[derive(Clone)]
struct Known {
    definition: Definition,
    perform: fn(Job) -> Outcome,
}

/// A job as it is kept.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) queue: String,
    pub(crate) args: Vec<u8>,
    pub(crate) state: State,
    pub(crate) attempt: u16,
    pub(crate) max_attempts: u16,
    pub(crate) priority: u8,
    pub(crate) run_at: u64,
    pub(crate) inserted_at: u64,
    pub(crate) meta: Vec<(String, String)>,
    pub(crate) output: Option<Vec<u8>>,
    pub(crate) last_error: Option<String>,
    unique: Option<Unique>,
    after: Vec<u64>,
    after_any_end: bool,
}

fn is_final(state: State) -> bool {
    matches!(state, State::Completed | State::Cancelled | State::Discarded)
}

fn has(states: States, state: State) -> bool {
    let flag = match state {
        State::Suspended => States::SUSPENDED,
        State::Scheduled => States::SCHEDULED,
        State::Available => States::AVAILABLE,
        State::Executing => States::EXECUTING,
        State::Retryable => States::RETRYABLE,
        State::Completed => States::COMPLETED,
        State::Cancelled => States::CANCELLED,
        State::Discarded => States::DISCARDED,
    };
    states & flag == flag
}

impl Kept {
    /// What has to be the same in another job: the name, and of queue, arguments and key those that count.
    fn kind(&self) -> Option<(&str, [Option<&[u8]>; 3])> {
        let unique = self.unique.as_ref()?;
        let has = |part| unique.by & part == part;
        let key = unique.key.as_deref().unwrap_or_default();
        let parts = [(Parts::QUEUE, self.queue.as_bytes()), (Parts::ARGS, &self.args), (Parts::KEY, key.as_bytes())];
        Some((&self.name, parts.map(|(part, bytes)| has(part).then_some(bytes))))
    }

    fn keeps_out(&self, other: &Self, now: u64) -> bool {
        let Some(unique) = &self.unique else { return false };
        let in_time = unique.period.is_none_or(|period| now < self.inserted_at.saturating_add(period));
        in_time && has(unique.states, self.state) && self.kind() == other.kind()
    }

    fn replace(&mut self, new: Self) {
        let Some(unique) = &new.unique else { return };
        if is_final(self.state) || self.state == State::Executing || !has(unique.replace_in, self.state) {
            return;
        }
        let has = |part| unique.replace & part == part;
        if has(Replace::RUN_AT) {
            self.run_at = new.run_at;
            if matches!(self.state, State::Available | State::Scheduled) {
                // What is due is found when jobs are done.
                self.state = State::Scheduled;
            }
        }
        if has(Replace::PRIORITY) {
            self.priority = new.priority;
        }
        if has(Replace::MAX_ATTEMPTS) {
            self.max_attempts = new.max_attempts;
        }
        if has(Replace::ARGS) {
            self.args = new.args;
        }
    }
}

impl Jobs {
    /// Keeps a job; `before` are those of the same list.
    pub(super) fn insert(&mut self, new: &NewJob, before: &[Inserted], now: u64) -> Result<Inserted, Error> {
        let known = self.known.get(&new.name).map(|known| &known.definition);
        let queue = new.queue.as_deref().or(known.map(|known| known.queue.as_str())).unwrap_or("default");
        let kept = Kept {
            id: self.all.last_key_value().map_or(1, |(id, _)| id + 1),
            name: new.name.clone(),
            queue: queue.to_owned(),
            args: new.args.clone(),
            state: State::Suspended,
            attempt: 0,
            max_attempts: new.max_attempts.or(known.map(|known| known.max_attempts)).unwrap_or(20),
            priority: new.priority.or(known.map(|known| known.priority)).unwrap_or(0),
            run_at: new.run_at.unwrap_or(now),
            inserted_at: now,
            meta: new.meta.clone(),
            output: None,
            last_error: None,
            unique: new.unique.clone(),
            after: new.after.iter().map(|after| number(*after, before)).collect::<Result<_, _>>()?,
            after_any_end: new.after_any_end,
        };
        check(&kept)?;
        if let Some(there) = self.all.values_mut().find(|there| there.keeps_out(&kept, now)) {
            if kept.unique.as_ref().is_some_and(|unique| unique.refuse) {
                return Err(Error::Conflict);
            }
            let inserted = Inserted { id: there.id, was_there: true };
            there.replace(kept);
            return Ok(inserted);
        }
        let inserted = Inserted { id: kept.id, was_there: false };
        self.all.insert(kept.id, kept);
        self.settle_waiting(now);
        Ok(inserted)
    }

    /// Those that wait, for others, for their time or to be known, become what they are now.
    fn settle_waiting(&mut self, now: u64) {
        loop {
            let changed: Vec<_> = self.all.values().filter_map(|job| Some((job.id, self.next(job, now)?))).collect();
            if changed.is_empty() {
                return;
            }
            for (id, state) in changed {
                if let Some(job) = self.all.get_mut(&id) {
                    job.state = state;
                }
            }
        }
    }

    /// What a job that waits becomes, if that is something else.
    fn next(&self, job: &Kept, now: u64) -> Option<State> {
        if !matches!(job.state, State::Suspended | State::Scheduled | State::Retryable) {
            return None;
        }
        let ends = job.after.iter().filter_map(|id| self.all.get(id).map(|before| before.state));
        let next = match ends.fold((true, true), |(ended, well), end| {
            (ended && is_final(end), well && (!is_final(end) || end == State::Completed))
        }) {
            (_, false) if !job.after_any_end => State::Cancelled,
            (false, _) => State::Suspended,
            (true, _) if !self.known.contains_key(&job.name) => State::Suspended,
            (true, _) if job.run_at <= now => State::Available,
            (true, _) if job.state == State::Retryable => State::Retryable,
            (true, _) => State::Scheduled,
        };
        (next != job.state).then_some(next)
    }
}

fn number(after: After, before: &[Inserted]) -> Result<u64, Error> {
    match after {
        After::Job(id) => Ok(id),
        After::Place(place) => {
            let job = before.get(place as usize).map(|inserted| inserted.id);
            job.ok_or_else(|| Error::Invalid(format!("there is no job at place {place} before this one")))
        }
    }
}

fn check(job: &Kept) -> Result<(), Error> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    let is_name = |name: &str| (1..=64).contains(&name.len()) && name.bytes().all(allowed);
    let text = if !is_name(&job.name) || !is_name(&job.queue) {
        "the name of a job or a queue has 1 to 64 lower-case letters, digits, `-` and `_`"
    } else if job.priority > PRIORITY_MAX {
        "a priority is 0 to 9"
    } else if job.max_attempts == 0 {
        "a job is tried at least once"
    } else if job.meta.len() > META_MAX
        || job.meta.iter().any(|(name, value)| name.len().max(value.len()) > META_BYTES_MAX)
    {
        "a job has at most 16 names and values of at most 255 bytes each"
    } else {
        return Ok(());
    };
    Err(Error::Invalid(text.into()))
}

pub(crate) fn enqueue(jobs: &[NewJob]) -> Result<Vec<Inserted>, Error> {
    WORLD.with_borrow_mut(|world| {
        super::durable::failing(world)?;
        let now = world.timestamp();
        let mut draft = world.jobs.clone();
        let mut inserted = Vec::new();
        for job in jobs {
            let new = draft.insert(job, &inserted, now)?;
            inserted.push(new);
        }
        world.jobs = draft;
        Ok(inserted)
    })
}

pub(crate) fn cancel(id: u64) -> Result<bool, Error> {
    WORLD.with_borrow_mut(|world| {
        let now = world.timestamp();
        let job = world.jobs.all.get_mut(&id).ok_or(Error::NotFound)?;
        if is_final(job.state) {
            return Ok(false);
        }
        job.state = State::Cancelled;
        world.jobs.settle_waiting(now);
        Ok(true)
    })
}

pub(crate) fn get(id: u64) -> Result<Status, Error> {
    WORLD.with_borrow(|world| {
        let job = world.jobs.all.get(&id).ok_or(Error::NotFound)?;
        Ok(Status {
            state: job.state,
            attempt: job.attempt,
            max_attempts: job.max_attempts,
            run_at: job.run_at,
            output: job.output.clone(),
            last_error: job.last_error.clone(),
        })
    })
}

/// Nobody else works meanwhile, so whoever waits does what is due until the job has ended.
pub(crate) fn await_(id: u64, _wait_ms: u64) -> Result<Status, Error> {
    for _ in 0..PERFORMED_MAX {
        let status = get(id)?;
        if is_final(status.state) {
            return Ok(status);
        }
        if !perform_next() {
            break;
        }
    }
    Err(Error::Timeout)
}

/// What the plugin's export would tell the host.
pub(crate) fn register<W: Worker>() {
    WORLD.with_borrow_mut(|world| {
        let now = world.timestamp();
        let known = Known { definition: worker::definition::<W>(), perform: worker::perform::<W> };
        world.jobs.known.insert(W::NAME.to_owned(), known);
        world.jobs.settle_waiting(now);
    });
}

/// All jobs, the first one first.
pub(crate) fn all() -> Vec<Kept> {
    WORLD.with_borrow_mut(|world| {
        let now = world.timestamp();
        world.jobs.settle_waiting(now);
        world.jobs.all.values().cloned().collect()
    })
}

/// Does all that is due, and what comes of it. Returns how many attempts that were.
pub(crate) fn perform_all() -> usize {
    let attempts = (0..PERFORMED_MAX).take_while(|_| perform_next()).count();
    assert!(
        attempts < PERFORMED_MAX,
        "{PERFORMED_MAX} jobs were done, and there are more: do they enqueue each other?"
    );
    attempts
}

/// Does the next job that is due, as the host would. Returns whether there was one.
fn perform_next() -> bool {
    let begun = WORLD.with_borrow_mut(|world| {
        let now = world.timestamp();
        let jobs = &mut world.jobs;
        jobs.settle_waiting(now);
        let due = jobs.all.values_mut().filter(|job| job.state == State::Available);
        let job = due.min_by_key(|job| (job.priority, job.run_at, job.id))?;
        let perform = jobs.known.get(&job.name)?.perform;
        job.state = State::Executing;
        job.attempt += 1;
        let Kept { id, name, args, attempt, max_attempts, inserted_at, meta, .. } = job.clone();
        Some((perform, Job { id, name, args, attempt, max_attempts, inserted_at, meta }))
    });
    let Some((perform, job)) = begun else { return false };
    let id = job.id;
    // A panic in it fails the test.
    let outcome = perform(job);
    WORLD.with_borrow_mut(|world| {
        let now = world.timestamp();
        if let Some(job) = world.jobs.all.get_mut(&id).filter(|job| job.state == State::Executing) {
            settle(job, outcome, now);
        }
        world.jobs.settle_waiting(now);
    });
    true
}

fn settle(job: &mut Kept, outcome: Outcome, now: u64) {
    let mut fail = |error: String, after_ms: u64| {
        job.last_error = Some(error);
        job.run_at = now.saturating_add(after_ms);
        job.state = if job.attempt >= job.max_attempts { State::Discarded } else { State::Retryable };
    };
    match outcome {
        Outcome::Done(output) => {
            job.output = output;
            job.state = State::Completed;
        }
        Outcome::Failed(error) => {
            let after = backoff_ms(job.attempt, job.max_attempts);
            fail(error, after);
        }
        Outcome::FailedRetryIn((error, after)) => fail(error, after),
        Outcome::Snooze(after) => {
            job.attempt = job.attempt.saturating_sub(1);
            job.run_at = now.saturating_add(after);
            job.state = State::Scheduled;
        }
        Outcome::Cancel(reason) => {
            job.last_error = Some(reason);
            job.state = State::Cancelled;
        }
    }
}

/// Oban's curve without its jitter: 15 s and 2^attempt s; over more than 20 attempts the curve is stretched.
fn backoff_ms(attempt: u16, max_attempts: u16) -> u64 {
    let attempt =
        if max_attempts <= 20 { attempt.min(20) } else { (u32::from(attempt) * 20 / u32::from(max_attempts)) as u16 };
    (15 + (1_u64 << attempt)) * 1000
}
