//! A host under load: writers that count with check and set, workers, schedules and processes, all of which say what they were
//! answered. Whatever fails, it goes on.

use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use skep_store::{
    Caps, Changes, Check, Commit, CommitError, Conflict, Ends, Error, Fence, JobId, JobState, Key, LeaseRequest,
    NewJob, Observer, Outgoing, PostgresOpenError, PostgresOptions, PostgresStore, ProcessStore, Publish, QueueRef,
    Replace, Settle, Settled, StateSet, Tick, Timestamp, Unique, Write,
};
use skep_types::{HandlerName, PluginName};

use crate::turns;

pub(crate) type Host = Arc<dyn ProcessStore>;

/// Counters, each of which several writers of each host advance.
pub(crate) const COUNTERS: usize = 3;
const WRITERS: usize = 6;
/// How long a job is a worker's without a word from it.
const LEASE: u64 = 4_000;
/// How often a schedule ticks.
const TICK: u64 = 100;

/// Says what it hears, at once.
struct Speaker;

impl Observer for Speaker {
    fn changed(&self, changes: Changes) {
        for publish in changes.publishes {
            say("heard", std::str::from_utf8(&publish.data).unwrap());
        }
    }
}

/// One line, in one write: it is said, or it is not.
pub(crate) fn say(what: &str, of: &str) {
    // The test's harness may have left its own line open.
    let line = format!("\n@{what} {of}\n");
    _ = std::io::stdout().write_all(line.as_bytes());
    _ = std::io::stdout().flush();
}

#[expect(clippy::disallowed_methods, reason = "hosts have clocks of their own, which the store does not ask for")]
pub(crate) fn now() -> Timestamp {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    now.as_millis().try_into().unwrap()
}

pub(crate) fn plugin() -> PluginName {
    PluginName::new("shop").unwrap()
}

pub(crate) fn key(text: &str) -> Key {
    Key::of_plugin(plugin(), text)
}

pub(crate) fn queue() -> QueueRef {
    QueueRef { plugin: plugin(), queue: HandlerName::new("mail").unwrap() }
}

pub(crate) fn job(args: &str) -> NewJob {
    NewJob {
        queue: queue().queue,
        name: HandlerName::new("step").unwrap(),
        args: args.to_owned().into(),
        priority: 0,
        run_at: None,
        max_attempts: 10_000,
        unique: None,
        after: Vec::new(),
        ends: Ends::Completed,
        meta: Vec::new(),
    }
}

/// The patience of a host that does not wait long.
pub(crate) fn options(url: &str) -> PostgresOptions {
    PostgresOptions {
        connect_timeout: Duration::from_secs(2),
        patience: Duration::from_secs(2),
        statement_timeout: Duration::from_millis(1_500),
        lock_timeout: Duration::from_secs(1),
        idle_timeout: Duration::from_secs(1),
        host_timeout: Duration::from_secs(2),
        poll: Duration::from_millis(200),
        ..PostgresOptions::new(url)
    }
}

/// Opens the database, which blocks until it has been reached.
pub(crate) async fn open(options: PostgresOptions, observer: Arc<dyn Observer>) -> Result<Host, PostgresOpenError> {
    let opened = tokio::task::spawn_blocking(move || PostgresStore::open(options, observer)).await.unwrap();
    opened.map(|store| Arc::new(store) as Host)
}

/// The same, where nothing keeps it from opening but a machine that has much to do, which has a minute for it.
pub(crate) async fn open_at_last(options: PostgresOptions, observer: Arc<dyn Observer>) -> Host {
    for _ in 0..1_200 {
        match open(options.clone(), Arc::clone(&observer)).await {
            Ok(host) => return host,
            Err(PostgresOpenError::Failed(_)) => tokio::time::sleep(Duration::from_millis(50)).await,
            Err(error) => panic!("{error}"),
        }
    }
    panic!("it does not open for a minute");
}

/// What became of a write.
pub(crate) enum Outcome<T> {
    Done(T),
    /// Nothing was written.
    Refused,
    Unknown,
}

impl<T> Outcome<T> {
    pub(crate) async fn of(answer: impl Future<Output = Result<T, CommitError>>) -> Self {
        match answer.await {
            Ok(done) => return Self::Done(done),
            Err(CommitError::Store(Error::OutcomeUnknown)) => return Self::Unknown,
            Err(CommitError::Store(Error::Unavailable(_) | Error::Busy)) => pause().await,
            Err(CommitError::Store(error)) => panic!("{error}"),
            // Another one was first.
            Err(_) => {}
        }
        Self::Refused
    }
}

async fn pause() {
    tokio::time::sleep(Duration::from_millis(10)).await;
}

/// Asks until it is answered.
pub(crate) async fn at_last<T, Answer: Future<Output = Result<T, Error>>>(ask: impl Fn() -> Answer) -> T {
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(Error::Unavailable(_) | Error::Busy | Error::OutcomeUnknown) => pause().await,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Works until it is killed.
pub(crate) fn work(options: &PostgresOptions, name: &str) {
    // What goes wrong in one of its tasks ends all of it, and is seen.
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        say("wrong", &panic.to_string().replace('\n', " "));
        usual(panic);
        std::process::exit(1);
    }));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let host: Host = loop {
            match open(options.clone(), Arc::new(Speaker)).await {
                Ok(store) => break store,
                Err(_) => pause().await,
            }
        };
        let mut tasks = Vec::new();
        for number in 0..WRITERS {
            tasks.push(tokio::spawn(count(Arc::clone(&host), number % COUNTERS, name.to_owned())));
        }
        for worker in ["a", "b"] {
            tasks.push(tokio::spawn(perform(Arc::clone(&host), format!("{name}/{worker}"))));
        }
        tasks.push(tokio::spawn(insert_once(Arc::clone(&host), name.to_owned())));
        tasks.push(tokio::spawn(look_after(Arc::clone(&host))));
        tasks.push(tokio::spawn(tick(Arc::clone(&host))));
        for number in 0..turns::PROCESSES {
            tasks.push(tokio::spawn(turns::handle(Arc::clone(&host), number)));
            tasks.push(tokio::spawn(turns::post(Arc::clone(&host), number)));
        }
        tasks.push(tokio::spawn(turns::live_and_die(Arc::clone(&host))));
        for task in tasks {
            task.await.unwrap();
        }
    });
}

/// Advances a counter: with each step goes an item, a job and a message, which say which one it is and whose.
async fn count(host: Host, counter: usize, name: String) {
    let at = format!("counter:{counter}");
    loop {
        let found = at_last(|| host.get(plugin(), vec![at.clone()], now())).await;
        let before = found[0].as_ref();
        let count: u64 = before.map_or(0, |item| std::str::from_utf8(&item.value).unwrap().parse().unwrap());
        let place = format!("step:{counter}/{}", count + 1);
        let step = format!("{counter}/{}@{name}-{:08x}", count + 1, fastrand::u32(..));
        let mut commit = Commit::new(plugin(), now());
        commit.checks.push(Check { key: key(&at), version: before.map(|item| item.version) });
        let set = |at: &str, value: String| Write::Set { key: key(at), value: value.into(), expires: None };
        let padded = format!("{step}{}", " ".repeat(fastrand::usize(0..2_000)));
        commit.writes = vec![set(&at, (count + 1).to_string()), set(&place, padded)];
        commit.jobs.push(job(&step));
        let topic = "shop/steps".parse().unwrap();
        commit.messages.push(Outgoing::Publish(Publish { topic, event: None, data: step.clone().into() }));
        match Outcome::of(host.commit(commit)).await {
            Outcome::Done(_) => say("step", &step),
            Outcome::Refused => say("no-step", &step),
            Outcome::Unknown => {
                // Whoever reads it knows, for good.
                let found = at_last(|| host.get(plugin(), vec![place.clone()], now())).await;
                let is_there = found[0].as_ref().is_some_and(|item| item.value.trim_ascii_end() == step.as_bytes());
                say(if is_there { "step" } else { "no-step" }, &step);
            }
        }
    }
}

/// Inserts unique jobs: one whose end is not known is inserted again, until it is answered.
async fn insert_once(host: Host, name: String) {
    loop {
        let text = format!("once {name}-{:016x}", fastrand::u64(..));
        let unique = Unique {
            key: std::array::from_fn(|_| fastrand::u8(..)),
            until: None,
            states: StateSet::of(&JobState::ALL),
            conflict: Conflict::Existing,
            replace: Replace::default(),
        };
        loop {
            let mut commit = Commit::new(plugin(), now());
            commit.jobs.push(NewJob { unique: Some(unique), ..job(&text) });
            match Outcome::of(host.commit(commit)).await {
                Outcome::Done(_) => break,
                Outcome::Refused | Outcome::Unknown => {}
            }
        }
        say("once", &text);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Performs jobs, some at a time, and says so for as long as it takes.
async fn perform(host: Host, worker: String) {
    let mut held: Vec<(JobId, Fence)> = Vec::new();
    loop {
        let settle = |(id, fence): &(JobId, Fence)| Settle {
            id: *id,
            fence: *fence,
            now: now(),
            as_: Settled::Completed { output: None },
        };
        let settles: Vec<Settle> = held.iter().map(settle).collect();
        let lease = LeaseRequest {
            queue: queue(),
            limit: 8,
            worker: worker.clone(),
            now: now(),
            until: now() + LEASE,
            caps: Caps::default(),
        };
        match host.settle_and_lease(settles, Some(lease)).await {
            Ok((settled, leased)) => {
                for ((id, fence), settled) in std::mem::take(&mut held).into_iter().zip(settled) {
                    say(if settled.is_ok() { "done" } else { "lost" }, &format!("{id} {}", fence.0));
                }
                for job in leased.jobs {
                    let fence = job.lease.as_ref().unwrap().fence;
                    say("begun", &format!("{} {} {}", job.id, fence.0, now()));
                    held.push((job.id, fence));
                }
            }
            Err(Error::Unavailable(_) | Error::Busy) => pause().await,
            // What it had may be settled. What it would have got is given to somebody else when the lease is over.
            Err(Error::OutcomeUnknown) => held.clear(),
            Err(error) => panic!("{error}"),
        }
        if held.is_empty() {
            pause().await;
        }
        if fastrand::u8(..) < 8 {
            tokio::time::sleep(Duration::from_millis(fastrand::u64(0..50))).await;
            let leases = held.clone();
            if let Ok(lost) = host.heartbeat(leases, now(), now() + LEASE).await {
                held.retain(|(id, _)| !lost.iter().any(|lost| lost.0 == *id));
            }
        }
    }
}

/// What a host does now and then.
async fn look_after(host: Host) {
    loop {
        if let Ok((reclaimed, _)) = host.reclaim(now(), 1_000).await {
            for id in reclaimed {
                say("reclaimed", &id.to_string());
            }
        }
        _ = host.stage(now(), 1_000).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Each tick of a schedule inserts a job.
async fn tick(host: Host) {
    loop {
        let ticks = at_last(|| host.ticks(plugin())).await;
        let last = ticks.iter().find(|(schedule, _)| schedule == "often").map(|(_, at)| *at);
        let at = now() / TICK * TICK;
        if last.is_none_or(|last| last < at) {
            let mut commit = Commit::new(plugin(), now());
            commit.ticks.push(Tick { plugin: plugin(), schedule: "often".to_owned(), last, at });
            commit.jobs.push(job(&format!("tick {at}")));
            if let Outcome::Done(_) = Outcome::of(host.commit(commit)).await {
                say("tick", &format!("tick {at}"));
            }
        }
        tokio::time::sleep(Duration::from_millis(TICK / 4)).await;
    }
}
