//! The engine from outside, with a clock that the tests move, and a performer whose attempts end when the tests say so.
//!
//! | module | shows |
//! |---|---|
//! | `flow` | what becomes of jobs, from every outcome of an attempt |
//! | `caps` | what holds over all hosts: how many run, how often they begin |
//! | `queues` | concurrency, pauses, scales, priorities, prefetch |
//! | `plugins` | unknown names, reloads, leaving, queues that nobody names any more |
//! | `cancel` | stopping what runs |
//! | `waiting` | awaiting an end, jobs after jobs, batches |
//! | `leases` | a live job is never taken over, a dead worker's is, a late word is refused |
//! | `stalled` | the same, with a process that is stopped by a signal |
//! | `unique` | one row, however many insert it at once |
//! | `faults` | a store that fails: nothing is lost and nothing is done twice |
//! | `schedules` | ticks: each once, missed ones as the policy says |
//! | `drain`, `pruner` | the end of a host; the end of jobs |
//! | `machine` | random histories against a plain model |
//! | `machine_caps` | the same, under caps that hold over all hosts and that change |
//! | `ground`, `memory` | the store under them: SQLite's or one in memory, failing when it is told to |

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, unreachable_pub, missing_docs)]

mod cancel;
mod caps;
mod drain;
mod faults;
mod flow;
mod ground;
mod leases;
mod machine;
mod machine_caps;
mod memory;
mod plugins;
mod pruner;
mod queues;
mod schedules;
mod stalled;
mod unique;
mod waiting;

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use skep_jobs::{
    AttemptContext, AttemptEnded, Definition, Ear, JobObserver, JobSpec, Jobs, Options, Outcome, OutcomeKind,
    Performer, PluginJobs, QueueOptions, Stop,
};
use skep_store::{Job, JobId, JobState, QueueRef, Store};
use skep_types::{HandlerName, ManualClock, PluginName};
use tokio::sync::oneshot;

use ground::Ground;

const START_MS: u64 = 1_700_000_000_000;

pub fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

pub fn plugin() -> PluginName {
    PluginName::new("shop").unwrap()
}

pub fn name(name: &str) -> HandlerName {
    HandlerName::new(name).unwrap()
}

pub fn queue(queue: &str) -> QueueRef {
    QueueRef { plugin: plugin(), queue: name(queue) }
}

pub fn spec(of: &str) -> JobSpec {
    JobSpec::new(name(of), "{}")
}

pub fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(SystemTime::UNIX_EPOCH + Duration::from_millis(START_MS)))
}

/// Jobs `a` and `b` in queue `work`, tried three times.
pub fn two_jobs(concurrency: u32) -> PluginJobs {
    let definition = |of: &str| Definition {
        name: name(of),
        queue: name("work"),
        priority: 5,
        max_attempts: 3,
        timeout: Some(secs(60)),
    };
    let options = QueueOptions { concurrency: NonZeroU32::new(concurrency).unwrap(), ..QueueOptions::default() };
    PluginJobs {
        queues: [(name("work"), options)].into(),
        definitions: vec![definition("a"), definition("b")],
        ..PluginJobs::default()
    }
}

/// An attempt that runs until the test ends it.
pub struct Attempt {
    pub job: Job,
    pub context: AttemptContext,
    /// Which revision performs it.
    pub revision: u32,
    answer: oneshot::Sender<Outcome>,
}

impl Attempt {
    pub fn end(self, outcome: Outcome) {
        // It may have been dropped.
        let _ = self.answer.send(outcome);
    }

    pub fn done(self) {
        self.end(Outcome::Done(None));
    }

    pub fn id(&self) -> JobId {
        self.job.id
    }

    pub fn stop(&self) -> &Stop {
        &self.context.stop
    }
}

/// Attempts that have begun, and what was told of those that ended.
#[derive(Default)]
pub struct Stage {
    pub begun: Mutex<VecDeque<Attempt>>,
    pub ended: Mutex<Vec<(JobId, u16, OutcomeKind)>>,
    /// Whether attempts go on when they are told to stop.
    pub stubborn: Mutex<bool>,
    /// Whether attempts that the test forgets panic; otherwise they go on for good.
    pub panics: Mutex<bool>,
}

impl Stage {
    pub fn performer(self: &Arc<Self>, revision: u32) -> Arc<dyn Performer> {
        let stage = Arc::clone(self);
        Arc::new(move |job: Job, context: AttemptContext| {
            let (answer, answered) = oneshot::channel();
            let stop = context.stop.clone();
            stage.begun.lock().push_back(Attempt { job, context, revision, answer });
            let (stubborn, panics) = (*stage.stubborn.lock(), *stage.panics.lock());
            async move {
                let answered = async {
                    match answered.await {
                        Ok(outcome) => outcome,
                        Err(_) if panics => panic!("forgotten"),
                        Err(_) => std::future::pending().await,
                    }
                };
                tokio::select! {
                    biased;
                    outcome = answered => outcome,
                    _ = stop.raised(), if !stubborn => Outcome::Crashed("stopped".to_owned()),
                }
            }
        })
    }
}

impl JobObserver for Stage {
    fn ended(&self, attempt: &AttemptEnded<'_>) {
        self.ended.lock().push((attempt.id, attempt.attempt, attempt.outcome));
    }
}

/// A host.
pub struct Rig {
    pub store: Arc<dyn Store>,
    pub ground: Arc<Ground>,
    pub clock: Arc<ManualClock>,
    pub stage: Arc<Stage>,
    pub ear: Arc<Ear>,
    pub jobs: Jobs,
}

impl Rig {
    pub fn bare(options: Options) -> Self {
        Self::on(Ground::sqlite(), clock(), options)
    }

    /// One more host on a store.
    pub fn on(ground: Arc<Ground>, clock: Arc<ManualClock>, options: Options) -> Self {
        let ear = Ear::new();
        ground.observed_by(ear.clone());
        let stage: Arc<Stage> = Arc::default();
        let options = Options { observer: stage.clone(), ..options };
        let store: Arc<dyn Store> = ground.clone();
        let jobs = Jobs::start(Arc::clone(&store), &ear, clock.clone(), options).unwrap();
        Self { store, ground, clock, stage, ear, jobs }
    }

    /// With [`two_jobs`].
    pub fn new(concurrency: u32) -> Self {
        let rig = Self::bare(quiet_options());
        rig.configure(two_jobs(concurrency), 1);
        rig
    }

    pub fn configure(&self, jobs: PluginJobs, revision: u32) {
        self.jobs.configure(&plugin(), jobs, self.stage.performer(revision)).unwrap();
    }

    /// Lets everything happen that can without the clock.
    pub async fn settle(&self) {
        self.ground.settle().await;
    }

    /// Moves the clock, a second at a time, as live hosts would see it.
    pub async fn pass(&self, time: Duration) {
        self.settle().await;
        let mut left = time;
        while !left.is_zero() {
            let step = left.min(secs(1));
            self.clock.advance(step);
            self.jobs.look();
            self.settle().await;
            left -= step;
        }
    }

    /// The next attempt that begins.
    pub async fn begun(&self) -> Attempt {
        self.settle().await;
        self.stage.begun.lock().pop_front().expect("an attempt has begun")
    }

    /// All that have begun.
    pub async fn all_begun(&self) -> Vec<Attempt> {
        self.settle().await;
        self.stage.begun.lock().drain(..).collect()
    }

    pub async fn nothing_begins(&self) {
        self.settle().await;
        let begun: Vec<_> = self.stage.begun.lock().iter().map(Attempt::id).collect();
        assert!(begun.is_empty(), "{begun:?} began");
    }

    pub async fn enqueue(&self, spec: JobSpec) -> JobId {
        self.jobs.enqueue(&plugin(), vec![spec]).await.unwrap()[0].id
    }

    pub async fn job(&self, id: JobId) -> Job {
        self.settle().await;
        self.store.job(id).await.unwrap().0
    }

    pub async fn state(&self, id: JobId) -> JobState {
        self.job(id).await.state
    }

    pub async fn errors(&self, id: JobId) -> Vec<String> {
        self.store.job(id).await.unwrap().1.into_iter().map(|attempt| attempt.error).collect()
    }

    pub fn wall(&self) -> u64 {
        use skep_types::Clock as _;
        self.clock.wall().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis() as u64
    }
}

/// Without prefetch, so that each job on lease is one that runs.
pub fn quiet_options() -> Options {
    let limits = skep_jobs::Limits { prefetch_max: 0, ..skep_jobs::Limits::default() };
    Options { limits, ..Options::default() }
}
