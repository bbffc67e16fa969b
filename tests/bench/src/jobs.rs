//! `cargo bench-host --jobs`: jobs enqueued by guests and performed in fresh instances, each commit with its fsync, beside plain SQLite on
//! the same disk in the same run.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use skep_admin::{Client as Admin, Endpoint};

use crate::client::Client;
use crate::guests;
use crate::process::{Load, Server, load};
use crate::table::median;

/// Rows of the baseline in one round: a commit and its fsync each.
const ROWS: u32 = 2_000;
/// Jobs that are performed in one round, and how many of them one commit enqueues.
const JOBS: u32 = 100_000;
const IN_ONE_COMMIT: u32 = 1_000;
/// Callers that enqueue one job each.
const CALLERS: u32 = 256;
/// Jobs that a guest enqueues one after the other, in a commit each.
const EACH: u32 = 100;
/// How long all jobs of a round may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two looks at a queue; a look reads counters, not jobs.
const LOOK: Duration = Duration::from_millis(20);
/// The bars: jobs performed in a second (the mark to pass is what Oban's author published, preloaded, without a guest), and the aim.
const PERFORMED_MARK: f64 = 16_667.0;

const MANIFEST: &str = r#"
[host.store]
durability = "full"
[plugins.bench]
source = SOURCE
routes = ["/{*path}"]
limits = { concurrency = 256, queue = 2_000 }
queues = { bulk = { concurrency = 64 }, quick = { concurrency = 64 } }
"#;

/// The figures of each round.
#[derive(Default)]
struct Measured {
    rows: Vec<f64>,
    enqueued: Vec<f64>,
    enqueue_p50: Vec<f64>,
    enqueue_p99: Vec<f64>,
    each: Vec<f64>,
    bulk: Vec<f64>,
    performed: Vec<f64>,
    round_p50: Vec<f64>,
    round_p99: Vec<f64>,
}

/// Measures, prints, and says whether the bar is held.
pub(crate) fn run(rounds: usize, seconds: f64, check: bool) -> anyhow::Result<ExitCode> {
    // On the disk of the build: what is in memory needs no fsync.
    let folder = tempfile::tempdir_in(guests::target())?;
    let source = format!("{:?}", guests::jobs_bench());
    std::fs::write(folder.path().join("skep.toml"), MANIFEST.replace("SOURCE", &source))?;
    let server = Server::skep(folder.path(), "serve")?;
    let admin = Admin::new(Endpoint::find(&folder.path().join(".skep"))?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut measured = Measured::default();
    runtime.block_on(admin.pause_queue("bench/bulk", true))?;
    for _ in 0..rounds {
        measured.rows.push(rows(folder.path())?);
        let enqueue = load(&server, None, "/enqueue?n=1", CALLERS, seconds)?;
        measured.enqueued.push(enqueue.rps);
        measured.enqueue_p50.push(enqueue.p50_us);
        measured.enqueue_p99.push(enqueue.p99_us);
        let each = load(&server, None, &format!("/each?n={EACH}"), CALLERS, seconds)?;
        measured.each.push(each.rps * f64::from(EACH));
        runtime.block_on(perform(&admin))?;
        measured.bulk.push(bulk(&server)?);
        measured.performed.push(runtime.block_on(perform(&admin))?);
        let Load { p50_us, p99_us, .. } = load(&server, None, "/round", 1, seconds)?;
        measured.round_p50.push(p50_us);
        measured.round_p99.push(p99_us);
    }
    measured.print(rounds);
    let performed = median(&measured.performed);
    let missed = performed < PERFORMED_MARK;
    if missed {
        println!("missed: {performed:.0} jobs performed in a second, the bar is {PERFORMED_MARK:.0}");
    }
    Ok(if check && missed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Rows a second that plain SQLite commits one by one.
fn rows(folder: &Path) -> anyhow::Result<f64> {
    let connection = rusqlite::Connection::open(folder.join("plain.sqlite"))?;
    connection.execute_batch(
        "PRAGMA journal_mode = wal; PRAGMA synchronous = full; CREATE TABLE IF NOT EXISTS t(k INTEGER PRIMARY KEY, v BLOB)",
    )?;
    let started = now();
    for _ in 0..ROWS {
        connection.prepare_cached("INSERT INTO t(v) VALUES (zeroblob(100))")?.execute([])?;
    }
    Ok(f64::from(ROWS) / started.elapsed().as_secs_f64())
}

/// Jobs a second that are enqueued by many in each commit, one commit after the other.
fn bulk(server: &Server) -> anyhow::Result<f64> {
    let mut client = Client::new(server.address());
    let started = now();
    for _ in 0..JOBS / IN_ONE_COMMIT {
        let reply = client.get("x", &format!("/enqueue?n={IN_ONE_COMMIT}"))?;
        anyhow::ensure!(reply.status == 200, "enqueueing: {}", String::from_utf8_lossy(&reply.body));
    }
    Ok(f64::from(JOBS) / started.elapsed().as_secs_f64())
}

/// Lets the queue go until nothing is left; answers jobs a second.
async fn perform(admin: &Admin) -> anyhow::Result<f64> {
    let jobs = left(admin).await?;
    let started = now();
    admin.pause_queue("bench/bulk", false).await?;
    while left(admin).await? > 0 {
        anyhow::ensure!(started.elapsed() < PATIENCE, "the jobs are not done after {PATIENCE:?}");
        tokio::time::sleep(LOOK).await;
    }
    let rate = jobs as f64 / started.elapsed().as_secs_f64();
    admin.pause_queue("bench/bulk", true).await?;
    Ok(rate)
}

/// Jobs that have not ended.
async fn left(admin: &Admin) -> anyhow::Result<u64> {
    let queues = admin.queues(Some("bench")).await?;
    let bulk = queues.iter().find(|queue| queue.queue == "bulk").context("the queue is gone")?;
    let counts = &bulk.counts;
    anyhow::ensure!(counts.discarded + counts.retryable == 0, "a job that does nothing failed: {counts:?}");
    Ok(counts.available + counts.executing)
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn now() -> Instant {
    Instant::now()
}

impl Measured {
    fn print(&self, rounds: usize) {
        let rows = |figures: &[f64]| {
            let ratios: Vec<_> = figures.iter().zip(&self.rows).map(|(ours, rows)| ours / rows).collect();
            median(&ratios)
        };
        println!("jobs by guests, fsync on, medians of {rounds} rounds\n");
        println!("{:<58} {:>9} {:>9}", "", "per s", "of rows");
        println!("{:<58} {:>9.0} {:>9.2}", "plain SQLite, a row in each commit", median(&self.rows), 1.0);
        let line = |name: &str, figures: &[f64]| println!("{name:<58} {:>9.0} {:>9.2}", median(figures), rows(figures));
        line(&format!("enqueued, one for each request, {CALLERS} connections"), &self.enqueued);
        line(&format!("enqueued one by one, by {CALLERS} guests at once"), &self.each);
        line(&format!("enqueued, {IN_ONE_COMMIT} in each commit, one connection"), &self.bulk);
        line("performed, each in a fresh instance, 64 at once", &self.performed);
        println!(
            "\nan enqueue of {CALLERS} at once: p50 {:.0} us, p99 {:.0} us; from a request to the end of its job, one at a time: p50 {:.0} \
             us, p99 {:.0} us",
            median(&self.enqueue_p50),
            median(&self.enqueue_p99),
            median(&self.round_p50),
            median(&self.round_p99)
        );
    }
}
