//! The loop of a queue: jobs are leased, begun, and settled.

use std::sync::Arc;
use std::time::{Duration, Instant};

use skep_store::{Caps, Error, Fence, HeldBack, Lost, Settle, Settled, Timestamp};
use skep_types::HandlerName;
use tokio::sync::mpsc;

use super::hand::{Ending, Leased, Pace, Prefetched};
use super::round::{Answer, LEASE_MAX, Round, Work};
use super::{AtWork, Queue, Setup, Terms};
use crate::attempt::{self, AttemptContext, Stop, StopReason};
use crate::core::{Core, Phase};
use crate::definition::Definition;
use crate::observe::AttemptEnded;
use crate::outcome::{self, Ended, Outcome, OutcomeKind};
use crate::retry::Retry;

/// How many ends wait to be read; more wait in their own tasks, of which there are as many as the queue's concurrency.
const ENDS: usize = 512;

/// When a queue is asked again that another host was taking jobs of, on average.
const ELSEWHERE: Duration = Duration::from_millis(5);

/// Works on one queue. At most `concurrency` attempts run; beside them it has on lease what it prefetched, and what ended and
/// is not settled yet. While the store fails nothing new is leased, so that is bounded.
pub(crate) struct Worker {
    core: Arc<Core>,
    queue: Arc<Queue>,
    prefetched: Prefetched,
    pace: Pace,
    running: usize,
    finished: (mpsc::Sender<Finished>, mpsc::Receiver<Finished>),
    endings: Vec<Ending>,
    round: Option<Round>,
    /// Whether there may be available jobs.
    hungry: bool,
    caps: Caps,
    /// The caps had no room: nothing is leased before this.
    again_at: Option<Instant>,
    /// As many are at work on all hosts as may be: one that ends here makes room.
    full: bool,
    retry: Retry,
    /// The store failed: no round before this.
    not_before: Option<Instant>,
    /// A lease may have been given that nobody knows of.
    recover: bool,
    /// The store refused one of many: they are settled one by one.
    singly: bool,
}

/// An attempt that came to its end.
struct Finished {
    job: Begun,
    outcome: Outcome,
    ran: Duration,
}

/// What is needed of a job when it has ended.
struct Begun {
    id: skep_store::JobId,
    fence: Fence,
    name: HandlerName,
    attempt: u16,
    max_attempts: u16,
    stop: Stop,
    waited: Duration,
}

impl Worker {
    pub(crate) fn new(core: Arc<Core>, queue: Arc<Queue>) -> Self {
        Self {
            core,
            queue,
            prefetched: Prefetched::default(),
            pace: Pace::unknown(),
            running: 0,
            finished: mpsc::channel(ENDS),
            endings: Vec::new(),
            round: None,
            hungry: true,
            caps: Caps::default(),
            again_at: None,
            full: false,
            retry: Retry::default(),
            not_before: None,
            recover: false,
            singly: false,
        }
    }

    /// Ends when its plugin is gone or the host stops, and nothing is in hand any more.
    pub(crate) async fn run(mut self) {
        let mut batch = Vec::new();
        loop {
            let terms = self.terms();
            self.begin(&terms);
            self.give_back(&terms);
            self.next_round(&terms);
            self.show();
            if self.is_over(&terms) {
                return;
            }
            let wake = self.wake_at(&terms);
            let queue = Arc::clone(&self.queue);
            tokio::select! {
                _ = self.finished.1.recv_many(&mut batch, ENDS) => {
                    batch.drain(..).for_each(|finished| self.end(finished));
                }
                answer = Round::answer(&mut self.round) => self.answered(answer),
                () = queue.wake.notified() => self.hungry = true,
                () = self.core.sleep_until(wake) => {}
            }
        }
    }

    fn terms(&mut self) -> Terms {
        let terms = self.queue.terms();
        let caps = terms.caps();
        if caps != self.caps {
            // What held it back may not hold any more.
            (self.caps, self.again_at, self.full, self.hungry) = (caps, None, false, true);
        }
        terms
    }

    /// Begins what waits, as far as there is room.
    fn begin(&mut self, terms: &Terms) {
        let Some(setup) = &terms.setup else { return };
        if terms.paused || self.core.phase() != Phase::Running {
            return;
        }
        while self.running < terms.concurrency
            && let Some(leased) = self.prefetched.pop()
        {
            // Taken away while it waited.
            if leased.stop.reason().is_some() {
                self.core.held.let_go(std::iter::once(leased.fence));
                continue;
            }
            match setup.definitions.get(&leased.job.name) {
                Some(definition) => self.spawn(leased, setup, definition),
                None => self.endings.push(Ending::unbegun(leased, Settled::Unknown, self.core.time.wall())),
            }
        }
    }

    fn spawn(&mut self, leased: Leased, setup: &Setup, definition: &Definition) {
        let Leased { job, fence, stop } = leased;
        let core = Arc::clone(&self.core);
        let waited = Duration::from_millis(core.time.wall().saturating_sub(job.run_at.max(job.inserted)));
        core.options.observer.begins(&self.queue.id, &job.name);
        let context = AttemptContext { stop: stop.clone(), timeout: definition.timeout, waited };
        let begun = Begun {
            id: job.id,
            fence,
            name: job.name.clone(),
            attempt: job.attempt,
            max_attempts: job.max_attempts,
            stop,
            waited,
        };
        let (performer, sender) = (Arc::clone(&setup.performer), self.finished.0.clone());
        self.running += 1;
        tokio::spawn(async move {
            let from = core.time.now();
            let outcome = attempt::run(performer, job, context, &core.time, core.options.stop_grace).await;
            let ran = core.time.now().saturating_duration_since(from);
            // Nobody listens any more only when the shutdown was given up.
            let _ = sender.send(Finished { job: begun, outcome, ran }).await;
        });
    }

    fn end(&mut self, finished: Finished) {
        let Finished { job, outcome, ran } = finished;
        self.running = self.running.saturating_sub(1);
        self.hungry |= std::mem::take(&mut self.full);
        self.pace.ran(ran);
        let outcome = match (job.stop.reason(), outcome) {
            (Some(StopReason::Cancelled | StopReason::LeaseLost), _) => {
                self.core.held.let_go(std::iter::once(job.fence));
                self.tell(&job.name, job.id, job.attempt, OutcomeKind::Lost, (job.waited, ran));
                return;
            }
            // Not its fault.
            (Some(StopReason::Shutdown), Outcome::Failed(_) | Outcome::Crashed(_) | Outcome::FailedRetryIn(..)) => {
                Outcome::Returned
            }
            (_, outcome) => outcome,
        };
        let now = self.core.time.wall();
        let ended = Ended {
            attempt: job.attempt,
            max_attempts: job.max_attempts,
            now,
            random: fastrand::f64(),
            output_bytes_max: self.core.options.limits.output_bytes_max.0,
        };
        self.endings.push(Ending {
            settle: Settle { id: job.id, fence: job.fence, now, as_: outcome::settle(outcome, &ended) },
            name: job.name,
            attempt: job.attempt,
            waited: job.waited,
            ran,
            unsure: false,
            shortened: false,
        });
    }

    fn tell(
        &self,
        name: &HandlerName,
        id: skep_store::JobId,
        attempt: u16,
        outcome: OutcomeKind,
        (waited, ran): (Duration, Duration),
    ) {
        let queue = &self.queue.id;
        self.core.options.observer.ended(&AttemptEnded { queue, id, name, attempt, outcome, waited, ran });
    }

    /// What waits for room goes back if it will not begin soon.
    fn give_back(&mut self, terms: &Terms) {
        let now = self.core.time.now();
        let stale = self.prefetched.stale_at().is_some_and(|at| at <= now);
        if stale {
            self.pace.stalled();
        }
        if stale || terms.paused || terms.setup.is_none() || self.core.phase() != Phase::Running {
            let wall = self.core.time.wall();
            while let Some(leased) = self.prefetched.pop() {
                self.endings.push(Ending::unbegun(leased, Settled::Returned, wall));
            }
        }
    }

    fn next_round(&mut self, terms: &Terms) {
        let now = self.core.time.now();
        // Here only, so that it is either over or waited for.
        self.again_at = self.again_at.filter(|at| *at > now);
        if self.round.is_some() || self.not_before.is_some_and(|at| at > now) {
            return;
        }
        self.not_before = None;
        if self.recover {
            self.round = Some(Round::recover(&self.core, &self.queue.id));
            return;
        }
        // What makes room is settled in the same write.
        self.hungry |= !self.endings.is_empty() && std::mem::take(&mut self.full);
        let wanted = if self.singly { 0 } else { self.wanted(terms) };
        if wanted > 0 || !self.endings.is_empty() {
            // A wake-up during the round says that there is more.
            self.hungry &= wanted == 0;
            let endings = Round::portion(&mut self.endings, self.singly);
            self.round = Some(Round::work(&self.core, &self.queue.id, endings, wanted, self.caps));
        }
    }

    /// How many jobs there is room for on this host. Whatever is leased under caps counts as begun, so none of it waits.
    fn wanted(&self, terms: &Terms) -> usize {
        if !self.hungry || self.again_at.is_some() || terms.paused || terms.setup.is_none() || !self.core.may_lease() {
            return 0;
        }
        let most = if self.caps.is_empty() { self.core.options.limits.prefetch_max } else { 0 };
        let in_hand = self.running + self.prefetched.len();
        (terms.concurrency + self.pace.prefetch(terms.concurrency, most)).saturating_sub(in_hand).min(LEASE_MAX)
    }

    fn answered(&mut self, answer: Answer) {
        match answer {
            Answer::Work(work, Ok((settled, mut leased))) => {
                self.retry.succeeded();
                // Other caps may have come meanwhile: what held it back may not hold any more.
                leased.held_back = leased.held_back.filter(|_| work.caps == self.caps);
                self.settled(work.endings, &settled);
                self.leased(work.wanted, work.until, leased);
            }
            Answer::Work(work, Err(error)) => self.refused(work, &error),
            Answer::Recover(Ok(())) => self.recover = false,
            Answer::Recover(Err(error)) => self.failed(&error),
        }
    }

    fn settled(&mut self, endings: Vec<Ending>, settled: &[Result<(), Lost>]) {
        self.core.held.let_go(endings.iter().map(|ending| ending.settle.fence));
        let mut unknown = Vec::new();
        for (ending, settled) in endings.into_iter().zip(settled) {
            let kind = match settled {
                Ok(()) => OutcomeKind::from(&ending.settle.as_),
                Err(_) if ending.unsure => OutcomeKind::from(&ending.settle.as_),
                Err(_) => OutcomeKind::Lost,
            };
            self.tell(&ending.name, ending.settle.id, ending.attempt, kind, (ending.waited, ending.ran));
            if kind == OutcomeKind::Unknown {
                unknown.push(ending.name);
            }
        }
        self.singly &= !self.endings.is_empty();
        if !unknown.is_empty() {
            // A revision may have come meanwhile that knows the name, and have looked before this was written.
            self.core.resume_known(&self.queue.id.plugin, &unknown);
        }
    }

    fn leased(&mut self, wanted: usize, until: Timestamp, leased: skep_store::Leased) {
        if wanted == 0 {
            return;
        }
        let skep_store::Leased { jobs, held_back } = leased;
        let now = self.core.time.now();
        self.again_at = match held_back {
            None | Some(HeldBack::Running) => None,
            Some(HeldBack::Rate { again }) => now.checked_add(self.core.time.until(again)),
            // Two that meet must not meet again.
            Some(HeldBack::Elsewhere) => now.checked_add(ELSEWHERE.mul_f64(0.5 + fastrand::f64())),
        };
        self.full = held_back == Some(HeldBack::Running);
        // As many as were asked for, or as may be now: there may be more.
        self.hungry |= jobs.len() >= wanted || self.again_at.is_some();
        for (job, fence, stop) in self.core.held.take(jobs, until) {
            self.prefetched.push(Leased { job, fence, stop }, now);
        }
    }

    /// The store refused, or failed. What ended keeps its leases, by heartbeats, and is settled later.
    fn refused(&mut self, work: Work, error: &Error) {
        let mut endings = work.endings;
        self.hungry |= work.wanted > 0;
        match error {
            Error::OutcomeUnknown => {
                self.recover = true;
                endings.iter_mut().for_each(|ending| ending.unsure = true);
            }
            Error::Busy | Error::Unavailable(_) => {}
            // It is about what was settled: find out which one, and say less of it.
            _ if endings.len() > 1 => self.singly = true,
            _ => endings.retain_mut(|ending| self.shorten(ending, error)),
        }
        endings.append(&mut self.endings);
        self.endings = endings;
        self.failed(error);
    }

    /// Puts the refusal in the place of what the store will not take. False if that was tried: then its lease runs out.
    fn shorten(&self, ending: &mut Ending, error: &Error) -> bool {
        let (queue, id) = (&self.queue.id, ending.settle.id);
        tracing::error!(plugin = %queue.plugin, queue = %queue.queue, job = %id, %error, "the store refuses the end of a job");
        if ending.shortened {
            self.core.held.let_go(std::iter::once(ending.settle.fence));
            return false;
        }
        ending.shortened = true;
        ending.settle.as_ = Settled::Discarded { error: format!("the store refuses what came of it: {error}") };
        true
    }

    fn failed(&mut self, error: &Error) {
        let pause = self.retry.failed();
        let queue = &self.queue.id;
        tracing::warn!(plugin = %queue.plugin, queue = %queue.queue, %error, again_in = ?pause, "a queue cannot reach its store");
        self.not_before = self.core.time.now().checked_add(pause);
    }

    fn show(&self) {
        let settling = self.endings.len()
            + match &self.round {
                Some(Round::Work(work, _)) => work.endings.len(),
                _ => 0,
            };
        self.queue.show(AtWork { running: self.running, prefetched: self.prefetched.len(), settling });
    }

    fn is_over(&self, terms: &Terms) -> bool {
        let phase = self.core.phase();
        if phase == Phase::Abandoned {
            return self.queue.end(true);
        }
        let idle = self.running + self.prefetched.len() + self.endings.len() == 0 && self.round.is_none();
        let leaves = terms.setup.is_none() || phase != Phase::Running;
        idle && !self.recover && leaves && self.queue.end(phase != Phase::Running)
    }

    /// When something is to be done that nobody tells of.
    fn wake_at(&self, terms: &Terms) -> Option<Instant> {
        let has_room = self.hungry && !terms.paused && self.running < terms.concurrency;
        let again = self.again_at.filter(|_| has_room);
        [self.not_before, self.prefetched.stale_at(), again].into_iter().flatten().min()
    }
}
