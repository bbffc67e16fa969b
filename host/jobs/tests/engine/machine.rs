//! Random histories of two hosts on one store, against a plain model of what may happen to a job.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use skep_jobs::{JobSpec, Options, Outcome, PluginJobs, Retention};
use skep_store::{JobId, JobState};

use crate::ground::{Fault, Ground};
use crate::{Attempt, Rig, clock, quiet_options, secs, spec, two_jobs};

#[derive(Clone, Debug)]
pub enum Step {
    Enqueue {
        max_attempts: u16,
        in_ms: u64,
    },
    /// The attempt at this place ends.
    End(usize, End),
    Cancel(usize),
    Retry(usize),
    Pass(u64),
    /// The first host, or the second, stops as if it were killed: its clock stands still from now on.
    Kill(bool),
    Fault(Fault),
}

#[derive(Clone, Copy, Debug)]
pub enum End {
    Done,
    Failed,
    RetryIn(u64),
    Snooze(u64),
    Cancel,
}

pub fn step() -> impl Strategy<Value = Step> {
    let end = prop_oneof![
        3 => Just(End::Done),
        3 => Just(End::Failed),
        1 => (0u64..30_000).prop_map(End::RetryIn),
        1 => (0u64..30_000).prop_map(End::Snooze),
        1 => Just(End::Cancel),
    ];
    let fault = prop_oneof![Just(Fault::Unavailable), Just(Fault::UnknownWritten), Just(Fault::UnknownLost)];
    prop_oneof![
        6 => (1u16..4, prop_oneof![Just(0u64), 1u64..20_000]).prop_map(|(max_attempts, in_ms)| Step::Enqueue { max_attempts, in_ms }),
        8 => (any::<usize>(), end).prop_map(|(at, end)| Step::End(at, end)),
        1 => any::<usize>().prop_map(Step::Cancel),
        1 => any::<usize>().prop_map(Step::Retry),
        6 => (0u64..9_000).prop_map(Step::Pass),
        1 => any::<bool>().prop_map(Step::Kill),
        2 => fault.prop_map(Step::Fault),
    ]
}

/// What the model knows of a job.
#[derive(Debug)]
pub struct Model {
    max_attempts: u16,
    /// Attempts that ended and count, as far as the host of each was alive.
    failed: u16,
    done: bool,
    /// Whether its attempts were taken from a dead host, or an operator spoke, which the model does not follow.
    loose: bool,
}

/// The hosts, by their place.
pub const NODES: [&str; 2] = ["one", "two"];

pub struct World {
    pub rigs: [Rig; 2],
    pub alive: [bool; 2],
    /// Attempts that nobody ended, and whose they are.
    pub running: Vec<(usize, Attempt)>,
    jobs: BTreeMap<JobId, Model>,
}

impl World {
    pub fn new(ground: Arc<Ground>, jobs: &PluginJobs) -> Self {
        let retention = Retention { completed: secs(1 << 20), ..Retention::default() };
        let options = |node: &str| Options { alone: false, node: node.to_owned(), retention, ..quiet_options() };
        let one = Rig::on(ground, clock(), options(NODES[0]));
        // Each host has a clock of its own, so that one can stand still.
        let two = Rig::on(Arc::clone(&one.ground), clock(), options(NODES[1]));
        for rig in [&one, &two] {
            rig.configure(jobs.clone(), 1);
        }
        Self { rigs: [one, two], alive: [true, true], running: Vec::new(), jobs: BTreeMap::new() }
    }

    /// One of the hosts that live; there is always one.
    pub fn host(&self) -> &Rig {
        if self.alive[0] { &self.rigs[0] } else { &self.rigs[1] }
    }

    pub async fn settle(&mut self) {
        for (at, rig) in self.rigs.iter().enumerate() {
            for attempt in rig.all_begun().await {
                self.running.push((at, attempt));
            }
        }
        self.check().await;
    }

    pub async fn pass(&mut self, ms: u64) {
        let mut left = ms;
        while left > 0 {
            let step = left.min(500);
            left -= step;
            for (rig, _) in self.rigs.iter().zip(self.alive).filter(|(_, alive)| *alive) {
                rig.clock.advance(Duration::from_millis(step));
                rig.jobs.look();
            }
            self.settle().await;
        }
    }

    /// Takes a step, whatever comes of it.
    pub async fn take(&mut self, step: Step) {
        let any: Vec<JobId> = self.jobs.keys().copied().collect();
        match step {
            Step::Enqueue { max_attempts, in_ms } => {
                let rig = self.host();
                let run_at = (in_ms > 0).then(|| rig.wall() + in_ms);
                let spec = JobSpec { max_attempts: Some(max_attempts), run_at, ..spec("a") };
                if let Ok(inserted) = rig.jobs.enqueue(&crate::plugin(), vec![spec]).await {
                    self.jobs.insert(inserted[0].id, Model { max_attempts, failed: 0, done: false, loose: false });
                }
            }
            Step::End(at, end) if !self.running.is_empty() => {
                let (host, attempt) = self.running.swap_remove(at % self.running.len());
                // A dead one's never ends.
                if self.alive[host] {
                    self.end(attempt, end);
                }
            }
            Step::Cancel(at) if !any.is_empty() => {
                let id = any[at % any.len()];
                self.jobs.get_mut(&id).unwrap().loose = true;
                let _ = self.host().jobs.cancel(id, None).await;
            }
            Step::Retry(at) if !any.is_empty() => {
                let id = any[at % any.len()];
                self.jobs.get_mut(&id).unwrap().loose = true;
                let filter = skep_store::JobFilter { ids: vec![id], ..skep_store::JobFilter::default() };
                let _ = self.host().jobs.operate(filter, skep_store::Op::Retry, None).await;
            }
            Step::Pass(ms) => self.pass(ms).await,
            Step::Kill(second) => {
                let at = usize::from(second);
                if self.alive[1 - at] {
                    self.alive[at] = false;
                    self.rigs[at].ground.forget(&self.rigs[at].ear);
                    // It may hold leases of which it never knew.
                    for (id, model) in &mut self.jobs {
                        let lease = self.rigs[0].with_errors(*id).await.0.lease;
                        model.loose |= lease.is_some_and(|lease| lease.worker.starts_with(NODES[at]));
                    }
                }
            }
            Step::Fault(fault) => self.rigs[0].ground.faults.lock().push_back(fault),
            _ => {}
        }
    }

    pub fn end(&mut self, attempt: Attempt, end: End) {
        let stopped = attempt.stop().reason().is_some();
        if let Some(job) = self.jobs.get_mut(&attempt.id()) {
            job.loose |= stopped;
            match end {
                End::Done => job.done = true,
                End::Failed | End::RetryIn(_) => job.failed += 1,
                End::Snooze(_) => {}
                End::Cancel => job.loose = true,
            }
        }
        attempt.end(match end {
            End::Done => Outcome::Done(None),
            End::Failed => Outcome::Failed("no".into()),
            End::RetryIn(ms) => Outcome::FailedRetryIn("no".into(), Duration::from_millis(ms)),
            End::Snooze(ms) => Outcome::Snooze(Duration::from_millis(ms)),
            End::Cancel => Outcome::Cancel("no".into()),
        });
    }

    /// What has to hold at any time.
    async fn check(&self) {
        for (id, model) in &self.jobs {
            let (job, errors) = self.rigs[0].with_errors(*id).await;
            // Of the attempts that nobody told to stop, on hosts that live, there is one at most.
            let live = self.running.iter().filter(|(host, attempt)| {
                self.alive[*host] && attempt.id() == *id && attempt.stop().reason().is_none()
            });
            assert!(live.count() <= 1, "two live attempts of {job:?}");
            assert!(job.attempt <= job.max_attempts, "{job:?}");
            assert_eq!(job.state == JobState::Executing, job.lease.is_some(), "{job:?}");
            assert_eq!(job.state.is_final(), job.ended.is_some(), "{job:?}");
            if model.loose {
                continue;
            }
            // Whatever was not settled yet is at most one attempt ahead of what is written.
            assert!(errors <= model.failed && model.failed <= errors + 1, "{model:?} {job:?}");
            match job.state {
                JobState::Completed => assert!(model.done),
                JobState::Discarded => assert_eq!(model.failed, model.max_attempts),
                JobState::Cancelled => panic!("nobody cancelled {job:?}"),
                _ => {}
            }
        }
    }

    /// Whether there is a job that is not final.
    pub async fn is_left(&self) -> bool {
        for id in self.jobs.keys() {
            if !self.rigs[0].with_errors(*id).await.0.state.is_final() {
                return true;
            }
        }
        false
    }

    /// Whoever lives does all that is left: no job is lost.
    async fn finish(mut self) {
        self.rigs[0].ground.faults.lock().clear();
        for _ in 0..400 {
            self.settle().await;
            while let Some((host, attempt)) = self.running.pop() {
                if self.alive[host] {
                    self.end(attempt, End::Done);
                }
            }
            self.settle().await;
            if !self.is_left().await {
                return;
            }
            self.pass(2_000).await;
        }
        panic!("jobs are left: {:?}", self.jobs);
    }
}

impl Rig {
    async fn with_errors(&self, id: JobId) -> (skep_store::Job, u16) {
        let (job, errors) = self.store.job(id).await.unwrap();
        (job, u16::try_from(errors.len()).unwrap())
    }
}

fn live(ground: Arc<Ground>, steps: Vec<Step>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut world = World::new(ground, &two_jobs(2));
        world.settle().await;
        for step in steps {
            world.take(step).await;
            world.settle().await;
        }
        world.finish().await;
    });
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    proptest::collection::vec(step(), 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    #[test]
    fn no_job_is_lost_none_runs_twice_at_once_and_attempts_are_counted(steps in steps()) {
        live(Ground::memory(), steps);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn the_same_holds_over_sqlite(steps in steps()) {
        live(Ground::sqlite(), steps);
    }
}
