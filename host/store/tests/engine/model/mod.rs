//! The naive model: everything in memory, found by looking at all of it; and random operations on both.

mod naive;
mod naive_processes;
mod processes;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use skep_store::{
    After, Area, Caps, Commit, Conflict, Ends, Fence, JobFilter, JobId, JobState, Key, LeaseRequest, ListRequest,
    MailId, NewJob, Op, Outgoing, ProcessStore, Publish, QueueState, RateCap, Replace, Settle, Settled, StateSet, Tick,
    Timestamp, Unique, Write,
};

use self::naive::Naive;
use self::processes::{Letter, Turn};
use crate::backend::{Backend, Home, Room, runtime};
use crate::{NOW, Told, check, name, plugin};

const KEYS: [&str; 6] = ["a", "a/", "a/1", "a0", "b", "é"];
const PLUGINS: [&str; 2] = ["shop", "mall"];
/// Whose keys: both plugins', and those that the host keeps for the first.
const SPACES: [(&str, Area); 3] = [("shop", Area::Plugin), ("mall", Area::Plugin), ("shop", Area::Host)];
const QUEUES: [&str; 2] = ["mail", "bulk"];
/// In which time so many jobs of each queue may begin, in steps of 1 and of 3 ms.
const PERIODS: [u64; 2] = [20, 300];
const NAMES: [&str; 2] = ["welcome", "bill"];

#[derive(Clone, Debug)]
enum Step {
    Commit(Parts),
    /// What becomes of each leased job, the queue, how many to lease, until when, under which caps.
    Round(Vec<u8>, usize, usize, u64, CapParts),
    /// Which leases, with how wrong a fence, until when.
    Heartbeat(Vec<(usize, bool)>, u64),
    Stage(usize),
    Reclaim(usize),
    ReclaimOthers(bool),
    Resume(usize),
    Prune(usize, u64, usize),
    Expire(usize),
    Operate(u8, Option<usize>, Option<usize>, Vec<u64>),
    Say(usize, bool, Option<u32>),
    Quota(usize, u64),
    Advance(u64),
    List(usize, usize, Option<usize>, usize),
    Post(usize, Vec<Letter>),
    DeleteMail(Vec<u64>),
    Remove(usize, usize),
    SettleUpgrade(usize),
    Due(usize),
    Reopen,
}

#[derive(Clone, Debug)]
struct Parts {
    plugin: usize,
    /// Key, and whether the version is right.
    checks: Vec<(usize, bool)>,
    /// Key, space, what, and when it ends.
    writes: Vec<(usize, usize, u8, Option<u64>)>,
    jobs: Vec<JobParts>,
    messages: usize,
    tick: Option<(usize, bool)>,
    turn: Option<Turn>,
    mail: Vec<Letter>,
}

#[derive(Clone, Debug)]
struct JobParts {
    queue: usize,
    large: bool,
    priority: u8,
    run_in: Option<u64>,
    max_attempts: u16,
    unique: Option<(u8, Option<u64>, usize, bool, u8)>,
    after: Vec<(bool, u64)>,
    any_end: bool,
}

fn job_parts() -> impl Strategy<Value = JobParts> {
    let unique = (0..3_u8, prop::option::of(0..40_u64), 0..3_usize, any::<bool>(), 0..32_u8);
    (
        (0..2_usize, any::<bool>(), 0..3_u8, prop::option::of(0..30_u64), 1..4_u16),
        prop::option::weighted(0.4, unique),
        prop::collection::vec((any::<bool>(), 0..6_u64), 0..3),
        any::<bool>(),
    )
        .prop_map(|((queue, large, priority, run_in, max_attempts), unique, after, any_end)| JobParts {
            queue,
            large,
            priority,
            run_in,
            max_attempts,
            unique,
            after,
            any_end,
        })
}

fn parts() -> impl Strategy<Value = Parts> {
    (
        0..2_usize,
        prop::collection::vec((0..6_usize, prop::bool::weighted(0.8)), 0..2),
        prop::collection::vec((0..6_usize, 0..3_usize, 0..8_u8, prop::option::of(0..30_u64)), 0..4),
        prop::collection::vec(job_parts(), 0..4),
        0..3_usize,
        prop::option::weighted(0.2, (0..2_usize, prop::bool::weighted(0.8))),
        prop::option::weighted(0.7, processes::turn()),
        processes::letters(),
    )
        .prop_map(|(plugin, checks, writes, jobs, messages, tick, turn, mail)| Parts {
            plugin,
            checks,
            writes,
            jobs,
            messages,
            tick,
            turn,
            mail,
        })
}

/// How many may be at work, and how many may begin in the queue's period.
type CapParts = (Option<u32>, Option<u32>);

fn caps() -> impl Strategy<Value = CapParts> {
    (prop::option::weighted(0.4, 1..5_u32), prop::option::weighted(0.4, 1..6_u32))
}

fn step() -> impl Strategy<Value = Step> {
    let ids = prop::collection::vec(1..30_u64, 0..3);
    prop_oneof![
        12 => parts().prop_map(Step::Commit),
        10 => (prop::collection::vec(0..9_u8, 0..5), 0..2_usize, 0..5_usize, 0..20_u64, caps())
            .prop_map(|(ends, queue, limit, until, caps)| Step::Round(ends, queue, limit, until, caps)),
        2 => (prop::collection::vec((0..5_usize, any::<bool>()), 0..4), 0..30_u64).prop_map(|(l, u)| Step::Heartbeat(l, u)),
        3 => (0..4_usize).prop_map(Step::Stage),
        3 => (0..4_usize).prop_map(Step::Reclaim),
        1 => any::<bool>().prop_map(Step::ReclaimOthers),
        2 => (0..2_usize).prop_map(Step::Resume),
        2 => (0..8_usize, 0..30_u64, 0..4_usize).prop_map(|(s, b, l)| Step::Prune(s, b, l)),
        2 => (0..4_usize).prop_map(Step::Expire),
        4 => (0..3_u8, prop::option::of(0..2_usize), prop::option::of(0..8_usize), ids).prop_map(|(o, q, s, i)| Step::Operate(o, q, s, i)),
        1 => (0..2_usize, any::<bool>(), prop::option::of(0..9_u32)).prop_map(|(q, p, c)| Step::Say(q, p, c)),
        1 => (0..2_usize, 500..9_000_u64).prop_map(|(p, q)| Step::Quota(p, q)),
        5 => (0..20_u64).prop_map(Step::Advance),
        3 => (0..3_usize, 0..6_usize, prop::option::of(0..6_usize), 0..4_usize).prop_map(|(s, p, a, l)| Step::List(s, p, a, l)),
        8 => processes::turn().prop_map(|turn| Step::Commit(Parts::alone(turn))),
        3 => (0..2_usize, processes::letters()).prop_map(|(from, mail)| Step::Post(from, mail)),
        1 => prop::collection::vec(1..20_u64, 0..3).prop_map(Step::DeleteMail),
        1 => (0..2_usize, 0..4_usize).prop_map(|(of, number)| Step::Remove(of, number)),
        1 => (0..2_usize).prop_map(Step::SettleUpgrade),
        3 => (1..4_usize).prop_map(Step::Due),
        1 => Just(Step::Reopen),
    ]
}

const STATES: [&[JobState]; 3] = [
    &[JobState::Suspended, JobState::Scheduled, JobState::Available, JobState::Executing, JobState::Retryable],
    &JobState::ALL,
    &[JobState::Available, JobState::Scheduled],
];

impl JobParts {
    fn build(&self, now: Timestamp, number: usize, last: u64) -> NewJob {
        let text = if self.large { "x".repeat(300 + number) } else { format!("args {number}") };
        let unique = self.unique.map(|(key, until, states, refuse, replace)| Unique {
            key: [key; 16],
            until: until.map(|until| now + until),
            states: StateSet::of(STATES[states]),
            conflict: if refuse { Conflict::Refuse } else { Conflict::Existing },
            replace: Replace {
                states: StateSet::of(STATES[states]),
                args: replace & 1 != 0,
                run_at: replace & 2 != 0,
                priority: replace & 4 != 0,
                max_attempts: replace & 8 != 0,
            },
        });
        let after = |(place, back): &(bool, u64)| {
            if *place && (*back as usize) < number {
                After::Place(*back as usize)
            } else {
                After::Job(JobId(last.saturating_sub(*back)))
            }
        };
        NewJob {
            queue: name(QUEUES[self.queue]),
            name: name(NAMES[number % 2]),
            args: text.into(),
            priority: self.priority,
            run_at: self.run_in.map(|after| now + after),
            max_attempts: self.max_attempts,
            unique,
            after: self.after.iter().map(after).collect(),
            ends: if self.any_end { Ends::Any } else { Ends::Completed },
            meta: if self.large { vec![("key".into(), "y".repeat(290))] } else { Vec::new() },
        }
    }
}

impl Parts {
    /// A turn that brings nothing else.
    fn alone(turn: Turn) -> Self {
        Self {
            plugin: 0,
            checks: Vec::new(),
            writes: Vec::new(),
            jobs: Vec::new(),
            messages: 0,
            tick: None,
            turn: Some(turn),
            mail: Vec::new(),
        }
    }

    fn build(&self, naive: &Naive) -> Commit {
        let now = naive.now;
        let at = |space: usize, key: usize| place(space, KEYS[key]);
        let mut commit = Commit::new(plugin(PLUGINS[self.plugin]), now);
        for (key, right) in &self.checks {
            let version = naive.version(&at(0, *key));
            commit.checks.push(check(KEYS[*key], if *right { version } else { Some(999_999) }));
        }
        for (key, space, what, expires) in &self.writes {
            let key = at(*space, *key);
            let value = ["7", "-3", "text", &"z".repeat(200), "9223372036854775807"];
            commit.writes.push(match what {
                0..5 => Write::Set {
                    key,
                    value: value[usize::from(*what)].to_owned().into(),
                    expires: expires.map(|after| now + after),
                },
                5 => Write::Delete(key),
                _ => Write::Sum { key, by: i64::from(*what) },
            });
        }
        let jobs = self.jobs.iter().enumerate();
        commit.jobs = jobs.map(|(number, job)| job.build(now, number, naive.last_job)).collect();
        let topic = || "shop/orders".parse().unwrap();
        let message = |number| Publish { topic: topic(), event: Some("new".into()), data: format!("{number}").into() };
        commit.messages = (0..self.messages).map(|number| Outgoing::Publish(message(number))).collect();
        commit.messages.extend(processes::build_mail(&self.mail, naive).into_iter().map(Outgoing::Mail));
        commit.process = self.turn.as_ref().map(|turn| turn.build(naive));
        commit.ticks.extend(self.tick.map(|(schedule, right)| Tick {
            plugin: plugin("shop"),
            schedule: QUEUES[schedule].to_owned(),
            last: if right { naive.ticks.get(QUEUES[schedule]).copied() } else { Some(1) },
            at: now,
        }));
        commit
    }
}

fn settled(what: u8, now: Timestamp) -> Settled {
    match what {
        0 | 1 => Settled::Completed { output: (what == 1).then(|| "o".repeat(400).into()) },
        2 => Settled::Retryable { error: "it broke".into(), run_at: now + 7 },
        3 => Settled::Retryable { error: "at once".into(), run_at: now },
        4 => Settled::Snoozed { run_at: now + 5 },
        5 => Settled::Cancelled { reason: "not wanted".into() },
        6 => Settled::Discarded { error: "ä".repeat(3000) },
        7 => Settled::Returned,
        _ => Settled::Unknown,
    }
}

struct Both {
    store: Arc<dyn ProcessStore>,
    naive: Naive,
    told: Arc<Told>,
    home: Home,
}

impl Both {
    async fn step(&mut self, step: Step) {
        let Self { store, naive, .. } = self;
        let now = naive.now;
        match step {
            Step::Commit(parts) => {
                let commit = parts.build(naive);
                let done = store.commit(commit.clone()).await;
                if let Ok(done) = &done {
                    naive.follow(done);
                }
                assert_eq!(done, naive.commit(&commit));
            }
            Step::Round(ends, queue, limit, until, (running_max, rate)) => {
                let settles = naive.leases().into_iter().zip(&ends).map(|((id, fence), what)| Settle {
                    id,
                    // Some come too late.
                    fence: Fence(fence.0 - u64::from(what % 8 == 7 && id.0 % 3 == 0)),
                    now,
                    as_: settled(*what, now),
                });
                let settles: Vec<_> = settles.collect();
                let request = LeaseRequest {
                    queue: naive.queue(queue),
                    limit,
                    worker: format!("worker {}", limit % 2),
                    now,
                    until: now + until,
                    caps: Caps {
                        running_max: running_max.and_then(NonZeroU32::new),
                        rate: rate.and_then(NonZeroU32::new).map(|count| RateCap { count, period_ms: PERIODS[queue] }),
                    },
                };
                let round = store.settle_and_lease(settles.clone(), Some(request.clone())).await.unwrap();
                let settled = naive.settle(&settles);
                naive.follow_lease(&round.1.jobs);
                assert_eq!(round, (settled, naive.lease(&request)));
            }
            Step::Heartbeat(which, until) => {
                let leases = naive.leases();
                let beats = which.iter().filter_map(|(at, wrong)| {
                    let (id, fence) = leases.get(*at)?;
                    Some((*id, Fence(fence.0 + u64::from(*wrong))))
                });
                let beats: Vec<_> = beats.collect();
                let expected = naive.heartbeat(&beats, now + until);
                assert_eq!(store.heartbeat(beats, now, now + until).await.unwrap(), expected);
            }
            Step::Stage(limit) => assert_eq!(store.stage(now, limit).await.unwrap(), naive.stage(limit)),
            Step::Reclaim(limit) => assert_eq!(store.reclaim(now, limit).await.unwrap(), naive.reclaim(limit)),
            Step::ReclaimOthers(known) => {
                let worker = if known { "worker 1" } else { "nobody" };
                let expected = naive.reclaim_others(worker);
                assert_eq!(store.reclaim_others(worker.to_owned(), now).await.unwrap(), expected);
            }
            Step::Resume(at) => {
                let expected = naive.resume(NAMES[at]);
                assert_eq!(store.resume(plugin("shop"), vec![name(NAMES[at])], now).await.unwrap(), expected);
            }
            Step::Prune(state, back, limit) => {
                let (state, before) = (JobState::ALL[state], now.saturating_sub(back));
                match store.prune(state, before, limit).await {
                    Ok(pruned) => assert_eq!(pruned, naive.prune(state, before, limit)),
                    Err(_) => assert!(!state.is_final()),
                }
            }
            Step::Expire(limit) => {
                // Which of those that end at one time come first is left open.
                if limit == 3 {
                    assert_eq!(store.expire(now, 1000).await.unwrap(), naive.expire());
                }
            }
            Step::Operate(op, queue, state, ids) => {
                let op = [Op::Cancel, Op::Retry, Op::Delete][usize::from(op)];
                let filter = JobFilter {
                    queue: queue.map(|at| name(QUEUES[at])),
                    state: state.map(|at| JobState::ALL[at]),
                    ids: ids.into_iter().map(JobId).collect(),
                    ..JobFilter::default()
                };
                let expected = naive.operate(&filter, op);
                assert_eq!(store.operate(filter, op, None, now).await.unwrap().changed, expected);
            }
            Step::Say(queue, paused, concurrency) => {
                let (queue, state) = (naive.queue(queue), QueueState { paused, concurrency });
                naive.said.insert(queue.clone(), state);
                store.set_queue_state(queue, state).await.unwrap();
            }
            Step::Quota(of, bytes) => {
                naive.quotas.insert(plugin(PLUGINS[of]), bytes);
                store.set_quota(plugin(PLUGINS[of]), bytes);
            }
            Step::Advance(by) => naive.now += by,
            Step::List(space, prefix, after, limit) => {
                let request = ListRequest {
                    space: plugin(SPACES[space].0),
                    area: SPACES[space].1,
                    prefix: KEYS[prefix].to_owned(),
                    after: after.map(|at| KEYS[at].to_owned()),
                    limit,
                    bytes_max: 150,
                    keys_only: limit % 2 == 1,
                    now,
                };
                assert_eq!(store.list(request.clone()).await.unwrap(), naive.list(&request), "{request:?}");
            }
            Step::Post(from, letters) => {
                let (from, mail) = (plugin(PLUGINS[from]), processes::build_mail(&letters, naive));
                let posted = store.post_mail(from.clone(), mail.clone(), now).await;
                if let Ok(ids) = &posted {
                    naive.processes.follow(ids);
                }
                assert_eq!(posted, naive.post(&from, &mail));
            }
            Step::DeleteMail(ids) => {
                let ids: Vec<_> = ids.into_iter().map(MailId).collect();
                let expected = naive.processes.delete_mail(&ids);
                assert_eq!(store.delete_mail(ids).await.unwrap(), expected);
            }
            Step::Remove(of, number) => {
                let id = processes::id((of, number));
                let expected = naive.processes.remove(&id);
                assert_eq!(store.remove_process(id).await.unwrap(), expected);
            }
            Step::SettleUpgrade(of) => {
                let of = plugin(PLUGINS[of]);
                let expected = naive.processes.settle_upgrade(&of);
                assert_eq!(store.settle_upgrade(of).await.unwrap(), expected);
            }
            Step::Due(limit) => processes::due_in_pages(&**store, naive, limit).await,
            Step::Reopen => {
                store.close().await.unwrap();
                *store = self.home.open(Room::Unsynced, &self.told).await;
                for (plugin, bytes) in &naive.quotas {
                    store.set_quota(plugin.clone(), *bytes);
                }
                if matches!(self.home, Home::Database(..)) {
                    self.leases_end().await;
                }
            }
        }
        self.agree().await;
    }

    /// A host that is gone has nothing on lease any more, as soon as another one has noticed.
    async fn leases_end(&mut self) {
        let Self { store, naive, .. } = self;
        for (id, _) in naive.leases() {
            while store.job(id).await.unwrap().0.lease.unwrap().until > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        naive.end_leases();
        assert_eq!(store.reclaim(naive.now, 1_000).await.unwrap(), naive.reclaim(1_000));
    }

    /// Everything that can be seen is the same.
    async fn agree(&mut self) {
        let Self { store, naive, told, .. } = self;
        // Messages that were told go with the next write.
        store.stage(naive.now, 0).await.unwrap();
        let changes = told.take();
        let ended: Vec<_> = changes.iter().flat_map(|changes| changes.ended.clone()).collect();
        assert_eq!(sorted(ended), sorted(std::mem::take(&mut naive.ended)));
        let taken: Vec<_> = changes.iter().flat_map(|changes| changes.taken.clone()).collect();
        assert_eq!(sorted(taken), sorted(std::mem::take(&mut naive.taken)));
        let publishes: Vec<_> = changes.iter().flat_map(|changes| changes.publishes.clone()).collect();
        assert_eq!(publishes, std::mem::take(&mut naive.publishes));
        let available: Vec<_> = changes.iter().flat_map(|changes| changes.available.clone()).collect();
        for queue in std::mem::take(&mut naive.available) {
            assert!(available.contains(&queue), "nobody was told of {queue:?}");
        }

        let mail: Vec<_> = changes.iter().flat_map(|changes| changes.mail.clone()).collect();
        assert_eq!(mail, std::mem::take(&mut naive.processes.told));
        let due: Vec<_> = changes.iter().filter_map(|changes| changes.mail_due).collect();
        assert_eq!(due, std::mem::take(&mut naive.processes.told_due));
        processes::agree(&**store, naive).await;

        let page = store.jobs(JobFilter::default(), None, 1000).await.unwrap();
        assert_eq!(page.next, None);
        let ids: Vec<_> = page.jobs.iter().map(|job| job.id).collect();
        assert_eq!(ids, naive.ids());
        let jobs: Vec<_> = ids.into_iter().map(|id| (id, store.job(id))).collect();
        for (id, job) in jobs {
            assert_eq!(job.await.unwrap(), naive.job(id));
        }
        let counts = store.queue_counts().await.unwrap();
        for queue in &counts {
            assert_eq!(queue.counts, naive.counts(&queue.queue), "{:?}", queue.queue);
        }
        assert_eq!(counts.iter().flat_map(|queue| queue.counts).sum::<u64>(), page.jobs.len() as u64);
        for usage in store.usage().await.unwrap() {
            let found = (usage.items, usage.jobs, usage.bytes);
            assert_eq!(found, naive.usage(&usage.plugin), "{}", usage.plugin);
            assert_eq!(usage.processes, naive.processes.usage(&usage.plugin).0, "{}", usage.plugin);
        }
        let ticks: Vec<_> = naive.ticks.clone().into_iter().collect();
        assert_eq!(store.ticks(plugin("shop")).await.unwrap(), ticks);
        let said: Vec<_> = naive.said.clone().into_iter().collect();
        assert_eq!(store.queue_states().await.unwrap(), said);
    }
}

fn place(space: usize, key: &str) -> Key {
    let (name, area) = SPACES[space];
    Key { space: plugin(name), area, key: key.to_owned() }
}

fn sorted<T: Ord + Copy, U: Copy>(mut all: Vec<(T, U)>) -> Vec<(T, U)> {
    all.sort_by_key(|one| one.0);
    all
}

/// So many random lives of a store, or as many as `SKEP_STORE_MODEL_CASES` says.
fn does_what_the_model_does(backend: Backend, cases: u32) {
    let cases = std::env::var("SKEP_STORE_MODEL_CASES").map_or(cases, |cases| cases.parse().unwrap());
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let lives = prop::collection::vec(step(), 1..60);
    let ran = TestRunner::new(config).run(&lives, |steps| {
        let Some(home) = Home::new(backend) else { return Ok(()) };
        runtime().block_on(async {
            let told = Arc::new(Told::default());
            let store = home.open(Room::Unsynced, &told).await;
            let mut both = Both { store, naive: Naive::new(NOW), told, home };
            for step in steps {
                both.step(step).await;
            }
            both.store.close().await.unwrap();
        });
        Ok(())
    });
    if let Err(wrong) = ran {
        panic!("{wrong}");
    }
}

#[test]
fn sqlite_does_what_the_model_does() {
    does_what_the_model_does(Backend::Sqlite, 100);
}

#[test]
fn postgres_does_what_the_model_does() {
    does_what_the_model_does(Backend::Postgres, 25);
}

#[test]
fn postgres_behind_a_pooler_does_what_the_model_does() {
    does_what_the_model_does(Backend::Pooled, 4);
}
