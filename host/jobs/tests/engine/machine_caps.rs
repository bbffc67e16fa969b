//! Random histories of two hosts under caps that hold over both, and that change, on one host or on both, also while a lease is
//! under way.
//!
//! What holds whenever all is calm, beside what [`World`] says of each job:
//!
//! - **A host asks under what it was told last.** A lease that was under way then was asked for under what it was told before.
//! - **No lease leaves more at work than its cap says**, whichever hosts have them. So of what is at work, no more than that was
//!   leased up to then. A cap that is lowered takes nothing away from what began under a higher one, or under none, and nothing
//!   more begins until there is room. What a dead host has counts until it is taken over.
//! - **No lease passes its rate**: in the stretch that ends with it, no more than that were leased. What was leased under no rate
//!   does not count; and whoever asks under a rate of a shorter stretch may forget all that was before.
//! - **Nobody idles**: where a job is available, and a host has room, and the caps that it was told have room, it has begun the
//!   job, without the clock. Two are excused: who was failed by the store, for some seconds; and who is not told of the places that
//!   another host gives back, as on SQLite, which has no other: it finds them when it looks at everything
//!   ([`Options::poll`]).
//!
//! In the end every job has run.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use skep_jobs::{Options, RateLimit};
use skep_store::{Caps, Fence, JobFilter, JobState, RateCap};

use crate::caps::under;
use crate::ground::{Given, Ground};
use crate::machine::{self, End, NODES, World};
use crate::queue;

/// How many each host runs at once.
const CONCURRENCY: u32 = 3;
/// So long after a fault everybody has asked again: no pause between attempts is longer than 5 s.
const TROUBLE_MS: u64 = 10_000;
/// A rate may be so much more careful than it says: a hundredth of the longest stretch.
const CAREFUL_MS: u64 = 50;
/// The most that passes between two looks.
const STEP_MS: u64 = 500;

#[derive(Clone, Debug)]
enum Step {
    World(machine::Step),
    /// One host, or both, are told other caps.
    Caps {
        hosts: [bool; 2],
        caps: Caps,
        /// While what the step before brought is under way.
        meanwhile: bool,
    },
}

fn caps() -> impl Strategy<Value = Caps> {
    let running = prop_oneof![1 => Just(None), 3 => (1u32..5).prop_map(NonZeroU32::new)];
    let period = prop_oneof![Just(1_000u64), Just(4_000)];
    let rate =
        (1u32..5, period).prop_map(|(count, period_ms)| RateCap { count: NonZeroU32::new(count).unwrap(), period_ms });
    (running, proptest::option::of(rate)).prop_map(|(running_max, rate)| Caps { running_max, rate })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let hosts = prop_oneof![3 => Just([true, true]), 1 => Just([true, false]), 1 => Just([false, true])];
    let caps =
        (hosts, caps(), any::<bool>()).prop_map(|(hosts, caps, meanwhile)| Step::Caps { hosts, caps, meanwhile });
    // Caps are met where many wait, and more than one thing makes room.
    let waits = (1u16..3).prop_map(|max_attempts| Step::World(machine::Step::Enqueue { max_attempts, in_ms: 0 }));
    let cancel = any::<usize>().prop_map(|at| Step::World(machine::Step::Cancel(at)));
    let step = prop_oneof![16 => machine::step().prop_map(Step::World), 4 => waits, 1 => cancel, 2 => caps];
    let faulty = |step: &Step| matches!(step, Step::World(machine::Step::Fault(_)));
    // Most histories are without faults: those hide for a while who idles.
    (prop::collection::vec(step, 1..80), prop::bool::weighted(0.3)).prop_map(move |(mut steps, faults)| {
        steps.retain(|step| faults || !faulty(step));
        steps
    })
}

struct Capped {
    world: World,
    /// What each host was told since all was calm, and before that last.
    told: [Vec<Caps>; 2],
    revision: u32,
    given: Vec<Given>,
    /// Until when hosts may be late because the store failed.
    trouble_until: u64,
    /// Since when each host idles, and how long is too long.
    idle: [Option<u64>; 2],
    idle_max: u64,
}

impl Capped {
    fn new(ground: Arc<Ground>, caps: Caps, idle_max: u64) -> Self {
        let world = World::new(ground, &jobs(caps));
        let told = [vec![caps], vec![caps]];
        Self { world, told, revision: 1, given: Vec::new(), trouble_until: 0, idle: [None; 2], idle_max }
    }

    fn caps_of(&self, host: usize) -> Caps {
        *self.told[host].last().unwrap()
    }

    fn tell(&mut self, hosts: [bool; 2], caps: Caps) {
        self.revision += 1;
        for at in (0..2).filter(|at| hosts[*at] && self.world.alive[*at]) {
            self.world.rigs[at].configure(jobs(caps), self.revision);
            self.told[at].push(caps);
        }
    }

    async fn live(&mut self, steps: Vec<Step>) {
        self.calm().await;
        let mut steps = steps.into_iter().peekable();
        while let Some(step) = steps.next() {
            match step {
                Step::World(machine::Step::Pass(ms)) => self.pass(ms).await,
                Step::World(step) => {
                    if let machine::Step::Fault(_) = step {
                        self.trouble_until = self.world.host().wall() + TROUBLE_MS;
                    }
                    let next = steps.next_if(|next| matches!(next, Step::Caps { meanwhile: true, .. }));
                    let answers = Arc::clone(&self.world.rigs[0].ground.answers);
                    let held = if next.is_some() { Some(answers.lock().await) } else { None };
                    self.world.take(step).await;
                    if let Some(Step::Caps { hosts, caps, .. }) = next {
                        turns().await;
                        self.tell(hosts, caps);
                        turns().await;
                    }
                    drop(held);
                }
                Step::Caps { hosts, caps, .. } => self.tell(hosts, caps),
            }
            self.calm().await;
        }
    }

    async fn pass(&mut self, ms: u64) {
        for from in (0..ms).step_by(STEP_MS as usize) {
            self.world.pass((ms - from).min(STEP_MS)).await;
            self.calm().await;
        }
    }

    /// Whoever lives does all that is left.
    async fn finish(&mut self) {
        self.world.rigs[0].ground.faults.lock().clear();
        // A job each 4 s, and some of them once more, for a host that died.
        for _ in 0..1_000 {
            while let Some((host, attempt)) = self.world.running.pop() {
                if self.world.alive[host] {
                    self.world.end(attempt, End::Done);
                }
            }
            self.calm().await;
            if self.world.running.is_empty() {
                if !self.world.is_left().await {
                    return;
                }
                self.pass(STEP_MS).await;
            }
        }
        panic!("jobs are left");
    }

    /// Lets everything happen that can without the clock, and looks.
    async fn calm(&mut self) {
        self.world.settle().await;
        let ground = &self.world.rigs[0].ground;
        if !ground.faults.lock().is_empty() {
            self.trouble_until = self.world.host().wall() + TROUBLE_MS;
        }
        let mut given = std::mem::take(&mut *ground.given.lock());
        // There is a queue beside it that nothing is put into.
        given.retain(|given| given.queue == queue("work"));
        given.sort_by_key(|given| given.fences.last().copied());
        for given in given {
            let host = NODES.iter().position(|node| given.worker.starts_with(node)).unwrap();
            assert!(self.told[host].contains(&given.caps), "{given:?} {:?}", self.told[host]);
            self.given.push(given.clone());
            self.check_rate(&given);
        }
        self.told.iter_mut().for_each(|told| _ = told.drain(..told.len() - 1));
        self.check_running().await;
        self.check_idle().await;
    }

    /// Whether so many may have been given in this stretch, as far as none of them may be forgotten.
    fn check_rate(&self, last: &Given) {
        let Some(rate) = last.caps.rate.filter(|_| !last.fences.is_empty()) else { return };
        let period = |given: &Given| given.caps.rate.map(|rate| rate.period_ms);
        let shorter = self.given.iter().filter(|given| period(given).is_some_and(|period| period < rate.period_ms));
        let known = shorter.map(|given| given.now + 1).max().unwrap_or(0);
        let in_stretch = self.begun_since(known.max(last.now.saturating_sub(rate.period_ms) + 1));
        assert!(in_stretch <= rate.count.get() as usize, "{in_stretch} with {last:?}");
    }

    /// How many were leased under a rate, then or later.
    fn begun_since(&self, from: u64) -> usize {
        let counts = self.given.iter().filter(|given| given.caps.rate.is_some() && given.now >= from);
        counts.map(|given| given.fences.len()).sum()
    }

    async fn fences(&self, state: JobState) -> Vec<Option<Fence>> {
        let filter = JobFilter { state: Some(state), ..JobFilter::default() };
        let page = self.world.rigs[0].store.jobs(filter, None, 500).await.unwrap();
        page.jobs.into_iter().map(|job| job.lease.map(|lease| lease.fence)).collect()
    }

    /// The attempts of a host that lives, which nobody told to stop.
    fn at_work(&self, host: usize) -> impl Iterator<Item = Fence> {
        let alive = self.world.alive[host];
        let mine = self
            .world
            .running
            .iter()
            .filter(move |(of, attempt)| alive && *of == host && attempt.stop().reason().is_none());
        mine.map(|(_, attempt)| attempt.job.lease.as_ref().unwrap().fence)
    }

    async fn check_running(&self) {
        let mut at_work: BTreeSet<Fence> = self.fences(JobState::Executing).await.into_iter().flatten().collect();
        at_work.extend((0..2).flat_map(|host| self.at_work(host)));
        for given in &self.given {
            if let (Some(max), Some(last)) = (given.caps.running_max, given.fences.last()) {
                let until_then = at_work.range(..=last).count();
                assert!(until_then <= max.get() as usize, "{until_then} are at work with those of {given:?}");
            }
        }
    }

    async fn check_idle(&mut self) {
        let now = self.world.host().wall();
        let available = self.fences(JobState::Available).await.len();
        let executing = self.fences(JobState::Executing).await.len();
        for (host, node) in NODES.iter().enumerate() {
            let caps = self.caps_of(host);
            let rate_has_room = caps.rate.is_none_or(|rate| {
                self.begun_since(now.saturating_sub(rate.period_ms + CAREFUL_MS)) < rate.count.get() as usize
            });
            let idles = self.world.alive[host]
                && available > 0
                && self.at_work(host).count() < CONCURRENCY as usize
                && caps.running_max.is_none_or(|max| executing < max.get() as usize)
                && rate_has_room
                && now > self.trouble_until;
            if !idles {
                self.idle[host] = None;
                continue;
            }
            let idle = now - *self.idle[host].get_or_insert(now);
            let what = format!("{available} wait, {executing} are at work, under {caps:?}");
            assert!(idle < self.idle_max, "host {node} idles since {idle} ms: {what}");
        }
    }
}

fn jobs(caps: Caps) -> skep_jobs::PluginJobs {
    let rate = caps.rate.map(|rate| RateLimit { count: rate.count, period: Duration::from_millis(rate.period_ms) });
    under(CONCURRENCY, caps.running_max.map(NonZeroU32::get), rate)
}

/// All do what they can, but for waiting for the store.
async fn turns() {
    for _ in 0..40 {
        tokio::task::yield_now().await;
    }
}

fn live(ground: Arc<Ground>, caps: Caps, idle_max: u64, steps: Vec<Step>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut world = Capped::new(ground, caps, idle_max);
        world.live(steps).await;
        world.finish().await;
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    #[test]
    fn caps_are_never_passed_and_whoever_may_work_does(caps in caps(), steps in steps()) {
        live(Ground::memory(), caps, 0, steps);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10))]
    #[test]
    fn the_same_holds_over_sqlite(caps in caps(), steps in steps()) {
        let poll = Options::default().poll.as_millis() as u64;
        live(Ground::sqlite(), caps, poll + 2 * STEP_MS, steps);
    }

    #[test]
    fn a_host_alone_takes_a_place_at_once_that_it_gives_back(caps in caps(), mut steps in steps()) {
        steps.insert(0, Step::World(machine::Step::Kill(true)));
        live(Ground::sqlite(), caps, 0, steps);
    }
}
