//! What the engine does with jobs that do nothing, over SQLite with fsync on, beside commits of single rows in the same file
//! system, in the same run.
//!
//! `cargo bench -p skep-jobs` prints it; `-- --jobs N` takes another number of jobs than 200,000, `-- --check` fails where the
//! mark of 16,667 jobs/s is missed, which is what Oban publishes for a preloaded table in PostgreSQL.

#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use skep_jobs::{AttemptContext, Definition, Ear, JobSpec, Jobs, Options, Outcome, PluginJobs, QueueOptions};
use skep_store::{Commit, Job, Key, NewJob, SqliteOptions, SqliteStore, Store, Write};
use skep_types::{Clock, HandlerName, PluginName, SystemClock};
use tempfile::TempDir;
use tokio::sync::Notify;

/// What Oban publishes.
const MARK: f64 = 16_667.0;
const PRELOAD: usize = 1000;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let after = |name: &str| arguments.iter().position(|at| at == name).and_then(|at| arguments.get(at + 1));
    let count: u64 = after("--jobs").and_then(|count| count.parse().ok()).unwrap_or(200_000);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let slowest = runtime.block_on(async {
        let single = single_rows().await;
        println!("{:<64}{:>10.0}/s", "one row per commit, one caller (the disk's own pace)", single);
        let mut slowest = f64::MAX;
        for (queues, concurrency) in [(1, 10), (1, 100), (4, 10)] {
            let rate = no_ops(count, queues, concurrency).await;
            let what = format!("no-op jobs performed, preloaded, {queues} queue(s) of {concurrency}");
            println!("{what:<64}{rate:>10.0}/s  {:>6.1} times a single row", rate / single);
            slowest = slowest.min(rate);
        }
        for callers in [1, 32] {
            let (p50, p99, rate) = enqueue_to_done(callers).await;
            let what = format!("from enqueue to done, {callers} caller(s)");
            println!("{what:<64}{rate:>10.0}/s  p50 {p50:?}, p99 {p99:?}");
        }
        slowest
    });
    println!("{:<64}{MARK:>10.0}/s", "the published mark");
    assert!(slowest >= MARK || !arguments.iter().any(|at| at == "--check"), "the mark is missed");
}

fn plugin() -> PluginName {
    PluginName::new("bench").unwrap()
}

fn name(name: &str) -> HandlerName {
    HandlerName::new(name).unwrap()
}

fn wall() -> u64 {
    SystemClock.wall().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as u64
}

/// In the build directory: a disk, where the temporary one may be memory.
fn folder() -> TempDir {
    TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

fn open(folder: &TempDir, ear: &Arc<Ear>) -> Arc<dyn Store> {
    let options = SqliteOptions::new(folder.path().join("store.sqlite"));
    Arc::new(SqliteStore::open(options, Arc::clone(ear) as Arc<_>).unwrap())
}

async fn single_rows() -> f64 {
    let folder = folder();
    let store = open(&folder, &Ear::new());
    let started = SystemClock.now();
    let mut rows = 0;
    while started.elapsed() < Duration::from_secs(2) {
        let mut commit = Commit::new(plugin(), wall());
        let key = Key::of_plugin(plugin(), rows.to_string());
        commit.writes.push(Write::Set { key, value: "x".into(), expires: None });
        store.commit(commit).await.unwrap();
        rows += 1;
    }
    f64::from(rows) / started.elapsed().as_secs_f64()
}

fn jobs_of(queues: usize, concurrency: u32) -> PluginJobs {
    let concurrency = NonZeroU32::new(concurrency).unwrap();
    let names: Vec<_> = (0..queues).map(|at| name(&format!("q{at}"))).collect();
    let definition = |queue: &HandlerName| Definition {
        name: queue.clone(),
        queue: queue.clone(),
        priority: 0,
        max_attempts: 20,
        timeout: None,
    };
    PluginJobs {
        definitions: names.iter().map(definition).collect(),
        queues: names.into_iter().map(|name| (name, QueueOptions { concurrency, ..QueueOptions::default() })).collect(),
        ..PluginJobs::default()
    }
}

async fn no_ops(count: u64, queues: usize, concurrency: u32) -> f64 {
    let (folder, ear) = (folder(), Ear::new());
    let store = open(&folder, &ear);
    for at in 0..count.div_ceil(PRELOAD as u64) {
        let queue = name(&format!("q{}", at % queues as u64));
        let job = NewJob { queue: queue.clone(), ..new_job(queue) };
        let mut commit = Commit::new(plugin(), wall());
        commit.jobs = vec![job; PRELOAD];
        store.commit(commit).await.unwrap();
    }
    let jobs = Jobs::start(Arc::clone(&store), &ear, Arc::new(SystemClock), Options::default()).unwrap();
    let left = Arc::new((AtomicU64::new(count.next_multiple_of(PRELOAD as u64)), Notify::new()));
    let performer = {
        let left = Arc::clone(&left);
        Arc::new(move |_: Job, _: AttemptContext| {
            let left = Arc::clone(&left);
            async move {
                if left.0.fetch_sub(1, Ordering::Relaxed) == 1 {
                    left.1.notify_one();
                }
                Outcome::Done(None)
            }
        })
    };
    let started = SystemClock.now();
    jobs.configure(&plugin(), jobs_of(queues, concurrency), performer).unwrap();
    left.1.notified().await;
    // What is not durable yet is not done.
    jobs.stop().await;
    let took = started.elapsed();
    store.close().await.unwrap();
    count.next_multiple_of(PRELOAD as u64) as f64 / took.as_secs_f64()
}

fn new_job(queue: HandlerName) -> NewJob {
    NewJob {
        name: queue.clone(),
        queue,
        args: "{\"user\":42}".into(),
        priority: 0,
        run_at: None,
        max_attempts: 20,
        unique: None,
        after: Vec::new(),
        ends: skep_store::Ends::default(),
        meta: Vec::new(),
    }
}

/// Each caller enqueues a job and awaits its end, again and again.
async fn enqueue_to_done(callers: usize) -> (Duration, Duration, f64) {
    let (folder, ear) = (folder(), Ear::new());
    let store = open(&folder, &ear);
    let jobs = Jobs::start(Arc::clone(&store), &ear, Arc::new(SystemClock), Options::default()).unwrap();
    let performer = Arc::new(|_: Job, _: AttemptContext| std::future::ready(Outcome::Done(None)));
    jobs.configure(&plugin(), jobs_of(1, 100), performer).unwrap();
    let started = SystemClock.now();
    let tasks: Vec<_> = (0..callers)
        .map(|_| {
            let jobs = jobs.clone();
            tokio::spawn(async move {
                let mut times: Vec<Duration> = Vec::new();
                while started.elapsed() < Duration::from_secs(3) {
                    times.push(one(&jobs).await);
                }
                times
            })
        })
        .collect();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.unwrap());
    }
    let rate = times.len() as f64 / started.elapsed().as_secs_f64();
    jobs.stop().await;
    store.close().await.unwrap();
    times.sort_unstable();
    let at = |part: f64| times.get((times.len() as f64 * part) as usize).copied().unwrap_or_default();
    (at(0.5), at(0.99), rate)
}

async fn one(jobs: &Jobs) -> Duration {
    let from: Instant = SystemClock.now();
    let inserted = jobs.enqueue(&plugin(), vec![JobSpec::new(name("q0"), "{}")]).await.unwrap();
    let id = inserted.first().unwrap().id;
    jobs.await_end(id, None, Duration::from_secs(60)).await.unwrap();
    from.elapsed()
}
