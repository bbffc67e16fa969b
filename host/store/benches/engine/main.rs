//! Measures the store beside plain SQLite on the same disk, in one run: a commit of one row, with its own fsync, one after
//! the other.
//!
//! `cargo bench -p skep-store -- 3000000` prints the tables; the number is how many jobs, and processes, the large tables have
//! (100,000 if nothing is said; 0 leaves that part out). `-- processes 1000000` leaves out all but processes, `-- postgres` all but what
//! both backends do, with one host and with two, beside `pgbench` on the same server. `SKEP_BENCH_FOLDER` names a folder on
//! another disk.

#![allow(clippy::print_stdout, clippy::disallowed_methods, clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

mod postgres;
mod processes;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use skep_store::{
    Caps, Changes, Commit, Ends, JobFilter, JobState, Key, LeaseRequest, Leased, NewJob, Observer, QueueRef, Settle,
    Settled, SqliteOptions, SqliteStore, Store, Write,
};
use skep_types::{HandlerName, PluginName};
use tempfile::TempDir;

const NOW: u64 = 1_700_000_000_000;
const ARGS: &[u8] = &[b'x'; 100];

struct Deaf;

impl Observer for Deaf {
    fn changed(&self, _changes: Changes) {}
}

/// On the disk of the build, not in memory.
fn folder() -> TempDir {
    let folder = std::env::var_os("SKEP_BENCH_FOLDER").unwrap_or_else(|| env!("CARGO_TARGET_TMPDIR").into());
    TempDir::new_in(folder).unwrap()
}

fn open(folder: &TempDir) -> Arc<SqliteStore> {
    Arc::new(SqliteStore::open(SqliteOptions::new(folder.path().join("store.sqlite")), Arc::new(Deaf)).unwrap())
}

fn plugin() -> PluginName {
    PluginName::new("shop").unwrap()
}

fn queue() -> QueueRef {
    QueueRef { plugin: plugin(), queue: HandlerName::new("mail").unwrap() }
}

fn job() -> NewJob {
    NewJob {
        queue: queue().queue,
        name: HandlerName::new("welcome").unwrap(),
        args: Bytes::from_static(ARGS),
        priority: 0,
        run_at: None,
        max_attempts: 20,
        unique: None,
        after: Vec::new(),
        ends: Ends::Completed,
        meta: Vec::new(),
    }
}

fn set(key: u64) -> Commit {
    let mut commit = Commit::new(plugin(), NOW);
    let key = Key::of_plugin(plugin(), format!("cart:{:06}", key % 100_000));
    commit.writes.push(Write::Set { key, value: Bytes::from_static(ARGS), expires: None });
    commit
}

fn enqueue(jobs: usize) -> Commit {
    let mut commit = Commit::new(plugin(), NOW);
    commit.jobs = vec![job(); jobs];
    commit
}

/// Of many calls: microseconds each, how many in a second, and what each costs the thread that writes.
struct Measured {
    p50: f64,
    p99: f64,
    rate: f64,
    work: f64,
}

impl Measured {
    fn of(mut times: Vec<Duration>, count: usize, began: Instant, worked_before: f64) -> Self {
        let rate = count as f64 / began.elapsed().as_secs_f64();
        times.sort_unstable();
        let [p50, p99] = [50, 99].map(|percent| times[times.len() * percent / 100].as_secs_f64() * 1e6);
        Self { p50, p99, rate, work: (worked() - worked_before) / count as f64 }
    }
}

/// Microseconds of a commit of one row, with its own fsync, and how many there are in a second.
fn baseline() -> Measured {
    let folder = folder();
    let connection = rusqlite::Connection::open(folder.path().join("plain.sqlite")).unwrap();
    connection
        .execute_batch(
            "PRAGMA journal_mode = wal; PRAGMA synchronous = full; CREATE TABLE t(k TEXT PRIMARY KEY, v BLOB)",
        )
        .unwrap();
    let mut times = Vec::new();
    let start = Instant::now();
    for key in 0_u64..5_000 {
        let start = Instant::now();
        let mut insert = connection.prepare_cached("INSERT OR REPLACE INTO t VALUES (?1, ?2)").unwrap();
        insert.execute(rusqlite::params![format!("cart:{:06}", key.wrapping_mul(7919) % 100_000), ARGS]).unwrap();
        times.push(start.elapsed());
    }
    Measured::of(times, 5_000, start, worked())
}

/// Microseconds that the thread which writes has worked, waits not counted; 0 where the system does not say.
fn worked() -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let of_writer = tasks.filter(|task| {
        let name = std::fs::read_to_string(task.path().join("comm"));
        name.is_ok_and(|name| ["store-write", "store-postgres"].contains(&name.trim()))
    });
    let nanos = of_writer.filter_map(|task| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<f64>().ok()
    });
    nanos.sum::<f64>() / 1e3
}

/// So many callers, each one call after the other, for so long. Answers each call's time, and calls in a second.
async fn call<F: Future<Output = ()> + Send>(
    callers: usize,
    time: Duration,
    one: impl Fn(u64) -> F + Clone + Send + 'static,
) -> Measured {
    let (start, next, before) = (Instant::now(), Arc::new(AtomicU64::new(0)), worked());
    let tasks: Vec<_> = (0..callers)
        .map(|_| {
            let (one, next) = (one.clone(), Arc::clone(&next));
            tokio::spawn(async move {
                let mut times = Vec::new();
                while start.elapsed() < time {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let began = Instant::now();
                    one(number).await;
                    times.push(began.elapsed());
                }
                times
            })
        })
        .collect();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.unwrap());
    }
    let count = times.len();
    Measured::of(times, count, start, before)
}

fn row(name: &str, Measured { p50, p99, rate, work }: &Measured, base: f64) {
    println!("{name:<52}{p50:>10.0}{p99:>10.0}{rate:>12.0}{:>8.1}{work:>10.1}", rate / base);
}

async fn commits(base: f64) {
    for callers in [1, 32, 256] {
        let folder = folder();
        let store = open(&folder);
        let writes = Arc::clone(&store);
        let commit = move |number: u64| {
            let done = writes.commit(set(number.wrapping_mul(7919)));
            async move { _ = done.await.unwrap() }
        };
        let measured = call(callers, Duration::from_secs(3), commit).await;
        row(&format!("commit of 1 item, {callers} callers"), &measured, base);
        store.close().await.unwrap();
    }
}

async fn enqueues(store: &Arc<SqliteStore>, callers: usize, jobs: usize, secs: u64) -> Measured {
    let store = Arc::clone(store);
    let commit = move |_| {
        let done = store.commit(enqueue(jobs));
        async move { _ = done.await.unwrap() }
    };
    let measured = call(callers, Duration::from_secs(secs), commit).await;
    let jobs = jobs as f64;
    Measured { rate: measured.rate * jobs, work: measured.work / jobs, ..measured }
}

/// Workers that settle what they have and lease as many again, until so many jobs are done.
async fn perform(store: &Arc<SqliteStore>, workers: usize, batch: usize, jobs: usize) -> Measured {
    let (start, before) = (Instant::now(), worked());
    let tasks: Vec<_> = (0..workers)
        .map(|number| {
            let store = Arc::clone(store);
            tokio::spawn(async move {
                let (mut times, mut done, mut held) = (Vec::new(), 0, Vec::new());
                loop {
                    let settles = std::mem::take(&mut held);
                    done += settles.len();
                    let limit = if done * workers >= jobs { 0 } else { batch };
                    let request = LeaseRequest {
                        queue: queue(),
                        limit,
                        worker: format!("node/{number}"),
                        now: NOW,
                        until: NOW + 10_000,
                        caps: Caps::default(),
                    };
                    let began = Instant::now();
                    let (settled, Leased { jobs: leased, .. }) =
                        store.settle_and_lease(settles, Some(request)).await.unwrap();
                    times.push(began.elapsed());
                    assert!(settled.iter().all(Result::is_ok));
                    if leased.is_empty() {
                        return (times, done);
                    }
                    held = leased
                        .iter()
                        .map(|job| Settle {
                            id: job.id,
                            fence: job.lease.as_ref().unwrap().fence,
                            now: NOW,
                            as_: Settled::Completed { output: None },
                        })
                        .collect();
                }
            })
        })
        .collect();
    let (mut times, mut done) = (Vec::new(), 0);
    for task in tasks {
        let (more, jobs) = task.await.unwrap();
        times.extend(more);
        done += jobs;
    }
    Measured::of(times, done, start, before)
}

async fn fill(store: &SqliteStore, jobs: usize) {
    for _ in 0..jobs / 1000 {
        store.commit(enqueue(1000)).await.unwrap();
    }
}

async fn jobs(base: f64) {
    let folder = folder();
    let store = open(&folder);
    for callers in [1, 32, 256] {
        let measured = enqueues(&store, callers, 1, 3).await;
        row(&format!("enqueue 1 job, {callers} callers"), &measured, base);
    }
    let measured = enqueues(&store, 8, 100, 3).await;
    row("enqueue 100 jobs in a commit, 8 callers", &measured, base);
    for (workers, batch) in [(1, 64), (8, 64), (64, 8)] {
        fill(&store, 160_000).await;
        let measured = perform(&store, workers, batch, 150_000).await;
        row(&format!("settle and lease {batch} jobs, {workers} workers"), &measured, base);
    }
    store.close().await.unwrap();
}

async fn page(store: &Arc<SqliteStore>, state: Option<JobState>) -> Measured {
    let store = Arc::clone(store);
    let list = move |_| {
        let page = store.jobs(JobFilter { state, ..JobFilter::default() }, None, 50);
        async move { _ = page.await.unwrap() }
    };
    call(1, Duration::from_secs(1), list).await
}

async fn large(rows: usize) {
    println!("\n{:<52}{:>10}{:>10}{:>12}{:>8}", "a table of", "few", format!("{rows}"), "us or 1/s", "ratio");
    let mut all = Vec::new();
    for rows in [0, rows] {
        let folder = folder();
        let store = open(&folder);
        let began = Instant::now();
        // Half of them done, as behind a queue that works, and half that wait.
        fill(&store, rows / 2).await;
        perform(&store, 4, 250, rows / 2).await;
        fill(&store, rows - rows / 2).await;
        if rows > 0 {
            println!("{rows} jobs put there in {:.0} s", began.elapsed().as_secs_f64());
        }
        let mut found = Vec::new();
        found.push(("enqueue/s, 256 callers", enqueues(&store, 256, 1, 3).await.rate));
        found.push(("settle and lease, jobs/s", perform(&store, 8, 64, 60_000).await.rate));
        found.push(("list page of 50, us", page(&store, None).await.p50));
        found.push(("list page of 50 available, us", page(&store, Some(JobState::Available)).await.p50));
        let counts = Arc::clone(&store);
        let counts = move |_| {
            let counts = counts.queue_counts();
            async move { _ = counts.await.unwrap() }
        };
        found.push(("counts, us", call(1, Duration::from_secs(1), counts).await.p50));
        let stage = Arc::clone(&store);
        let stage = move |_| {
            let staged = stage.stage(NOW, 100);
            async move { _ = staged.await.unwrap() }
        };
        found.push(("stage nothing, us", call(1, Duration::from_secs(1), stage).await.p50));
        store.close().await.unwrap();
        all.push(found);
    }
    for ((name, few), (_, many)) in all[0].iter().zip(&all[1]) {
        println!("{name:<52}{few:>10.0}{many:>10.0}{:>12}{:>8.2}", "", many / few);
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    if std::env::args().any(|argument| argument == "postgres") {
        return postgres::beside_sqlite().await;
    }
    if std::env::args().any(|argument| argument == "caps") {
        return postgres::with_caps().await;
    }
    let numbers = std::env::args().skip(1).find_map(|argument| argument.parse().ok());
    println!(
        "\n{:<52}{:>10}{:>10}{:>12}{:>8}{:>10}",
        "fsync on", "p50 us", "p99 us", "in a second", "ratio", "writer us"
    );
    let plain = baseline();
    let base = plain.rate;
    row("plain SQLite, commits of 1 row, 1 caller", &plain, base);
    let only_processes = std::env::args().any(|argument| argument == "processes");
    if !only_processes {
        commits(base).await;
        jobs(base).await;
    }
    processes::small(base).await;
    match numbers.unwrap_or(100_000) {
        0 => {}
        rows => {
            if !only_processes {
                large(rows).await;
            }
            processes::large(rows as u64).await;
        }
    }
}
